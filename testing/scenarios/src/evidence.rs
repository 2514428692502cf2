//! What comparisons stand on, for a report: the counts at each weight, and the logarithms of the e-values.

use sluice_model::{Judgement, ReportEntry, Timestamp};

/// The comparisons among `judged`, those of a step that is judged now; without any, those of the last entry of
/// the log that has evidence.
pub(crate) fn describe(judged: &[Judgement], log: &[(Timestamp, ReportEntry)]) -> Vec<String> {
    let now = lines(judged);
    if !now.is_empty() {
        return now;
    }
    let logged = log.iter().rev().map(|(_, entry)| lines(&entry.evidence));
    let last = logged.into_iter().find(|lines| !lines.is_empty());
    last.unwrap_or_else(|| vec!["nothing was compared".to_owned()])
}

fn lines(judged: &[Judgement]) -> Vec<String> {
    judged.iter().filter_map(line).collect()
}

fn line(judged: &Judgement) -> Option<String> {
    let evidence = judged.measurement.as_ref()?.sequential()?;
    let counts: Vec<String> = evidence
        .counts
        .iter()
        .map(|it| {
            format!(
                "at {}: {} of {}, stable {} of {}",
                it.weight,
                it.canary_events,
                it.canary_requests,
                it.baseline_events,
                it.baseline_requests
            )
        })
        .collect();
    Some(format!(
        "{}: {:?}; {}; ln e: worse {:.2}, not worse {:.2}, split {:.2}",
        judged.check,
        judged.verdict,
        counts.join("; "),
        evidence.log_e_worse,
        evidence.log_e_not_worse,
        evidence.log_e_split
    ))
}

//! What was found as text: what the history has, the present checks in it, what is proposed, and the block to paste.

use super::Tuned;
use super::yaml::{amount, number, share, word};
use crate::cli::table::Table;
use crate::view::text::{Line, Tone};
use sluice_model::plan::{Limit, Metric};
use sluice_model::time::format_span;
use sluice_tuning::{Findings, Judged, Margin, Proposal, Rate};
use std::time::Duration;

pub(super) fn lines(tuned: &Tuned) -> Vec<Line> {
    let findings = &tuned.findings;
    let mut lines = title(tuned);
    if let Some(more) = findings.more {
        lines.push(too_little(findings, more));
    }
    lines.push(Line::new());
    lines.push(strong("The checks that the document has"));
    lines.extend(present(findings).lines());
    lines.push(together("thresholds", &findings.present_together));
    lines.push(Line::new());
    lines.push(strong("Limits that the history gives"));
    lines.extend(proposals(findings).lines());
    lines.push(together("limits marked *", &findings.proposed_together));
    let waiting: Vec<Line> = findings.comparisons.iter().filter_map(waiting).collect();
    if !waiting.is_empty() {
        lines.push(Line::new());
        lines.extend(waiting);
    }
    if !tuned.yaml.is_empty() {
        lines.push(Line::new());
        lines.push(quiet("For the release in the document:".to_owned()));
        lines.extend(
            tuned
                .yaml
                .lines()
                .map(|line| Line::new().with(Tone::Plain, line)),
        );
    }
    lines.push(Line::new());
    lines.extend(
        findings
            .notes
            .iter()
            .map(|note| quiet(format!("note: {note}"))),
    );
    lines
}

fn title(tuned: &Tuned) -> Vec<Line> {
    let findings = &tuned.findings;
    let coverage = &findings.coverage;
    let left_out = match (coverage.in_rollouts, coverage.unhealthy) {
        (0, 0) => String::new(),
        (rollouts, unhealthy) => {
            format!(" (left out: {rollouts} of rollouts, {unhealthy} with replicas missing)")
        }
    };
    let history = format!(
        "{} minutes from {} to {}{left_out}",
        coverage.minutes,
        day(&coverage.from.to_string()),
        day(&coverage.until.to_string()),
    );
    let traffic = format!(
        "{} requests; {}/s in the median minute, {}/s in a quiet one",
        coverage.requests,
        rounded(coverage.rate_median),
        rounded(coverage.rate_quiet),
    );
    let rollouts = format!(
        "{} rollouts of {} replayed with a new side that is as good as the old one; they tell as much as {:.0} independent ones",
        findings.rollouts,
        format_span(findings.rollout),
        findings.effective.floor(),
    );
    let first = Line::new()
        .with(Tone::Strong, tuned.service.as_str())
        .with(Tone::Quiet, format!("  {}", tuned.strategy));
    let rest = [history, traffic, rollouts].into_iter();
    std::iter::once(first)
        .chain(rest.map(|text| quiet(format!("  {text}"))))
        .collect()
}

/// `2026-11-21 15:06` of a time in RFC 3339.
fn day(time: &str) -> String {
    let text: String = time.chars().take(16).collect();
    text.replace('T', " ")
}

fn too_little(findings: &Findings, more: Duration) -> Line {
    let hours = more.as_secs_f64() / 3_600.0;
    let more = if hours < 100.0 {
        format!("{} more hours", hours.ceil())
    } else {
        format!("{} more days", (hours / 24.0).ceil())
    };
    let text = format!(
        "too little history to show {} false alarms: it needs about {more}; what is proposed may raise up to {} (`--target` takes what can be shown)",
        share(findings.target),
        percent(findings.target_min),
    );
    Line::new()
        .with(Tone::Warn, "warning: ")
        .with(Tone::Plain, text)
}

fn present(findings: &Findings) -> Table {
    let mut table = Table::new(&[
        "CHECK",
        "LIMIT",
        "FALSE ALARMS (95 %)",
        "DECIDED IN ITS BAKES",
    ]);
    for Judged {
        check,
        metric,
        limit,
        alarms,
        in_time,
    } in &findings.present
    {
        let tone = match alarms {
            Some(rate) if rate.low > findings.target => Tone::Bad,
            Some(rate) if rate.share > findings.target => Tone::Warn,
            _ => Tone::Plain,
        };
        let in_time = in_time.map_or(String::new(), |rate| percent(rate.share));
        table.row(vec![
            (Tone::Strong, check.to_string()),
            (Tone::Plain, said(*metric, limit)),
            (
                tone,
                alarms.map_or("not replayed".to_owned(), |rate| rate_of(&rate)),
            ),
            (Tone::Plain, in_time),
        ]);
    }
    table
}

fn proposals(findings: &Findings) -> Table {
    let mut table = Table::new(&["CHECK", "", "LIMIT", "USUALLY", "FALSE ALARMS (95 %)"]);
    for Proposal {
        check,
        metric,
        limit,
        usual,
        alarms,
        chosen,
    } in &findings.proposals
    {
        let tone = if *chosen { Tone::Plain } else { Tone::Quiet };
        table.row(vec![
            (
                if *chosen { Tone::Strong } else { Tone::Quiet },
                check.to_string(),
            ),
            (tone, if *chosen { "*" } else { "" }.to_owned()),
            (tone, said(*metric, limit)),
            (
                tone,
                usual.map_or(String::new(), |usual| shown(*metric, usual)),
            ),
            (tone, rate_of(alarms)),
        ]);
    }
    table
}

fn together(what: &str, rate: &Rate) -> Line {
    quiet(format!("the {what} together: {}", rate_of(rate)))
}

/// A comparison that is not decided in time.
fn waiting(margin: &Margin) -> Option<Line> {
    if margin.waits == Some(Duration::ZERO) {
        return None;
    }
    let waits = match margin.waits {
        Some(waits) => format!(
            "lets a step wait about {} beyond its bake",
            format_span(Duration::from_secs(waits.as_secs().max(1)))
        ),
        None => "is not decided by any number of requests".to_owned(),
    };
    let remedy = match margin.accept_margin {
        Some(accept) => format!(
            "with `acceptMargin: {}` (now {}) it is expected to be decided in time",
            share(accept),
            share(margin.limit.accept_margin)
        ),
        None => {
            "no margin decides it in time; give the steps longer bakes, or more weight".to_owned()
        }
    };
    let text = format!(
        "the comparison `{}` ({}) {waits} at this traffic; {remedy}",
        margin.check,
        word(margin.metric)
    );
    Some(Line::new().with(Tone::Plain, text))
}

fn said(metric: Metric, limit: &Limit) -> String {
    match limit {
        Limit::Max(value) => format!("{} at most {}", word(metric), shown(metric, *value)),
        Limit::Min(value) => format!("{} at least {}", word(metric), shown(metric, *value)),
        Limit::RelativeMax { factor, margin } => format!(
            "{} at most {}x + {}",
            word(metric),
            number(*factor),
            shown(metric, *margin)
        ),
        Limit::RelativeMin { factor, margin } => format!(
            "{} at least {}x - {}",
            word(metric),
            number(*factor),
            shown(metric, *margin)
        ),
        Limit::NotWorse(_) => format!("{} not worse", word(metric)),
        Limit::Trend(_) => format!("{} does not grow without end", word(metric)),
        Limit::Alarm(_) => format!("{} over several periods", word(metric)),
        Limit::Condition(condition) => condition.text.clone(),
        Limit::Score(score) => format!("{} at least {}", word(metric), number(score.pass)),
        Limit::Goal(_) => format!("{} as often", word(metric)),
    }
}

/// A value for people: not more than three digits.
fn shown(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Latency(_) | Metric::Memory => amount(metric, value),
        Metric::RequestRate => format!("{}/s", rounded(value)),
        Metric::Cpu => rounded(value),
        _ => percent(value),
    }
}

fn rate_of(rate: &Rate) -> String {
    format!(
        "{} ({}–{})",
        percent(rate.share),
        percent(rate.low).trim_end_matches('%'),
        percent(rate.high)
    )
}

fn percent(value: f64) -> String {
    format!("{}%", rounded(value * 100.0))
}

fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn strong(text: &str) -> Line {
    Line::new().with(Tone::Strong, text)
}

fn quiet(text: String) -> Line {
    Line::new().with(Tone::Quiet, text)
}

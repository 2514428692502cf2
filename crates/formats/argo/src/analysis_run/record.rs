//! Counts what was measured.

use super::{Measured, Plan, Work, result, stored, unfinished};
use crate::api::{AnalysisPhase, AnalysisRunStatus, Measurement, MetricResult, Time};
use std::collections::BTreeMap;

/// Time after which an unfinished measurement is looked at again that names no time itself.
const RESUME_RETRY_MS: i64 = 10_000;
/// Longest value and message of a measurement: with all that are kept, a run must not outgrow what an API server stores.
const TEXT_CHARS_MAX: usize = 4_096;

/// Takes a measurement into the status. One of a metric that is not in the run, or that has ended, changes
/// nothing; neither does one that was looked at again and is no longer the newest unfinished one.
pub(super) fn record(plan: &Plan<'_>, status: &mut AnalysisRunStatus, measured: &Measured) {
    let name = &measured.metric;
    if !plan.metrics.iter().any(|metric| metric.name == *name) {
        return;
    }
    let before = result(status, name);
    let pending = before.and_then(unfinished);
    let fits = match measured.work {
        Work::Start => pending.is_none(),
        Work::Resume | Work::Terminate => {
            let started = measured.measurement.started_at.map(in_seconds);
            pending.is_some_and(|pending| pending.started_at.map(in_seconds) == started)
        }
    };
    if !fits || before.is_some_and(|before| before.phase.is_completed()) {
        return;
    }
    if before.is_none() {
        status.metric_results.push(MetricResult {
            name: name.clone(),
            phase: AnalysisPhase::Running,
            dry_run: plan.dry_run.contains(name),
            metadata: redacted(plan, &measured.metadata),
            ..MetricResult::default()
        });
    }
    let found = status
        .metric_results
        .iter_mut()
        .find(|result| result.name == *name);
    let Some(found) = found else { return };
    if found.metadata.is_empty() {
        // An error had none.
        found.metadata = redacted(plan, &measured.metadata);
    }
    let measurement = finished(plan, measured);
    count(found, &measurement.phase);
    match (measured.work, found.measurements.last_mut()) {
        (Work::Resume | Work::Terminate, Some(last)) => *last = measurement,
        _ => found.measurements.push(measurement),
    }
}

/// The measurement as it is kept: with its times, and without secrets.
fn finished(plan: &Plan<'_>, measured: &Measured) -> Measurement {
    let secrets = plan.input.secrets;
    let mut measurement = measured.measurement.clone();
    let now = stored(plan.now());
    measurement.started_at = Some(measurement.started_at.map_or(now, in_seconds));
    measurement.finished_at = measurement.finished_at.map(in_seconds);
    measurement.resume_at = measurement.resume_at.map(in_seconds);
    if measurement.phase.is_completed() {
        measurement.finished_at.get_or_insert(now);
    } else {
        measurement.finished_at = None;
    }
    let is_due_already = measurement.resume_at.is_none_or(|at| at.0 <= plan.now());
    if measured.work == Work::Resume && measurement.finished_at.is_none() && is_due_already {
        // Looked at in vain: whoever looks again at once would never stop.
        measurement.resume_at = Some(stored(plan.now().shifted(RESUME_RETRY_MS)));
    }
    let is_cut_off = measured.work == Work::Terminate
        && matches!(
            measurement.phase,
            AnalysisPhase::Successful | AnalysisPhase::Inconclusive
        );
    if is_cut_off {
        measurement.message = "Metric Terminated".to_owned();
    }
    measurement.message = cut(secrets.redact(&measurement.message));
    measurement.value = cut(secrets.redact(&measurement.value));
    measurement.metadata = redacted(plan, &measurement.metadata);
    measurement
}

/// A text that is not longer than an object has room for.
fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A time as it is read back after it was stored.
fn in_seconds(time: Time) -> Time {
    stored(time.0)
}

fn redacted(plan: &Plan<'_>, metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    metadata
        .iter()
        .map(|(key, value)| (key.clone(), plan.input.secrets.redact(value)))
        .collect()
}

/// An error counts as no measurement, and ends a row of good ones; anything else ends a row of errors.
fn count(result: &mut MetricResult, phase: &AnalysisPhase) {
    let add = |counter: &mut i32| *counter = counter.saturating_add(1);
    match phase {
        AnalysisPhase::Successful => add(&mut result.successful),
        AnalysisPhase::Failed => add(&mut result.failed),
        AnalysisPhase::Inconclusive => add(&mut result.inconclusive),
        AnalysisPhase::Error => {
            add(&mut result.error);
            add(&mut result.consecutive_error);
            result.consecutive_success = 0;
            return;
        }
        _ => return,
    }
    add(&mut result.count);
    result.consecutive_error = 0;
    if *phase == AnalysisPhase::Successful {
        add(&mut result.consecutive_success);
    } else {
        result.consecutive_success = 0;
    }
}

//! What is due now, and when the next is.

use super::{Plan, Task, Work, result, unresolved};
use crate::api::{AnalysisPhase, AnalysisRunStatus, DurationText, Measurement, Metric};
use crate::arguments::{Resolution, resolve_metrics};
use sluice_model::time::Timestamp;

/// Time after which a measurement in error is repeated, whatever the interval.
const ERROR_RETRY_MS: i64 = 10_000;
/// Shortest time between measurements: times are stored in whole seconds.
const MIN_INTERVAL_MS: i64 = 1_000;

/// What is to be done for the metric at a place of the spec.
pub(super) struct Due {
    at: usize,
    work: Work,
    measurement: Option<Measurement>,
}

/// What comes next for a metric.
enum Next {
    /// Something is due.
    Now(Work, Option<Measurement>),
    /// Something will be.
    At(Timestamp),
    /// Nothing more.
    Never,
}

/// What should be under way.
pub(super) fn due(plan: &Plan<'_>, status: &AnalysisRunStatus) -> Vec<Due> {
    let metrics = plan.metrics.iter().enumerate();
    metrics
        .filter_map(|(at, metric)| match next(plan, status, metric) {
            Next::Now(work, measurement) => Some(Due {
                at,
                work,
                measurement,
            }),
            Next::At(_) | Next::Never => None,
        })
        .collect()
}

/// When the first of the metrics is due that is not due now.
pub(super) fn wake_at(plan: &Plan<'_>, status: &AnalysisRunStatus) -> Option<Timestamp> {
    let metrics = plan.metrics.iter();
    metrics
        .filter_map(|metric| match next(plan, status, metric) {
            Next::At(moment) => Some(moment),
            Next::Now(..) | Next::Never => None,
        })
        .min()
}

/// The tasks with all values in place.
pub(super) fn tasks(plan: &Plan<'_>, due: Vec<Due>) -> Result<Vec<Task>, String> {
    let spec = &plan.input.run.spec;
    let with_secrets = Resolution::WithSecrets(plan.input.secrets);
    let resolved = resolve_metrics(&spec.metrics, &spec.args, with_secrets)
        .map_err(|error| unresolved(&plan.input.secrets.redact(&error.0)))?;
    Ok(due
        .into_iter()
        .map(|due| Task {
            metric: resolved[due.at].clone(),
            work: due.work,
            measurement: due.measurement,
        })
        .collect())
}

fn next(plan: &Plan<'_>, status: &AnalysisRunStatus, metric: &Metric) -> Next {
    let terminating = plan.is_terminating(status);
    let found = result(status, &metric.name);
    if found.is_some_and(|found| found.phase.is_completed()) {
        return Next::Never;
    }
    let last = found.and_then(|found| found.measurements.last());
    if let Some(pending) = last.filter(|last| last.finished_at.is_none()) {
        let resume_at = pending.resume_at.map_or(Timestamp(i64::MIN), |time| time.0);
        return match (terminating, resume_at > plan.now()) {
            (true, _) => Next::Now(Work::Terminate, Some(pending.clone())),
            (false, true) => Next::At(resume_at),
            (false, false) => Next::Now(Work::Resume, Some(pending.clone())),
        };
    }
    if terminating {
        return Next::Never;
    }
    let at = match (found, last) {
        (Some(found), Some(last)) => {
            let enough = metric.effective_count();
            if enough.is_some_and(|enough| found.count >= enough) {
                return Next::Never;
            }
            let finished = last.finished_at.map_or(plan.now(), |time| time.0);
            finished.shifted(wait_ms(metric, last))
        }
        _ => {
            let started = status.started_at.map_or(plan.now(), |time| time.0);
            started.shifted(milliseconds(&metric.initial_delay).unwrap_or(0).max(0))
        }
    };
    if at <= plan.now() {
        Next::Now(Work::Start, None)
    } else {
        Next::At(at)
    }
}

/// How long after a measurement the next one follows.
fn wait_ms(metric: &Metric, last: &Measurement) -> i64 {
    if last.phase == AnalysisPhase::Error {
        return ERROR_RETRY_MS;
    }
    milliseconds(&metric.interval)
        .unwrap_or(ERROR_RETRY_MS)
        .max(MIN_INTERVAL_MS)
}

/// A duration that validation has read; `None` when none is written.
fn milliseconds(text: &DurationText) -> Option<i64> {
    text.nanoseconds().ok().map(|ns| ns / 1_000_000)
}

//! What the counts of one metric mean.

use crate::api::{
    AnalysisPhase, DEFAULT_CONSECUTIVE_ERROR_LIMIT, IntOrString, Metric, MetricResult,
};

/// The phase of a metric. One that has ended stays what it is.
pub(super) fn phase(metric: &Metric, result: &MetricResult, terminating: bool) -> AnalysisPhase {
    if result.phase.is_completed() {
        return result.phase.clone();
    }
    let Some(last) = result.measurements.last() else {
        return if terminating {
            AnalysisPhase::Successful
        } else {
            AnalysisPhase::Pending
        };
    };
    if !last.phase.is_completed() {
        return AnalysisPhase::Running;
    }
    if let Some((phase, _)) = exceeded(metric, result) {
        return phase;
    }
    let needed = successes_needed(metric);
    if needed > 0 && result.consecutive_success >= needed {
        return AnalysisPhase::Successful;
    }
    let is_counted = metric
        .effective_count()
        .is_some_and(|count| result.count >= count);
    if is_counted {
        let tolerates_failures = failure_limit(metric) < 0;
        return match (needed > 0, tolerates_failures) {
            (true, false) => AnalysisPhase::Inconclusive,
            (true, true) => AnalysisPhase::Failed,
            (false, _) => AnalysisPhase::Successful,
        };
    }
    if !terminating {
        return AnalysisPhase::Running;
    }
    if is_never_good(result) {
        // Argo says Successful, and a rollout goes on without one good measurement (its issue 4479).
        return last.phase.clone();
    }
    AnalysisPhase::Successful
}

/// Why a metric ended otherwise than well, for people.
pub(super) fn reason(metric: &Metric, result: &MetricResult) -> Option<String> {
    if let Some((_, reason)) = exceeded(metric, result) {
        return Some(reason);
    }
    if !result.phase.is_completed() || result.phase == AnalysisPhase::Successful {
        return None;
    }
    let needed = successes_needed(metric);
    let is_counted = metric
        .effective_count()
        .is_some_and(|count| result.count >= count);
    if needed > 0 && is_counted {
        return Some(format!(
            "consecutiveSuccess ({}) < consecutiveSuccessLimit ({needed})",
            result.consecutive_success
        ));
    }
    is_never_good(result).then(|| {
        format!(
            "no successful measurement: {} failed, {} inconclusive, {} in error",
            result.failed, result.inconclusive, result.error
        )
    })
}

/// The limit that the counts are beyond; the last that is decides: failures, inconclusive ones, errors.
fn exceeded(metric: &Metric, result: &MetricResult) -> Option<(AnalysisPhase, String)> {
    let errors = limit(
        metric.consecutive_error_limit.as_ref(),
        DEFAULT_CONSECUTIVE_ERROR_LIMIT,
    );
    if result.consecutive_error > errors {
        let count = result.consecutive_error;
        return Some((
            AnalysisPhase::Error,
            format!("consecutiveErrors ({count}) > consecutiveErrorLimit ({errors})"),
        ));
    }
    let inconclusive = limit(metric.inconclusive_limit.as_ref(), 0);
    if result.inconclusive > inconclusive {
        let count = result.inconclusive;
        return Some((
            AnalysisPhase::Inconclusive,
            format!("inconclusive ({count}) > inconclusiveLimit ({inconclusive})"),
        ));
    }
    let failures = failure_limit(metric);
    (failures >= 0 && result.failed > failures).then(|| {
        let count = result.failed;
        (
            AnalysisPhase::Failed,
            format!("failed ({count}) > failureLimit ({failures})"),
        )
    })
}

/// Whether measurements went wrong, and none was good.
fn is_never_good(result: &MetricResult) -> bool {
    result.successful == 0 && (result.failed > 0 || result.error > 0)
}

fn failure_limit(metric: &Metric) -> i32 {
    limit(metric.failure_limit.as_ref(), 0)
}

/// Good measurements in a row that are enough; 0 when that is no rule of the metric.
fn successes_needed(metric: &Metric) -> i32 {
    limit(metric.consecutive_success_limit.as_ref(), 0)
}

fn limit(written: Option<&IntOrString>, default: i32) -> i32 {
    written.map_or(default, IntOrString::int_value)
}

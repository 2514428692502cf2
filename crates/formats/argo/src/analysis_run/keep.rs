//! How much of a run is kept, and for how long.

use super::Plan;
use crate::api::{AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement};
use sluice_model::time::Timestamp;

/// Takes the oldest measurements of each metric off, down to the number that it keeps; these are returned.
pub(super) fn trim(plan: &Plan<'_>, status: &mut AnalysisRunStatus) -> Vec<Measurement> {
    let mut gone = Vec::new();
    for result in &mut status.metric_results {
        let Some(kept) = plan.retained.get(&result.name) else {
            continue;
        };
        let surplus = result.measurements.len().saturating_sub(*kept);
        gone.extend(result.measurements.drain(..surplus));
    }
    gone
}

/// When a run that has ended may be deleted. How it ended decides, where the strategy says something for that.
pub(super) fn delete_at(run: &AnalysisRun) -> Option<Timestamp> {
    let strategy = run.spec.ttl_strategy.as_ref()?;
    let by_phase = match run.status.phase {
        AnalysisPhase::Successful => strategy.seconds_after_success,
        AnalysisPhase::Failed => strategy.seconds_after_failure,
        _ => None,
    };
    let seconds = by_phase.or(strategy.seconds_after_completion)?;
    let ended = run.status.completed_at?;
    Some(ended.0.shifted(i64::from(seconds.max(0)) * 1_000))
}

//! What the metrics mean for the run.

use super::{Plan, RunDecision, judge, result, stored, unfinished};
use crate::api::{AnalysisPhase, AnalysisRunStatus, MetricResult, RunSummary};
use crate::event::Event;

/// Brings the phases of the metrics and of the run up to date, with the events that this makes.
pub(super) fn assess(plan: &Plan<'_>, decision: &mut RunDecision) {
    let mut terminating = plan.is_terminating(&decision.status);
    metrics(plan, decision, terminating);
    // A metric that goes wrong ends the others.
    if !terminating && plan.is_terminating(&decision.status) {
        terminating = true;
        metrics(plan, decision, terminating);
    }
    let (run, dry_run) = summaries(plan, &decision.status);
    decision.status.run_summary = run;
    decision.status.dry_run_summary = Some(dry_run);
    let (phase, message) = outcome(plan, &decision.status, terminating);
    if decision.status.phase == phase {
        return;
    }
    if phase.is_completed() {
        decision.events.push(completed(&phase));
        let now = stored(plan.now());
        decision.status.completed_at.get_or_insert(now);
    }
    decision.status.phase = phase;
    decision.status.message = message;
}

/// The event of a run's end.
pub(super) fn completed(phase: &AnalysisPhase) -> Event {
    let word = phase.as_str();
    Event {
        warning: is_bad(phase),
        reason: format!("AnalysisRun{word}"),
        message: format!("Analysis Completed. Result: {word}"),
    }
}

fn is_bad(phase: &AnalysisPhase) -> bool {
    matches!(phase, AnalysisPhase::Error | AnalysisPhase::Failed)
}

/// The phases and messages of all metrics that were measured.
fn metrics(plan: &Plan<'_>, decision: &mut RunDecision, terminating: bool) {
    for metric in &plan.metrics {
        let results = &mut decision.status.metric_results;
        let found = results.iter_mut().find(|result| result.name == metric.name);
        let Some(found) = found else { continue };
        let phase = judge::phase(metric, found, terminating);
        if found.phase != phase {
            if phase.is_completed() {
                decision.events.push(Event {
                    warning: is_bad(&phase),
                    reason: format!("Metric{}", phase.as_str()),
                    message: format!(
                        "Metric '{}' Completed. Result: {}",
                        metric.name,
                        phase.as_str()
                    ),
                });
            }
            if let Some(last) = found.measurements.last() {
                found.message.clone_from(&last.message);
            }
            found.phase = phase;
        }
        let is_dry = plan.dry_run.contains(&metric.name);
        let reason = judge::reason(metric, found).filter(|_| is_dry && found.phase.is_completed());
        if let Some(reason) = reason {
            found.message = format!("Metric assessed {} due to {reason}", found.phase.as_str());
        }
    }
}

/// The metrics by phase: those with consequences, and those without.
fn summaries(plan: &Plan<'_>, status: &AnalysisRunStatus) -> (RunSummary, RunSummary) {
    let (mut run, mut dry_run) = (RunSummary::default(), RunSummary::default());
    for metric in &plan.metrics {
        let summary = if plan.dry_run.contains(&metric.name) {
            &mut dry_run
        } else {
            &mut run
        };
        summary.count += 1;
        match result(status, &metric.name).map(|result| &result.phase) {
            Some(AnalysisPhase::Successful) => summary.successful += 1,
            Some(AnalysisPhase::Failed) => summary.failed += 1,
            Some(AnalysisPhase::Inconclusive) => summary.inconclusive += 1,
            Some(AnalysisPhase::Error) => summary.error += 1,
            _ => {}
        }
    }
    (run, dry_run)
}

/// The phase of the run, that of its worst metric, and why.
fn outcome(
    plan: &Plan<'_>,
    status: &AnalysisRunStatus,
    terminating: bool,
) -> (AnalysisPhase, String) {
    let results: Vec<Option<&MetricResult>> = plan
        .metrics
        .iter()
        .map(|metric| result(status, &metric.name))
        .collect();
    let all_ended = results
        .iter()
        .all(|found| found.is_some_and(|found| found.phase.is_completed()));
    let some_under_way = results
        .iter()
        .flatten()
        .any(|found| !found.phase.is_completed() && unfinished(found).is_some());
    let may_end = if terminating {
        !some_under_way
    } else {
        all_ended
    };
    if !may_end {
        return (AnalysisPhase::Running, String::new());
    }
    let mut worst = AnalysisPhase::Successful;
    let mut message = String::new();
    if plan.input.run.spec.terminate {
        "Run Terminated".clone_into(&mut message);
    }
    for (metric, found) in plan.metrics.iter().zip(results) {
        let Some(found) = found.filter(|_| !plan.dry_run.contains(&metric.name)) else {
            continue;
        };
        if badness(&found.phase) <= badness(&worst) {
            continue;
        }
        worst = found.phase.clone();
        if let Some(reason) = judge::reason(metric, found) {
            message = format!(
                "Metric \"{}\" assessed {} due to {reason}",
                metric.name,
                found.phase.as_str()
            );
            if !found.message.is_empty() {
                message.push_str(&format!(": \"Error Message: {}\"", found.message));
            }
        }
    }
    (worst, message)
}

/// How bad an end is; the greater the worse.
fn badness(phase: &AnalysisPhase) -> u8 {
    match phase {
        AnalysisPhase::Inconclusive => 1,
        AnalysisPhase::Error => 2,
        AnalysisPhase::Failed => 3,
        _ => 0,
    }
}

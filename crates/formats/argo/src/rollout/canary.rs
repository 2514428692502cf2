//! One turn of a canary: pods and traffic follow the step, then the step may be done.

use super::pauses::{self, STEP};
use super::step_hash::step_hash;
use super::turn::Turn;
use super::{
    analyses, experiments, history, metadata, phase, promotion, restart, scaling, services, status,
    traffic,
};
use crate::api::{CanaryStep, RolloutPause};
use crate::workload::current_step;
use sluice_model::time::Timestamp;
use std::time::Duration;

pub(super) fn run(turn: &mut Turn<'_>) {
    if status::is_new_template(turn) || has_new_steps(turn) {
        sync_status(turn, true);
        return;
    }
    if restart::run(turn) {
        turn.only_evicts = true;
        return;
    }
    metadata::sync(turn);
    history::tidy(turn);
    services::of_canary(turn);
    let is_routed = traffic::route(turn);
    services::of_canary_without_pods(turn, is_routed);
    experiments::run(turn);
    analyses::run(turn);
    let is_halted = turn.pauses.any_added() || turn.lacks_analysis;
    if !is_halted && !scaling::canary(turn) {
        pause(turn);
    }
    sync_status(turn, is_routed);
}

/// Whether other steps are asked for than when the status was written, or none were noted.
pub(super) fn has_new_steps(turn: &Turn<'_>) -> bool {
    let noted = &turn.rollout.status.current_step_hash;
    noted.is_empty() || *noted != step_hash(turn.rollout)
}

/// Begins a step's pause, and comes back when it is over.
fn pause(turn: &mut Turn<'_>) {
    let status = &turn.rollout.status;
    // One that is aborted waits for somebody, and not for the end of a pause: that began anew each time.
    if turn.rollout.spec.paused || status.promote_full || turn.is_aborted() {
        return;
    }
    let Some(pause) = current_step(turn.rollout).and_then(|(_, step)| step.pause.as_ref()) else {
        return;
    };
    match pauses::condition(status, STEP) {
        // With the mark of a pause and no pause, somebody let it go on.
        None if !status.controller_pause || !status.pause_conditions.is_empty() => {
            turn.pauses.add(STEP);
            if let Some(end) = end_of(pause, turn.now) {
                turn.wake(end);
            }
        }
        None => {}
        Some(condition) => {
            if let Some(end) = end_of(pause, condition.start_time.0) {
                turn.wake(end);
            }
        }
    }
}

fn end_of(pause: &RolloutPause, from: Timestamp) -> Option<Timestamp> {
    // A duration that is none is refused before.
    let seconds = pause.seconds().ok().flatten()?;
    let span = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(from.after(span).shifted(1))
}

fn sync_status(turn: &mut Turn<'_>, is_routed: bool) {
    status::base(turn);
    let rollout = turn.rollout;
    let before = &rollout.status;
    turn.next.available_replicas = turn.sum(|set| set.status.available_replicas);
    turn.next.hpa_replicas = turn.countable(turn.next.replicas);
    let selector = rollout.spec.selector.clone().unwrap_or_default();
    turn.next.selector = status::selector_text(&selector);
    turn.next.canary.stable_ping_pong = before.canary.stable_ping_pong.clone();
    turn.next.canary.step_plugin_statuses = before.canary.step_plugin_statuses.clone();
    turn.next.stable_rs = before.stable_rs.clone();
    turn.next.current_step_hash = step_hash(rollout);
    let steps = turn.steps();
    if status::is_new_template(turn) || has_new_steps(turn) {
        begin(turn, steps);
    } else {
        go_on(turn, steps, is_routed);
    }
    status::persist(turn);
}

/// A new update. One that goes back to stable, or to a recent revision that still has pods, skips the steps.
fn begin(turn: &mut Turn<'_>, steps: i32) {
    status::reset(turn);
    if steps == 0 {
        return;
    }
    let goes_to_stable = turn.rollout.status.stable_rs == turn.new_hash();
    let has_pods = turn.new_set().is_some_and(|set| set.desired() > 0);
    if goes_to_stable {
        turn.event("SkipSteps", "Rollback to stable ReplicaSets");
    } else if promotion::within_window(turn) && has_pods {
        turn.event(
            "SkipSteps",
            "Rollback to active ReplicaSets within RollbackWindow",
        );
    } else {
        return;
    }
    turn.next.current_step_index = Some(steps);
}

fn go_on(turn: &mut Turn<'_>, steps: i32, is_routed: bool) {
    let status = &turn.rollout.status;
    let mut index = (steps > 0).then(|| status.current_step_index.unwrap_or(0));
    if status.promote_full || promotion::within_window(turn) {
        turn.pauses.clear();
        turn.pauses.remove_abort();
        index = (steps > 0).then_some(steps);
    }
    if let Some(reason) = promotion::due(turn) {
        promotion::promote(turn, &reason);
        return;
    }
    if turn.is_aborted() {
        if steps > 0 {
            let is_stable = turn.next.stable_rs == turn.next.current_pod_hash;
            turn.next.current_step_index = Some(if is_stable { steps } else { 0 });
        }
        return;
    }
    if let Some((_, step)) =
        current_step(turn.rollout).filter(|(_, step)| is_done(turn, step, is_routed))
    {
        // A step that was skipped to the end stays there.
        let next = index.map_or(1, |index| (index + 1).min(steps));
        index = Some(next);
        turn.next.canary.current_step_analysis_run_status = None;
        let message = format!(
            "Rollout step {next}/{steps} completed ({})",
            phase::step_text(step)
        );
        turn.event("RolloutStepCompleted", message);
        turn.pauses.remove(STEP);
    }
    turn.next.current_step_index = index;
}

/// Whether the present step has done what it is for.
fn is_done(turn: &Turn<'_>, step: &CanaryStep, is_routed: bool) -> bool {
    if turn.rollout.spec.paused || turn.lacks_analysis {
        return false;
    }
    let weights = turn.next.canary.weights.as_ref();
    if let Some(pause) = &step.pause {
        return is_over(turn, pause);
    }
    if step.set_canary_scale.is_some() {
        return scaling::is_reached(turn, weights);
    }
    if step.set_weight.is_some() {
        // Without its traffic the step is not done, whatever its pods.
        return is_routed
            && scaling::is_reached(turn, weights)
            && weights.is_none_or(|weights| weights.verified != Some(false));
    }
    if step.experiment.is_some() {
        return experiments::is_successful(turn);
    }
    if let Some(analysis) = &step.analysis {
        // One that names nothing says nothing.
        return analysis.templates.is_empty() || analyses::is_successful(turn.runs.step);
    }
    if step.set_header_route.is_some() || step.set_mirror_route.is_some() {
        return is_routed;
    }
    false
}

/// Whether a pause is over: somebody let it go on, or its time is up.
fn is_over(turn: &Turn<'_>, pause: &RolloutPause) -> bool {
    let status = &turn.rollout.status;
    match pauses::condition(status, STEP) {
        // While it waits for something else nobody has.
        None => status.controller_pause && status.pause_conditions.is_empty(),
        Some(condition) => end_of(pause, condition.start_time.0).is_some_and(|end| turn.now >= end),
    }
}

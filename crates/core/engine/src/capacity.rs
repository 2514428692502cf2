//! The replicas that a step needs: starting them, waiting for them, and what they lack.

use crate::turn::Turn;
use crate::{ending, guards, steps, traffic};
use sluice_model::plan::Exposure;
use sluice_model::status::{RolloutState, Stage};
use sluice_model::time::format_span;
use sluice_model::{Rule, Timestamp};

/// Whether the step's traffic moves along with its replicas. (A recreate has an outage instead, which
/// says nothing about the new revision.)
pub(crate) fn rolls(exposure: &Exposure) -> bool {
    matches!(exposure, Exposure::Rolling { .. })
}

/// The step's replicas start (or, for a step that replaces in place, the replacing does).
pub(crate) fn enter_scaling(turn: &mut Turn<'_>, step: u32) {
    let since = turn.now;
    let stage = Stage::Scaling { since, reached: 0 };
    give_up_kept(turn, step);
    turn.enter(RolloutState::Stepping { step, stage });
}

/// Where revisions must not run side by side, none is kept for later.
pub(crate) fn give_up_kept(turn: &mut Turn<'_>, step: u32) {
    if matches!(turn.step(step).exposure, Exposure::Recreate) {
        turn.status.kept.clear();
    }
}

/// From now on what is measured belongs to this step: where it rolls, as soon as the first replica
/// serves, else when all are there.
pub(crate) fn traffic_begins(turn: &mut Turn<'_>, step: u32) {
    let now = turn.now;
    // A skipped plan has no checks, and its single switch is none of the plan's steps.
    if let Some(rollout) = turn.rollout_mut()
        && !rollout.fast
    {
        rollout.traffic_step = Some(step);
        rollout.traffic_since = Some(now);
    }
}

/// A replica that was kept may have restarted long ago: only restarts from now on are the rollout's.
pub(crate) fn count_restarts_from_here(turn: &mut Turn<'_>) {
    let Some(target) = turn.rollout().map(|rollout| rollout.target) else {
        return;
    };
    let restarts = turn.counts(target).restarts_max;
    if let Some(rollout) = turn.rollout_mut() {
        rollout.restarts_before = restarts;
    }
}

/// Waits for a step's replicas, and goes on when they are available.
pub(crate) fn scaling(turn: &mut Turn<'_>, index: u32, since: Timestamp, reached: u32) -> bool {
    let Some(target) = turn.rollout().map(|rollout| rollout.target) else {
        return false;
    };
    let available = turn.counts(target).available;
    let Some(text) = lacking(turn, index) else {
        turn.note(
            Rule::CapacityReady,
            format!(
                "revision {target} has {}",
                number_of(available, "available replica", "available replicas")
            ),
        );
        if steps::keeps_stable(&turn.step(index).exposure) {
            let hook = steps::first_hook(turn.now);
            let stage = Stage::Before { hook };
            turn.enter(RolloutState::Stepping { step: index, stage });
        } else {
            steps::enter_baking(turn, index);
        }
        return true;
    };
    if available > reached {
        if reached == 0 && rolls(&turn.step(index).exposure) {
            traffic_begins(turn, index);
        }
        let stage = Stage::Scaling {
            since: turn.now,
            reached: available,
        };
        turn.enter(RolloutState::Stepping { step: index, stage });
        return true;
    }
    wait_for_replicas(turn, since, text)
}

/// Waits for replicas as long as the plan allows; returns whether that ended the rollout.
pub(crate) fn wait_for_replicas(turn: &mut Turn<'_>, since: Timestamp, text: String) -> bool {
    if turn.now.since(since) <= turn.plan.progress_deadline {
        turn.waiting(text);
        return false;
    }
    let deadline = format_span(turn.plan.progress_deadline);
    let reason = format!("no further replica became available within {deadline}: {text}");
    if turn.status.stable.is_some() {
        ending::abort(turn, Rule::ProgressDeadline, reason, None, Vec::new());
        return true;
    }
    guards::first_is_unavailable(turn, Rule::ProgressDeadline, reason);
    turn.waiting(text);
    false
}

/// What a step's replicas lack, told to people; `None` when they are all available.
pub(crate) fn lacking(turn: &Turn<'_>, index: u32) -> Option<String> {
    let target = turn.rollout()?.target;
    let needed = traffic::replicas_needed(turn.plan, &turn.step(index).exposure);
    let counts = turn.counts(target);
    if counts.available >= needed {
        return None;
    }
    let available = counts.available;
    let mut text = format!("{available} of {needed} replicas of revision {target} are available");
    if let Some(failure) = &counts.last_failure {
        text.push_str(&format!("; the last failure: {failure}"));
    }
    Some(text)
}

/// `1 replica`, `2 replicas`.
pub(crate) fn number_of(count: u32, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

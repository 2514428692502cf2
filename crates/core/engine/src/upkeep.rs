//! What a service owes apart from its rollout, and when to look again.
//!
//! The stable side's capacity that comes back, kept capacity that is given up, and the time of the next
//! turn.

use crate::capacity::number_of;
use crate::hooks;
use crate::turn::Turn;
use sluice_model::Rule;
use sluice_model::plan::Plan;
use sluice_model::status::{RolloutState, Stage};
use std::time::Duration;

/// How often a step with checks is looked at.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// How often any other running rollout is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Ends the restoring of the stable side when it has its capacity again, and gives up capacity that was
/// kept long enough.
pub(crate) fn restore_and_release(turn: &mut Turn<'_>) {
    if turn.status.restoring.is_some()
        && let Some(stable) = turn.status.stable
        && turn.counts(stable).available >= turn.status.stable_replicas
        && turn.observation.settled
    {
        turn.status.restoring = None;
        turn.note(
            Rule::CapacityRestored,
            format!("revision {stable} has its full capacity again"),
        );
        turn.wake(turn.now);
    }
    let target = turn.rollout().map(|rollout| rollout.target);
    let now = turn.now;
    let due: Vec<_> = turn
        .status
        .kept
        .iter()
        .filter(|(revision, kept)| kept.until <= now && Some(**revision) != target)
        .map(|(revision, kept)| (*revision, kept.replicas))
        .collect();
    for (revision, replicas) in due {
        turn.status.kept.remove(&revision);
        if replicas > 0 {
            turn.note(
                Rule::CapacityReleased,
                format!(
                    "revision {revision} was kept long enough: {} given up",
                    number_of(replicas, "replica is", "replicas are")
                ),
            );
        }
    }
}

/// Asks to be called again when the next wait ends.
pub(crate) fn plan_wake(turn: &mut Turn<'_>) {
    let releases = turn.status.kept.values().map(|kept| kept.until);
    // What is due already waits for something else (a hold, the end of the rollout).
    let open = releases
        .chain(hooks::lost_at(turn))
        .filter(|at| *at > turn.now);
    if let Some(first) = open.min() {
        turn.wake(first);
    }
    if turn.status.restoring.is_some() {
        turn.wake(turn.now.after(WATCH_INTERVAL));
    }
    let Some(rollout) = turn.rollout() else {
        return;
    };
    let interval = if turn.report.checks.is_empty() && !bakes_with_checks(turn.plan, turn) {
        WATCH_INTERVAL
    } else {
        CHECK_INTERVAL
    };
    let mut next = turn.now.after(interval);
    if rollout.pause.is_none()
        && let RolloutState::Stepping {
            step,
            stage: Stage::Baking { since },
        } = &rollout.state
    {
        let baked = since.after(turn.step(*step).bake);
        if baked > turn.now {
            next = next.min(baked);
        }
    }
    turn.wake(next);
}

fn bakes_with_checks(plan: &Plan, turn: &Turn<'_>) -> bool {
    turn.rollout().is_some_and(|rollout| match &rollout.state {
        RolloutState::Stepping {
            step,
            stage: Stage::Baking { .. },
        } => !rollout.fast && (!plan.checks.is_empty() || !turn.step(*step).checks.is_empty()),
        _ => false,
    })
}

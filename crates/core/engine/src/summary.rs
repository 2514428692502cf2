//! A status told to people and scripts: phase, message, and how long the rest takes by the plan.

use crate::turn::step_of;
use sluice_model::status::{RolloutState, Stage};
use sluice_model::view::Phase;
use sluice_model::{Observation, Plan, ServiceStatus, Timestamp};
use std::time::Duration;

/// The phase of a service and one sentence about it. `waiting` is what the last decision's report said
/// the rollout waits for.
#[must_use]
pub fn phase_and_message(
    status: &ServiceStatus,
    observation: &Observation,
    waiting: Option<&str>,
) -> (Phase, String) {
    if let Some(rollout) = status.running() {
        let waiting = waiting.unwrap_or("the rollout goes on").to_owned();
        if rollout.pause.is_some() {
            return (Phase::Paused, waiting);
        }
        if matches!(
            rollout.state,
            RolloutState::Stepping {
                stage: Stage::Gate { .. },
                ..
            }
        ) {
            return (Phase::Paused, waiting);
        }
        if rollout.warned.unavailable {
            return (Phase::Degraded, waiting);
        }
        return (Phase::Progressing, waiting);
    }
    let Some(stable) = status.stable else {
        return match status.rollout.as_ref().map(|rollout| &rollout.state) {
            Some(RolloutState::Aborted { reason, .. }) => (
                Phase::Degraded,
                format!("nothing serves: the first revision was taken back: {reason}"),
            ),
            _ => (Phase::Progressing, "no revision yet".to_owned()),
        };
    };
    if status.restoring.is_some() {
        return (
            Phase::Degraded,
            format!("revision {stable} gets its full capacity back"),
        );
    }
    if let Some(rollout) = &status.rollout
        && let RolloutState::Aborted {
            reason,
            returned: false,
            ..
        } = &rollout.state
    {
        let text = format!(
            "revision {} was taken back: {reason}; revision {stable} serves",
            rollout.target
        );
        return (Phase::Degraded, text);
    }
    let counts = observation
        .replicas
        .get(&stable)
        .cloned()
        .unwrap_or_default();
    if counts.ready < status.stable_replicas {
        let mut text = format!(
            "{} of {} replicas of revision {stable} are ready",
            counts.ready, status.stable_replicas
        );
        if let Some(failure) = counts.last_failure {
            text.push_str(&format!("; the last failure: {failure}"));
        }
        return (
            if counts.ready == 0 {
                Phase::Degraded
            } else {
                Phase::Progressing
            },
            text,
        );
    }
    (
        Phase::Healthy,
        format!("revision {stable} serves all traffic"),
    )
}

/// The shortest time until the rollout could be done: what is left of the bakes.
#[must_use]
pub fn eta(plan: &Plan, status: &ServiceStatus, now: Timestamp) -> Option<Duration> {
    let rollout = status.running()?;
    if rollout.fast {
        return Some(Duration::ZERO);
    }
    let (step, left_here) = match &rollout.state {
        RolloutState::Stepping { step, stage } => {
            let bake = step_of(plan, Some(rollout), *step).bake;
            let left = match stage {
                Stage::Baking { since } => bake.saturating_sub(now.since(*since)),
                Stage::Scaling { .. } | Stage::Before { .. } => bake,
                Stage::After { .. } | Stage::Gate { .. } => Duration::ZERO,
            };
            (*step as usize + 1, left)
        }
        _ => (0, Duration::ZERO),
    };
    Some(
        left_here
            + plan
                .steps
                .iter()
                .skip(step)
                .map(|step| step.bake)
                .sum::<Duration>(),
    )
}

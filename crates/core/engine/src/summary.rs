//! A status told to people and scripts: phase, message, and how long the rest takes by the plan.

use crate::turn::step_of;
use sluice_model::status::{RolloutState, Stage};
use sluice_model::view::Phase;
use sluice_model::{Observation, Plan, RevisionNumber, ServiceStatus, Timestamp};
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
    let lacking = lacking(status, stable, observation);
    let taken_back = status
        .rollout
        .as_ref()
        .and_then(|rollout| match &rollout.state {
            RolloutState::Aborted {
                reason,
                returned: false,
                ..
            } => Some(format!(
                "revision {} was taken back: {reason}",
                rollout.target
            )),
            _ => None,
        });
    match (taken_back, lacking) {
        (Some(taken_back), Some((_, lacking))) => {
            (Phase::Degraded, format!("{lacking}; {taken_back}"))
        }
        (Some(taken_back), None) => (
            Phase::Degraded,
            format!("{taken_back}; revision {stable} serves"),
        ),
        (None, Some(lacking)) => lacking,
        (None, None) => (
            Phase::Healthy,
            format!("revision {stable} serves all traffic"),
        ),
    }
}

/// What the stable side lacks, and how bad that is.
fn lacking(
    status: &ServiceStatus,
    stable: RevisionNumber,
    observation: &Observation,
) -> Option<(Phase, String)> {
    if !observation.settled {
        let text = "Sluice has just started: every replica is looked at first";
        return Some((Phase::Progressing, text.to_owned()));
    }
    let counts = observation
        .replicas
        .get(&stable)
        .cloned()
        .unwrap_or_default();
    let (ready, wanted) = (counts.ready, status.stable_replicas);
    if ready >= wanted {
        return None;
    }
    let mut text = format!("{ready} of {wanted} replicas of revision {stable} are ready");
    if let Some(failure) = counts.last_failure {
        text.push_str(&format!("; the last failure: {failure}"));
    }
    let phase = if ready == 0 {
        Phase::Degraded
    } else {
        Phase::Progressing
    };
    Some((phase, text))
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

//! Time that went wrong: a clock that went back, or a time in which nobody watched.
//!
//! Waiting times count only time that was watched. When the clock goes back, everything that was
//! noted moves back with it, so that no deadline is missed and no bake is cut short. After a gap (Sluice
//! was down, the machine slept, the clock jumped ahead) the rollout continues as if no time had passed.

use crate::turn::Turn;
use sluice_model::status::{HookProgress, Rollout, RolloutState, Stage};
use sluice_model::{Rule, Timestamp};
use std::time::Duration;

/// Longest time between two decisions of a running rollout that counts as watched.
pub const GAP_MAX: Duration = Duration::from_secs(15);

/// A smaller step back is corrected without a word.
const BACK_NOTED: Duration = Duration::from_secs(1);

/// Moves what was noted along with a clock that went back or a gap.
pub(crate) fn rebase(turn: &mut Turn<'_>) {
    let (now, decided_at) = (turn.now, turn.status.decided_at);
    if decided_at == Timestamp(0) {
        return;
    }
    if now < decided_at {
        let back_ms = now.0.saturating_sub(decided_at.0);
        if let Some(rollout) = turn.status.rollout.as_mut() {
            move_waits(rollout, back_ms);
            rollout.started_at = rollout.started_at.shifted(back_ms);
            if let Some(since) = rollout.traffic_since.as_mut() {
                *since = since.shifted(back_ms);
            }
        }
        for kept in turn.status.kept.values_mut() {
            kept.until = kept.until.shifted(back_ms);
        }
        if decided_at.since(now) >= BACK_NOTED {
            let seconds = decided_at.since(now).as_secs();
            turn.note(
                Rule::ClockMoved,
                format!("the clock went back by {seconds} s; all waiting times were moved with it"),
            );
        }
        return;
    }
    let gap = now.since(decided_at);
    if gap > GAP_MAX && turn.rollout().is_some() {
        if let Some(rollout) = turn.status.rollout.as_mut() {
            let gap_ms = i64::try_from(gap.as_millis()).unwrap_or(i64::MAX);
            move_waits(rollout, gap_ms);
            rollout.held_ms = rollout.held_ms.saturating_add(gap.as_millis() as u64);
        }
        let seconds = gap.as_secs();
        turn.note(
            Rule::ClockMoved,
            format!("nothing was watched for {seconds} s; the rollout continues where it stood, and that time does not count"),
        );
    }
}

/// Moves the moments that a running rollout's waits count from.
pub(crate) fn move_waits(rollout: &mut Rollout, millis: i64) {
    let shift = |at: &mut Timestamp| *at = at.shifted(millis);
    let shift_hook = |hook: &mut HookProgress| hook.since = hook.since.shifted(millis);
    shift(&mut rollout.moved_at);
    if let Some(pause) = rollout.pause.as_mut() {
        shift(&mut pause.since);
    }
    if let Some(hook) = rollout.closing.as_mut() {
        shift_hook(hook);
    }
    match &mut rollout.state {
        RolloutState::Starting { hook } => shift_hook(hook),
        RolloutState::Stepping { stage, .. } => match stage {
            Stage::Scaling { since, .. } | Stage::Baking { since } | Stage::Gate { since } => {
                shift(since);
            }
            Stage::Before { hook } | Stage::After { hook } => shift_hook(hook),
        },
        RolloutState::Promoted { .. } | RolloutState::Aborted { .. } => {}
    }
}

//! Conditions that follow from a pause, a retry or their end, before anything else is decided.

use super::conditions::{self, Condition};
use super::turn::Turn;
use super::write::Write;
use super::{duration, phase};

const PAUSED: &str = "Rollout is paused";

/// Notes that the rollout was paused, resumed or retried, so that the time until then does not count against
/// the deadline for progress. True when there was something to note; the rest waits for the next turn.
pub(super) fn note(turn: &mut Turn<'_>) -> bool {
    let rollout = turn.rollout;
    let status = &rollout.status;
    if status.observed_generation != rollout.metadata.generation.unwrap_or(0).to_string() {
        // The whole status follows from the new spec.
        return false;
    }
    let reason = conditions::get(status, "Progressing").map_or("", |progress| &progress.reason);
    let is_paused = !status.pause_conditions.is_empty() || rollout.spec.paused;
    let was_aborted = reason == "RolloutAborted";
    let mut changes = Vec::new();
    let is_noted = reason == "RolloutPaused";
    if is_paused != is_noted && !was_aborted && !conditions::is_completed(status) {
        changes.push(if is_paused {
            Condition::new("Progressing", "Unknown", "RolloutPaused").message(PAUSED)
        } else {
            Condition::new("Progressing", "Unknown", "RolloutResumed").message("Rollout is resumed")
        });
    }
    if !status.abort && was_aborted {
        changes.push(
            Condition::new("Progressing", "Unknown", "RolloutRetry")
                .message("Retrying Rollout after abort"),
        );
    }
    let is_marked =
        conditions::get(status, "Paused").is_some_and(|condition| condition.status == "True");
    if is_paused != is_marked && !was_aborted {
        let value = if is_paused { "True" } else { "False" };
        changes.push(Condition::new("Paused", value, "RolloutPaused").message(PAUSED));
    }
    if changes.is_empty() {
        return false;
    }
    let now = turn.time();
    turn.next = status.clone();
    for change in changes {
        conditions::set(&mut turn.next.conditions, change.at(now));
    }
    let (phase, message) = phase::of(&rollout.spec, &turn.next);
    turn.next.phase = phase.to_owned();
    turn.next.message = message;
    duration::write(turn);
    if turn.next == *status {
        return false;
    }
    let next = turn.next.clone();
    turn.write(Write::Status(Box::new(next)));
    duration::tell(turn);
    true
}

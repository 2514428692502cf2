//! How long a rollout takes, from its first change to its end.

use super::conditions::{self};
use super::turn::Turn;
use super::write::Write;
use super::{pauses, promotion};
use crate::api::{RolloutDurationStatus, Time};

impl RolloutDurationStatus {
    fn is_completed(&self) -> bool {
        self.finished_at.is_some()
    }

    /// Ends it, and a pause with it.
    fn complete(&mut self, now: Time, status: &str) {
        self.end_pause(now);
        self.finished_at = Some(now);
        self.completion_status = Some(status.to_owned());
    }

    fn end_pause(&mut self, now: Time) {
        if let Some(since) = self.manual_pause_started_at.take() {
            let seconds = i64::try_from(now.0.since(since.0).as_secs()).unwrap_or(i64::MAX);
            let total = self.total_manual_pause_duration_seconds.unwrap_or(0);
            self.total_manual_pause_duration_seconds = Some(total.saturating_add(seconds));
        }
    }

    fn started(now: Time) -> Self {
        RolloutDurationStatus {
            rollout_started_at: Some(now),
            ..RolloutDurationStatus::default()
        }
    }
}

/// Puts the duration into the next status, which has everything else already.
pub(super) fn write(turn: &mut Turn<'_>) {
    if conditions::get(&turn.next, "InvalidSpec").is_some() {
        return;
    }
    let now = turn.time();
    let before = turn.rollout.status.duration.as_ref();
    let was_paused = before.is_some_and(|duration| duration.manual_pause_started_at.is_some());
    let goes_on = before
        .is_some_and(|duration| duration.rollout_started_at.is_some() && !duration.is_completed());
    let is_new = is_new(turn);
    let is_promoted = turn.next.stable_rs == turn.next.current_pod_hash;
    let has_pods = turn
        .new_set()
        .is_some_and(|set| set.status.available_replicas >= turn.replicas());
    let is_done = is_promoted && has_pods;
    let mut duration = turn.next.duration.take();
    if goes_on && let Some(duration) = &mut duration {
        if is_new {
            match promotion::rollback_kind(turn) {
                Some(kind) => duration.completion_status = Some(kind.to_owned()),
                None => end(turn, duration, now, "Superseded"),
            }
        }
        if !duration.is_completed() {
            let noted = duration.completion_status.clone();
            if is_done {
                end(turn, duration, now, noted.as_deref().unwrap_or("Promoted"));
                turn.next.duration = Some(duration.clone());
                return;
            }
            if turn.is_aborted() {
                end(turn, duration, now, noted.as_deref().unwrap_or("Aborted"));
            }
        }
    }
    let is_over = duration
        .as_ref()
        .is_none_or(|duration| duration.is_completed() && !is_done);
    let mut paused = was_paused;
    if is_over {
        paused = false;
        let reason = conditions::get(&turn.rollout.status, "Progressing")
            .map_or("", |progress| &progress.reason);
        let is_retry = !turn.is_aborted() && reason == "RolloutAborted";
        if is_new && !is_done || is_retry && !is_new {
            duration = Some(RolloutDurationStatus::started(now));
        }
    }
    if let Some(duration) = duration
        .as_mut()
        .filter(|duration| !duration.is_completed())
    {
        let waits = is_manual_pause(turn);
        if paused && !waits {
            duration.end_pause(now);
        } else if !paused && waits && duration.manual_pause_started_at.is_none() {
            duration.manual_pause_started_at = Some(now);
        }
    }
    turn.next.duration = duration;
}

/// Whether another template, or other steps, are rolled out than before.
fn is_new(turn: &Turn<'_>) -> bool {
    // A turn that only scales, or waits, notes neither, and would begin anew each time.
    let (before, next) = (&turn.rollout.status, &turn.next);
    before.current_pod_hash != next.current_pod_hash
        || turn.strategy().is_some() && before.current_step_hash != next.current_step_hash
}

fn is_manual_pause(turn: &Turn<'_>) -> bool {
    let conditions = &turn.next.pause_conditions;
    turn.rollout.spec.paused
        || conditions
            .iter()
            .any(|pause| pauses::needs_somebody(turn, &pause.reason))
}

fn end(turn: &mut Turn<'_>, duration: &mut RolloutDurationStatus, now: Time, status: &str) {
    duration.complete(now, status);
    turn.completed = Some(duration.clone());
}

/// Tells the metrics of a rollout that ended.
pub(super) fn tell(turn: &mut Turn<'_>) {
    if let Some(duration) = turn.completed.take() {
        turn.write(Write::Completed(duration));
    }
}

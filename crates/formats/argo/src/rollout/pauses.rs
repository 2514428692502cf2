//! Why a rollout waits, and whether it goes back.

use super::turn::Turn;
use crate::api::{PauseCondition, Rollout, RolloutStatus, Time};

/// A step waits.
pub(super) const STEP: &str = "CanaryPauseStep";
/// The switch waits.
pub(super) const SWITCH: &str = "BlueGreenPause";
/// An analysis ended without a verdict.
pub(super) const ANALYSIS: &str = "InconclusiveAnalysisRun";
/// An experiment ended without a verdict.
pub(super) const EXPERIMENT: &str = "InconclusiveExperiment";

/// What a turn changes about pauses and the abort.
#[derive(Default)]
pub(super) struct Pauses {
    added: Vec<&'static str>,
    removed: Vec<&'static str>,
    cleared: bool,
    abort_added: bool,
    abort_removed: bool,
    /// Why it is aborted, if this turn does it.
    pub(super) abort_message: String,
}

impl Pauses {
    pub(super) fn add(&mut self, reason: &'static str) {
        self.added.push(reason);
    }

    pub(super) fn remove(&mut self, reason: &'static str) {
        self.removed.push(reason);
    }

    pub(super) fn clear(&mut self) {
        self.cleared = true;
    }

    pub(super) fn abort(&mut self, message: String) {
        self.abort_added = true;
        self.abort_message = message;
    }

    pub(super) fn remove_abort(&mut self) {
        self.abort_removed = true;
    }

    pub(super) fn any_added(&self) -> bool {
        !self.added.is_empty()
    }

    pub(super) fn is_aborted(&self, status: &RolloutStatus) -> bool {
        !self.abort_removed && (self.abort_added || status.abort)
    }

    /// Puts pauses and abort into the next status. An aborted rollout has no pauses.
    pub(super) fn write(&self, before: &RolloutStatus, now: Time, next: &mut RolloutStatus) {
        // A removal counts only where nothing aborts in the same turn.
        if self.abort_added || (!self.abort_removed && before.abort) {
            next.abort = true;
            next.aborted_at = Some(before.aborted_at.unwrap_or(now));
            next.controller_pause = false;
            next.pause_conditions.clear();
            return;
        }
        next.abort = false;
        next.aborted_at = None;
        if self.cleared {
            return;
        }
        let mut conditions: Vec<PauseCondition> = before
            .pause_conditions
            .iter()
            .filter(|condition| !self.removed.contains(&condition.reason.as_str()))
            .cloned()
            .collect();
        let mut controller_pause = before.controller_pause;
        for reason in &self.added {
            if condition(before, reason).is_none() {
                conditions.push(PauseCondition {
                    reason: (*reason).to_owned(),
                    start_time: now,
                });
                controller_pause = true;
            }
        }
        if !conditions.is_empty() {
            next.controller_pause = controller_pause;
            next.pause_conditions = conditions;
        }
    }
}

/// The pause for a reason.
pub(super) fn condition<'a>(status: &'a RolloutStatus, reason: &str) -> Option<&'a PauseCondition> {
    status
        .pause_conditions
        .iter()
        .find(|condition| condition.reason == reason)
}

/// Whether nothing may move: somebody holds the rollout, or an analysis has no verdict.
pub(super) fn is_halted(rollout: &Rollout) -> bool {
    rollout.spec.paused || condition(&rollout.status, ANALYSIS).is_some()
}

/// Whether somebody has to let the rollout go on.
pub(super) fn needs_somebody(turn: &Turn<'_>, reason: &str) -> bool {
    let strategy = &turn.rollout.spec.strategy;
    match reason {
        ANALYSIS | EXPERIMENT => true,
        STEP => crate::workload::current_step(turn.rollout)
            .and_then(|(_, step)| step.pause.as_ref())
            .is_some_and(|pause| pause.duration.is_none()),
        SWITCH => strategy
            .blue_green
            .as_ref()
            .is_some_and(|blue_green| blue_green.auto_promotion_enabled == Some(false)),
        _ => false,
    }
}

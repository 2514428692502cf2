//! How a step is left, and what a rollout ends with: the gate, the promotion, the closing hooks.
//!
//! `steps` brings a rollout here when a step's checks have passed and its hooks are done, `commands`
//! when an operator skips what is left. An end without a promotion is the business of `ending`.

use crate::turn::Turn;
use crate::{capacity, ending, hooks, steps};
use sluice_model::plan::OnTrouble;
use sluice_model::status::{FORMER_MAX, HookProgress, Kept, RolloutState, Stage};
use sluice_model::time::format_span;
use sluice_model::{Rule, Timestamp};
use std::time::Duration;

/// The step's hooks are done: its gate, or the next step.
pub(crate) fn after_hooks(turn: &mut Turn<'_>, index: u32) -> bool {
    let step = turn.step(index);
    let Some(gate) = &step.gate else {
        return leave_if_able(turn, index);
    };
    let stage = Stage::Gate { since: turn.now };
    turn.note(
        Rule::GateWaiting,
        format!(
            "gate `{}` waits for approval: `sluice promote {}`",
            gate.name, turn.status.service
        ),
    );
    turn.enter(RolloutState::Stepping { step: index, stage });
    true
}

/// Waits for the gate's answer.
pub(crate) fn gate(turn: &mut Turn<'_>, index: u32, since: Timestamp) -> bool {
    let step = turn.step(index);
    let Some(gate) = &step.gate else {
        return leave_if_able(turn, index);
    };
    let waited = turn.now.since(since);
    let Some(timeout) = gate.timeout.filter(|timeout| waited > *timeout) else {
        let service = turn.status.service.clone();
        turn.waiting(format!(
            "gate `{}` waits for approval: `sluice promote {service}`",
            gate.name
        ));
        return false;
    };
    let text = format!(
        "nobody answered gate `{}` within {}",
        gate.name,
        format_span(timeout)
    );
    match gate.on_timeout {
        OnTrouble::Abort => ending::abort(turn, Rule::GateTimedOut, text, None, Vec::new()),
        OnTrouble::Pause => {
            turn.note(Rule::GateTimedOut, text.clone());
            wait_anew(turn, index, waited);
            turn.hold(text, None);
        }
        OnTrouble::Continue => {
            if let Some(lacking) = lacking_for_promotion(turn, index) {
                turn.waiting(lacking);
                return false;
            }
            turn.note(
                Rule::GateTimedOut,
                format!("{text}; the rollout goes on, as the gate says"),
            );
            leave_step(turn, index);
        }
    }
    true
}

/// A gate that nobody answered asks again, for its full time, when the hold ends.
fn wait_anew(turn: &mut Turn<'_>, step: u32, waited: Duration) {
    let since = turn.now;
    let stage = Stage::Gate { since };
    turn.enter(RolloutState::Stepping { step, stage });
    if let Some(rollout) = turn.rollout_mut() {
        rollout.held_ms = rollout.held_ms.saturating_add(waited.as_millis() as u64);
    }
}

/// What the promotion lacks, when this step is the last one: with a replica missing, the new stable
/// side would begin without its capacity.
pub(crate) fn lacking_for_promotion(turn: &Turn<'_>, index: u32) -> Option<String> {
    let is_last = goes_to(turn, index).is_none();
    is_last.then(|| capacity::lacking(turn, index)).flatten()
}

/// The step after this one; `None` when the promotion comes next.
fn goes_to(turn: &Turn<'_>, index: u32) -> Option<u32> {
    let fast = turn.rollout().is_some_and(|rollout| rollout.fast);
    (!fast && (index as usize) + 1 < turn.plan.steps.len()).then_some(index + 1)
}

fn leave_if_able(turn: &mut Turn<'_>, index: u32) -> bool {
    if let Some(lacking) = lacking_for_promotion(turn, index) {
        turn.waiting(lacking);
        return false;
    }
    leave_step(turn, index);
    true
}

/// Goes to the next step, or promotes after the last one.
pub(crate) fn leave_step(turn: &mut Turn<'_>, index: u32) {
    let now = turn.now;
    if let Some(rollout) = turn.rollout_mut()
        && let RolloutState::Stepping {
            stage: Stage::Gate { since },
            ..
        } = &rollout.state
    {
        let waited_ms = now.since(*since).as_millis() as u64;
        rollout.held_ms = rollout.held_ms.saturating_add(waited_ms);
    }
    match goes_to(turn, index) {
        Some(next) => steps::enter_step(turn, next),
        None => promote_target(turn, index),
    }
}

fn promote_target(turn: &mut Turn<'_>, index: u32) {
    let Some(target) = turn.rollout().map(|rollout| rollout.target) else {
        return;
    };
    let now = turn.now;
    let kept_capacity = steps::keeps_stable(&turn.step(index).exposure);
    let old_replicas = turn.status.stable_replicas;
    let message = match turn.status.stable.replace(target) {
        Some(old) => {
            if kept_capacity && !turn.plan.keep_warm.is_zero() {
                let until = now.after(turn.plan.keep_warm);
                turn.status.kept.insert(
                    old,
                    Kept {
                        replicas: old_replicas,
                        until,
                    },
                );
            }
            turn.status
                .former
                .retain(|revision| *revision != target && *revision != old);
            turn.status.former.insert(0, old);
            turn.status.former.truncate(FORMER_MAX);
            format!("revision {target} is stable now, in place of revision {old}")
        }
        None => format!("revision {target} is the first stable one"),
    };
    turn.status.stable_replicas = turn.plan.replicas.max(1);
    turn.status.restoring = None;
    turn.status.kept.remove(&target);
    turn.note(Rule::Promoted, message);
    let closing = (!turn.plan.hooks.promoted.is_empty()).then(|| steps::first_hook(now));
    if let Some(rollout) = turn.rollout_mut() {
        rollout.state = RolloutState::Promoted { at: now };
        rollout.moved_at = now;
        rollout.closing = closing;
    }
}

/// Runs the hooks after the end; their failure is noted and changes nothing.
pub(crate) fn closing(turn: &mut Turn<'_>) -> bool {
    let Some((place, at)) = hooks::current(turn) else {
        return false;
    };
    let next = match hooks::run(turn, place, at) {
        Ok(next) => next,
        Err((message, _, next_try)) => {
            turn.note(Rule::HookFailed, message);
            Some(HookProgress {
                index: next_try.index + 1,
                attempt: 1,
                since: turn.now,
            })
        }
    };
    if next == Some(at) {
        return false;
    }
    if let Some(rollout) = turn.status.rollout.as_mut() {
        rollout.closing = next;
    }
    true
}

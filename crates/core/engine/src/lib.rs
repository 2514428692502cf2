//! The engine: `decide(plan, status, observation, now) -> decision`.
//!
//! One pure, level-triggered function decides for one service: it takes where the service stands,
//! what the world looks like and what time it is, and answers with the complete desired state, the
//! next status, and why. Calling it again with its own answer and the same world changes nothing.
//! It never reads a clock, never waits, and knows no platform.
//!
//! Follow one call: [`decide`] → `clock` (time that went wrong) → `commands` (what operators asked) →
//! `guards`, `judging` and `ending` (what takes the canary back) → `steps`, `capacity` and `leaving` (what
//! moves forward) → `traffic` and `in_place` (the desired state that follows from where the rollout
//! stands) → `upkeep` (what is owed besides, and when to look again). `hooks` says which effect runs,
//! `summary` how a status is told to people.

mod capacity;
mod clock;
mod commands;
mod ending;
mod guards;
mod hooks;
mod in_place;
mod judging;
mod leaving;
mod steps;
mod summary;
mod traffic;
mod turn;
mod upkeep;

pub use clock::GAP_MAX;
pub use hooks::ANSWER_SLACK;
pub use summary::{eta, phase_and_message};

use sluice_model::{
    Command, CommandKind, Decision, Observation, Plan, Report, RevisionNumber, ServiceStatus,
    Timestamp,
};
use turn::Turn;

/// Most transitions that one decision makes; what is left over follows in the next one, at once.
const TRANSITIONS_MAX: usize = 64;

/// The revision whose plan [`decide`] needs: that of the running (or closing) rollout, else the
/// stable one, else that of the last rollout, else the one that the first pending deployment names.
#[must_use]
pub fn plan_revision(status: &ServiceStatus, commands: &[Command]) -> Option<RevisionNumber> {
    let rollout = status.rollout.as_ref();
    rollout
        .filter(|rollout| rollout.is_running() || rollout.closing.is_some())
        .map(|rollout| rollout.target)
        .or(status.stable)
        .or(rollout.map(|rollout| rollout.target))
        .or_else(|| {
            commands.iter().find_map(|command| match command.kind {
                CommandKind::Deploy { revision } => Some(revision),
                _ => None,
            })
        })
}

/// Decides for one service.
///
/// `plan` is the plan of [`plan_revision`]; `observation` is what is known now; `now` is the time.
/// The answer's status must be stored before its desired state and effects are acted on (except for
/// a [retreat](Decision::retreat) when the store fails).
#[must_use]
pub fn decide(
    plan: &Plan,
    status: &ServiceStatus,
    observation: &Observation,
    now: Timestamp,
) -> Decision {
    let mut turn = Turn::new(plan, status, observation, now);
    clock::rebase(&mut turn);
    let retargeted = commands::answer_all(&mut turn);
    let mut transitions = 0;
    if retargeted {
        // The plan at hand is not the new target's: go on with the right one at once.
        turn.retargeted = true;
        turn.wake(now);
    } else {
        turn.adopt_plan();
        guards::check(&mut turn);
        while transitions < TRANSITIONS_MAX && steps::advance(&mut turn) {
            transitions += 1;
        }
        if transitions == TRANSITIONS_MAX {
            turn.wake(now);
        }
        upkeep::restore_and_release(&mut turn);
    }
    turn.finish(status)
}

/// The desired state of a status whose next decision cannot be stored: the traffic stays where it is,
/// and no replica that may serve leaves. Nothing is decided, and no effect starts.
#[must_use]
pub fn standing(
    plan: &Plan,
    status: &ServiceStatus,
    observation: &Observation,
    now: Timestamp,
) -> Decision {
    let turn = Turn::new(plan, status, observation, now);
    Decision {
        desired: traffic::standing(&turn),
        status: turn.status,
        effects: Vec::new(),
        wake_at: None,
        retreat: false,
        report: Report::default(),
    }
}

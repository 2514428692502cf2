//! What moves a rollout forward, one transition at a time.
//!
//! A step whose stable side keeps its capacity goes: scaling → before hooks → baking (its traffic
//! flows) → after hooks → gate. A step that replaces replicas in place (rolling, recreate) moves
//! traffic while it scales, so its before hooks come first.

use crate::hooks::{self, Place};
use crate::turn::Turn;
use crate::{capacity, ending, judging, leaving};
use sluice_model::plan::{Exposure, OnTrouble, Step};
use sluice_model::status::{HookProgress, RolloutState, Stage};
use sluice_model::time::format_span;
use sluice_model::{Rule, Timestamp, Verdict};
use std::time::Duration;

/// The beginning of a list of hooks.
pub(crate) fn first_hook(now: Timestamp) -> HookProgress {
    HookProgress {
        index: 0,
        attempt: 1,
        since: now,
    }
}

/// Whether the stable side keeps its full capacity under this exposure.
pub(crate) fn keeps_stable(exposure: &Exposure) -> bool {
    matches!(exposure, Exposure::Split { .. })
}

/// Makes at most one transition; returns whether it made one.
pub(crate) fn advance(turn: &mut Turn<'_>) -> bool {
    let Some(rollout) = turn.rollout() else {
        return leaving::closing(turn);
    };
    if let Some(pause) = &rollout.pause {
        let text = format!(
            "held: {}; `sluice resume {}` lets it go on",
            pause.reason, turn.status.service
        );
        turn.waiting(text);
        return false;
    }
    if !turn.observation.settled {
        turn.waiting("every replica is looked at first");
        return false;
    }
    match rollout.state.clone() {
        RolloutState::Starting { hook } => starting(turn, hook),
        RolloutState::Stepping { step, stage } => match stage {
            Stage::Scaling { since, reached } => capacity::scaling(turn, step, since, reached),
            Stage::Before { hook } => step_hooks(turn, step, hook, true),
            Stage::Baking { since } => baking(turn, step, since),
            Stage::After { hook } => step_hooks(turn, step, hook, false),
            Stage::Gate { since } => leaving::gate(turn, step, since),
        },
        RolloutState::Promoted { .. } | RolloutState::Aborted { .. } => false,
    }
}

fn starting(turn: &mut Turn<'_>, hook: HookProgress) -> bool {
    match run_hooks(turn, Place::Start, hook) {
        HooksNow::Done if must_restore_first(turn) => {
            turn.waiting("the stable side gets its full capacity back first");
            let done = past_all(turn, Place::Start, hook);
            turn.enter_hook(done, hook, |hook| RolloutState::Starting { hook })
        }
        HooksNow::Done => {
            enter_step(turn, 0);
            true
        }
        HooksNow::At(at) => turn.enter_hook(at, hook, |hook| RolloutState::Starting { hook }),
        HooksNow::Ended => true,
    }
}

/// Whether a rollout must not take its first step while the stable side gets capacity back: only one
/// switch between two full sides (an undo) may, as it leaves the replicas of both alone.
fn must_restore_first(turn: &Turn<'_>) -> bool {
    let switches = turn.rollout().is_some_and(|rollout| rollout.fast)
        && keeps_stable(&turn.plan.fast_step().exposure);
    turn.status.restoring.is_some() && !switches
}

fn step_hooks(turn: &mut Turn<'_>, step: u32, hook: HookProgress, before: bool) -> bool {
    let place = if before {
        Place::Before(step)
    } else {
        Place::After(step)
    };
    match run_hooks(turn, place, hook) {
        HooksNow::Done if before && !keeps_stable(&turn.step(step).exposure) => {
            capacity::enter_scaling(turn, step);
            true
        }
        HooksNow::Done if before => {
            // A replica may have left while the hooks ran.
            let Some(text) = capacity::lacking(turn, step) else {
                enter_baking(turn, step);
                return true;
            };
            let done = past_all(turn, place, hook);
            turn.enter_hook(done, hook, |hook| RolloutState::Stepping {
                step,
                stage: Stage::Before { hook },
            }) || capacity::wait_for_replicas(turn, done.since, text)
        }
        HooksNow::Done => {
            let done = past_all(turn, place, hook);
            leaving::after_hooks(turn, step)
                || turn.enter_hook(done, hook, |hook| RolloutState::Stepping {
                    step,
                    stage: Stage::After { hook },
                })
        }
        HooksNow::At(at) => turn.enter_hook(at, hook, |hook| {
            let stage = if before {
                Stage::Before { hook }
            } else {
                Stage::After { hook }
            };
            RolloutState::Stepping { step, stage }
        }),
        HooksNow::Ended => true,
    }
}

/// The place behind the last hook of a list, where something else is waited for.
fn past_all(turn: &Turn<'_>, place: Place, hook: HookProgress) -> HookProgress {
    let index = hooks::hooks_at(turn, place).len() as u32;
    if hook.index == index {
        return hook;
    }
    HookProgress {
        index,
        ..first_hook(turn.now)
    }
}

enum HooksNow {
    Done,
    At(HookProgress),
    /// The rollout ended or is held because of a hook.
    Ended,
}

fn run_hooks(turn: &mut Turn<'_>, place: Place, hook: HookProgress) -> HooksNow {
    match hooks::run(turn, place, hook) {
        Ok(None) => HooksNow::Done,
        Ok(Some(at)) => {
            if let Some(hook) = hooks::hooks_at(turn, place).get(at.index as usize) {
                let text = format!("hook `{}` runs (try {})", hook.name, at.attempt);
                turn.waiting(text);
            }
            HooksNow::At(at)
        }
        Err((message, OnTrouble::Pause, next_try)) => {
            turn.note(Rule::HookFailed, message.clone());
            turn.hold(message, None);
            HooksNow::At(next_try)
        }
        Err((message, _, _)) => {
            ending::abort(turn, Rule::HookFailed, message, None, Vec::new());
            HooksNow::Ended
        }
    }
}

impl Turn<'_> {
    /// Notes how far a list of hooks is; returns whether that is further than before.
    fn enter_hook(
        &mut self,
        at: HookProgress,
        before: HookProgress,
        state: impl FnOnce(HookProgress) -> RolloutState,
    ) -> bool {
        if at != before {
            self.enter(state(at));
        }
        at != before
    }
}

pub(crate) fn enter_step(turn: &mut Turn<'_>, step: u32) {
    capacity::count_restarts_from_here(turn);
    if keeps_stable(&turn.step(step).exposure) {
        return capacity::enter_scaling(turn, step);
    }
    let hook = first_hook(turn.now);
    let stage = Stage::Before { hook };
    turn.enter(RolloutState::Stepping { step, stage });
}

/// The step's traffic begins (or, for a step that replaces in place, is complete).
pub(crate) fn enter_baking(turn: &mut Turn<'_>, index: u32) {
    let step = turn.step(index);
    let Some(target) = turn.rollout().map(|rollout| rollout.target) else {
        return;
    };
    let text = describe_traffic(&step, target.0);
    turn.note(
        Rule::StepEntered,
        format!("step {} ({}): {text}", index + 1, step.name),
    );
    let begun = turn
        .rollout()
        .is_some_and(|rollout| rollout.traffic_step == Some(index));
    if !(begun && capacity::rolls(&step.exposure)) {
        capacity::traffic_begins(turn, index);
    }
    let stage = Stage::Baking { since: turn.now };
    turn.enter(RolloutState::Stepping { step: index, stage });
}

/// Without the odd milliseconds, which depend on when it was looked.
fn in_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

fn describe_traffic(step: &Step, target: u32) -> String {
    let Exposure::Split {
        weight,
        matches,
        mirror,
        preview,
        ..
    } = &step.exposure
    else {
        return format!("revision {target} serves all traffic");
    };
    let mut parts = vec![format!("{weight} of the traffic to revision {target}")];
    if !matches.is_empty() {
        parts.push("and the requests that match".to_owned());
    }
    if let Some(mirror) = mirror {
        parts.push(format!("copies of {}", mirror.share));
    }
    if *preview {
        parts.push("it answers on the preview address".to_owned());
    }
    parts.join(", ")
}

fn baking(turn: &mut Turn<'_>, index: u32, since: Timestamp) -> bool {
    let step = turn.step(index);
    let baked = turn.now.since(since);
    let judgements = judging::judge_all(turn);
    turn.report.checks.clone_from(&judgements);
    let open: Vec<String> = judgements
        .iter()
        .filter(|judgement| judgement.verdict != Verdict::Pass)
        .map(|judgement| format!("{}: {}", judgement.check, judgement.message))
        .collect();
    let lacking = leaving::lacking_for_promotion(turn, index);
    if baked < step.bake || !open.is_empty() || lacking.is_some() {
        let mut text = format!("step {} ({})", index + 1, step.name);
        if baked < step.bake {
            text.push_str(&format!(
                " bakes: {} of {}",
                format_span(in_seconds(baked)),
                format_span(step.bake)
            ));
        }
        if !open.is_empty() {
            text.push_str(&format!("; not passed yet: {}", open.join("; ")));
        }
        if let Some(lacking) = lacking {
            text.push_str(&format!("; {lacking}"));
        }
        turn.waiting(text);
        return false;
    }
    let message = format!(
        "step {} ({}) passed after {}",
        index + 1,
        step.name,
        format_span(in_seconds(baked))
    );
    turn.entry(Rule::StepPassed, message, None, judgements);
    let hook = first_hook(turn.now);
    turn.enter(RolloutState::Stepping {
        step: index,
        stage: Stage::After { hook },
    });
    true
}

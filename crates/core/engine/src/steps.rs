//! What moves a rollout forward, one transition at a time.
//!
//! A step whose stable side keeps its capacity goes: scaling → before hooks → baking (its traffic
//! flows) → after hooks → gate. A step that replaces replicas in place (rolling, recreate) moves
//! traffic while it scales, so its before hooks come first.

use crate::hooks::{self, Place};
use crate::turn::Turn;
use crate::{guards, traffic};
use sluice_model::plan::{Exposure, OnTrouble, Plan, Step};
use sluice_model::status::{FORMER_MAX, HookProgress, Kept, RolloutState, Stage};
use sluice_model::time::format_span;
use sluice_model::{Rule, Timestamp, Verdict};
use std::time::Duration;

/// How often a step with checks is looked at.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// How often any other running rollout is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

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
        return closing(turn);
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
    if turn.status.restoring.is_some() && !rollout.fast {
        turn.waiting("the stable side gets its full capacity back first");
        return false;
    }
    match rollout.state.clone() {
        RolloutState::Starting { hook } => starting(turn, hook),
        RolloutState::Stepping { step, stage } => match stage {
            Stage::Scaling { since, reached } => scaling(turn, step, since, reached),
            Stage::Before { hook } => step_hooks(turn, step, hook, true),
            Stage::Baking { since } => baking(turn, step, since),
            Stage::After { hook } => step_hooks(turn, step, hook, false),
            Stage::Gate { since } => gate(turn, step, since),
        },
        RolloutState::Promoted { .. } | RolloutState::Aborted { .. } => false,
    }
}

fn starting(turn: &mut Turn<'_>, hook: HookProgress) -> bool {
    match run_hooks(turn, Place::Start, hook) {
        HooksNow::Done => {
            enter_step(turn, 0);
            true
        }
        HooksNow::At(at) => turn.enter_hook(at, hook, |hook| RolloutState::Starting { hook }),
        HooksNow::Ended => true,
    }
}

fn step_hooks(turn: &mut Turn<'_>, step: u32, hook: HookProgress, before: bool) -> bool {
    let place = if before {
        Place::Before(step)
    } else {
        Place::After(step)
    };
    match run_hooks(turn, place, hook) {
        HooksNow::Done if before => {
            if keeps_stable(&turn.step(step).exposure) {
                enter_baking(turn, step);
            } else {
                let since = turn.now;
                let stage = Stage::Scaling { since, reached: 0 };
                turn.enter(RolloutState::Stepping { step, stage });
            }
            true
        }
        HooksNow::Done => {
            after_hooks_done(turn, step);
            true
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
            guards::abort(turn, Rule::HookFailed, message, None, Vec::new());
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

fn enter_step(turn: &mut Turn<'_>, step: u32) {
    let stage = if keeps_stable(&turn.step(step).exposure) {
        Stage::Scaling {
            since: turn.now,
            reached: 0,
        }
    } else {
        Stage::Before {
            hook: first_hook(turn.now),
        }
    };
    turn.enter(RolloutState::Stepping { step, stage });
}

fn scaling(turn: &mut Turn<'_>, index: u32, since: Timestamp, reached: u32) -> bool {
    let Some(target) = turn.rollout().map(|rollout| rollout.target) else {
        return false;
    };
    let step = turn.step(index);
    let needed = traffic::replicas_needed(turn.plan, &step.exposure);
    let counts = turn.counts(target);
    if counts.available >= needed {
        turn.note(
            Rule::CapacityReady,
            format!(
                "{} of {needed} replicas of revision {target} are available",
                counts.available
            ),
        );
        if keeps_stable(&step.exposure) {
            let hook = first_hook(turn.now);
            turn.enter(RolloutState::Stepping {
                step: index,
                stage: Stage::Before { hook },
            });
        } else {
            enter_baking(turn, index);
        }
        return true;
    }
    if counts.available > reached {
        let stage = Stage::Scaling {
            since: turn.now,
            reached: counts.available,
        };
        turn.enter(RolloutState::Stepping { step: index, stage });
        return true;
    }
    let mut text = format!(
        "{} of {needed} replicas of revision {target} are available",
        counts.available
    );
    if let Some(failure) = &counts.last_failure {
        text.push_str(&format!("; the last failure: {failure}"));
    }
    if turn.now.since(since) > turn.plan.progress_deadline {
        let deadline = format_span(turn.plan.progress_deadline);
        let reason = format!("no further replica became available within {deadline}: {text}");
        if turn.status.stable.is_none() {
            guards::first_is_unavailable(turn, Rule::ProgressDeadline, reason);
            return false;
        }
        guards::abort(turn, Rule::ProgressDeadline, reason, None, Vec::new());
        return true;
    }
    turn.waiting(text);
    false
}

/// The step's traffic begins (or, for a step that replaces in place, is complete).
fn enter_baking(turn: &mut Turn<'_>, index: u32) {
    let step = turn.step(index);
    let Some(target) = turn.rollout().map(|rollout| rollout.target) else {
        return;
    };
    let text = describe_traffic(&step, target.0);
    turn.note(
        Rule::StepEntered,
        format!("step {} ({}): {text}", index + 1, step.name),
    );
    let stage = Stage::Baking { since: turn.now };
    turn.enter(RolloutState::Stepping { step: index, stage });
    if let Some(rollout) = turn.rollout_mut() {
        rollout.traffic_step = Some(index);
    }
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
    let judgements = guards::judge_all(turn);
    turn.report.checks.clone_from(&judgements);
    let open: Vec<String> = judgements
        .iter()
        .filter(|judgement| judgement.verdict != Verdict::Pass)
        .map(|judgement| format!("{}: {}", judgement.check, judgement.message))
        .collect();
    if baked < step.bake || !open.is_empty() {
        let mut text = format!("step {} ({})", index + 1, step.name);
        if baked < step.bake {
            let whole_s = Duration::from_secs(baked.as_secs());
            text.push_str(&format!(
                " bakes: {} of {}",
                format_span(whole_s),
                format_span(step.bake)
            ));
        }
        if !open.is_empty() {
            text.push_str(&format!("; not passed yet: {}", open.join("; ")));
        }
        turn.waiting(text);
        return false;
    }
    let message = format!(
        "step {} ({}) passed after {}",
        index + 1,
        step.name,
        format_span(baked)
    );
    turn.entry(Rule::StepPassed, message, None, judgements);
    let hook = first_hook(turn.now);
    turn.enter(RolloutState::Stepping {
        step: index,
        stage: Stage::After { hook },
    });
    true
}

fn after_hooks_done(turn: &mut Turn<'_>, index: u32) {
    let step = turn.step(index);
    let Some(gate) = &step.gate else {
        return leave_step(turn, index);
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
}

fn gate(turn: &mut Turn<'_>, index: u32, since: Timestamp) -> bool {
    let step = turn.step(index);
    let Some(gate) = &step.gate else {
        leave_step(turn, index);
        return true;
    };
    let waited = turn.now.since(since);
    if gate.timeout.is_none_or(|timeout| waited <= timeout) {
        let service = turn.status.service.clone();
        turn.waiting(format!(
            "gate `{}` waits for approval: `sluice promote {service}`",
            gate.name
        ));
        return false;
    }
    let text = format!(
        "nobody answered gate `{}` within {}",
        gate.name,
        format_span(waited)
    );
    match gate.on_timeout {
        OnTrouble::Abort => guards::abort(turn, Rule::GateTimedOut, text, None, Vec::new()),
        OnTrouble::Pause => {
            turn.note(Rule::GateTimedOut, text.clone());
            turn.hold(text, None);
        }
        OnTrouble::Continue => {
            turn.note(
                Rule::GateTimedOut,
                format!("{text}; the rollout goes on, as the gate says"),
            );
            leave_step(turn, index);
        }
    }
    true
}

/// Goes to the next step, or promotes after the last one.
pub(crate) fn leave_step(turn: &mut Turn<'_>, index: u32) {
    let now = turn.now;
    let mut fast = false;
    if let Some(rollout) = turn.rollout_mut() {
        fast = rollout.fast;
        if let RolloutState::Stepping {
            stage: Stage::Gate { since },
            ..
        } = &rollout.state
        {
            let waited_ms = now.since(*since).as_millis() as u64;
            rollout.held_ms = rollout.held_ms.saturating_add(waited_ms);
        }
    }
    if !fast && (index as usize) + 1 < turn.plan.steps.len() {
        enter_step(turn, index + 1);
    } else {
        promote_target(turn, index);
    }
}

fn promote_target(turn: &mut Turn<'_>, index: u32) {
    let Some(target) = turn.rollout().map(|rollout| rollout.target) else {
        return;
    };
    let now = turn.now;
    let kept_capacity = keeps_stable(&turn.step(index).exposure);
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
    turn.status.stable_replicas = turn.plan.replicas;
    turn.status.restoring = None;
    turn.status.kept.remove(&target);
    turn.note(Rule::Promoted, message);
    let closing = (!turn.plan.hooks.promoted.is_empty()).then(|| first_hook(now));
    if let Some(rollout) = turn.rollout_mut() {
        rollout.state = RolloutState::Promoted { at: now };
        rollout.moved_at = now;
        rollout.closing = closing;
    }
}

/// Runs the hooks after the end; their failure is noted and changes nothing.
fn closing(turn: &mut Turn<'_>) -> bool {
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
                format!("the {replicas} kept replicas of revision {revision} are given up"),
            );
        }
    }
}

/// Asks to be called again when the next wait ends.
pub(crate) fn plan_wake(turn: &mut Turn<'_>) {
    let releases: Vec<Timestamp> = turn.status.kept.values().map(|kept| kept.until).collect();
    for until in releases {
        turn.wake(until.max(turn.now.shifted(1)));
    }
    if let Some(lost) = hooks::lost_at(turn) {
        turn.wake(lost.max(turn.now.shifted(1)));
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

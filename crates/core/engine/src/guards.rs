//! What takes a canary back: crash loops, nothing ready, failing checks, deadlines. And how going
//! back is done.
//!
//! Going back needs less than going forward: it works while the rollout is held, and for a plan whose
//! stable side kept its capacity it needs no new process.

use crate::turn::Turn;
use crate::{steps, traffic};
use sluice_model::plan::{Check, Exposure, Limit, OnTrouble};
use sluice_model::status::{Kept, Restoring, Rollout, RolloutState, Stage};
use sluice_model::{Judgement, Rule, Timestamp, Verdict, Weight};
use std::time::Duration;

/// Checks the guards of the running rollout, and gives the warnings that are due.
pub(crate) fn check(turn: &mut Turn<'_>) {
    if turn.rollout().is_none() || !turn.observation.settled {
        return;
    }
    if crash_loop(turn) || nothing_ready(turn) || failing_checks(turn) || overdue(turn) {
        return;
    }
    warn(turn);
}

fn crash_loop(turn: &mut Turn<'_>) -> bool {
    let Some(rollout) = turn.rollout() else {
        return false;
    };
    let target = rollout.target;
    let counts = turn.counts(target);
    if counts.restarts_max < turn.plan.crash_loop_restarts.max(1) {
        return false;
    }
    let cause = counts
        .last_failure
        .unwrap_or_else(|| "no cause was seen".to_owned());
    let text = format!(
        "a replica of revision {target} restarted {} times: {cause}",
        counts.restarts_max
    );
    if turn.status.stable.is_none() {
        first_is_unavailable(turn, Rule::CrashLoop, text);
        return false;
    }
    abort(turn, Rule::CrashLoop, text, None, Vec::new());
    true
}

/// There is nothing to go back to: say it once, and keep trying.
pub(crate) fn first_is_unavailable(turn: &mut Turn<'_>, rule: Rule, text: String) {
    let warned = turn
        .rollout()
        .is_some_and(|rollout| rollout.warned.unavailable);
    if !warned {
        turn.note(
            rule,
            format!("{text}; there is no earlier revision to go back to, so it is tried further"),
        );
        if let Some(rollout) = turn.rollout_mut() {
            rollout.warned.unavailable = true;
        }
    }
}

fn nothing_ready(turn: &mut Turn<'_>) -> bool {
    let Some(rollout) = turn.rollout() else {
        return false;
    };
    let target = rollout.target;
    let has_traffic = match traffic::flowing(turn, rollout) {
        Some(Exposure::Split {
            weight, matches, ..
        }) => weight > Weight::ZERO || !matches.is_empty(),
        _ => false,
    };
    if turn.status.stable.is_none() || !has_traffic || turn.counts(target).ready > 0 {
        return false;
    }
    let cause = turn
        .counts(target)
        .last_failure
        .map_or_else(String::new, |cause| format!(" ({cause})"));
    abort(
        turn,
        Rule::NothingReady,
        format!("no replica of revision {target} is ready while it has traffic{cause}"),
        None,
        Vec::new(),
    );
    true
}

/// The checks that are judged now: the step's and the plan's while the step's traffic flows.
pub(crate) fn judge_all(turn: &Turn<'_>) -> Vec<Judgement> {
    let Some(rollout) = turn.rollout() else {
        return Vec::new();
    };
    let RolloutState::Stepping { step, stage } = &rollout.state else {
        return Vec::new();
    };
    if rollout.fast {
        return Vec::new();
    }
    let step = turn.step(*step);
    let replaces = !steps::keeps_stable(&step.exposure);
    let judged = match stage {
        Stage::Baking { .. } | Stage::After { .. } | Stage::Gate { .. } => true,
        Stage::Scaling { .. } => replaces || rollout.traffic_step.is_some(),
        Stage::Before { .. } => rollout.traffic_step.is_some(),
    };
    if !judged {
        return Vec::new();
    }
    let all_traffic = exposes_everything(&step.exposure);
    let traffic_since = match stage {
        Stage::Baking { since } => *since,
        _ => Timestamp(i64::MIN),
    };
    let own = step
        .checks
        .iter()
        .filter(|_| !matches!(stage, Stage::Scaling { .. } | Stage::Before { .. }) || replaces);
    own.chain(&turn.plan.checks)
        .filter(|check| !(all_traffic && needs_baseline(check)))
        .map(|check| {
            let measured = turn.observation.measurements.get(&check.name);
            let of_this_step = measured.filter(|measured| measured.from >= traffic_since);
            sluice_analysis::judge(check, of_this_step)
        })
        .collect()
}

/// At full weight there is no concurrent baseline to compare with.
fn exposes_everything(exposure: &Exposure) -> bool {
    matches!(
        exposure,
        Exposure::Split {
            weight: Weight::FULL,
            ..
        } | Exposure::Recreate
    )
}

fn needs_baseline(check: &Check) -> bool {
    matches!(
        check.limit,
        Limit::RelativeMax { .. } | Limit::RelativeMin { .. }
    )
}

fn failing_checks(turn: &mut Turn<'_>) -> bool {
    let judgements = judge_all(turn);
    turn.report.checks.clone_from(&judgements);
    let failing: Vec<Judgement> = judgements
        .into_iter()
        .filter(|judgement| judgement.verdict == Verdict::Fail)
        .collect();
    let Some(first) = failing.first() else {
        return false;
    };
    let reason = format!("check `{}` failed: {}", first.check, first.message);
    let all_pause = failing
        .iter()
        .all(|judgement| on_fail(turn, judgement) == OnTrouble::Pause);
    if all_pause {
        if turn
            .rollout()
            .is_some_and(|rollout| rollout.pause.is_none())
        {
            turn.entry(Rule::CheckFailed, reason.clone(), None, failing);
            turn.hold(reason, None);
        }
        return false;
    }
    if turn.status.stable.is_none() {
        first_is_unavailable(turn, Rule::CheckFailed, reason);
        return false;
    }
    abort(turn, Rule::CheckFailed, reason, None, failing);
    true
}

fn on_fail(turn: &Turn<'_>, judgement: &Judgement) -> OnTrouble {
    let step_checks = turn.plan.steps.iter().flat_map(|step| &step.checks);
    turn.plan
        .checks
        .iter()
        .chain(step_checks)
        .find(|check| check.name == judgement.check)
        .map_or(OnTrouble::Abort, |check| check.on_fail)
}

/// Time since the start of the rollout, without holds, gates and unwatched time.
fn counted(turn: &Turn<'_>, rollout: &Rollout) -> Duration {
    let mut held_ms = rollout.held_ms;
    if let Some(pause) = &rollout.pause {
        held_ms = held_ms.saturating_add(turn.now.since(pause.since).as_millis() as u64);
    } else if let RolloutState::Stepping {
        stage: Stage::Gate { since },
        ..
    } = &rollout.state
    {
        held_ms = held_ms.saturating_add(turn.now.since(*since).as_millis() as u64);
    }
    turn.now
        .since(rollout.started_at)
        .saturating_sub(Duration::from_millis(held_ms))
}

fn overdue(turn: &mut Turn<'_>) -> bool {
    let Some(rollout) = turn.rollout() else {
        return false;
    };
    let Some(deadline) = turn.plan.deadline else {
        return false;
    };
    if rollout.warned.deadline || counted(turn, rollout) <= deadline {
        return false;
    }
    let text = format!(
        "the rollout took longer than its deadline of {}",
        sluice_model::time::format_span(deadline)
    );
    if turn.plan.on_deadline == OnTrouble::Abort && turn.status.stable.is_some() {
        abort(turn, Rule::RolloutDeadline, text, None, Vec::new());
        return true;
    }
    turn.note(Rule::RolloutDeadline, text.clone());
    if turn.plan.on_deadline == OnTrouble::Pause {
        turn.hold(text, None);
    }
    if let Some(rollout) = turn.rollout_mut() {
        rollout.warned.deadline = true;
    }
    false
}

/// The time at which a warning that nothing moves is due: the expected waits are not counted.
pub(crate) fn stuck_at(turn: &Turn<'_>, rollout: &Rollout) -> Timestamp {
    let expected = match &rollout.state {
        RolloutState::Stepping {
            step,
            stage: Stage::Baking { .. },
        } => turn.step(*step).bake,
        _ => Duration::ZERO,
    };
    rollout
        .moved_at
        .after(expected)
        .after(turn.plan.stuck_after)
}

fn warn(turn: &mut Turn<'_>) {
    let Some(rollout) = turn.rollout() else {
        return;
    };
    let slow = !rollout.warned.slow && turn.now.since(rollout.started_at) >= turn.plan.slow_after;
    let stuck =
        !rollout.warned.stuck && rollout.pause.is_none() && turn.now >= stuck_at(turn, rollout);
    let target = rollout.target;
    if slow {
        let span = sluice_model::time::format_span(turn.plan.slow_after);
        turn.note(
            Rule::SlowWarning,
            format!("the rollout of revision {target} runs for more than {span}"),
        );
    }
    if stuck {
        let span = sluice_model::time::format_span(turn.plan.stuck_after);
        turn.note(
            Rule::StuckWarning,
            format!("nothing has moved in the rollout of revision {target} for {span}; `sluice explain {}` says what it waits for", turn.status.service),
        );
    }
    if let Some(rollout) = turn.rollout_mut() {
        rollout.warned.slow |= slow;
        rollout.warned.stuck |= stuck;
    }
}

/// Ends the running rollout: back to stable.
pub(crate) fn abort(
    turn: &mut Turn<'_>,
    rule: Rule,
    reason: String,
    actor: Option<String>,
    evidence: Vec<Judgement>,
) {
    let Some(rollout) = turn.rollout().cloned() else {
        return;
    };
    if rule != Rule::Aborted {
        turn.entry(rule, reason.clone(), actor.clone(), evidence);
    }
    let back = turn.status.stable.map_or_else(
        || "nothing serves now".to_owned(),
        |stable| format!("all traffic is back on revision {stable}"),
    );
    turn.entry(
        Rule::Aborted,
        format!(
            "revision {} was taken back: {reason}; {back}",
            rollout.target
        ),
        actor,
        Vec::new(),
    );
    end(turn, &rollout, reason, false);
}

/// Ends the running rollout because stable was asked for again.
pub(crate) fn return_to_stable(turn: &mut Turn<'_>, actor: &str) {
    let Some(rollout) = turn.rollout().cloned() else {
        return;
    };
    let reason = format!("{actor} asked for the stable revision again");
    turn.entry(
        Rule::ReturnedToStable,
        reason.clone(),
        Some(actor.to_owned()),
        Vec::new(),
    );
    end(turn, &rollout, reason, true);
}

fn end(turn: &mut Turn<'_>, rollout: &Rollout, reason: String, returned: bool) {
    give_back(turn, rollout);
    if turn.status.restoring.is_none()
        && turn.status.stable.is_some()
        && rollout.traffic_step.is_some()
        && !turn.plan.keep_aborted.is_zero()
    {
        let until = turn.now.after(turn.plan.keep_aborted);
        let replicas = turn.counts(rollout.target).running;
        turn.status
            .kept
            .insert(rollout.target, Kept { replicas, until });
    }
    let now = turn.now;
    let step = match rollout.state {
        RolloutState::Stepping { step, .. } => step,
        _ => 0,
    };
    let closing = (!turn.plan.hooks.aborted.is_empty()).then(|| steps::first_hook(now));
    if let Some(rollout) = turn.status.rollout.as_mut() {
        rollout.state = RolloutState::Aborted {
            at: now,
            step,
            reason,
            returned,
        };
        rollout.moved_at = now;
        rollout.pause = None;
        rollout.closing = closing;
    }
}

/// Notes what a rollout that replaced stable replicas in place has taken, so that the stable side gets
/// it back before the other one leaves.
pub(crate) fn give_back(turn: &mut Turn<'_>, rollout: &Rollout) {
    let RolloutState::Stepping { step, .. } = rollout.state else {
        return;
    };
    let exposure = &turn.step(step).exposure.clone();
    if steps::keeps_stable(exposure) || turn.status.stable.is_none() {
        return;
    }
    let replicas = turn.counts(rollout.target).running;
    turn.status.restoring = Some(Restoring {
        from: rollout.target,
        replicas,
        exclusive: matches!(exposure, Exposure::Recreate),
    });
}

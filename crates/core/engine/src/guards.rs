//! What takes a canary back by itself: crash loops, nothing ready, failing checks, deadlines; and the
//! warnings.
//!
//! Going back needs less than going forward: the guards work while the rollout is held. How going back is
//! done stands in `ending`, what is judged in `judging`.

use crate::turn::Turn;
use crate::{ending, judging, traffic};
use sluice_model::plan::{Exposure, Limit, OnTrouble};
use sluice_model::status::{Rollout, RolloutState, Stage};
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
    if !matches!(rollout.state, RolloutState::Stepping { .. }) {
        return false;
    }
    let (target, before) = (rollout.target, rollout.restarts_before);
    let counts = turn.counts(target);
    if counts.running > 0
        && counts.restarts_max < before
        && let Some(rollout) = turn.rollout_mut()
    {
        // The replica that had restarted most is gone.
        rollout.restarts_before = counts.restarts_max;
        return false;
    }
    let restarts = counts.restarts_max.saturating_sub(before);
    if restarts < turn.plan.crash_loop_restarts.max(1) {
        return false;
    }
    let cause = counts
        .last_failure
        .unwrap_or_else(|| "no cause was seen".to_owned());
    let text = format!("a replica of revision {target} restarted {restarts} times: {cause}");
    if turn.status.stable.is_none() {
        first_is_unavailable(turn, Rule::CrashLoop, text);
        return false;
    }
    ending::abort(turn, Rule::CrashLoop, text, None, Vec::new());
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
        // While replicas are replaced, the traffic follows those that are available.
        Some(Exposure::Rolling { .. } | Exposure::Recreate) => !matches!(
            rollout.state,
            RolloutState::Stepping {
                stage: Stage::Scaling { .. },
                ..
            }
        ),
        None => false,
    };
    if turn.status.stable.is_none() || !has_traffic || turn.counts(target).ready > 0 {
        return false;
    }
    let cause = turn
        .counts(target)
        .last_failure
        .map_or_else(String::new, |cause| format!(" ({cause})"));
    ending::abort(
        turn,
        Rule::NothingReady,
        format!("no replica of revision {target} is ready while it has traffic{cause}"),
        None,
        Vec::new(),
    );
    true
}

fn failing_checks(turn: &mut Turn<'_>) -> bool {
    let judgements = judging::judge_all(turn);
    turn.report.checks.clone_from(&judgements);
    let failing: Vec<Judgement> = judgements
        .iter()
        .filter(|judgement| judgement.verdict == Verdict::Fail)
        .cloned()
        .collect();
    let Some(first) = failing.first() else {
        return false;
    };
    let reason = format!("check `{}` failed: {}", first.check, first.message);
    let evidence = evidence(&failing, judgements);
    let all_pause = failing
        .iter()
        .all(|judgement| on_fail(turn, judgement) == OnTrouble::Pause);
    if all_pause {
        if turn
            .rollout()
            .is_some_and(|rollout| rollout.pause.is_none())
        {
            turn.entry(Rule::CheckFailed, reason.clone(), None, evidence);
            turn.hold(reason, None);
        }
        return false;
    }
    if turn.status.stable.is_none() {
        first_is_unavailable(turn, Rule::CheckFailed, reason);
        return false;
    }
    ending::abort(turn, Rule::CheckFailed, reason, None, evidence);
    true
}

/// What a failure stands on: the failing judgements, and when a comparison is among them every other one as
/// well, because it is their mean that decided.
fn evidence(failing: &[Judgement], all: Vec<Judgement>) -> Vec<Judgement> {
    let compares = |judgement: &Judgement| matches!(judgement.limit, Limit::NotWorse(_));
    let with_all = failing.iter().any(compares);
    all.into_iter()
        .filter(|it| it.verdict == Verdict::Fail || (with_all && compares(it)))
        .collect()
}

/// What the check does that this judgement is of: a name may stand in several steps, and the present
/// step's word counts first.
fn on_fail(turn: &Turn<'_>, judgement: &Judgement) -> OnTrouble {
    let present = match turn
        .rollout()
        .map(|rollout| (&rollout.state, rollout.traffic_step))
    {
        Some((RolloutState::Stepping { step, .. }, earlier)) => earlier.unwrap_or(*step),
        _ => 0,
    };
    let later = turn.plan.steps.iter().skip(present as usize);
    later
        .flat_map(|step| &step.checks)
        .chain(&turn.plan.checks)
        .find(|check| check.name == judgement.check)
        .map_or(OnTrouble::Abort, |check| check.on_fail)
}

/// Time since the start of the rollout, without holds, gates and unwatched time.
fn counted(turn: &Turn<'_>, rollout: &Rollout) -> Duration {
    let mut uncounted = Duration::from_millis(rollout.held_ms);
    let held_since = rollout.pause.as_ref().map(|pause| pause.since);
    if let Some(since) = held_since {
        uncounted += turn.now.since(since);
    }
    if let RolloutState::Stepping {
        stage: Stage::Gate { since },
        ..
    } = &rollout.state
    {
        uncounted += held_since.unwrap_or(turn.now).since(*since);
    }
    turn.now.since(rollout.started_at).saturating_sub(uncounted)
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
        ending::abort(turn, Rule::RolloutDeadline, text, None, Vec::new());
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

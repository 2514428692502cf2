//! What takes a canary back: crash loops, nothing ready, failing checks, deadlines. And how going
//! back is done.
//!
//! Going back needs less than going forward: it works while the rollout is held, and for a plan whose
//! stable side kept its capacity it needs no new process.

use crate::turn::Turn;
use crate::{in_place, steps, traffic};
use sluice_model::plan::{Check, Exposure, Limit, Metric, OnTrouble};
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
    abort(
        turn,
        Rule::NothingReady,
        format!("no replica of revision {target} is ready while it has traffic{cause}"),
        None,
        Vec::new(),
    );
    true
}

/// The checks that are judged now: the plan's, and those of the step whose traffic flows. While a step
/// prepares, they are those of the step before.
pub(crate) fn judge_all(turn: &Turn<'_>) -> Vec<Judgement> {
    let Some(rollout) = turn.rollout() else {
        return Vec::new();
    };
    let RolloutState::Stepping { step, stage } = &rollout.state else {
        return Vec::new();
    };
    let prepares = matches!(stage, Stage::Scaling { .. } | Stage::Before { .. });
    let judged = match rollout.traffic_step {
        _ if rollout.fast => return Vec::new(),
        _ if !prepares => *step,
        // Without a replica that serves there is nothing to judge; a recreate's outage was to be expected.
        Some(earlier) if earlier == *step || !in_place::replaces_now(turn, rollout) => earlier,
        _ => return Vec::new(),
    };
    let step = turn.step(judged);
    let all_traffic = exposes_everything(&step.exposure, prepares);
    let since = rollout.traffic_since.unwrap_or(rollout.started_at);
    let of_plan = turn
        .plan
        .checks
        .iter()
        .filter(|check| feeds(&step.exposure, check));
    step.checks
        .iter()
        .chain(of_plan)
        .filter(|check| !(all_traffic && needs_baseline(check)))
        .map(|check| {
            let measured = turn.observation.measurements.get(&check.name);
            let of_this_step = measured.filter(|it| it.from >= since && it.from <= turn.now);
            sluice_analysis::judge(check, of_this_step)
        })
        .collect()
}

/// Whether users' traffic, or copies of it, give a check of the whole plan something to judge; where
/// they do not, it would be waited for in vain.
fn feeds(exposure: &Exposure, check: &Check) -> bool {
    match exposure {
        Exposure::Split { mirror, .. } if check.metric == Metric::MirrorDiffRatio => {
            mirror.as_ref().is_some_and(|mirror| mirror.compare)
        }
        Exposure::Split { weight, mirror, .. } => *weight > Weight::ZERO || mirror.is_some(),
        Exposure::Rolling { .. } | Exposure::Recreate => check.metric != Metric::MirrorDiffRatio,
    }
}

/// At full weight there is no concurrent baseline to compare with.
fn exposes_everything(exposure: &Exposure, replacing: bool) -> bool {
    match exposure {
        Exposure::Split { weight, .. } => *weight == Weight::FULL,
        Exposure::Rolling { .. } => !replacing,
        Exposure::Recreate => true,
    }
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
        let kept = turn.status.kept.entry(rollout.target);
        let kept = kept.or_insert(Kept { replicas, until });
        kept.replicas = kept.replicas.max(replicas);
        kept.until = kept.until.max(until);
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
    if !in_place::replaces_now(turn, rollout) || turn.status.stable.is_none() {
        return;
    }
    let exclusive = matches!(turn.step(step).exposure, Exposure::Recreate);
    if exclusive {
        turn.status.kept.remove(&rollout.target);
    }
    turn.status.restoring = Some(Restoring {
        from: rollout.target,
        replicas: turn.counts(rollout.target).running,
        exclusive,
    });
}

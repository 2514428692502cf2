//! What operators ask for, and the answers.

use crate::turn::Turn;
use crate::{capacity, clock, ending, leaving, steps};
use sluice_model::command::{Command, CommandKind, CommandOutcome};
use sluice_model::status::{Rollout, RolloutState, Stage, Warned};
use sluice_model::{RevisionNumber, RolloutId, Rule};

/// Answers every command that is not answered yet, by rising id. Returns whether a command changed
/// the target, and with it the plan that is needed to go on.
pub(crate) fn answer_all(turn: &mut Turn<'_>) -> bool {
    let observation = turn.observation;
    for command in &observation.commands {
        if command.id <= turn.status.last_command {
            continue;
        }
        let target_before = turn.rollout().map(|rollout| (rollout.id, rollout.target));
        let outcome = match carry_out(turn, command) {
            Ok(()) => CommandOutcome::Accepted,
            Err(message) => {
                turn.entry(
                    Rule::CommandRefused,
                    message.clone(),
                    Some(command.actor.clone()),
                    Vec::new(),
                );
                CommandOutcome::Refused { message }
            }
        };
        turn.answer(command.id, outcome);
        let target_after = turn.rollout().map(|rollout| (rollout.id, rollout.target));
        if target_after.is_some() && target_after != target_before {
            return true;
        }
    }
    false
}

fn carry_out(turn: &mut Turn<'_>, command: &Command) -> Result<(), String> {
    let actor = command.actor.as_str();
    match &command.kind {
        CommandKind::Deploy { revision } => deploy(turn, actor, *revision),
        CommandKind::Undo { to } => undo(turn, actor, *to),
        CommandKind::Pause { reason } => pause(turn, actor, reason.as_deref()),
        CommandKind::Resume => resume(turn, actor),
        CommandKind::Promote { full } => promote(turn, actor, *full),
        CommandKind::Abort { reason } => {
            require_running(turn, "abort")?;
            ending::abort(
                turn,
                Rule::Aborted,
                reason.clone(),
                Some(actor.to_owned()),
                Vec::new(),
            );
            Ok(())
        }
        CommandKind::Retry => retry(turn, actor),
    }
}

fn require_running<'t>(turn: &'t Turn<'_>, verb: &str) -> Result<&'t Rollout, String> {
    turn.rollout().ok_or_else(|| {
        format!(
            "there is no rollout to {verb}; start one with `sluice deploy {}`",
            turn.status.service
        )
    })
}

fn deploy(turn: &mut Turn<'_>, actor: &str, revision: RevisionNumber) -> Result<(), String> {
    if turn
        .rollout()
        .is_some_and(|rollout| rollout.target == revision)
    {
        return Err(format!("revision {revision} is being rolled out already"));
    }
    if turn.status.stable == Some(revision) {
        if turn.rollout().is_none() {
            return Err(format!("revision {revision} is the stable one already"));
        }
        ending::return_to_stable(turn, actor);
        return Ok(());
    }
    start(turn, actor, revision, false);
    Ok(())
}

fn undo(turn: &mut Turn<'_>, actor: &str, to: Option<RevisionNumber>) -> Result<(), String> {
    let running = turn.rollout().is_some();
    let target = match to {
        Some(revision) => revision,
        None if running => turn.status.stable.ok_or(
            "there is no stable revision to go back to yet; `sluice abort` ends this rollout",
        )?,
        None => *turn.status.former.first().ok_or(
            "there is no former revision to go back to; `sluice history` lists what there is",
        )?,
    };
    if turn.status.stable == Some(target) {
        if running {
            ending::return_to_stable(turn, actor);
            return Ok(());
        }
        return Err(format!("revision {target} is the stable one already"));
    }
    if turn
        .rollout()
        .is_some_and(|rollout| rollout.target == target)
    {
        return Err(format!("revision {target} is being rolled out already"));
    }
    start(turn, actor, target, true);
    Ok(())
}

/// Begins a rollout; a running one is superseded.
fn start(turn: &mut Turn<'_>, actor: &str, target: RevisionNumber, undo: bool) {
    if let Some(rollout) = turn.rollout().cloned() {
        let old = rollout.target;
        turn.entry(
            Rule::RolloutSuperseded,
            format!(
                "revision {target} takes the place of revision {old}, which leaves the traffic"
            ),
            Some(actor.to_owned()),
            Vec::new(),
        );
        ending::give_back(turn, &rollout);
    }
    let id = turn.status.next_rollout;
    turn.status.next_rollout = RolloutId(id.0 + 1);
    let first = turn.status.stable.is_none();
    let now = turn.now;
    turn.status.rollout = Some(Rollout {
        id,
        target,
        strategy: turn.plan.strategy,
        steps: turn.plan.steps.len() as u32,
        fast: first || undo,
        actor: actor.to_owned(),
        started_at: now,
        moved_at: now,
        state: RolloutState::Starting {
            hook: steps::first_hook(now),
        },
        traffic_step: None,
        traffic_since: None,
        restarts_before: 0,
        closing: None,
        pause: None,
        held_ms: 0,
        attempt: 1,
        warned: Warned::default(),
    });
    let message = match turn.status.stable {
        None => format!("first revision {target} of {}", turn.status.service),
        Some(stable) if undo => format!("back from revision {stable} to revision {target}"),
        Some(stable) => format!("from revision {stable} to revision {target}"),
    };
    turn.entry(
        Rule::RolloutStarted,
        message,
        Some(actor.to_owned()),
        Vec::new(),
    );
}

fn pause(turn: &mut Turn<'_>, actor: &str, reason: Option<&str>) -> Result<(), String> {
    let rollout = require_running(turn, "pause")?;
    if let Some(pause) = &rollout.pause {
        return Err(format!("the rollout is held already: {}", pause.reason));
    }
    let reason = reason.unwrap_or("held by command").to_owned();
    turn.entry(
        Rule::Paused,
        reason.clone(),
        Some(actor.to_owned()),
        Vec::new(),
    );
    turn.hold(reason, Some(actor.to_owned()));
    Ok(())
}

fn resume(turn: &mut Turn<'_>, actor: &str) -> Result<(), String> {
    let rollout = require_running(turn, "resume")?;
    if rollout.pause.is_none() {
        return Err("the rollout is not held".to_owned());
    }
    release_hold(turn);
    turn.entry(
        Rule::Resumed,
        "the rollout goes on",
        Some(actor.to_owned()),
        Vec::new(),
    );
    Ok(())
}

/// Ends a hold; the time it took does not count for any wait.
fn release_hold(turn: &mut Turn<'_>) {
    let now = turn.now;
    if let Some(rollout) = turn.rollout_mut()
        && let Some(pause) = rollout.pause.take()
    {
        let held = now.since(pause.since);
        clock::move_waits(rollout, i64::try_from(held.as_millis()).unwrap_or(i64::MAX));
        rollout.moved_at = now;
        rollout.held_ms = rollout.held_ms.saturating_add(held.as_millis() as u64);
    }
}

fn promote(turn: &mut Turn<'_>, actor: &str, full: bool) -> Result<(), String> {
    let rollout = require_running(turn, "promote")?;
    if full {
        return promote_fully(turn, actor);
    }
    let (step, stage) = match &rollout.state {
        RolloutState::Stepping { step, stage } => (*step, stage.clone()),
        _ => return Err("the start hooks still run; wait for them, or use --full".to_owned()),
    };
    let name = turn.step(step).name.clone();
    if matches!(stage, Stage::Scaling { .. }) {
        return Err(format!(
            "the replicas of step {} ({name}) are not available yet, so no traffic can move; wait, or abort",
            step + 1
        ));
    }
    let replaces_next =
        matches!(stage, Stage::Before { .. }) && !steps::keeps_stable(&turn.step(step).exposure);
    if !replaces_next && let Some(missing) = leaving::lacking_for_promotion(turn, step) {
        return Err(format!(
            "the promotion needs all replicas: {missing}; wait, or abort"
        ));
    }
    release_hold(turn);
    let name = format!("step {} ({name})", step + 1);
    let (rule, text) = match stage {
        Stage::Gate { .. } => (Rule::GateAnswered, format!("{name} was approved")),
        _ => (
            Rule::StepSkipped,
            format!("what was left of {name} is skipped"),
        ),
    };
    turn.entry(rule, text, Some(actor.to_owned()), Vec::new());
    if replaces_next {
        capacity::enter_scaling(turn, step);
    } else {
        leaving::leave_step(turn, step);
    }
    Ok(())
}

fn promote_fully(turn: &mut Turn<'_>, actor: &str) -> Result<(), String> {
    if turn.rollout().is_some_and(|rollout| rollout.fast) {
        return Err("the rest of the plan is skipped already".to_owned());
    }
    let replaces_in_place = !steps::keeps_stable(&turn.plan.fast_step().exposure);
    if replaces_in_place && turn.status.restoring.is_some() {
        return Err(
            "the stable side gets its full capacity back first; try again in a moment".to_owned(),
        );
    }
    release_hold(turn);
    let now = turn.now;
    let last = turn.plan.steps.len().saturating_sub(1) as u32;
    if let Some(rollout) = turn.rollout_mut() {
        rollout.fast = true;
        rollout.moved_at = now;
        let scaling = Stage::Scaling {
            since: now,
            reached: 0,
        };
        let goes_on = replaces_in_place
            && matches!(
                rollout.state,
                RolloutState::Stepping {
                    stage: Stage::Scaling { .. },
                    ..
                }
            );
        if !goes_on {
            rollout.state = RolloutState::Stepping {
                step: last,
                stage: scaling,
            };
        }
    }
    capacity::count_restarts_from_here(turn);
    capacity::give_up_kept(turn, last);
    turn.entry(
        Rule::PromotedFully,
        "the rest of the plan is skipped; all traffic moves as soon as the replicas are available",
        Some(actor.to_owned()),
        Vec::new(),
    );
    Ok(())
}

fn retry(turn: &mut Turn<'_>, actor: &str) -> Result<(), String> {
    let now = turn.now;
    let stable = turn.status.stable;
    let service = turn.status.service.clone();
    let Some(rollout) = turn.status.rollout.as_mut() else {
        return Err(format!(
            "there is no rollout to retry; start one with `sluice deploy {service}`"
        ));
    };
    if !matches!(rollout.state, RolloutState::Aborted { .. }) {
        return Err("only an aborted rollout can be tried again".to_owned());
    }
    let target = rollout.target;
    rollout.attempt += 1;
    rollout.state = RolloutState::Starting {
        hook: steps::first_hook(now),
    };
    rollout.started_at = now;
    rollout.moved_at = now;
    rollout.traffic_step = None;
    rollout.traffic_since = None;
    rollout.closing = None;
    rollout.pause = None;
    rollout.held_ms = 0;
    rollout.fast = stable.is_none();
    rollout.warned = Warned::default();
    turn.entry(
        Rule::Retried,
        format!("revision {target} is tried again from its first step"),
        Some(actor.to_owned()),
        Vec::new(),
    );
    Ok(())
}

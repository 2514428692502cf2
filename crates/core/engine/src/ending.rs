//! How a rollout ends without a promotion: what is given back, and what is kept for a look.
//!
//! For a plan whose stable side kept its capacity this needs no new process.

use crate::turn::Turn;
use crate::{in_place, steps};
use sluice_model::plan::Exposure;
use sluice_model::status::{Kept, Restoring, Rollout, RolloutState};
use sluice_model::{Judgement, Rule};

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
    let back = match turn.status.stable {
        None => "nothing serves now".to_owned(),
        Some(stable) if in_place::replaces_now(turn, &rollout) => {
            format!("revision {stable} gets its replicas and its traffic back")
        }
        Some(stable) => format!("all traffic is back on revision {stable}"),
    };
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
    turn.status.restoring = Some(Restoring {
        from: rollout.target,
        replicas: turn.counts(rollout.target).running,
        exclusive,
    });
}

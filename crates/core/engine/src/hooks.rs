//! Hooks: which effect should run now, and what its outcome means.
//!
//! An effect's id names service, rollout, attempt, place and try, so that the same point of a rollout
//! always asks for the same effect, and an answer that comes late is not taken for another's.

use crate::turn::Turn;
use sluice_model::plan::{Hook, OnTrouble};
use sluice_model::status::{HookProgress, Rollout, RolloutState, Stage};
use sluice_model::{Effect, EffectAction, EffectId, EffectOutcome, Rule, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long after its timeout an effect's answer is waited for; then it counts as lost, and failed.
pub const ANSWER_SLACK: Duration = Duration::from_secs(10);

/// The list that a hook belongs to, and how it is named in ids and messages.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Before the first step.
    Start,
    /// Before a step's traffic.
    Before(u32),
    /// After a step's bake.
    After(u32),
    /// After the promotion.
    Promoted,
    /// After an abort.
    Aborted,
}

impl Place {
    fn text(self) -> String {
        match self {
            Place::Start => "start".to_owned(),
            Place::Before(step) => format!("step{}/before", step + 1),
            Place::After(step) => format!("step{}/after", step + 1),
            Place::Promoted => "promoted".to_owned(),
            Place::Aborted => "aborted".to_owned(),
        }
    }
}

/// What the hook at hand means for the rollout.
pub(crate) enum Progress {
    /// It has not answered.
    Wait,
    /// It is done, or its failure does not matter: the next one.
    Next,
    /// It is tried again.
    Again,
    /// It failed for good.
    Failed { message: String, then: OnTrouble },
}

fn id_of(turn: &Turn<'_>, rollout: &Rollout, place: Place, hook: HookProgress) -> EffectId {
    EffectId(format!(
        "{}/{}/{}/{}/{}/{}",
        turn.status.service,
        rollout.id,
        rollout.attempt,
        place.text(),
        hook.index + 1,
        hook.attempt
    ))
}

/// The hooks of a place.
pub(crate) fn hooks_at(turn: &Turn<'_>, place: Place) -> Vec<Hook> {
    let fast = turn
        .status
        .rollout
        .as_ref()
        .is_some_and(|rollout| rollout.fast);
    match place {
        Place::Promoted => turn.plan.hooks.promoted.clone(),
        Place::Aborted => turn.plan.hooks.aborted.clone(),
        _ if fast => Vec::new(),
        Place::Start => turn.plan.hooks.start.clone(),
        Place::Before(step) => turn.step(step).before.clone(),
        Place::After(step) => turn.step(step).after.clone(),
    }
}

/// Looks at the outcome of the hook at hand.
pub(crate) fn progress(turn: &Turn<'_>, place: Place, hook: &Hook, at: HookProgress) -> Progress {
    let Some(rollout) = turn.status.rollout.as_ref() else {
        return Progress::Wait;
    };
    let outcome = turn
        .observation
        .effects
        .get(&id_of(turn, rollout, place, at));
    let message = match outcome {
        Some(EffectOutcome::Succeeded) => return Progress::Next,
        Some(EffectOutcome::Failed { message }) => message.clone(),
        Some(EffectOutcome::Running) | None => {
            if turn.now.since(at.since) <= hook.timeout + ANSWER_SLACK {
                return Progress::Wait;
            }
            "no answer came in time".to_owned()
        }
    };
    if at.attempt <= hook.retries {
        return Progress::Again;
    }
    Progress::Failed {
        message: format!("hook `{}` failed: {message}", hook.name),
        then: hook.on_failure,
    }
}

/// The hook that runs now, where it stands, and since when.
pub(crate) fn current(turn: &Turn<'_>) -> Option<(Place, HookProgress)> {
    let rollout = turn.status.rollout.as_ref()?;
    match &rollout.state {
        RolloutState::Starting { hook } => Some((Place::Start, *hook)),
        RolloutState::Stepping {
            step,
            stage: Stage::Before { hook },
        } => Some((Place::Before(*step), *hook)),
        RolloutState::Stepping {
            step,
            stage: Stage::After { hook },
        } => Some((Place::After(*step), *hook)),
        RolloutState::Stepping { .. } => None,
        RolloutState::Promoted { .. } => rollout.closing.map(|hook| (Place::Promoted, hook)),
        RolloutState::Aborted { .. } => rollout.closing.map(|hook| (Place::Aborted, hook)),
    }
}

/// The effects that should have been started by now and have not ended.
pub(crate) fn wanted(turn: &Turn<'_>) -> Vec<Effect> {
    let Some(rollout) = turn.status.rollout.as_ref() else {
        return Vec::new();
    };
    if rollout.pause.is_some() {
        return Vec::new();
    }
    let Some((place, at)) = current(turn) else {
        return Vec::new();
    };
    let Some(hook) = hooks_at(turn, place).into_iter().nth(at.index as usize) else {
        return Vec::new();
    };
    let id = id_of(turn, rollout, place, at);
    let ended = matches!(
        turn.observation.effects.get(&id),
        Some(EffectOutcome::Succeeded | EffectOutcome::Failed { .. })
    );
    if ended {
        return Vec::new();
    }
    let action = EffectAction::Hook {
        name: hook.name.clone(),
        action: hook.action.clone(),
        facts: facts(turn, rollout, place),
    };
    vec![Effect {
        id,
        action,
        timeout: hook.timeout,
    }]
}

fn facts(turn: &Turn<'_>, rollout: &Rollout, place: Place) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::from([
        ("service".to_owned(), turn.status.service.to_string()),
        ("rollout".to_owned(), rollout.id.to_string()),
        ("revision".to_owned(), rollout.target.to_string()),
        ("strategy".to_owned(), rollout.strategy.as_str().to_owned()),
        ("at".to_owned(), place.text()),
    ]);
    if let Some(stable) = turn.status.stable {
        facts.insert("stable".to_owned(), stable.to_string());
    }
    if let RolloutState::Stepping { step, .. } = rollout.state {
        facts.insert("step".to_owned(), (step + 1).to_string());
        facts.insert("step_name".to_owned(), turn.step(step).name.clone());
    }
    if let RolloutState::Aborted { reason, .. } = &rollout.state {
        facts.insert("reason".to_owned(), reason.clone());
    }
    facts
}

/// When the hook at hand is given up.
pub(crate) fn lost_at(turn: &Turn<'_>) -> Option<Timestamp> {
    let (place, at) = current(turn)?;
    let hook = hooks_at(turn, place).into_iter().nth(at.index as usize)?;
    Some(at.since.after(hook.timeout).after(ANSWER_SLACK).shifted(1))
}

/// Runs a list of hooks as far as it goes. Returns the new place in the list, or `None` when the list
/// is done; notes outcomes. `Err` carries a failure for good.
pub(crate) fn run(
    turn: &mut Turn<'_>,
    place: Place,
    mut at: HookProgress,
) -> Result<Option<HookProgress>, (String, OnTrouble, HookProgress)> {
    let hooks = hooks_at(turn, place);
    while let Some(hook) = hooks.get(at.index as usize) {
        match progress(turn, place, hook, at) {
            Progress::Wait => return Ok(Some(at)),
            Progress::Next => {
                turn.note(
                    Rule::HookSucceeded,
                    format!("hook `{}` ({}) succeeded", hook.name, place.text()),
                );
                at = HookProgress {
                    index: at.index + 1,
                    attempt: 1,
                    since: turn.now,
                };
            }
            Progress::Again => {
                at = HookProgress {
                    attempt: at.attempt + 1,
                    since: turn.now,
                    ..at
                };
            }
            Progress::Failed {
                message,
                then: OnTrouble::Continue,
            } => {
                let text = match place {
                    Place::Promoted | Place::Aborted => message,
                    _ => format!("{message}; the rollout goes on, as the hook says"),
                };
                turn.note(Rule::HookFailed, text);
                at = HookProgress {
                    index: at.index + 1,
                    attempt: 1,
                    since: turn.now,
                };
            }
            Progress::Failed { message, then } => {
                let next_try = HookProgress {
                    attempt: at.attempt + 1,
                    since: turn.now,
                    ..at
                };
                return Err((message, then, next_try));
            }
        }
    }
    Ok(None)
}

//! Operators who ask for anything, sensible or not.

use crate::random::Random;
use crate::store::Store;
use sluice_model::command::CommandKind;
use sluice_model::{RevisionNumber, RolloutState, ServiceStatus, Stage};

/// What an operator wishes for.
pub(crate) enum Wish {
    /// A new revision, to be made first.
    NewRevision,
    /// A command.
    Command(CommandKind),
}

/// The next wish.
pub(crate) fn draw(random: &mut Random, status: &ServiceStatus, store: &Store) -> Wish {
    let revisions = store.plans.len() as u64;
    // One more than there are: sometimes somebody mistypes.
    let any = RevisionNumber(1 + random.below(revisions + 1) as u32);
    if random.chance(50)
        && let Some(kind) = sensible(random, status)
    {
        return Wish::Command(kind);
    }
    let kind = match random.below(20) {
        0..5 => return Wish::NewRevision,
        5 | 6 => CommandKind::Deploy { revision: any },
        7 => CommandKind::Deploy {
            revision: status.stable.unwrap_or(any),
        },
        8 => CommandKind::Pause { reason: None },
        9 | 10 => CommandKind::Resume,
        11 | 12 => CommandKind::Promote { full: false },
        13 => CommandKind::Promote { full: true },
        14 | 15 => CommandKind::Abort {
            reason: "by lot".to_owned(),
        },
        16 => CommandKind::Retry,
        17 => CommandKind::Undo { to: Some(any) },
        _ => CommandKind::Undo { to: None },
    };
    Wish::Command(kind)
}

/// What somebody who looks at the service would ask for, if anything.
fn sensible(random: &mut Random, status: &ServiceStatus) -> Option<CommandKind> {
    let rollout = status.rollout.as_ref()?;
    if rollout.pause.is_some() {
        return Some(CommandKind::Resume);
    }
    match &rollout.state {
        RolloutState::Stepping {
            stage: Stage::Gate { .. },
            ..
        } => Some(CommandKind::Promote { full: false }),
        RolloutState::Stepping { .. } | RolloutState::Starting { .. } => match random.below(6) {
            0 => Some(CommandKind::Pause { reason: None }),
            1 => Some(CommandKind::Abort {
                reason: "it looks bad".to_owned(),
            }),
            2 => Some(CommandKind::Promote { full: false }),
            _ => None,
        },
        RolloutState::Aborted { .. } => random.chance(30).then_some(CommandKind::Retry),
        RolloutState::Promoted { .. } => {
            random.chance(20).then_some(CommandKind::Undo { to: None })
        }
    }
}

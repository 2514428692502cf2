//! What operators ask for.

use crate::ids::{CommandId, RevisionNumber};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A command, stored until a decision answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Rising within a service; a decision answers each once.
    pub id: CommandId,
    /// Who asked: a user name of this machine, or a token's name.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: CommandKind,
}

/// The commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "type"
)]
pub enum CommandKind {
    /// Roll out this revision (it exists in the store).
    Deploy {
        /// Which.
        revision: RevisionNumber,
    },
    /// Hold the rollout where it is.
    Pause {
        /// Why.
        reason: Option<String>,
    },
    /// Let it go on.
    Resume,
    /// Approve the gate, or skip what is left of the step; with `full`, of the plan.
    Promote {
        /// Skip the whole rest of the plan.
        full: bool,
    },
    /// Back to stable.
    Abort {
        /// Why; kept in the log.
        reason: String,
    },
    /// Start an aborted rollout again from its first step.
    Retry,
    /// Go back to an older revision, without the steps of the plan.
    Undo {
        /// Which one; the former stable revision when absent.
        to: Option<RevisionNumber>,
    },
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CommandOutcome {
    /// Carried out.
    Accepted,
    /// Not carried out: nothing changed.
    Refused {
        /// Why, and what to do.
        message: String,
    },
}

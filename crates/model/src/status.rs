//! Where a service stands: what is stored, and survives every crash.

use crate::ids::{CommandId, RevisionNumber, RolloutId, ServiceName};
use crate::plan::Strategy;
use crate::routes::Routes;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many former stable revisions are remembered.
pub const FORMER_MAX: usize = 20;

/// The status of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Which service.
    pub service: ServiceName,
    /// The revision that users are on; none before the first one became available.
    pub stable: Option<RevisionNumber>,
    /// Replicas of the stable revision at full size.
    pub stable_replicas: u32,
    /// Former stable revisions, newest first, at most [`FORMER_MAX`].
    pub former: Vec<RevisionNumber>,
    /// The rollout that runs, or the last one that ended.
    pub rollout: Option<Rollout>,
    /// Revisions that are neither stable nor target and keep capacity for a while: replaced ones
    /// kept warm, aborted or superseded canaries.
    pub kept: BTreeMap<RevisionNumber, Kept>,
    /// Set while the stable side gets back the capacity that a rolling or recreate rollout had taken.
    pub restoring: Option<Restoring>,
    /// The routing as last decided; its segment number rises with each change of the weights.
    pub routes: Routes,
    /// The last command that was answered.
    pub last_command: CommandId,
    /// The number of the next rollout.
    pub next_rollout: RolloutId,
    /// The time of the last decision.
    pub decided_at: Timestamp,
}

/// A revision that keeps capacity without being stable or target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// How many replicas.
    pub replicas: u32,
    /// Until when.
    pub until: Timestamp,
}

/// The stable side is getting its capacity back after a rollout that had replaced some of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restoring {
    /// The revision that had taken its place.
    pub from: RevisionNumber,
    /// How many replicas of that revision help out meanwhile.
    pub replicas: u32,
    /// Whether the two must not run side by side (recreate).
    pub exclusive: bool,
}

/// One rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Its number.
    pub id: RolloutId,
    /// The revision that comes.
    pub target: RevisionNumber,
    /// The strategy of the plan.
    pub strategy: Strategy,
    /// How many steps the plan has.
    pub steps: u32,
    /// Whether the plan's steps are skipped (undo, `promote --full`, first deployment).
    pub fast: bool,
    /// Who asked for it.
    pub actor: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When something last moved.
    pub moved_at: Timestamp,
    /// Where it stands.
    pub state: RolloutState,
    /// The plan's step whose traffic flows while a later one prepares; absent before the first.
    pub traffic_step: Option<u32>,
    /// When that step's traffic began. Unlike waiting times, holds and gaps do not move it: it says
    /// which measurements belong to the step.
    #[serde(default)]
    pub traffic_since: Option<Timestamp>,
    /// The most restarts of one of the target's replicas when the present step began; a crash loop
    /// is counted from there.
    #[serde(default)]
    pub restarts_before: u32,
    /// Which of the closing hooks (promoted or aborted) runs; absent when there is none left.
    pub closing: Option<HookProgress>,
    /// Whether it is held.
    pub pause: Option<Pause>,
    /// Time spent held or at gates so far, in milliseconds; not counted against the deadline.
    pub held_ms: u64,
    /// The attempt, from 1; a retry raises it.
    pub attempt: u32,
    /// Warnings that were given already.
    pub warned: Warned,
}

/// Warnings are given once a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Warned {
    /// It takes long.
    pub slow: bool,
    /// Nothing moves.
    pub stuck: bool,
    /// The rollout's deadline passed.
    pub deadline: bool,
    /// The first revision does not become available.
    pub unavailable: bool,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Who; absent when the engine holds by itself.
    pub actor: Option<String>,
}

/// Where a rollout stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "type"
)]
pub enum RolloutState {
    /// Hooks before the first step.
    Starting {
        /// Which of the start hooks.
        hook: HookProgress,
    },
    /// In a step.
    Stepping {
        /// From 0.
        step: u32,
        /// What happens in it.
        stage: Stage,
    },
    /// Ended: the target is stable.
    Promoted {
        /// When.
        at: Timestamp,
    },
    /// Ended: back on stable.
    Aborted {
        /// When.
        at: Timestamp,
        /// In which step, from 0.
        step: u32,
        /// Why.
        reason: String,
        /// Whether somebody asked for stable again, so that nothing is wrong.
        returned: bool,
    },
}

/// What happens in a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "type"
)]
pub enum Stage {
    /// Replicas start; traffic is still that of the step before.
    Scaling {
        /// Since when, or since the last replica became available.
        since: Timestamp,
        /// Replicas available so far.
        reached: u32,
    },
    /// Hooks before the traffic.
    Before {
        /// Which.
        hook: HookProgress,
    },
    /// The step's traffic flows, its checks are judged.
    Baking {
        /// Since when.
        since: Timestamp,
    },
    /// Hooks after the bake.
    After {
        /// Which.
        hook: HookProgress,
    },
    /// Waiting for an approval.
    Gate {
        /// Since when.
        since: Timestamp,
    },
}

/// Which hook of a list runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookProgress {
    /// From 0.
    pub index: u32,
    /// From 1.
    pub attempt: u32,
    /// Since when this attempt runs.
    pub since: Timestamp,
}

impl ServiceStatus {
    /// The status of a service that has never had a revision.
    #[must_use]
    pub fn new(service: ServiceName) -> Self {
        Self {
            service,
            stable: None,
            stable_replicas: 0,
            former: Vec::new(),
            rollout: None,
            kept: BTreeMap::new(),
            restoring: None,
            routes: Routes::default(),
            last_command: CommandId(0),
            next_rollout: RolloutId(1),
            decided_at: Timestamp(0),
        }
    }

    /// The rollout, when one runs.
    #[must_use]
    pub fn running(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| rollout.is_running())
    }
}

impl Rollout {
    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(
            self.state,
            RolloutState::Starting { .. } | RolloutState::Stepping { .. }
        )
    }
}

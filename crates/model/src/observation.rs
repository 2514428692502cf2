//! What the world looks like when a decision is made.

use crate::analysis::{Evidence, Sequential};
use crate::command::Command;
use crate::ids::{CheckName, EffectId, RevisionNumber};
use crate::millis;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything the engine may know besides plan, status and time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// Whether every replica has been looked at since Sluice started. Until then nothing moves but
    /// what an operator asks for: missing data holds.
    pub settled: bool,
    /// Replicas by revision; a revision that is absent has none.
    pub replicas: BTreeMap<RevisionNumber, ReplicaCounts>,
    /// The latest measurement of each check; absent when there is none.
    pub measurements: BTreeMap<CheckName, Measurement>,
    /// What became of effects that were asked for.
    pub effects: BTreeMap<EffectId, EffectOutcome>,
    /// Operators' commands that no decision has answered yet, by rising id.
    pub commands: Vec<Command>,
}

/// The replicas of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaCounts {
    /// Processes that exist and are not being stopped.
    pub running: u32,
    /// Of these, those whose probes pass.
    pub ready: u32,
    /// Of these, those ready for at least the plan's `min_ready`.
    pub available: u32,
    /// Being stopped.
    pub stopping: u32,
    /// The most restarts that one of the replicas has had since it was created.
    pub restarts_max: u32,
    /// Why the latest replica failed, if one did.
    pub last_failure: Option<String>,
}

/// One metric on both sides over a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// The new revision.
    pub canary: Side,
    /// The stable revision, over the same time.
    pub baseline: Side,
    /// Where the covered time begins. A step believes only what was measured after its traffic began.
    pub from: Timestamp,
    /// The time that was covered.
    #[serde(with = "millis")]
    pub window: Duration,
    /// What the verdict stands on besides these; absent for thresholds.
    #[serde(flatten)]
    pub evidence: Option<Evidence>,
}

impl Measurement {
    /// What a comparison request by request stands on.
    #[must_use]
    pub fn sequential(&self) -> Option<&Sequential> {
        match &self.evidence {
            Some(Evidence::Sequential(sequential)) => Some(sequential),
            _ => None,
        }
    }
}

/// One side of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The metric's value; absent when it cannot be told.
    pub value: Option<f64>,
    /// Observations behind it.
    pub count: u64,
}

/// What became of an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EffectOutcome {
    /// Started, no answer yet.
    Running,
    /// Done.
    Succeeded,
    /// Failed, with the cause.
    Failed {
        /// What went wrong.
        message: String,
    },
}

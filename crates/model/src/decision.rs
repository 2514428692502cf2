//! What the engine answers.

use crate::ids::{EffectId, RevisionNumber};
use crate::millis;
use crate::plan::HookAction;
use crate::report::Report;
use crate::routes::Routes;
use crate::status::ServiceStatus;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A decision: the complete desired state, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The next status; it is stored before anything below is acted on.
    pub status: ServiceStatus,
    /// What should be, completely.
    pub desired: Desired,
    /// Effects that should have been started by now and are not known to be done. Starting one again
    /// under the same id is harmless.
    pub effects: Vec<Effect>,
    /// When to decide again if nothing happens before.
    pub wake_at: Option<Timestamp>,
    /// Whether the decision only takes a canary out of traffic: it is then acted on even if it
    /// cannot be stored.
    pub retreat: bool,
    /// What was decided, by which rule, on which evidence.
    pub report: Report,
}

/// The complete desired state of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// Replicas by revision; a revision that is absent shall have none.
    pub replicas: BTreeMap<RevisionNumber, u32>,
    /// Routing.
    pub routes: Routes,
}

/// Something to be done once in the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Identity; the same decision yields the same one.
    pub id: EffectId,
    /// What is done.
    pub action: EffectAction,
    /// Longest time of it.
    #[serde(with = "millis")]
    pub timeout: Duration,
}

/// What an effect does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EffectAction {
    /// Runs a hook with these facts (they become `SLUICE_*` variables, or the webhook's JSON).
    Hook {
        /// The hook's name.
        name: String,
        /// What runs.
        action: HookAction,
        /// Facts of the rollout: service, revision, stable, step, weight, phase, reason …
        facts: BTreeMap<String, String>,
    },
}

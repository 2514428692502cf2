//! A service as the API shows it. The field names are a promise to scripts.

use crate::counters::SideCounters;
use crate::ids::{RevisionNumber, RolloutId, ServiceName};
use crate::millis;
use crate::report::Judgement;
use crate::time::Timestamp;
use crate::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The phase of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// On its stable revision, with full capacity.
    Healthy,
    /// A rollout moves, or replicas are starting.
    Progressing,
    /// A rollout is held, or waits at a gate.
    Paused,
    /// The last rollout was aborted, or the stable side lacks replicas.
    Degraded,
}

/// A service as `status SERVICE -o json` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceView {
    /// Its name.
    pub service: ServiceName,
    /// Its phase.
    pub phase: Phase,
    /// Strategy of the current or last rollout.
    pub strategy: Option<String>,
    /// Step of the current rollout, from 1; 0 when none runs.
    pub step: u32,
    /// Steps of its plan.
    pub steps: u32,
    /// The step's name.
    pub step_name: Option<String>,
    /// Shares of the traffic by revision, in percent.
    pub weights: BTreeMap<RevisionNumber, Weight>,
    /// The revision that users are on.
    pub stable: Option<RevisionNumber>,
    /// The revision being rolled out.
    pub canary: Option<RevisionNumber>,
    /// The current or last rollout; absent before the first.
    pub rollout: Option<RolloutView>,
    /// What goes on, for people.
    pub message: String,
    /// When the current or last rollout began; RFC 3339.
    pub started_at: Option<String>,
    /// When it ended; RFC 3339.
    pub ended_at: Option<String>,
    /// Where the proxy listens.
    pub listen: Option<String>,
    /// Where the preview listens.
    pub preview: Option<String>,
    /// Time since the rollout began.
    #[serde(with = "millis::option")]
    pub elapsed: Option<Duration>,
    /// Shortest time until the rollout could be done, by the plan.
    #[serde(with = "millis::option")]
    pub eta: Option<Duration>,
    /// The checks as they stand.
    pub checks: Vec<Judgement>,
    /// Both sides, by revision.
    pub revisions: BTreeMap<RevisionNumber, RevisionView>,
    /// The time of this view.
    pub at: Timestamp,
}

/// The current or last rollout of a [`ServiceView`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutView {
    /// Its number.
    pub id: RolloutId,
    /// The revision that it brings.
    pub revision: RevisionNumber,
    /// How it stands.
    pub outcome: RolloutOutcome,
}

/// How a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RolloutOutcome {
    /// It has not ended.
    Running,
    /// Its revision became stable.
    Promoted,
    /// It was taken back.
    Aborted,
    /// Somebody asked for the stable revision again.
    Returned,
}

/// One revision within a [`ServiceView`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RevisionView {
    /// Replicas wanted.
    pub replicas: u32,
    /// Replicas ready.
    pub ready: u32,
    /// The most restarts of one of them.
    pub restarts: u32,
    /// CPU of all replicas, in cores.
    pub cpu: Option<f64>,
    /// Largest resident memory of a replica, in bytes.
    pub memory_bytes: Option<u64>,
    /// Requests per second, of the last seconds.
    pub request_rate: f64,
    /// Share of failed requests, of the last seconds.
    pub error_ratio: Option<f64>,
    /// Latency quantiles in milliseconds, of the last seconds.
    pub p50_ms: Option<f64>,
    /// 95 %.
    pub p95_ms: Option<f64>,
    /// 99 %.
    pub p99_ms: Option<f64>,
    /// Counts since the revision came up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<SideCounters>,
}

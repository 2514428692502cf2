//! What a decision asks to be written.

use super::traffic::Routing;
use crate::api::{
    AnalysisRun, Experiment, PodTemplateMetadata, RolloutDurationStatus, RolloutStatus,
};
use crate::event::Event;
use serde_json::Value;
use std::collections::BTreeMap;

/// One write. Each is sound by itself: it may be the last one that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// `spec.replicas: 1`, where it is absent: autoscalers need the number.
    DefaultReplicas {
        /// What is taken out of its template, as JSON pointers (RFC 6901) from the Rollout on: amounts that are none,
        /// with which no client that has Argo's types can read the Rollout, or a list of Rollouts.
        remove: Vec<String>,
    },
    /// Annotations of the Rollout; `None` removes one.
    AnnotateRollout(BTreeMap<String, Option<String>>),
    /// A new ReplicaSet, without pods yet.
    CreateReplicaSet(Value),
    /// Changes of a ReplicaSet, as JSON Patch (RFC 6902); a `test` in it fails when somebody else scaled it.
    PatchReplicaSet {
        /// Its name.
        name: String,
        /// The operations.
        operations: Vec<Value>,
    },
    /// A ReplicaSet that nobody controls becomes the Rollout's, by such operations. Not for a Rollout that was deleted
    /// meanwhile, which takes along what it owns: its present state has to be asked for first.
    AdoptReplicaSet {
        /// Its name.
        name: String,
        /// The operations.
        operations: Vec<Value>,
    },
    /// A ReplicaSet beyond the history.
    DeleteReplicaSet {
        /// Its name.
        name: String,
    },
    /// Another hash in a Service's selector.
    SwitchService {
        /// The Service.
        name: String,
        /// The hash.
        hash: String,
        /// Whether the Service is claimed for this Rollout with it.
        claim: bool,
    },
    /// What all routers should do.
    Route(Routing),
    /// Pods of a ReplicaSet get other labels and annotations, besides what others gave them.
    SyncPods {
        /// The ReplicaSet.
        replica_set: String,
        /// What its pods may have got before.
        existing: PodTemplateMetadata,
        /// What they should have.
        wanted: PodTemplateMetadata,
    },
    /// Pods that are older than the restart: they are evicted, as far as disruption budgets allow.
    EvictPods(Vec<String>),
    /// A new AnalysisRun.
    StartRun(Box<AnalysisRun>),
    /// An AnalysisRun is no longer needed, and ends.
    TerminateRun(String),
    /// An AnalysisRun beyond the history.
    DeleteRun(String),
    /// A new Experiment.
    StartExperiment(Box<Experiment>),
    /// An Experiment is no longer needed, and ends.
    TerminateExperiment(String),
    /// An Experiment beyond the history.
    DeleteExperiment(String),
    /// Another number of pods for the workload that the Rollout takes over from.
    ScaleWorkload(i32),
    /// The Rollout's status.
    Status(Box<RolloutStatus>),
    /// Something that people should see; written when all before it was.
    Event(Event),
    /// A rollout ended: for the metrics.
    Completed(RolloutDurationStatus),
}

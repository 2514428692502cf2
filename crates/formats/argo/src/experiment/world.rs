//! What a decision about an Experiment may know, and what it asks to be written.

use crate::api::{AnalysisRun, Experiment, ExperimentStatus};
use crate::arguments::TemplateSource;
use crate::event::Event;
use crate::rollout::ReplicaSet;
use serde_json::Value;
use sluice_model::time::Timestamp;
use std::collections::BTreeSet;

/// The annotation with the name of the Experiment that an object belongs to.
pub const EXPERIMENT_NAME: &str = "experiment.argoproj.io/name";
/// The annotation with the name of the version that an object is for.
pub const TEMPLATE_NAME: &str = "experiment.argoproj.io/template-name";

/// Everything that a decision about one Experiment may know.
#[derive(Clone)]
pub struct ExperimentWorld<'a> {
    /// The Experiment.
    pub experiment: &'a Experiment,
    /// The ReplicaSets that it controls; [`TEMPLATE_NAME`] says which version each is for.
    pub replica_sets: Vec<ReplicaSet>,
    /// The Services that it controls.
    pub services: Vec<OwnedService>,
    /// Its AnalysisRuns. One that its status names and a cache lacks was looked for at the API server.
    pub runs: Vec<AnalysisRun>,
    /// The analysis templates of its namespace and of the cluster.
    pub templates: &'a dyn TemplateSource,
    /// Names of ReplicaSets that it wants ([`super::replica_set_name`]) and that are not its own.
    pub taken_replica_sets: BTreeSet<String>,
    /// Names of AnalysisRuns that it wanted and that are not its own: creating one said so.
    pub taken_runs: BTreeSet<String>,
    /// What an API server refused since the status was stored, and would refuse again.
    pub refused: &'a [Refusal],
}

/// A Service of an Experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedService {
    /// Its name.
    pub name: String,
    /// The version that it is for, by its annotation [`TEMPLATE_NAME`].
    pub template: String,
}

/// Something that an API server refused, and that would be refused again: a conflict or a busy server is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The version, or the analysis.
    pub name: String,
    /// What was refused.
    pub what: Refused,
    /// Why.
    pub cause: String,
}

/// What can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A new ReplicaSet.
    CreateReplicaSet,
    /// Another number of pods.
    ScaleReplicaSet,
    /// A new Service; also when its name is somebody else's.
    CreateService,
    /// The end of a Service.
    DeleteService,
    /// A new AnalysisRun.
    CreateRun,
    /// The end of an AnalysisRun.
    TerminateRun,
}

/// One write. Each is sound by itself: it may be the last one that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum ExperimentWrite {
    /// A new ReplicaSet, without pods yet. That it is there already is as good.
    CreateReplicaSet {
        /// The version that it is for.
        template: String,
        /// The object.
        object: Value,
    },
    /// Another number of pods for a ReplicaSet that has `from` of them; a conflict is decided again.
    ScaleReplicaSet {
        /// The version that it is for.
        template: String,
        /// The ReplicaSet.
        name: String,
        /// Pods that it should have until now.
        from: i32,
        /// Pods that it should have.
        to: i32,
    },
    /// A ReplicaSet keeps its pods until then; `None` takes the annotation away.
    SetDeadline {
        /// The ReplicaSet.
        name: String,
        /// Until when.
        deadline: Option<Timestamp>,
    },
    /// A new Service. That it is there already, for this version, is as good.
    CreateService {
        /// The version that it is for.
        template: String,
        /// The object.
        object: Value,
    },
    /// A Service is no longer needed.
    DeleteService {
        /// The version that it is for.
        template: String,
        /// The Service.
        name: String,
    },
    /// A new AnalysisRun. Where the name is taken, the next decision is to know it.
    CreateRun {
        /// The analysis that it is for.
        analysis: String,
        /// The run, with its owner.
        run: Box<AnalysisRun>,
    },
    /// An AnalysisRun is no longer needed, and ends.
    TerminateRun {
        /// The analysis that it is for.
        analysis: String,
        /// The run.
        name: String,
    },
    /// The status.
    Status(Box<ExperimentStatus>),
    /// Something that people should see; written when all before it was.
    Event(Event),
    /// The same for the Rollout whose step the Experiment is.
    RolloutEvent {
        /// The Rollout.
        rollout: String,
        /// The event.
        event: Event,
    },
}

/// What follows for an Experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExperimentDecision {
    /// What is to be written, in this order; nothing after a write that failed.
    pub writes: Vec<ExperimentWrite>,
    /// When to decide again if nothing happens before.
    pub wake_at: Option<Timestamp>,
}

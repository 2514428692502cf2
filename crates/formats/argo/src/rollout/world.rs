//! What a decision about a Rollout may know.

use crate::api::{
    AnalysisPhase, AnalysisRun, AnalysisTemplate, Experiment, LabelSelector, ObjectMeta,
    POD_TEMPLATE_HASH_LABEL, PodTemplate, PodTemplateMetadata, Rollout, Time,
};
use crate::template::Misfit;
use crate::workload::Pods;
use serde::{Deserialize, Serialize};
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

/// The annotation with the number of a revision.
pub const REVISION: &str = "rollout.argoproj.io/revision";
/// The annotation with the earlier numbers of a revision that was rolled out again.
pub(super) const REVISION_HISTORY: &str = "rollout.argoproj.io/revision-history";
/// The annotation with the Rollout's number of pods when the ReplicaSet was last scaled.
pub(super) const DESIRED_REPLICAS: &str = "rollout.argoproj.io/desired-replicas";
/// The annotation with the generation of the workload that `workloadRef` names.
pub const WORKLOAD_GENERATION: &str = "rollout.argoproj.io/workload-generation";
/// The annotation with labels and annotations that a role added to the pods.
pub(super) const EPHEMERAL_METADATA: &str = "rollout.argoproj.io/ephemeral-metadata";
/// The annotation with the time until which an old ReplicaSet keeps its pods.
pub const SCALE_DOWN_DEADLINE: &str = "scale-down-deadline";
/// The annotation of a Service that a Rollout has claimed.
pub const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";
/// The label that says which controller a Rollout, and what it owns, belongs to.
pub const INSTANCE_ID_LABEL: &str = "argo-rollouts.argoproj.io/controller-instance-id";

/// Everything that a decision about one Rollout may know.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The Rollout; where it refers to a workload, with that workload's template and selector.
    pub rollout: Rollout,
    /// The workload that it refers to, if it was found.
    pub workload: Option<Workload>,
    /// Its ReplicaSets: those that it controls.
    pub replica_sets: Vec<ReplicaSet>,
    /// ReplicaSets of its namespace that nobody controls.
    pub orphans: Vec<ReplicaSet>,
    /// Whether the name of the next ReplicaSet ([`super::candidate_name`]) belongs to one that is not its own.
    pub name_taken: bool,
    /// The Services that its strategy names, as far as they exist.
    pub services: BTreeMap<String, Service>,
    /// Its AnalysisRuns.
    pub runs: Vec<AnalysisRun>,
    /// Its Experiments.
    pub experiments: Vec<Experiment>,
    /// The analysis templates that it names, and those that these name, as far as they exist.
    pub templates: Vec<AnalysisTemplate>,
    /// What was left out of its template, since it is no amount ([`crate::template::without_odd_amounts`]).
    pub left_out: Vec<Misfit>,
    /// The other Rollouts whose pods its selector matches, or whose selectors match its own.
    pub rivals: Vec<String>,
    /// What is wrong with what it refers to, beyond missing Services and templates.
    pub problem: Option<String>,
    /// Its pods; needed only where [`super::needs_pods`] says so.
    pub pods: Vec<Pod>,
    /// Whether an eviction that was decided just now was refused for each pod: all else goes on then.
    pub evictions_refused: bool,
}

/// The workload that a Rollout refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// Its generation.
    pub generation: i64,
    /// Its own number of pods, if it has any.
    pub replicas: Option<i32>,
}

/// A Service that a Rollout names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The hash that its selector asks for; empty when it asks for none.
    pub hash: String,
    /// The Rollout that claimed it.
    pub managed_by: Option<String>,
}

/// A pod of a Rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// The ReplicaSet that it belongs to.
    pub replica_set: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Since when it is ready; `None` when it is not.
    pub ready_since: Option<Timestamp>,
}

/// A ReplicaSet, as far as decisions need it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSet {
    /// Name, labels and the rest.
    pub metadata: ObjectMeta,
    /// What should be.
    pub spec: ReplicaSetSpec,
    /// What is.
    pub status: ReplicaSetStatus,
}

/// What a ReplicaSet should be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetSpec {
    /// Pods that it should have; 1 when absent.
    pub replicas: Option<i32>,
    /// Seconds for which a pod must be ready before it counts as available.
    pub min_ready_seconds: i32,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// Its pods.
    pub template: PodTemplate,
}

/// What a ReplicaSet is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetStatus {
    /// Pods that exist.
    pub replicas: i32,
    /// Of these, those that are ready.
    pub ready_replicas: i32,
    /// Of these, those ready for long enough.
    pub available_replicas: i32,
    /// The generation that these numbers are about.
    pub observed_generation: i64,
    /// Conditions; `ReplicaFailure` says that pods cannot be created.
    pub conditions: Vec<ReplicaSetCondition>,
}

/// A condition of a ReplicaSet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetCondition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Since when.
    pub last_transition_time: Time,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

impl ReplicaSet {
    /// The hash in its label; empty without one.
    #[must_use]
    pub fn hash(&self) -> &str {
        self.metadata
            .labels
            .get(POD_TEMPLATE_HASH_LABEL)
            .map_or("", String::as_str)
    }

    /// Pods that it should have.
    #[must_use]
    pub fn desired(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    /// The number of its revision; 0 when it has none.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.metadata
            .annotations
            .get(REVISION)
            .and_then(|revision| revision.parse().ok())
            .unwrap_or(0)
    }

    /// Its numbers for counting.
    #[must_use]
    pub fn pods(&self) -> Pods {
        Pods {
            desired: self.desired(),
            existing: self.status.replicas,
            available: self.status.available_replicas,
        }
    }

    /// Until when it keeps its pods, as written; empty when nothing is.
    pub(super) fn deadline_text(&self) -> &str {
        self.metadata
            .annotations
            .get(SCALE_DOWN_DEADLINE)
            .map_or("", String::as_str)
    }

    /// Until when it keeps its pods. A text that is no time is a deadline long past.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let text = self.deadline_text();
        let time = || Time::parse(text).map_or(Timestamp(0), |time| time.0);
        (!text.is_empty()).then(time)
    }

    /// The Rollout's number of pods when this was last scaled.
    pub(super) fn desired_annotation(&self) -> Option<i32> {
        self.metadata
            .annotations
            .get(DESIRED_REPLICAS)?
            .parse()
            .ok()
    }

    /// What its role added to its pods' labels and annotations.
    pub(super) fn ephemeral(&self) -> PodTemplateMetadata {
        self.metadata
            .annotations
            .get(EPHEMERAL_METADATA)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// Whether it has pods, and as many as it should have are available.
    pub(super) fn is_available(&self) -> bool {
        self.desired() > 0 && self.is_counted() && self.status.available_replicas >= self.desired()
    }

    /// Whether its pods were counted since their number last changed. Who is available may have ended then: a
    /// ReplicaSet that shrank and grew again has fewer pods than its last count says.
    pub(super) fn is_counted(&self) -> bool {
        self.status.observed_generation >= self.metadata.generation.unwrap_or(0)
    }

    /// Its place among those of a Rollout: when it was created, and as which revision. Times have whole seconds only.
    pub(super) fn age(&self) -> (Timestamp, i64) {
        let earlier = self.metadata.annotations.get(REVISION_HISTORY);
        let first = earlier.and_then(|earlier| earlier.split(',').next()?.trim().parse().ok());
        (self.created_at(), first.unwrap_or_else(|| self.revision()))
    }

    /// When it was created.
    pub(super) fn created_at(&self) -> Timestamp {
        self.metadata
            .creation_timestamp
            .map_or(Timestamp(i64::MAX), |time| time.0)
    }

    /// Whether it is being deleted.
    pub(super) fn is_deleting(&self) -> bool {
        self.metadata.is_deleting()
    }
}

impl ObjectMeta {
    /// The version at which it was read. Kubernetes' are numbers.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.rest.get("resourceVersion")?.as_str()?.parse().ok()
    }

    /// Whether the object is being deleted.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.rest
            .get("deletionTimestamp")
            .is_some_and(|time| !time.is_null())
    }
}

/// A run or an experiment, for what both share: which revision it is about, and whether it ended.
pub(super) trait Trial {
    fn metadata(&self) -> &ObjectMeta;
    fn phase(&self) -> &AnalysisPhase;
    fn is_terminated(&self) -> bool;

    fn name(&self) -> &str {
        &self.metadata().name
    }

    /// Whether it still has to be ended.
    fn is_going_on(&self) -> bool {
        !self.is_terminated() && !self.phase().is_completed()
    }

    /// The hash of the revision that it is about.
    fn hash(&self) -> Option<&str> {
        self.metadata()
            .labels
            .get(POD_TEMPLATE_HASH_LABEL)
            .map(String::as_str)
    }
}

impl Trial for AnalysisRun {
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn phase(&self) -> &AnalysisPhase {
        &self.status.phase
    }
    fn is_terminated(&self) -> bool {
        self.spec.terminate
    }
}

impl Trial for Experiment {
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn phase(&self) -> &AnalysisPhase {
        &self.status.phase
    }
    fn is_terminated(&self) -> bool {
        self.spec.terminate
    }
}

//! The Rollout and its spec.

use super::blue_green::BlueGreenStrategy;
use super::canary::CanaryStrategy;
use super::object::{LabelSelector, ObjectMeta, PodTemplate};
use super::scalar::Time;
use super::status::RolloutStatus;

/// Replicas where the spec names none.
pub const DEFAULT_REPLICAS: i32 = 1;
/// Old ReplicaSets that are kept where the spec names no number.
pub const DEFAULT_REVISION_HISTORY_LIMIT: i32 = 10;
/// Seconds for progress where the spec names none.
pub const DEFAULT_PROGRESS_DEADLINE_SECONDS: i32 = 600;

/// How the pods of a workload are replaced by new ones, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `Rollout`.
    pub kind: String,
    /// Name, labels and the rest.
    pub metadata: ObjectMeta,
    /// What should be.
    pub spec: RolloutSpec,
    /// What is.
    #[serde(skip_serializing_if = "super::wire::is_empty")]
    pub status: RolloutStatus,
}

wire! {
    /// What a Rollout should look like.
    RolloutSpec {
        optional {
            /// Number of pods; 1 when absent.
            replicas: Option<i32>,
            /// Which pods belong to the Rollout; it must match the template's labels. Required unless
            /// workloadRef names the workload. Cannot be changed.
            selector: Option<LabelSelector>,
            /// The pods. Required unless workloadRef names a workload that has them.
            template: PodTemplate,
            /// The workload whose pod template is used instead of `template`.
            workload_ref: Option<ObjectRef>,
            /// Seconds for which a new pod must be ready before it counts as available.
            min_ready_seconds: i32,
            /// How far back an older revision is rolled out without steps.
            rollback_window: Option<RollbackWindowSpec>,
            /// How pods are replaced.
            strategy: RolloutStrategy,
            /// Number of old ReplicaSets that are kept; 10 when absent.
            revision_history_limit: Option<i32>,
            /// Holds the rollout where it is.
            paused: bool,
            /// Seconds without progress after which the rollout counts as failed; 600 when absent.
            /// Pauses do not count.
            progress_deadline_seconds: Option<i32>,
            /// Whether a rollout that fails so is aborted.
            progress_deadline_abort: bool,
            /// From when on pods that are older than this are restarted.
            restart_at: Option<Time>,
            /// How many finished analysis runs and experiments are kept.
            analysis: Option<AnalysisRunStrategy>,
        }
    }

    /// Where a Rollout takes its pod template from.
    ObjectRef {
        optional {
            /// The workload's API version, as `apps/v1`.
            api_version: String,
            /// Its kind: `Deployment`, `ReplicaSet` or `PodTemplate`.
            kind: String,
            /// Its name.
            name: String,
            /// What becomes of that Deployment's own pods: `never`, `onsuccess` or `progressively`.
            scale_down: String,
        }
    }

    /// Revisions that are near enough to go back to without steps.
    RollbackWindowSpec {
        optional {
            /// How many revisions may lie between.
            revisions: i32,
        }
    }

    /// Exactly one strategy.
    RolloutStrategy {
        optional {
            /// A full second side, then one switch.
            blue_green: Option<BlueGreenStrategy>,
            /// Growing shares of pods or traffic.
            canary: Option<CanaryStrategy>,
        }
    }

    /// How many finished analysis runs and experiments are kept.
    AnalysisRunStrategy {
        optional {
            /// Of those that succeeded; 5 when absent.
            successful_run_history_limit: Option<i32>,
            /// Of those that failed, had errors or were inconclusive; 5 when absent.
            unsuccessful_run_history_limit: Option<i32>,
        }
    }
}

impl RolloutSpec {
    /// The number of pods.
    #[must_use]
    pub fn replicas(&self) -> i32 {
        self.replicas.unwrap_or(DEFAULT_REPLICAS)
    }

    /// The number of old ReplicaSets that are kept.
    #[must_use]
    pub fn revision_history_limit(&self) -> i32 {
        self.revision_history_limit
            .unwrap_or(DEFAULT_REVISION_HISTORY_LIMIT)
    }

    /// Seconds without progress after which the rollout counts as failed.
    #[must_use]
    pub fn progress_deadline_seconds(&self) -> i32 {
        self.progress_deadline_seconds
            .unwrap_or(DEFAULT_PROGRESS_DEADLINE_SECONDS)
    }
}

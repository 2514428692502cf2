//! The Experiment: several versions side by side.

use super::analysis::{Argument, is_own};
use super::canary::{DryRun, MeasurementRetention};
use super::measured::AnalysisPhase;
use super::object::{LabelSelector, ObjectMeta, PodTemplate, PodTemplateMetadata};
use super::scalar::{DurationText, Time};

/// Several versions side by side, for a while or until analyses end.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Experiment {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `Experiment`.
    pub kind: String,
    /// Name, labels and the rest.
    pub metadata: ObjectMeta,
    /// What should be.
    pub spec: ExperimentSpec,
    /// What is.
    #[serde(skip_serializing_if = "super::wire::is_empty")]
    pub status: ExperimentStatus,
}

impl Experiment {
    /// Whether the object says that it is one.
    #[must_use]
    pub fn is_of_kind(&self) -> bool {
        is_own(&self.api_version, &self.kind, "Experiment")
    }
}

wire! {
    /// What an experiment should look like.
    ExperimentSpec {
        required {
            /// The versions.
            templates: Vec<TemplateSpec>,
        }
        optional {
            /// How long it runs, as `10m`; until its analyses end when absent.
            duration: DurationText,
            /// Seconds without progress after which it counts as failed; 600 when absent.
            progress_deadline_seconds: Option<i32>,
            /// Ends it now.
            terminate: bool,
            /// Its analyses.
            analyses: Vec<ExperimentAnalysis>,
            /// Seconds for which its pods stay after its end; 30 when absent.
            scale_down_delay_seconds: Option<i32>,
            /// Metrics that are measured without consequences.
            dry_run: Vec<DryRun>,
            /// How many measurements are kept.
            measurement_retention: Vec<MeasurementRetention>,
            /// Labels and annotations of the AnalysisRuns.
            analysis_run_metadata: PodTemplateMetadata,
        }
    }

    /// One of the versions.
    TemplateSpec {
        required {
            /// Its name.
            name: String,
            /// Which pods belong to it; it must match its template's labels, and no other version's.
            selector: Option<LabelSelector>,
            /// Its pods.
            template: PodTemplate,
        }
        optional {
            /// Number of pods; 1 when absent.
            replicas: Option<i32>,
            /// Seconds for which a new pod must be ready before it counts as available.
            min_ready_seconds: i32,
            /// A Service of its own.
            service: Option<TemplateService>,
        }
    }

    /// A Service that is made for one version.
    TemplateService {
        optional {
            /// Its name; derived when absent.
            name: String,
        }
    }

    /// An analysis of an experiment.
    ExperimentAnalysis {
        required {
            /// Its name within the experiment.
            name: String,
            /// The template.
            template_name: String,
        }
        optional {
            /// Whether that is a ClusterAnalysisTemplate.
            cluster_scope: Option<bool>,
            /// Values for the template's arguments.
            args: Vec<Argument>,
            /// Whether the experiment waits for its end.
            required_for_completion: bool,
        }
    }

    /// Where an experiment stands.
    ExperimentStatus {
        optional {
            /// Its phase.
            #[schemars(with = "String")]
            phase: AnalysisPhase,
            /// Why.
            message: String,
            /// Its versions.
            template_statuses: Vec<TemplateStatus>,
            /// When all versions were available for the first time.
            available_at: Option<Time>,
            /// Conditions.
            conditions: Vec<ExperimentCondition>,
            /// Its analyses.
            analysis_runs: Vec<ExperimentAnalysisRunStatus>,
        }
    }

    /// Where one version stands.
    TemplateStatus {
        required {
            /// Its name.
            name: String,
            /// Pods that were not ended.
            replicas: i32,
            /// Pods of the template as it is now.
            updated_replicas: i32,
            /// Pods that are ready.
            ready_replicas: i32,
            /// Pods that have been ready for long enough.
            available_replicas: i32,
        }
        optional {
            /// How often the name of the ReplicaSet was taken.
            collision_count: Option<i32>,
            /// `Progressing`, `Running`, `Successful`, `Failed` or `Error`.
            status: String,
            /// Why.
            message: String,
            /// When it last got on.
            last_transition_time: Option<Time>,
            /// Its Service.
            service_name: String,
            /// Its pods' hash label.
            pod_template_hash: String,
        }
    }

    /// A condition of an experiment.
    ExperimentCondition {
        required {
            /// `InvalidSpec`, `Completed`, `Progressing`, `Running` or `ReplicaFailure`.
            #[serde(rename = "type")]
            kind: String,
            /// `True`, `False` or `Unknown`.
            status: String,
            /// When it was last looked at.
            last_update_time: Time,
            /// When its status last changed.
            last_transition_time: Time,
            /// Why, in one word.
            reason: String,
            /// Why, for people.
            message: String,
        }
    }

    /// Where an analysis of an experiment stands.
    ExperimentAnalysisRunStatus {
        required {
            /// Its name within the experiment.
            name: String,
            /// Its AnalysisRun.
            analysis_run: String,
            /// Its phase.
            #[schemars(with = "String")]
            phase: AnalysisPhase,
        }
        optional {
            /// Why.
            message: String,
        }
    }
}

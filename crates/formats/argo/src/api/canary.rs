//! The canary strategy.

use super::blue_green::AntiAffinity;
use super::object::PodTemplateMetadata;
use super::scalar::IntOrString;
use super::step::CanaryStep;
use super::traffic::RolloutTrafficRouting;

/// The whole of the traffic where `maxTrafficWeight` says nothing else.
pub const DEFAULT_MAX_TRAFFIC_WEIGHT: i32 = 100;

wire! {
    /// Growing shares of the pods, or of the traffic where a router is named.
    CanaryStrategy {
        optional {
            /// The Service of the canary's pods.
            canary_service: String,
            /// The Service of the stable pods.
            stable_service: String,
            /// The steps, in order.
            steps: Vec<CanaryStep>,
            /// The routers that split the traffic; without any, the number of pods does.
            traffic_routing: Option<RolloutTrafficRouting>,
            /// Pods that may be away at a time, as a number or a percentage rounded down; 25 % when absent.
            /// Not 0 together with maxSurge.
            max_unavailable: Option<IntOrString>,
            /// Pods above the number of replicas at a time, as a number or a percentage rounded up; 25 % when
            /// absent. Not 0 together with maxUnavailable.
            max_surge: Option<IntOrString>,
            /// Analysis that runs beside the steps.
            analysis: Option<RolloutAnalysisBackground>,
            /// Keeps old and new pods on different nodes.
            anti_affinity: Option<AntiAffinity>,
            /// Labels and annotations of pods while they are the canary.
            canary_metadata: Option<PodTemplateMetadata>,
            /// Labels and annotations of pods while they are stable.
            stable_metadata: Option<PodTemplateMetadata>,
            /// Seconds for which the old pods stay after the promotion, with traffic routing; 30 when absent.
            scale_down_delay_seconds: Option<i32>,
            /// How many old ReplicaSets may keep their pods at a time.
            scale_down_delay_revision_limit: Option<i32>,
            /// Seconds for which an aborted canary keeps its pods, with traffic routing; 30 when absent, 0 for
            /// ever.
            abort_scale_down_delay_seconds: Option<i32>,
            /// Whether stable gives up pods as its traffic shrinks, with traffic routing. Going back is not
            /// instant then.
            dynamic_stable_scale: bool,
            /// Two Services that take turns in being stable.
            ping_pong: Option<PingPongSpec>,
            /// Fewest pods of a side that has any, with traffic routing.
            min_pods_per_replica_set: Option<i32>,
            /// How many of the canary's pods must be available before a step goes on; all when absent.
            replica_progress_threshold: Option<ReplicaProgressThreshold>,
        }
    }

    /// Two Services that take turns in being stable.
    PingPongSpec {
        required {
            /// The one.
            ping_service: String,
            /// The other.
            pong_service: String,
        }
    }

    /// How many of the canary's pods must be available before a step goes on.
    ReplicaProgressThreshold {
        required {
            /// `Percent` or `Pods`.
            #[serde(rename = "type")]
            kind: String,
            /// The percentage or the number of pods; above 0.
            value: i32,
        }
    }

    /// Analysis that runs beside the steps.
    RolloutAnalysisBackground {
        optional {
            /// The step with which it starts, from 0; the first when absent.
            starting_step: Option<i32>,
            /// What is analysed.
            #[serde(flatten)]
            analysis: RolloutAnalysis,
        }
    }

    /// Which templates an AnalysisRun is made from.
    RolloutAnalysis {
        optional {
            /// The templates; their metrics are combined.
            templates: Vec<AnalysisTemplateRef>,
            /// Values for the templates' arguments.
            args: Vec<AnalysisRunArgument>,
            /// Metrics that are measured without consequences.
            dry_run: Vec<DryRun>,
            /// How many measurements are kept.
            measurement_retention: Vec<MeasurementRetention>,
            /// Labels and annotations of the AnalysisRun.
            analysis_run_metadata: Option<PodTemplateMetadata>,
        }
    }

    /// An AnalysisTemplate or a ClusterAnalysisTemplate.
    AnalysisTemplateRef {
        optional {
            /// Its name.
            template_name: String,
            /// Whether it is a ClusterAnalysisTemplate.
            cluster_scope: Option<bool>,
        }
    }

    /// A value for an argument of a template.
    AnalysisRunArgument {
        required {
            /// The argument.
            name: String,
        }
        optional {
            /// The value itself.
            value: String,
            /// Where the value comes from.
            value_from: Option<ArgumentValueFrom>,
        }
    }

    /// Where an argument's value comes from; one of the fields.
    ArgumentValueFrom {
        optional {
            /// A ReplicaSet's pod template hash: `Stable` or `Latest`.
            pod_template_hash_value: Option<String>,
            /// A field of the Rollout.
            field_ref: Option<FieldRef>,
        }
    }

    /// A field of the object that creates the run.
    FieldRef {
        required {
            /// Its path, as `metadata.labels['region']`.
            field_path: String,
        }
    }

    /// A metric that is measured without consequences.
    DryRun {
        required {
            /// The metric, or `*` for all.
            metric_name: String,
        }
    }

    /// How many measurements of a metric are kept.
    MeasurementRetention {
        required {
            /// The metric.
            metric_name: String,
            /// The number.
            limit: i32,
        }
    }
}

impl CanaryStrategy {
    /// The weight that is the whole of the traffic.
    #[must_use]
    pub fn max_traffic_weight(&self) -> i32 {
        self.traffic_routing
            .as_ref()
            .and_then(|routing| routing.max_traffic_weight)
            .unwrap_or(DEFAULT_MAX_TRAFFIC_WEIGHT)
    }
}

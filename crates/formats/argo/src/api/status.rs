//! Where a Rollout stands.

use super::measured::AnalysisPhase;
use super::scalar::{DurationText, RawObject, Time};

wire! {
    /// Where a Rollout stands.
    RolloutStatus {
        optional {
            /// Set to go back to the stable revision.
            abort: bool,
            /// Why the rollout pauses; emptied to go on.
            pause_conditions: Vec<PauseCondition>,
            /// Whether the controller paused the rollout. True without pause conditions means that
            /// somebody let it go on.
            controller_pause: bool,
            /// Since when it is aborted.
            aborted_at: Option<Time>,
            /// Hash of the pod template that is rolled out.
            current_pod_hash: String,
            /// Hash of the steps; another one starts them anew.
            current_step_hash: String,
            /// Pods that were not ended.
            replicas: i32,
            /// Pods of the template that is rolled out.
            updated_replicas: i32,
            /// Pods that are ready.
            ready_replicas: i32,
            /// Pods that have been ready for long enough.
            available_replicas: i32,
            /// The step, from 0; the number of steps when all are done.
            current_step_index: Option<i32>,
            /// How often the name of the ReplicaSet was taken.
            collision_count: Option<i32>,
            /// The generation that was looked at, as a text.
            observed_generation: String,
            /// Conditions.
            conditions: Vec<RolloutCondition>,
            /// What concerns a canary only.
            canary: CanaryStatus,
            /// What concerns blue-green only.
            blue_green: BlueGreenStatus,
            /// Pods that get users' traffic; what an autoscaler counts.
            #[serde(rename = "HPAReplicas")]
            hpa_replicas: i32,
            /// Selector of those pods, as a text.
            selector: String,
            /// Hash of the revision that users are on.
            #[serde(rename = "stableRS")]
            stable_rs: String,
            /// The restart that was carried out last.
            restarted_at: Option<Time>,
            /// Set to promote without steps, pauses and analyses.
            promote_full: bool,
            /// `Healthy`, `Degraded`, `Progressing` or `Paused`.
            phase: String,
            /// Why.
            message: String,
            /// The generation of the referenced workload that was looked at, as a text.
            workload_observed_generation: String,
            /// The AWS load balancer and its target groups.
            alb: Option<AlbStatus>,
            /// Several of those.
            albs: Vec<AlbStatus>,
            /// How long the rollout takes.
            duration: Option<RolloutDurationStatus>,
        }
    }

    /// A reason for a pause.
    PauseCondition {
        required {
            /// `CanaryPauseStep`, `BlueGreenPause`, `InconclusiveAnalysisRun` or `InconclusiveExperiment`.
            reason: String,
            /// Since when.
            start_time: Time,
        }
    }

    /// How long a rollout takes.
    RolloutDurationStatus {
        optional {
            /// When it began.
            rollout_started_at: Option<Time>,
            /// Since when it is paused by hand.
            manual_pause_started_at: Option<Time>,
            /// Seconds of all pauses by hand that are over.
            total_manual_pause_duration_seconds: Option<i64>,
            /// When it ended.
            finished_at: Option<Time>,
            /// `Promoted`, `FastPromoted`, `Aborted`, `Superseded`, `RolledBack` or `FastRolledBack`.
            completion_status: Option<String>,
        }
    }

    /// What concerns blue-green only.
    BlueGreenStatus {
        optional {
            /// Hash of the revision behind the preview Service.
            preview_selector: String,
            /// Hash of the revision behind the active Service.
            active_selector: String,
            /// Whether the preview is to get all its pods.
            scale_up_preview_check_point: bool,
            /// The analysis before the switch.
            pre_promotion_analysis_run_status: Option<RolloutAnalysisRunStatus>,
            /// The analysis after the switch.
            post_promotion_analysis_run_status: Option<RolloutAnalysisRunStatus>,
        }
    }

    /// What concerns a canary only.
    CanaryStatus {
        optional {
            /// The step's analysis.
            current_step_analysis_run_status: Option<RolloutAnalysisRunStatus>,
            /// The analysis beside the steps.
            current_background_analysis_run_status: Option<RolloutAnalysisRunStatus>,
            /// The step's experiment.
            current_experiment: String,
            /// The weights that the routers were given.
            weights: Option<TrafficWeights>,
            /// Which of both Services is stable: `ping` or `pong`.
            stable_ping_pong: String,
            /// The steps' plugins.
            step_plugin_statuses: Vec<StepPluginStatus>,
        }
    }

    /// The weights that the routers were given.
    TrafficWeights {
        required {
            /// The canary's.
            canary: WeightDestination,
            /// The stable side's.
            stable: WeightDestination,
        }
        optional {
            /// Those of experiments.
            additional: Vec<WeightDestination>,
            /// Whether the load balancer was seen to follow them.
            verified: Option<bool>,
        }
    }

    /// The weight of one side.
    WeightDestination {
        required {
            /// Its share of the traffic.
            weight: i32,
        }
        optional {
            /// Its Service.
            service_name: String,
            /// Its pods' hash label.
            pod_template_hash: String,
        }
    }

    /// An analysis of a Rollout.
    RolloutAnalysisRunStatus {
        required {
            /// The AnalysisRun.
            name: String,
            /// Its phase.
            #[schemars(with = "String")]
            status: AnalysisPhase,
        }
        optional {
            /// Why.
            message: String,
        }
    }

    /// A plugin's step.
    StepPluginStatus {
        required {
            /// The step, from 0.
            index: i32,
            /// The plugin.
            name: String,
            /// `Run`, `Terminate` or `Abort`.
            operation: String,
        }
        optional {
            /// `Running`, `Successful`, `Failed` or `Error`.
            phase: String,
            /// Why.
            message: String,
            /// When it was first called.
            started_at: Option<Time>,
            /// When it was last called.
            updated_at: Option<Time>,
            /// When it ended.
            finished_at: Option<Time>,
            /// Time before the next call.
            backoff: DurationText,
            /// How often it was called.
            executions: i32,
            /// Whether it is switched off for all.
            disabled: bool,
            /// What it keeps for itself.
            status: RawObject,
        }
    }

    /// An AWS load balancer and its target groups.
    AlbStatus {
        optional {
            /// The load balancer.
            load_balancer: AwsResourceRef,
            /// The canary's target group.
            canary_target_group: AwsResourceRef,
            /// The stable target group.
            stable_target_group: AwsResourceRef,
            /// The Ingress.
            ingress: String,
        }
    }

    /// Something of AWS.
    AwsResourceRef {
        required {
            /// Its name.
            name: String,
            /// Its ARN.
            arn: String,
        }
        optional {
            /// Its name with its type.
            full_name: String,
        }
    }

    /// A condition of a Rollout.
    RolloutCondition {
        required {
            /// `Progressing`, `Available`, `Paused`, `Completed`, `Healthy`, `InvalidSpec` or
            /// `ReplicaFailure`.
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
}

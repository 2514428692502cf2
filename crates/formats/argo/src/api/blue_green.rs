//! The blue-green strategy, and what it shares with the canary.

use super::canary::RolloutAnalysis;
use super::object::PodTemplateMetadata;
use super::scalar::IntOrString;

wire! {
    /// A full second side behind a preview Service, then one switch of the active Service.
    BlueGreenStrategy {
        required {
            /// The Service that users reach.
            active_service: String,
        }
        optional {
            /// The Service that leads to the new side before the switch.
            preview_service: String,
            /// Pods of the new side before the switch; all of them when absent.
            preview_replica_count: Option<i32>,
            /// Whether the switch comes by itself; true when absent.
            auto_promotion_enabled: Option<bool>,
            /// Seconds between the new side being available and the switch.
            auto_promotion_seconds: i32,
            /// Pods that may be away during a restart, as a number or a percentage; 25 % when absent.
            max_unavailable: Option<IntOrString>,
            /// Seconds for which the old side keeps its pods after the switch; 30 when absent.
            scale_down_delay_seconds: Option<i32>,
            /// How many old ReplicaSets may keep their pods at a time.
            scale_down_delay_revision_limit: Option<i32>,
            /// Analysis before the switch.
            pre_promotion_analysis: Option<RolloutAnalysis>,
            /// Keeps old and new pods on different nodes.
            anti_affinity: Option<AntiAffinity>,
            /// Analysis after the switch.
            post_promotion_analysis: Option<RolloutAnalysis>,
            /// Labels and annotations of pods while they are the preview.
            preview_metadata: Option<PodTemplateMetadata>,
            /// Labels and annotations of pods while they are active.
            active_metadata: Option<PodTemplateMetadata>,
            /// Seconds for which an aborted preview keeps its pods; 30 when absent, 0 for ever.
            abort_scale_down_delay_seconds: Option<i32>,
        }
    }

    /// Exactly one rule by which pods of the old and the new revision avoid each other's nodes.
    AntiAffinity {
        optional {
            /// Where possible.
            preferred_during_scheduling_ignored_during_execution: Option<PreferredAntiAffinity>,
            /// Always.
            required_during_scheduling_ignored_during_execution: Option<RequiredAntiAffinity>,
        }
    }

    /// How much the rule weighs.
    PreferredAntiAffinity {
        required {
            /// From 1 to 100.
            weight: i32,
        }
    }

    /// The rule is strict; there is nothing to set.
    RequiredAntiAffinity {}
}

//! The rules of blue-green, and those of anti-affinity, which a canary shares.

use super::Problems;
use crate::api::{AntiAffinity, BlueGreenStrategy, RolloutSpec};

const PATH: &str = "spec.strategy.blueGreen";

pub(super) fn check(spec: &RolloutSpec, blue_green: &BlueGreenStrategy, found: &mut Problems) {
    if blue_green.active_service == blue_green.preview_service {
        let cause = if blue_green.active_service.is_empty() {
            "no active Service is named".to_owned()
        } else {
            format!(
                "`{}` is both active and preview Service, so that users would reach the preview",
                blue_green.active_service
            )
        };
        found.error(
            "two-services",
            format!("{PATH}.activeService"),
            cause,
            "name two different Services, or an active one only",
        );
    }
    if let Some(replicas) = blue_green.preview_replica_count.filter(|count| *count < 0) {
        found.error(
            "not-negative",
            format!("{PATH}.previewReplicaCount"),
            format!("{replicas} is below 0"),
            "write 0 or more",
        );
    }
    let history = spec.revision_history_limit();
    if let Some(limit) = blue_green
        .scale_down_delay_revision_limit
        .filter(|limit| *limit > history)
    {
        found.error(
            "revision-limit",
            format!("{PATH}.scaleDownDelayRevisionLimit"),
            format!("{limit} old ReplicaSets should keep their pods, and only {history} are kept"),
            "raise spec.revisionHistoryLimit, or lower this limit",
        );
    }
    if let Some(anti_affinity) = &blue_green.anti_affinity {
        check_anti_affinity(anti_affinity, &format!("{PATH}.antiAffinity"), found);
    }
    let is_manual = blue_green.auto_promotion_enabled == Some(false);
    if is_manual && blue_green.auto_promotion_seconds > 0 {
        found.warning(
            "auto-promotion",
            format!("{PATH}.autoPromotionSeconds"),
            "it has no effect while autoPromotionEnabled is false",
            "remove one of them",
        );
    }
}

pub(super) fn check_anti_affinity(rule: &AntiAffinity, path: &str, found: &mut Problems) {
    let preferred = &rule.preferred_during_scheduling_ignored_during_execution;
    let required = &rule.required_during_scheduling_ignored_during_execution;
    if preferred.is_some() == required.is_some() {
        found.error(
            "one-anti-affinity",
            path,
            "antiAffinity must have exactly one rule",
            "keep preferredDuringSchedulingIgnoredDuringExecution or requiredDuringSchedulingIgnoredDuringExecution",
        );
    }
    if let Some(preferred) = preferred
        && !(1..=100).contains(&preferred.weight)
    {
        found.error(
            "anti-affinity-weight",
            format!("{path}.preferredDuringSchedulingIgnoredDuringExecution.weight"),
            format!("{} is not within 1 to 100", preferred.weight),
            "write a weight from 1 to 100",
        );
    }
}

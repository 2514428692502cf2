//! The phase: where a Rollout stands in one word, and why.

use crate::api::{BlueGreenStrategy, CanaryStep, RolloutSpec, RolloutStatus};

/// The phase and its reason, from spec and status. Conditions, pauses and counts are in the status already.
pub(super) fn of(spec: &RolloutSpec, status: &RolloutStatus) -> (&'static str, String) {
    for condition in &status.conditions {
        if condition.kind == "InvalidSpec" {
            return ("Degraded", format!("InvalidSpec: {}", condition.message));
        }
        if matches!(
            condition.reason.as_str(),
            "RolloutAborted" | "ProgressDeadlineExceeded"
        ) {
            let why = format!("{}: {}", condition.reason, condition.message);
            return ("Degraded", why);
        }
    }
    if spec.paused {
        return ("Paused", "manually paused".to_owned());
    }
    if let Some(pause) = status.pause_conditions.first() {
        return ("Paused", pause.reason.clone());
    }
    match progressing(spec, status) {
        Some(why) => ("Progressing", why.to_owned()),
        None => ("Healthy", String::new()),
    }
}

/// What is still missing.
fn progressing(spec: &RolloutSpec, status: &RolloutStatus) -> Option<&'static str> {
    let promoted = !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash;
    if spec.restart_at.is_some() && spec.restart_at != status.restarted_at {
        return Some("rollout is restarting");
    }
    if status.updated_replicas < spec.replicas() {
        return Some("more replicas need to be updated");
    }
    if status.available_replicas < status.updated_replicas {
        return Some("updated replicas are still becoming available");
    }
    if let Some(blue_green) = &spec.strategy.blue_green {
        let active = &status.blue_green.active_selector;
        if active.is_empty() || *active != status.current_pod_hash {
            return Some("active service cutover pending");
        }
        if !promoted {
            return Some(if waits_for_analysis(blue_green, status) {
                "waiting for analysis to complete"
            } else {
                "waiting for post-promotion verification to complete"
            });
        }
    } else if let Some(canary) = &spec.strategy.canary {
        if canary.traffic_routing.is_none() && status.replicas > status.updated_replicas {
            return Some("old replicas are pending termination");
        }
        if !promoted {
            return Some("waiting for all steps to complete");
        }
    }
    None
}

fn waits_for_analysis(blue_green: &BlueGreenStrategy, status: &RolloutStatus) -> bool {
    blue_green.post_promotion_analysis.is_some()
        && status
            .blue_green
            .post_promotion_analysis_run_status
            .as_ref()
            .is_none_or(|run| !run.status.is_completed())
}

/// A step as clients show it.
#[must_use]
pub fn step_text(step: &CanaryStep) -> String {
    if let Some(weight) = step.set_weight {
        return format!("setWeight: {weight}");
    }
    if let Some(pause) = &step.pause {
        return match &pause.duration {
            Some(duration) => format!("pause: {duration}"),
            None => "pause".to_owned(),
        };
    }
    if step.experiment.is_some() {
        return "experiment".to_owned();
    }
    if step.analysis.is_some() {
        return "analysis".to_owned();
    }
    if let Some(scale) = &step.set_canary_scale {
        if let Some(weight) = scale.weight {
            return format!("setCanaryScale{{weight: {weight}}}");
        }
        if scale.match_traffic_weight {
            return "setCanaryScale{matchTrafficWeight: true}".to_owned();
        }
        if let Some(replicas) = scale.replicas {
            return format!("setCanaryScale{{replicas: {replicas}}}");
        }
    }
    if let Some(plugin) = &step.plugin {
        return format!("plugin: {}", plugin.name);
    }
    if let Some(route) = &step.set_header_route {
        return format!("setHeaderRoute: {}", route.name);
    }
    if let Some(route) = &step.set_mirror_route {
        return format!("setMirrorRoute: {}", route.name);
    }
    "invalid".to_owned()
}

//! The rules of a canary as a whole.

use super::{Problems, blue_green, routing, steps};
use crate::api::{CanaryStrategy, IntOrString};

pub(super) const PATH: &str = "spec.strategy.canary";

pub(super) fn check(canary: &CanaryStrategy, found: &mut Problems) {
    surge(canary, found);
    services(canary, found);
    routing::check(canary, found);
    scale(canary, found);
    for (at, step) in canary.steps.iter().enumerate() {
        steps::check(canary, step, &format!("{PATH}.steps[{at}]"), found);
    }
    if let Some(anti_affinity) = &canary.anti_affinity {
        blue_green::check_anti_affinity(anti_affinity, &format!("{PATH}.antiAffinity"), found);
    }
    threshold(canary, found);
    let starting_step = canary.analysis.as_ref().and_then(|run| run.starting_step);
    if let Some(step) = starting_step
        && usize::try_from(step).map_or(true, |step| step >= canary.steps.len())
    {
        found.warning(
            "starting-step",
            format!("{PATH}.analysis.startingStep"),
            format!(
                "there are {} steps, counted from 0, so that the analysis never starts at {step}",
                canary.steps.len()
            ),
            "write the number of a step",
        );
    }
}

/// A number or percentage as the validation reads it: the number before the `%`, or the number itself.
/// (The arithmetic takes each text for a percentage.)
fn magnitude(value: Option<&IntOrString>) -> i32 {
    const DEFAULT_PERCENT: i32 = 25;
    value.map_or(DEFAULT_PERCENT, |value| {
        value.percent().unwrap_or_else(|| value.int_value())
    })
}

fn surge(canary: &CanaryStrategy, found: &mut Problems) {
    if magnitude(canary.max_surge.as_ref()) == 0 && magnitude(canary.max_unavailable.as_ref()) == 0
    {
        found.error(
            "surge-or-unavailable",
            format!("{PATH}.maxSurge"),
            "neither a pod more nor a pod less is allowed, so that none could be replaced",
            "allow at least 1 in maxSurge or maxUnavailable",
        );
    }
    for (field, value) in [
        ("maxSurge", &canary.max_surge),
        ("maxUnavailable", &canary.max_unavailable),
    ] {
        let Some(IntOrString::String(text)) = value else {
            continue;
        };
        let is_number = text.replace('%', "").parse::<i32>().is_ok();
        if !is_number {
            found.warning(
                "surge-form",
                format!("{PATH}.{field}"),
                format!("`{text}` is neither a number nor a percentage, and counts as 0"),
                "write a number as `2`, or a percentage as `25%`",
            );
        } else if !text.ends_with('%') {
            found.warning(
                "surge-form",
                format!("{PATH}.{field}"),
                format!("`{text}` in quotes is taken for {text}%"),
                format!("write `{text}%`, or {text} without quotes"),
            );
        }
    }
}

fn services(canary: &CanaryStrategy, found: &mut Problems) {
    if !canary.canary_service.is_empty() && canary.canary_service == canary.stable_service {
        found.error(
            "two-services",
            format!("{PATH}.stableService"),
            format!(
                "`{}` is both stable and canary Service, so that the traffic cannot be split",
                canary.stable_service
            ),
            "name two different Services",
        );
    }
}

fn scale(canary: &CanaryStrategy, found: &mut Problems) {
    let has_routing = canary.traffic_routing.is_some();
    if let Some(seconds) = canary.scale_down_delay_seconds {
        if !has_routing {
            found.error(
                "scale-down-delay",
                format!("{PATH}.scaleDownDelaySeconds"),
                format!(
                    "old pods serve as long as they run: without a router they cannot stay for {seconds} s"
                ),
                "remove it, or name a router in trafficRouting",
            );
        } else if canary.dynamic_stable_scale {
            found.error(
                "dynamic-stable-scale",
                format!("{PATH}.dynamicStableScale"),
                "the stable side gives up its pods as its traffic shrinks, so that scaleDownDelaySeconds has none to keep",
                "remove one of them",
            );
        }
    }
    if canary.dynamic_stable_scale && !has_routing {
        found.error(
            "dynamic-stable-scale",
            format!("{PATH}.dynamicStableScale"),
            "without a router the pods are the traffic: there is no scale apart from it",
            "remove it, or name a router in trafficRouting",
        );
    }
    if canary.min_pods_per_replica_set.is_some() && !has_routing {
        found.warning(
            "min-pods",
            format!("{PATH}.minPodsPerReplicaSet"),
            "it has no effect without a router",
            "remove it, or name a router in trafficRouting",
        );
    }
}

fn threshold(canary: &CanaryStrategy, found: &mut Problems) {
    let Some(threshold) = &canary.replica_progress_threshold else {
        return;
    };
    let path = format!("{PATH}.replicaProgressThreshold");
    let (bad, next_step) = match threshold.kind.as_str() {
        "Percent" => (!(1..=100).contains(&threshold.value), "write 1 to 100"),
        "Pods" => (threshold.value < 1, "write at least 1"),
        other => {
            found.warning(
                "progress-threshold",
                format!("{path}.type"),
                format!("`{other}` is not known, and counts as Pods"),
                "write Percent or Pods",
            );
            (threshold.value < 1, "write at least 1")
        }
    };
    if bad {
        found.warning(
            "progress-threshold",
            format!("{path}.value"),
            format!("{} makes no sense for {}", threshold.value, threshold.kind),
            next_step,
        );
    }
}

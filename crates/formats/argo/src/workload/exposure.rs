//! What the steps ask for at the moment: a weight of the traffic, or a number of pods.

use super::Pods;
use super::delay::{AbortDelay, abort_delay};
use super::routed::{pods_for_weight, with_fewest};
use crate::api::{CanaryStep, CanaryStrategy, Rollout, RolloutStrategy, SetCanaryScale};

/// What a canary needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryDemand {
    /// Pods for this share of maxTrafficWeight.
    Weight(i32),
    /// This many pods.
    Pods(i32),
}

/// The step that runs, and its number from 0; `None` without steps, or when all are done.
#[must_use]
pub fn current_step(rollout: &Rollout) -> Option<(usize, &CanaryStep)> {
    let canary = rollout.spec.strategy.canary.as_ref()?;
    let at = usize::try_from(rollout.status.current_step_index.unwrap_or(0)).unwrap_or(0);
    Some((at, canary.steps.get(at)?))
}

/// The weight of the last setWeight step up to the one that runs: 0 before the first, and when the
/// rollout is aborted; the whole when no step is left.
#[must_use]
pub fn current_set_weight(rollout: &Rollout) -> i32 {
    let Some(canary) = &rollout.spec.strategy.canary else {
        return crate::api::DEFAULT_MAX_TRAFFIC_WEIGHT;
    };
    if rollout.status.abort {
        return 0;
    }
    let Some((at, _)) = current_step(rollout) else {
        return canary.max_traffic_weight();
    };
    canary.steps[..=at]
        .iter()
        .rev()
        .find_map(|step| step.set_weight)
        .unwrap_or(0)
}

/// What the canary needs now. `canary` and `stable` are the ReplicaSets as far as they exist.
#[must_use]
pub fn canary_demand(
    rollout: &Rollout,
    canary: Option<Pods>,
    stable: Option<Pods>,
) -> CanaryDemand {
    let status = &rollout.status;
    let strategy = rollout.spec.strategy.canary.as_ref();
    let whole = strategy.map_or(
        crate::api::DEFAULT_MAX_TRAFFIC_WEIGHT,
        CanaryStrategy::max_traffic_weight,
    );
    if status.promote_full
        || status.stable_rs.is_empty()
        || status.current_pod_hash == status.stable_rs
    {
        return CanaryDemand::Weight(whole);
    }
    if let Some(scale) = canary_scale(rollout) {
        if let Some(replicas) = scale.replicas {
            return CanaryDemand::Pods(replicas);
        }
        if let Some(weight) = scale.weight {
            return CanaryDemand::Weight(weight);
        }
    }
    match (strategy, canary, stable) {
        (Some(strategy), Some(canary), Some(stable))
            if status.abort && strategy.dynamic_stable_scale =>
        {
            CanaryDemand::Weight(retreat_weight(rollout, strategy, canary, stable))
        }
        _ => CanaryDemand::Weight(current_set_weight(rollout)),
    }
}

/// The setCanaryScale that holds: the last one up to the step that runs, with a router only, unless it
/// says matchTrafficWeight. An abort ends it unless the canary keeps its pods for ever.
fn canary_scale(rollout: &Rollout) -> Option<&SetCanaryScale> {
    let canary = rollout.spec.strategy.canary.as_ref()?;
    canary.traffic_routing.as_ref()?;
    if rollout.status.abort && abort_delay(&rollout.spec.strategy) != AbortDelay::Forever {
        return None;
    }
    let (at, _) = current_step(rollout)?;
    canary.steps[..=at]
        .iter()
        .rev()
        .find_map(|step| step.set_canary_scale.as_ref())
        .filter(|scale| !scale.match_traffic_weight)
}

/// The next lower weight on the way back, when the stable side has given up pods: the steps' weights are
/// walked down as fast as stable pods become available, so that no pods are started at once.
///
/// With an explicit abortScaleDownDelaySeconds, or a setCanaryScale that holds, the canary keeps its pods; its size then
/// says nothing about how far the way back is (Argo's issue 4898). Nor do the pods that a side has at least: a weight
/// that needs fewer is not lower for that.
pub(crate) fn retreat_weight(
    rollout: &Rollout,
    strategy: &CanaryStrategy,
    canary: Pods,
    stable: Pods,
) -> i32 {
    let replicas = rollout.spec.replicas();
    let whole = strategy.max_traffic_weight();
    let uncovered = replicas.saturating_sub(stable.available);
    let keeps_pods =
        has_explicit_abort_delay(&rollout.spec.strategy) || canary_scale(rollout).is_some();
    let canary_pods = if keeps_pods {
        uncovered
    } else {
        uncovered.max(canary.available)
    };
    strategy
        .steps
        .iter()
        .rev()
        .filter_map(|step| step.set_weight)
        .find(|weight| {
            let pods = pods_for_weight(replicas, *weight, whole);
            with_fewest(pods, strategy.min_pods_per_replica_set, replicas) < canary_pods
        })
        .unwrap_or(0)
}

pub(super) fn has_explicit_abort_delay(strategy: &RolloutStrategy) -> bool {
    matches!(
        abort_delay(strategy),
        AbortDelay::Seconds { explicit: true, .. }
    )
}

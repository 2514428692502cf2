//! The way back of a canary whose stable side has not all its pods: it gave some up, or lost some.

use super::turn::Turn;
use crate::workload::{current_set_weight, retreat_weight};

/// The hash that still has traffic, when what is wanted is stable again, and stable is not complete yet.
pub(super) fn from_hash(turn: &Turn<'_>) -> Option<String> {
    let canary = turn.strategy()?;
    if !turn.is_fully_promoted() || canary.traffic_routing.is_none() || !canary.dynamic_stable_scale
    {
        return None;
    }
    let weights = turn.rollout.status.canary.weights.as_ref()?;
    let new = turn.new_set()?;
    let leads_elsewhere = weights.canary.pod_template_hash != new.hash();
    (leads_elsewhere && new.pods().staying() < turn.replicas())
        .then(|| weights.canary.pod_template_hash.clone())
}

/// The hash that the canary's traffic goes to, when it is another one than what is wanted now: an update that came
/// before has it still.
pub(super) fn hash_with_traffic(turn: &Turn<'_>) -> Option<String> {
    let weights = turn.rollout.status.canary.weights.as_ref()?;
    let canary = &weights.canary;
    let leads_elsewhere = canary.weight > 0 && canary.pod_template_hash != turn.new_hash();
    leads_elsewhere.then(|| canary.pod_template_hash.clone())
}

/// The canary's weight on the way back: none, unless stable has not all its pods; then no more leaves the canary
/// than stable has pods for. (Argo's waits for the last of them.)
pub(super) fn weight(turn: &Turn<'_>) -> i32 {
    let (Some(canary), Some(new), Some(stable)) =
        (turn.strategy(), turn.new_pods(), turn.stable_pods())
    else {
        return 0;
    };
    let replicas = turn.replicas();
    if replicas == 0 {
        return 0;
    }
    let whole = canary.max_traffic_weight();
    let covered = i64::from(whole) * i64::from(stable.staying()) / i64::from(replicas);
    let covered = i32::try_from(covered).unwrap_or(i32::MAX);
    let uncovered = whole.saturating_sub(covered).max(0);
    if !canary.dynamic_stable_scale {
        let weights = turn.rollout.status.canary.weights.as_ref();
        return weights.map_or(0, |weights| uncovered.min(weights.canary.weight));
    }
    let demand = if turn.rollout.status.abort && !turn.is_fully_promoted() {
        retreat_weight(turn.rollout, canary, new, stable)
    } else {
        current_set_weight(turn.rollout)
    };
    let Some(weights) = &turn.rollout.status.canary.weights else {
        // The canary never had any.
        return 0;
    };
    let present = weights.canary.weight;
    if demand <= 0 {
        // Never more again: stable's pods may come and go.
        return uncovered.min(present);
    }
    if covered < whole.saturating_sub(demand) {
        return present;
    }
    demand.min(present)
}

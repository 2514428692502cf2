//! Whether the counts are reached, so that a step may go on.

use super::{Counts, Pods};
use crate::api::ReplicaProgressThreshold;

/// Whether enough of `desired` pods are available: all of them, or as many as the threshold asks for.
#[must_use]
pub fn is_progress_reached(
    threshold: Option<&ReplicaProgressThreshold>,
    pods: Option<Pods>,
    desired: i32,
) -> bool {
    let Some(pods) = pods else {
        return false;
    };
    match threshold {
        Some(threshold) if threshold.value >= 0 => match threshold.kind.as_str() {
            "Percent" => {
                desired == 0
                    || i64::from(pods.available) * 100
                        >= i64::from(threshold.value) * i64::from(desired)
            }
            // A step that wants fewer pods needs no more than these.
            _ => pods.available >= threshold.value.min(desired),
        },
        _ => desired == pods.desired && desired == pods.available,
    }
}

/// Whether both sides have the pods that they should have: the canary's available, stable's existing.
///
/// With dynamic stable scale only the canary counts. `others_available` are pods of older ReplicaSets;
/// without a router they serve, and must be gone.
#[must_use]
pub fn are_counts_reached(
    wanted: Counts,
    threshold: Option<&ReplicaProgressThreshold>,
    canary: Option<Pods>,
    stable: Option<Pods>,
    dynamic_stable_scale: bool,
    others_available: Option<i32>,
) -> bool {
    let stable_exists =
        stable.is_some_and(|pods| pods.desired == wanted.stable && pods.existing == wanted.stable);
    is_progress_reached(threshold, canary, wanted.canary)
        && (dynamic_stable_scale || stable_exists)
        && others_available.is_none_or(|others| others == 0)
}

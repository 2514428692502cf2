//! How many pods each ReplicaSet gets.

use super::revision::{add_annotation, remove_annotation};
use super::turn::Turn;
use super::world::{DESIRED_REPLICAS, ReplicaSet, SCALE_DOWN_DEADLINE};
use super::write::Write;
use super::{old, pauses, services, status, workload_ref};
use crate::api::{Time, TrafficWeights, WeightDestination};
use crate::workload::{
    AbortDelay, BasicCanary, CanaryDemand, Counts, MoveBounds, PreviewState, RoutedCanary,
    abort_delay, are_counts_reached, canary_demand, delays_scale_down_on_abort, gradually,
    preview_count,
};
use serde_json::json;
use std::time::Duration;

/// Whether the Rollout's number of pods changed since its ReplicaSets were scaled. Then only the pods follow,
/// and nothing else moves.
pub(super) fn is_scaling_event(turn: &Turn<'_>) -> bool {
    // The pods of a canary that somebody paused stay as they are, and so the change would be one for ever.
    if turn.strategy().is_some() && pauses::is_halted(turn.rollout) {
        return false;
    }
    let replicas = turn.replicas();
    [turn.new_set(), turn.stable_set()]
        .into_iter()
        .flatten()
        .filter(|set| set.desired() > 0)
        .filter_map(ReplicaSet::desired_annotation)
        .any(|desired| desired != replicas)
}

/// Lets the pods follow the Rollout's number, and nothing else.
pub(super) fn scale_only(turn: &mut Turn<'_>) {
    turn.next = turn.rollout.status.clone();
    status::count_pods(turn);
    if turn.rollout.spec.strategy.blue_green.is_some() {
        blue_green(turn);
        let active = &turn.next.blue_green.active_selector;
        let active = turn.sets.iter().find(|set| set.hash() == active);
        let (all, available) = match active {
            Some(set) => (set.status.replicas, set.status.available_replicas),
            None => (
                turn.sum(|set| set.status.replicas),
                turn.sum(|set| set.status.available_replicas),
            ),
        };
        turn.next.hpa_replicas = all;
        turn.next.available_replicas = available;
    } else {
        canary(turn);
        turn.next.available_replicas = turn.sum(|set| set.status.available_replicas);
        turn.next.hpa_replicas = turn.countable(turn.sum(|set| set.status.replicas));
    }
    status::persist(turn);
}

/// What both sides of a canary should have.
pub(super) fn wanted(turn: &Turn<'_>, weights: Option<&TrafficWeights>) -> Counts {
    let Some(canary) = turn.strategy() else {
        return Counts {
            canary: turn.replicas(),
            stable: 0,
        };
    };
    let (new, stable) = (turn.new_pods(), turn.stable_pods());
    let whole = canary.max_traffic_weight();
    let replicas = turn.replicas();
    let demand = if turn.new.is_some() && turn.new == turn.stable {
        // Also before the status knows that what is wanted is stable again.
        CanaryDemand::Weight(whole)
    } else {
        canary_demand(turn.rollout, new, stable)
    };
    if canary.traffic_routing.is_some() {
        return RoutedCanary {
            replicas,
            whole,
            demand,
            dynamic_stable_scale: canary.dynamic_stable_scale,
            pods_min: canary.min_pods_per_replica_set,
            actual: weights.map(|weights| {
                // By hash: right after an update the weights are those of the one before.
                let of = |set: Option<&ReplicaSet>| {
                    let hash = set.map_or("", ReplicaSet::hash);
                    [&weights.canary, &weights.stable]
                        .into_iter()
                        .filter(|side| side.pod_template_hash == hash)
                        .map(|side| side.weight)
                        .sum()
                };
                (of(turn.new_set()), of(turn.stable_set()))
            }),
            aborted: turn.rollout.status.abort,
        }
        .counts();
    }
    let bounds = MoveBounds::of(&turn.rollout.spec.strategy, replicas);
    let weight = match demand {
        CanaryDemand::Weight(weight) => weight,
        CanaryDemand::Pods(_) => whole,
    };
    BasicCanary {
        replicas,
        weight,
        whole,
        surge: bounds.surge,
        unavailable: bounds.unavailable,
        canary: new,
        stable: turn.other_stable().map(|at| turn.sets[at].pods()),
        others: turn
            .others()
            .iter()
            .map(|at| turn.sets[*at].desired())
            .sum(),
    }
    .counts()
}

/// Whether both sides of a canary have what they should have.
pub(super) fn is_reached(turn: &Turn<'_>, weights: Option<&TrafficWeights>) -> bool {
    let Some(canary) = turn.strategy() else {
        return false;
    };
    let is_routed = canary.traffic_routing.is_some();
    let others = turn.others();
    let others = others
        .iter()
        .map(|at| turn.sets[*at].status.available_replicas);
    are_counts_reached(
        wanted(turn, weights),
        canary.replica_progress_threshold.as_ref(),
        turn.new_pods(),
        turn.stable_pods(),
        is_routed && canary.dynamic_stable_scale,
        (!is_routed).then(|| others.sum()),
    )
}

/// Whether some pods were not counted since their number last changed.
pub(super) fn has_old_counts(turn: &Turn<'_>) -> bool {
    turn.sets.iter().any(|set| !set.is_counted())
}

/// The count that a canary's ReplicaSet gets now. Without a router, pods are given up on new counts only.
fn counted(turn: &Turn<'_>, at: usize, count: i32) -> i32 {
    let is_basic = turn
        .strategy()
        .is_some_and(|canary| canary.traffic_routing.is_none());
    let desired = turn.sets[at].desired();
    if is_basic && count < desired && has_old_counts(turn) {
        return desired;
    }
    count
}

/// Scales all ReplicaSets of a canary: stable first, then the new one, then old ones; the next only when the
/// one before has what it should have. True when something was scaled.
pub(super) fn canary(turn: &mut Turn<'_>) -> bool {
    if pauses::is_halted(turn.rollout) {
        return false;
    }
    drop_deadlines(turn);
    // The weights before this turn: stable gives up pods a turn after its traffic.
    let before = turn.rollout.status.canary.weights.clone();
    let before = before.or_else(|| unrouted(turn));
    if let Some(at) = turn.other_stable() {
        let count = counted(turn, at, wanted(turn, before.as_ref()).stable);
        if scale(turn, at, count) {
            return true;
        }
    }
    new_set(turn) || old::scale_down(turn)
}

/// The weights of routers that were told nothing yet: they lead all to stable.
fn unrouted(turn: &Turn<'_>) -> Option<TrafficWeights> {
    let canary = turn.strategy()?;
    let routing = canary.traffic_routing.as_ref();
    routing.filter(|routing| routing.has_router())?;
    let stable = WeightDestination {
        weight: canary.max_traffic_weight(),
        pod_template_hash: turn.stable_set()?.hash().to_owned(),
        ..WeightDestination::default()
    };
    Some(TrafficWeights {
        stable,
        ..TrafficWeights::default()
    })
}

/// Scales all ReplicaSets of a blue-green rollout.
pub(super) fn blue_green(turn: &mut Turn<'_>) {
    drop_deadlines(turn);
    if let Some(at) = turn.stable {
        let replicas = turn.replicas();
        scale(turn, at, replicas);
    }
    new_set(turn);
    old::scale_down(turn);
    super::history::tidy(turn);
}

/// Pods of the new side of a blue-green rollout.
pub(super) fn preview(turn: &Turn<'_>) -> i32 {
    let Some(blue_green) = &turn.rollout.spec.strategy.blue_green else {
        return turn.replicas();
    };
    let status = &turn.rollout.status;
    let active = &status.blue_green.active_selector;
    let new_hash = turn.new_hash();
    // The Service may have been switched, and the status not been written since.
    let leads_to = services::hash_of(turn, &blue_green.active_service);
    let another = turn.sets.iter().any(|set| set.hash() == active)
        && ![active, &leads_to].contains(&&new_hash);
    preview_count(
        turn.replicas(),
        blue_green.preview_replica_count,
        PreviewState {
            another_is_active: another,
            promote_full: status.promote_full,
            is_current: new_hash == status.current_pod_hash,
            paused: turn.rollout.spec.paused || !status.pause_conditions.is_empty(),
            past_checkpoint: status.blue_green.scale_up_preview_check_point,
        },
    )
}

/// The revisions that are used keep their pods without a deadline.
fn drop_deadlines(turn: &mut Turn<'_>) {
    let new = turn.new.filter(|_| !delays_on_abort(turn));
    let stable = turn.stable.filter(|at| Some(*at) != new);
    for at in new.into_iter().chain(stable) {
        drop_deadline(turn, at);
    }
}

fn drop_deadline(turn: &mut Turn<'_>, at: usize) {
    let set = &mut turn.sets[at];
    if set
        .metadata
        .annotations
        .remove(SCALE_DOWN_DEADLINE)
        .is_some()
    {
        let name = set.metadata.name.clone();
        turn.write(Write::PatchReplicaSet {
            name,
            operations: vec![remove_annotation(SCALE_DOWN_DEADLINE)],
        });
    }
}

/// Gives a ReplicaSet a deadline, after which it loses its pods.
pub(super) fn set_deadline(turn: &mut Turn<'_>, at: usize, delay: Duration) {
    if delay.is_zero() {
        drop_deadline(turn, at);
        return;
    }
    let deadline = Time(turn.now.after(delay));
    let text = deadline.to_string();
    let set = &mut turn.sets[at];
    let name = set.metadata.name.clone();
    set.metadata
        .annotations
        .insert(SCALE_DOWN_DEADLINE.to_owned(), text.clone());
    turn.write(Write::PatchReplicaSet {
        name,
        operations: vec![add_annotation(SCALE_DOWN_DEADLINE, &text)],
    });
    turn.wake(deadline.0);
}

/// Whether the new revision keeps its pods for a while because the rollout is aborted.
fn delays_on_abort(turn: &Turn<'_>) -> bool {
    turn.is_aborted()
        && turn.stable.is_some()
        && delays_scale_down_on_abort(&turn.rollout.spec.strategy)
}

fn new_set(turn: &mut Turn<'_>) -> bool {
    let Some(at) = turn.new else { return false };
    let mut count = match turn.strategy() {
        None => preview(turn),
        Some(_) => {
            let weights = turn.next.canary.weights.clone();
            counted(
                turn,
                at,
                growing(turn, wanted(turn, weights.as_ref()).canary),
            )
        }
    };
    if delays_on_abort(turn) {
        if is_active(turn, at) {
            sync_annotation(turn, at);
            return false;
        }
        if let Some(deadline) = turn.sets[at].deadline() {
            if deadline > turn.now {
                // It stays as it is until then.
                sync_annotation(turn, at);
                turn.wake(deadline);
                return false;
            }
            count = 0;
        } else if let AbortDelay::Seconds { seconds, .. } = abort_delay(&turn.rollout.spec.strategy)
        {
            sync_annotation(turn, at);
            // Only a stable side that can take everything lets the canary's time run.
            let stable = turn
                .stable_set()
                .map_or(0, |set| set.status.available_replicas);
            let is_due = stable >= turn.replicas();
            match u64::try_from(seconds) {
                // A time before the abort.
                Err(_) if is_due => count = 0,
                Ok(seconds) if is_due => {
                    set_deadline(turn, at, Duration::from_secs(seconds));
                    return false;
                }
                _ => return false,
            }
        }
    }
    let before = turn.sets[at].desired();
    let scaled = scale(turn, at, count);
    workload_ref::follow(turn, before, count);
    scaled
}

/// With a router and a written maxSurge, pods start a few at a time (Argo's issue 3284).
fn growing(turn: &Turn<'_>, wanted: i32) -> i32 {
    let Some(canary) = turn.strategy() else {
        return wanted;
    };
    match (&canary.traffic_routing, &canary.max_surge, turn.new_pods()) {
        (Some(_), Some(_), Some(pods)) if turn.stable.is_some() => {
            let bounds = MoveBounds::of(&turn.rollout.spec.strategy, turn.replicas());
            gradually(wanted, pods, bounds.surge)
        }
        _ => wanted,
    }
}

/// Whether the active Service leads to a revision: an aborted one keeps its pods until users are on stable.
fn is_active(turn: &Turn<'_>, at: usize) -> bool {
    let strategy = turn.rollout.spec.strategy.blue_green.as_ref();
    strategy.is_some_and(|blue_green| {
        services::hash_of(turn, &blue_green.active_service) == turn.sets[at].hash()
    })
}

fn sync_annotation(turn: &mut Turn<'_>, at: usize) {
    let count = turn.sets[at].desired();
    scale(turn, at, count);
}

/// Scales a ReplicaSet, and notes the Rollout's number in it. True when its number of pods changed.
pub(super) fn scale(turn: &mut Turn<'_>, at: usize, count: i32) -> bool {
    let replicas = turn.replicas();
    let keeps_deadline = delays_on_abort(turn);
    let set = &mut turn.sets[at];
    let before = set.desired();
    let is_noted = set.desired_annotation() == Some(replicas);
    let drops_deadline = count == 0 && !keeps_deadline && !set.deadline_text().is_empty();
    if before == count && is_noted && !(drops_deadline && replicas == 0) {
        return false;
    }
    let mut operations = Vec::new();
    if before != count {
        operations.push(json!({"op": "test", "path": "/spec/replicas", "value": before}));
        operations.push(json!({"op": "replace", "path": "/spec/replicas", "value": count}));
    }
    if !is_noted {
        operations.push(add_annotation(DESIRED_REPLICAS, &replicas.to_string()));
    }
    if drops_deadline {
        operations.push(remove_annotation(SCALE_DOWN_DEADLINE));
        set.metadata.annotations.remove(SCALE_DOWN_DEADLINE);
    }
    set.metadata
        .annotations
        .insert(DESIRED_REPLICAS.to_owned(), replicas.to_string());
    set.spec.replicas = Some(count);
    if before != count {
        // As the API server counts: what was available before says nothing from now on.
        let generation = set.metadata.generation.unwrap_or(0);
        set.metadata.generation = Some(generation.saturating_add(1));
    }
    let name = set.metadata.name.clone();
    let revision = set.revision();
    turn.write(Write::PatchReplicaSet {
        name: name.clone(),
        operations,
    });
    if before == count {
        return false;
    }
    let direction = if before < count { "up" } else { "down" };
    turn.event(
        "ScalingReplicaSet",
        format!(
            "Scaled {direction} ReplicaSet {name} (revision {revision}) from {before} to {count}"
        ),
    );
    true
}

//! Which share of the traffic the routers lead to the canary.

use super::turn::Turn;
use super::world::ReplicaSet;
use super::write::Write;
use super::{retreat, scaling, services};
use crate::api::{
    AnalysisPhase, SetHeaderRoute, SetMirrorRoute, TrafficWeights, WeightDestination,
};
use crate::workload::{Pods, current_set_weight, current_step, is_progress_reached};

/// What all routers of a Rollout should do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routing {
    /// The canary's weight.
    pub weight: i32,
    /// The weight that is the whole.
    pub whole: i32,
    /// The new revision's hash, for subsets; empty for none.
    pub canary_hash: String,
    /// The stable revision's hash.
    pub stable_hash: String,
    /// Stable and canary Service for routers that know no turns.
    pub services: (String, String),
    /// Stable and canary Service for those that do (ALB), with ping-pong.
    pub turn_services: (String, String),
    /// Experiments with a weight of their own.
    pub additional: Vec<WeightDestination>,
    /// The routes by header that are in force, of the steps up to the present one.
    pub header_routes: Vec<SetHeaderRoute>,
    /// The mirrors that are in force, of the steps up to the present one.
    pub mirror_routes: Vec<SetMirrorRoute>,
    /// Whether the weight goes before the hashes: the canary has no pods for its old weight, which must be gone before
    /// anything leads to it.
    pub weight_first: bool,
}

/// Leads traffic where it belongs now, and notes the weights. False while the routers must stay as they are
/// because pods are missing.
pub(super) fn route(turn: &mut Turn<'_>) -> bool {
    let Some(canary) = turn.strategy() else {
        return true;
    };
    let has_router = canary
        .traffic_routing
        .as_ref()
        .is_some_and(|routing| routing.has_router());
    if !has_router {
        turn.next.canary.weights = None;
        return true;
    }
    let whole = canary.max_traffic_weight();
    let mut routing = Routing {
        whole,
        canary_hash: turn.new_hash(),
        stable_hash: turn
            .stable_set()
            .map_or_else(String::new, |set| set.hash().to_owned()),
        services: services::pair(turn, false),
        turn_services: services::pair(turn, true),
        ..Routing::default()
    };
    let keeps_routes = choose_weight(turn, &mut routing);
    if !stable_covers(turn, whole - routing.weight)
        || leads_elsewhere(turn, &routing)
        || subsets_wait(turn)
    {
        return false;
    }
    if keeps_routes && turn.revision() > 1 {
        routes_in_force(turn, &mut routing);
    }
    routing.weight_first = weight_goes_first(turn, &routing);
    note_weights(turn, routing);
    true
}

/// Whether nothing may lead to the new revision at the canary's present weight: it has no pods, or fewer than the update before,
/// whose weight that was.
fn weight_goes_first(turn: &Turn<'_>, routing: &Routing) -> bool {
    let weights = turn.rollout.status.canary.weights.as_ref();
    let Some(before) = weights.map(|weights| &weights.canary) else {
        return false;
    };
    let is_another = before.pod_template_hash != routing.canary_hash;
    let shrinks = before.weight > routing.weight;
    before.weight > 0 && (!has_pods(turn.new_set()) || is_another && shrinks)
}

fn has_pods(set: Option<&ReplicaSet>) -> bool {
    set.is_some_and(|set| set.pods().staying() > 0)
}

/// Routes that steps made: a later step of the same name takes an earlier one's place, and removes it when it
/// matches nothing.
fn routes_in_force(turn: &Turn<'_>, routing: &mut Routing) {
    let steps = turn.strategy().map_or(&[][..], |canary| &canary.steps);
    let index = turn.rollout.status.current_step_index.unwrap_or(0);
    let reached = usize::try_from(index).unwrap_or(0).saturating_add(1);
    for step in &steps[..reached.min(steps.len())] {
        if let Some(route) = &step.set_header_route {
            routing
                .header_routes
                .retain(|other| other.name != route.name);
            if !route.matches.is_empty() {
                routing.header_routes.push(route.clone());
            }
        }
        if let Some(route) = &step.set_mirror_route {
            routing
                .mirror_routes
                .retain(|other| other.name != route.name);
            if !route.matches.is_empty() {
                routing.mirror_routes.push(route.clone());
            }
        }
    }
}

/// Chooses the weight; true when the routes that steps made stay.
fn choose_weight(turn: &mut Turn<'_>, routing: &mut Routing) -> bool {
    let status = &turn.rollout.status;
    let index = status.current_step_index.unwrap_or(0);
    if let Some(hash) = retreat::from_hash(turn) {
        // Between stable and what was wanted before, which still has the traffic (Argo's issue 3020).
        routing.weight = retreat::weight(turn);
        routing.canary_hash = hash;
    } else if turn.is_fully_promoted() {
        return false;
    } else if turn.is_aborted() && !status.promote_full {
        routing.weight = retreat::weight(turn);
        if let Some(hash) = retreat::hash_with_traffic(turn).filter(|_| routing.weight > 0) {
            routing.canary_hash = hash;
        }
        if routing.weight == 0 {
            let name = turn
                .strategy()
                .map_or_else(String::new, |canary| canary.canary_service.clone());
            services::ensure(turn, &name, turn.stable, true);
        }
        return false;
    } else if !has_pods(turn.new_set()) {
        // Nothing leads to a canary without pods.
        routing.additional = of_experiments(turn);
        return false;
    } else if status.promote_full {
        routing.weight = full_promotion(turn, routing.whole);
        return false;
    } else if turn.steps() > 0 {
        if !scaling::is_reached(turn, None) {
            routing.weight = weight_before(turn, index).min(present_weight(turn));
            routing.additional = of_experiments(turn);
        } else if index == turn.steps() {
            routing.weight = routing.whole;
        } else {
            routing.weight = current_set_weight(turn.rollout);
            routing.additional = of_experiments(turn);
        }
    }
    true
}

/// The weight on the way to a promotion without steps: what the canary has, or what its pods can take.
fn full_promotion(turn: &Turn<'_>, whole: i32) -> i32 {
    let dynamic = turn
        .strategy()
        .is_some_and(|canary| canary.dynamic_stable_scale);
    let replicas = turn.replicas();
    if dynamic && replicas > 0 {
        let available = turn.new_pods().map_or(0, Pods::staying);
        let weight = i64::from(whole) * i64::from(available) / i64::from(replicas);
        return i32::try_from(weight).unwrap_or(whole).min(whole);
    }
    present_weight(turn)
}

/// The weight that the canary has: while pods are missing, it is not given more, as after a step that somebody
/// skipped before its pods were there.
fn present_weight(turn: &Turn<'_>) -> i32 {
    let weights = turn.rollout.status.canary.weights.as_ref();
    weights.map_or(0, |weights| weights.canary.weight)
}

/// The weight of the step before: it holds until the pods for the present one are there.
fn weight_before(turn: &Turn<'_>, index: i32) -> i32 {
    let steps = turn.strategy().map_or(&[][..], |canary| &canary.steps);
    let before = usize::try_from(index).unwrap_or(0).min(steps.len());
    steps[..before]
        .iter()
        .rev()
        .find_map(|step| step.set_weight)
        .unwrap_or(0)
}

/// Whether the stable side has the pods that its weight needs.
fn stable_covers(turn: &Turn<'_>, weight: i32) -> bool {
    let (Some(canary), Some(stable)) = (turn.strategy(), turn.stable_set()) else {
        return false;
    };
    if weight > 0 && !stable.is_counted() {
        return false;
    }
    let pods = stable.pods();
    let whole = canary.max_traffic_weight().max(1);
    let needed = i64::from(weight) * i64::from(turn.replicas()) / i64::from(whole);
    let needed = i32::try_from(needed).unwrap_or(i32::MAX);
    let threshold = canary.replica_progress_threshold.as_ref();
    pods.staying() >= needed || is_progress_reached(threshold, Some(pods), needed)
}

/// Whether stable's Service still leads to a revision of before: it waits for stable's pods, and its weight with it.
fn leads_elsewhere(turn: &Turn<'_>, routing: &Routing) -> bool {
    let hash = services::hash_of(turn, &routing.services.0);
    !hash.is_empty() && hash != routing.stable_hash
}

/// Whether Istio's subsets, without Services, have to wait until both sides' pods are available (Argo's issue
/// 2507). On the way back the weight itself waits for stable's.
fn subsets_wait(turn: &Turn<'_>) -> bool {
    let Some(canary) = turn.strategy() else {
        return false;
    };
    let by_subset = canary
        .traffic_routing
        .as_ref()
        .is_some_and(|routing| routing.istio.is_some())
        && canary.canary_service.is_empty()
        && canary.stable_service.is_empty();
    if !by_subset {
        return false;
    }
    let goes_back = turn.rollout.status.abort || retreat::from_hash(turn).is_some();
    let incomplete =
        |set: Option<&ReplicaSet>| set.is_some_and(|set| set.desired() > 0 && !set.is_available());
    !goes_back && (incomplete(turn.stable_set()) || incomplete(turn.new_set()))
}

/// Experiments of the step that have a weight of their own.
fn of_experiments(turn: &Turn<'_>) -> Vec<WeightDestination> {
    let (Some(canary), Some(experiment), Some((at, _))) =
        (turn.strategy(), turn.experiment, current_step(turn.rollout))
    else {
        return Vec::new();
    };
    if experiment.status.phase != AnalysisPhase::Running {
        return Vec::new();
    }
    let step = canary.steps[..=at]
        .iter()
        .rev()
        .find_map(|step| step.experiment.as_ref());
    let weight = |name: &str| {
        let templates = step.map_or(&[][..], |step| &step.templates);
        templates
            .iter()
            .find(|template| template.name == name)
            .and_then(|template| template.weight)
    };
    experiment
        .status
        .template_statuses
        .iter()
        .filter_map(|status| {
            Some(WeightDestination {
                weight: weight(&status.name)?,
                service_name: status.service_name.clone(),
                pod_template_hash: status.pod_template_hash.clone(),
            })
        })
        .collect()
}

fn note_weights(turn: &mut Turn<'_>, routing: Routing) {
    let (stable_service, canary_service) =
        turn.strategy().map_or_else(Default::default, |canary| {
            (canary.stable_service.clone(), canary.canary_service.clone())
        });
    let elsewhere: i32 = routing.additional.iter().map(|other| other.weight).sum();
    let mut weights = TrafficWeights {
        canary: WeightDestination {
            weight: routing.weight,
            service_name: canary_service,
            pod_template_hash: routing.canary_hash.clone(),
        },
        stable: WeightDestination {
            weight: routing.whole - routing.weight - elsewhere,
            service_name: stable_service,
            pod_template_hash: routing.stable_hash.clone(),
        },
        additional: routing.additional.clone(),
        verified: None,
    };
    turn.write(Write::Route(routing));
    let before = turn.rollout.status.canary.weights.clone();
    let mut compared = before.clone();
    if let Some(compared) = &mut compared {
        compared.verified = None;
    }
    if compared.as_ref() != Some(&weights) {
        turn.event("TrafficWeightUpdated", message(before.as_ref(), &weights));
    } else if let Some(before) = before {
        // What another controller has verified stays so. One that waits for it waits for that controller.
        weights.verified = before.verified.filter(|verified| *verified);
    }
    turn.next.canary.weights = Some(weights);
}

fn message(before: Option<&TrafficWeights>, weights: &TrafficWeights) -> String {
    let mut details = Vec::new();
    let weight = weights.canary.weight;
    match before {
        None => details.push(format!("to {weight}")),
        Some(before) => {
            if before.canary.weight != weight {
                details.push(format!("from {} to {weight}", before.canary.weight));
            }
            if before.additional != weights.additional {
                let additional: Vec<String> = weights
                    .additional
                    .iter()
                    .map(|to| {
                        format!(
                            "{{{} {} {}}}",
                            to.weight, to.service_name, to.pod_template_hash
                        )
                    })
                    .collect();
                details.push(format!("additional: [{}]", additional.join(" ")));
            }
        }
    }
    format!("Traffic weight updated {}", details.join(", "))
}

//! Which pods the Services lead to.

use super::turn::Turn;
use super::world::ReplicaSet;
use super::write::Write;
use super::{pauses, retreat};
use crate::api::Rollout;

/// The Services that a strategy names, with the field that names each.
pub(super) fn named(rollout: &Rollout) -> Vec<(&'static str, &str)> {
    let strategy = &rollout.spec.strategy;
    let mut named = Vec::new();
    if let Some(canary) = &strategy.canary {
        named.push(("canary.canaryService", canary.canary_service.as_str()));
        named.push(("canary.stableService", canary.stable_service.as_str()));
        if let Some(turns) = &canary.ping_pong {
            named.push(("canary.pingPong.pingService", turns.ping_service.as_str()));
            named.push(("canary.pingPong.pongService", turns.pong_service.as_str()));
        }
    }
    if let Some(blue_green) = &strategy.blue_green {
        let (active, preview) = (&blue_green.active_service, &blue_green.preview_service);
        named.push(("blueGreen.activeService", active.as_str()));
        named.push(("blueGreen.previewService", preview.as_str()));
    }
    named.retain(|(_, name)| !name.is_empty());
    named
}

/// The names of the Services that a Rollout's strategy names.
#[must_use]
pub fn service_names(rollout: &Rollout) -> Vec<&str> {
    named(rollout).into_iter().map(|(_, name)| name).collect()
}

/// Leads a Service to a ReplicaSet's pods, and claims it. Writes nothing when it does already.
pub(super) fn switch(turn: &mut Turn<'_>, name: &str, hash: &str) {
    let Some(service) = turn.world.services.get(name) else {
        return;
    };
    let before = hash_of(turn, name);
    let claim = service.managed_by.is_none() && turn.switched(name).is_none();
    if before == hash && !claim {
        return;
    }
    let message = format!("Switched selector for service '{name}' from '{before}' to '{hash}'");
    turn.write(Write::SwitchService {
        name: name.to_owned(),
        hash: hash.to_owned(),
        claim,
    });
    turn.event("SwitchService", message);
}

/// Leads a Service to a ReplicaSet, once pods of it are available: all of them where the Service was not
/// ours before, so that it is not overloaded, else at least one.
pub(super) fn ensure(turn: &mut Turn<'_>, name: &str, set: Option<usize>, needs_pods: bool) {
    let (Some(service), Some(at)) = (turn.world.services.get(name), set) else {
        return;
    };
    let set = &turn.sets[at];
    let hash = set.hash().to_owned();
    if hash_of(turn, name) == hash {
        return;
    }
    let is_foreign = service.managed_by.is_none();
    if needs_pods && (is_foreign && !set.is_available() || !has_pods(Some(set))) {
        return;
    }
    switch(turn, name, &hash);
}

/// The Services of a canary. With ping-pong the two take turns instead.
pub(super) fn of_canary(turn: &mut Turn<'_>) {
    let Some(canary) = turn.strategy() else {
        return;
    };
    if canary.ping_pong.is_some() {
        // One that was created again selects all pods.
        let (stable, _) = pair(turn, true);
        ensure(turn, &stable, turn.stable, true);
    }
    if has_pods(turn.new_set()) {
        take_turn(turn);
    }
    ensure(turn, &canary.stable_service, turn.stable, true);
    if turn.is_aborted() {
        // With a router the canary's Service goes back together with the last of its traffic.
        if canary.traffic_routing.is_none() {
            ensure(turn, &canary.canary_service, turn.stable, true);
        }
        return;
    }
    if retreat::from_hash(turn).is_some() {
        // The stable side gave up pods and is not complete again.
        return;
    }
    ensure(turn, &canary.canary_service, turn.new, true);
}

/// With ping-pong, leads the Service whose turn it is to a new revision without pods, once the routers lead nothing to
/// it: in this turn they may have been told, and what the status says of them may be older than they are.
pub(super) fn of_canary_without_pods(turn: &mut Turn<'_>, is_routed: bool) {
    let weights = turn.next.canary.weights.as_ref();
    let has_traffic = weights.is_some_and(|weights| weights.canary.weight > 0);
    if is_routed && !has_traffic {
        take_turn(turn);
    }
}

/// With ping-pong, leads the Service whose turn it is to the new revision.
fn take_turn(turn: &mut Turn<'_>) {
    let takes_turns = turn
        .strategy()
        .is_some_and(|canary| canary.ping_pong.is_some());
    if takes_turns && !turn.is_fully_promoted() {
        let (_, name) = pair(turn, true);
        ensure(turn, &name, turn.new, false);
    }
}

/// Whether a ReplicaSet has pods that requests can go to.
fn has_pods(set: Option<&ReplicaSet>) -> bool {
    set.is_some_and(|set| set.is_counted() && set.pods().staying() > 0)
}

/// The stable and the canary Service. With ping-pong, those whose turn it is, where they are preferred or no
/// others are named.
pub(super) fn pair(turn: &Turn<'_>, prefers_turns: bool) -> (String, String) {
    let Some(canary) = turn.strategy() else {
        return (String::new(), String::new());
    };
    let (stable, new) = (&canary.stable_service, &canary.canary_service);
    let others_named = !stable.is_empty() || !new.is_empty();
    match &canary.ping_pong {
        Some(turns) if prefers_turns || !others_named => {
            let (ping, pong) = (turns.ping_service.clone(), turns.pong_service.clone());
            if turn.rollout.status.canary.stable_ping_pong == "ping" {
                (ping, pong)
            } else {
                (pong, ping)
            }
        }
        _ => (stable.clone(), new.clone()),
    }
}

/// The preview Service follows the new revision at once.
pub(super) fn preview(turn: &mut Turn<'_>) {
    let Some(blue_green) = &turn.rollout.spec.strategy.blue_green else {
        return;
    };
    if blue_green.preview_service.is_empty() || pauses::is_halted(turn.rollout) {
        return;
    }
    let hash = turn.new_hash();
    switch(turn, &blue_green.preview_service, &hash);
}

/// The hash that a Service leads to after this turn.
pub(super) fn hash_of(turn: &Turn<'_>, name: &str) -> String {
    turn.switched(name).unwrap_or_else(|| {
        let service = turn.world.services.get(name);
        service.map_or_else(String::new, |service| service.hash.clone())
    })
}

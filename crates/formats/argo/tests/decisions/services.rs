//! Which pods Services and routers lead to.

use super::{NOW, rollout, route, routed, set, switches, uncounted, weights, world};
use serde_json::{Value, json};
use sluice_argo::rollout::{World, Write, decide};

/// Two Services that take turns; the stable one's turn is `pong`.
fn ping_pong() -> Value {
    json!({"canary": {
        "pingPong": {"pingService": "ping", "pongService": "pong"},
        "trafficRouting": {"istio": {"virtualService": {"name": "web"}}},
        "steps": [{"setWeight": 20}, {"pause": {}}],
    }})
}

fn turns(canary: i32) -> Value {
    json!({"currentStepIndex": 0, "canary": {"stablePingPong": "pong", "weights": {
        "canary": {"weight": canary, "podTemplateHash": "old"},
        "stable": {"weight": 100 - canary, "podTemplateHash": "stable"},
    }}})
}

/// The places of the first write that takes the canary's traffic, and of the first one that switches a Service.
fn order(world: &World, service: &str) -> (Option<usize>, Option<usize>) {
    let writes = decide(world, NOW).writes;
    let is_rest = |write: &Write| matches!(write, Write::Route(routing) if routing.weight == 0);
    let is_switch =
        |write: &Write| matches!(write, Write::SwitchService { name, .. } if name == service);
    (
        writes.iter().position(is_rest),
        writes.iter().position(is_switch),
    )
}

/// The next update begins while the last one's canary has traffic, or may have it although the status does not say so:
/// its Service stays with the pods that it has until the traffic is gone.
#[test]
fn a_service_that_takes_turns_keeps_its_pods_while_it_has_traffic() {
    for (weight, available) in [(27, 5), (0, 5), (27, 3), (0, 3)] {
        let world = world(
            rollout(ping_pong(), turns(weight)),
            vec![
                set("old", 1, 1),
                set("stable", 5, available),
                set("new", 0, 0),
            ],
            &[("ping", "old"), ("pong", "stable")],
        );
        let (rest, switch) = order(&world, "ping");
        assert_eq!(rest.is_some(), available == 5, "stable cannot take all");
        assert_eq!(switch.is_some(), rest.is_some(), "with weight {weight}");
        assert!(rest <= switch, "traffic goes first: {rest:?} {switch:?}");
    }
}

#[test]
fn a_service_that_takes_turns_and_was_created_again_leads_to_stable() {
    for status in [json!({"abort": true}), json!({"stableRS": "new"})] {
        let stable = status["stableRS"].as_str().unwrap_or("stable").to_owned();
        let mut all = turns(0);
        for (field, value) in status.as_object().unwrap() {
            all[field] = value.clone();
        }
        let world = world(
            rollout(ping_pong(), all),
            vec![set("stable", 5, 5), set("new", 5, 5)],
            &[("ping", "new"), ("pong", "")],
        );
        let to_stable = ("pong".to_owned(), stable);
        assert!(switches(&world).contains(&to_stable), "{to_stable:?}");
    }
}

/// After a promotion the canary's weight goes back only when stable's Service leads to what is stable now.
#[test]
fn stable_gets_its_weight_after_its_service() {
    let mut status = weights(100);
    status["weights"]["canary"]["podTemplateHash"] = json!("new");
    let status = json!({"stableRS": "new", "currentStepIndex": 3, "canary": status});
    let services = [("stable", "old"), ("canary", "new")];
    let sets = |new| vec![set("old", 2, 2), new];
    let promoted = rollout(routed(), status);
    let early = world(
        promoted.clone(),
        sets(uncounted(set("new", 5, 5))),
        &services,
    );
    assert_eq!(switches(&early), []);
    assert_eq!(route(&early), None);
    let ready = world(promoted, sets(set("new", 5, 5)), &services);
    let to_new = ("stable".to_owned(), "new".to_owned());
    assert_eq!(switches(&ready), [to_new]);
    assert_eq!(route(&ready).map(|routing| routing.weight), Some(0));
}

/// Pods of before count neither when the ReplicaSet is to have none, nor when its number just changed.
#[test]
fn pods_that_are_about_to_end_get_no_service() {
    for new in [set("new", 0, 6), uncounted(set("new", 5, 5))] {
        let status = json!({"currentStepIndex": 0, "canary": weights(0)});
        let services = [("stable", "stable"), ("canary", "stable")];
        let sets = vec![set("stable", 5, 5), new];
        let world = world(rollout(routed(), status), sets, &services);
        assert_eq!(switches(&world), []);
    }
}

/// A revision of before that grows in this very turn has no pods yet, whatever its last count says.
#[test]
fn a_revision_that_just_grew_does_not_become_active() {
    let strategy = json!({"blueGreen": {"activeService": "active"}});
    let world = world(
        rollout(strategy, json!({"blueGreen": {"activeSelector": "stable"}})),
        vec![set("stable", 5, 5), set("new", 0, 5)],
        &[("active", "stable")],
    );
    assert_eq!(switches(&world), []);
}

/// Stable has fewer pods than before it shrank and grew again.
#[test]
fn stable_gets_no_weight_on_counts_of_an_earlier_number() {
    let status = json!({"abort": true, "canary": weights(60)});
    let services = [("stable", "stable"), ("canary", "new")];
    for (stable, is_told) in [
        (set("stable", 5, 5), true),
        (uncounted(set("stable", 5, 5)), false),
    ] {
        let sets = vec![stable, set("new", 3, 3)];
        let world = world(rollout(routed(), status.clone()), sets, &services);
        assert_eq!(route(&world).is_some(), is_told);
    }
}

/// The stable revision never had a pod, the new one has: whoever uses the canary's Service keeps them.
#[test]
fn an_aborted_canary_s_service_stays_while_stable_has_no_pods() {
    for (available, goes_back) in [(0, false), (5, true)] {
        let status = json!({"abort": true, "canary": weights(0)});
        let world = world(
            rollout(routed(), status),
            vec![set("stable", 5, available), set("new", 2, 2)],
            &[("stable", ""), ("canary", "new")],
        );
        let back = ("canary".to_owned(), "stable".to_owned());
        assert_eq!(switches(&world).contains(&back), goes_back, "{available}");
    }
}

/// With Istio's subsets the new revision got the weight of the update before, until its own was written.
#[test]
fn a_smaller_weight_goes_before_the_hash_of_the_next_update() {
    for (before, first) in [(60, true), (20, false), (0, false)] {
        let mut noted = weights(before);
        noted["weights"]["canary"]["podTemplateHash"] = json!("old");
        let status = json!({"currentStepIndex": 0, "canary": noted});
        let sets = vec![set("old", 3, 3), set("stable", 5, 5), set("new", 1, 1)];
        let services = [("stable", "stable"), ("canary", "new")];
        let routing = route(&world(rollout(routed(), status), sets, &services)).unwrap();
        assert_eq!(
            (routing.weight, routing.weight_first),
            (20, first),
            "from {before}"
        );
    }
}

//! Istio: sides that are subsets of a DestinationRule, and the order of writes that this asks for.

use crate::istio::{http, service, weights};
use crate::world::{
    HASH, MANAGED_BY, World, brief, by_header, exact, golden, line, managing, split, with,
};
use serde_json::{Value, json};
use sluice_routers::{DestinationRule, Istio, Means, Router, Split, release};

const SUBSETS: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: checkout}
spec:
  http:
    - name: primary
      route:
        - destination: {host: checkout, subset: stable}
          weight: 100
        - destination: {host: checkout, subset: canary}
          weight: 0
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: rule}
spec:
  host: checkout.shop.svc.cluster.local
  trafficPolicy: {loadBalancer: {simple: LEAST_CONN}}
  subsets:
    - name: stable
      labels: {version: v3}
    - name: canary
      trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
    - name: reserve
      labels: {version: v2}
";

fn subsets(additional: &[&str], managed: &[&str]) -> Router {
    let mut router = managing(
        Means::Istio(Istio {
            virtual_services: vec![service("checkout", &[])],
            destination_rule: Some(DestinationRule {
                name: "rule".to_owned(),
                stable_subset: "stable".to_owned(),
                canary_subset: "canary".to_owned(),
                additional_subsets: additional.iter().map(|name| (*name).to_owned()).collect(),
            }),
            api_version: None,
        }),
        managed,
    );
    router.traffic.stable_service = None;
    router.traffic.canary_service = None;
    router
}

fn hashes(canary: u32, stable: Option<&str>, newer: Option<&str>) -> Split {
    let mut split = split(canary);
    split.stable_hash = stable.map(str::to_owned);
    split.canary_hash = newer.map(str::to_owned);
    split
}

/// `stable=old canary=new` of the DestinationRule.
fn labels(world: &World) -> String {
    let list = &world.object("DestinationRule", "rule")["spec"]["subsets"];
    let list = list.as_array().expect("subsets").iter();
    let spelled = list.map(|subset| {
        let name = subset["name"].as_str().expect("a name");
        format!("{name}={}", subset["labels"][HASH].as_str().unwrap_or("-"))
    });
    spelled.collect::<Vec<_>>().join(" ")
}

#[test]
fn subsets_get_the_hashes_and_routes_the_weights() {
    let mut world = World::new(SUBSETS);
    let router = subsets(&[], &[]);
    golden("istio-subsets", &world.changes(&router, &split(10)));
    assert_eq!(
        world.settle(&router, &split(10)),
        [
            "Update DestinationRule shop/rule",
            "Update VirtualService shop/checkout"
        ]
    );
    assert_eq!(labels(&world), "stable=old canary=new reserve=-");
    let current = world.current(&router).expect("a split");
    assert_eq!(current.canary(), Some(10));
    assert_eq!(current.stable_hash.as_deref(), Some("old"));
    assert_eq!(current.canary_hash.as_deref(), Some("new"));
    world.settle(&router, &hashes(0, Some("old"), None));
    assert_eq!(labels(&world), "stable=old canary=- reserve=-");
}

/// The next update has fewer pods than the weight of the one before asks for.
#[test]
fn a_weight_that_shrinks_goes_before_the_hash_when_it_is_asked_for() {
    let order = |weight_first: bool| {
        let mut world = World::new(SUBSETS);
        let router = subsets(&[], &[]);
        world.settle(&router, &hashes(100, Some("old"), Some("new")));
        let mut next = hashes(48, Some("old"), Some("newer"));
        next.weight_first = weight_first;
        let order = world.settle(&router, &next);
        assert_eq!(labels(&world), "stable=old canary=newer reserve=-");
        assert_eq!(weights(http(&world, 0)), "stable 52, canary 48");
        order
    };
    let (rule, service) = (
        "Update DestinationRule shop/rule",
        "Update VirtualService shop/checkout",
    );
    assert_eq!(order(false), [rule, service]);
    assert_eq!(order(true), [service, rule]);
}

#[test]
fn experiments_get_a_subset_for_as_long_as_they_run() {
    let mut world = World::new(SUBSETS);
    let router = subsets(&[], &[]);
    let two = [("exp-b", 5), ("exp-a", 5)];
    world.settle(&router, &with(split(10), &two));
    assert_eq!(
        labels(&world),
        "stable=old canary=new reserve=- exp-b=exp-b-hash exp-a=exp-a-hash"
    );
    assert_eq!(
        weights(http(&world, 0)),
        "stable 80, canary 10, exp-a 5, exp-b 5"
    );
    world.settle(&router, &with(split(10), &two[..1]));
    assert_eq!(
        labels(&world),
        "stable=old canary=new reserve=- exp-b=exp-b-hash"
    );
    // Without a hash nothing can be chosen by it.
    let mut unknown = with(split(10), &[("exp-b", 5), ("exp-c", 5)]);
    for one in &mut unknown.additional {
        one.pod_hash = None;
    }
    world.settle(&router, &unknown);
    assert_eq!(labels(&world), "stable=old canary=new reserve=- exp-b=-");
}

#[test]
fn additional_subsets_keep_their_weight() {
    let mut world = World::new(SUBSETS);
    world.edit("VirtualService", "checkout", |body| {
        let routes = body["spec"]["http"][0]["route"].as_array_mut();
        let kept = json!({"destination": {"host": "other", "subset": "west"}, "weight": 20});
        routes.expect("destinations").push(kept);
    });
    let router = subsets(&["west"], &[]);
    world.settle(&router, &split(10));
    assert_eq!(weights(http(&world, 0)), "stable 70, canary 10, west 20");
    // What they keep is not the canary's either.
    world.settle(&router, &split(100));
    assert_eq!(weights(http(&world, 0)), "stable 0, canary 80, west 20");
    world.settle(&router, &split(0));
    assert_eq!(weights(http(&world, 0)), "stable 80, canary 0, west 20");
}

#[test]
fn managed_routes_lead_to_the_rules_host_and_the_canarys_subset() {
    let mut world = World::new(SUBSETS);
    let router = subsets(&[], &["by-agent"]);
    let wanted = by_header(split(10), &[("by-agent", &[("agent", exact("firefox"))])]);
    world.settle(&router, &wanted);
    assert_eq!(
        http(&world, 0)["route"],
        json!([{
            "destination": {"host": "checkout.shop.svc.cluster.local", "subset": "canary"},
            "weight": 100,
        }])
    );
}

#[test]
fn a_promotion_moves_the_stable_subset_before_its_traffic() {
    let mut world = World::new(SUBSETS);
    let router = subsets(&[], &[]);
    world.settle(&router, &hashes(100, Some("v1"), Some("v2")));
    assert_eq!(
        world.settle(&router, &hashes(0, Some("v2"), Some("v2"))),
        [
            "Update DestinationRule shop/rule",
            "Update VirtualService shop/checkout"
        ]
    );
    assert_eq!(labels(&world), "stable=v2 canary=v2 reserve=-");
}

/// Argo Rollouts writes the weight twice for this (its `reconcileTrafficRouting` resets it before the hash).
#[test]
fn a_newer_canary_gets_its_subset_only_when_the_older_ones_traffic_has_ended() {
    let mut world = World::new(SUBSETS);
    let router = subsets(&[], &["by-agent"]);
    let older = by_header(
        hashes(40, Some("v1"), Some("v2")),
        &[("by-agent", &[("agent", exact("firefox"))])],
    );
    world.settle(&router, &older);
    let newer = hashes(0, Some("v1"), Some("v3"));
    let first = world.changes(&router, &newer);
    assert_eq!(
        first.writes.iter().map(line).collect::<Vec<_>>(),
        ["Update VirtualService shop/checkout"]
    );
    assert!(!first.complete);
    world.write(&first);
    assert_eq!(labels(&world), "stable=v1 canary=v2 reserve=-");
    assert_eq!(
        world.settle(&router, &newer),
        ["Update DestinationRule shop/rule"]
    );
    assert_eq!(labels(&world), "stable=v1 canary=v3 reserve=-");
}

#[test]
fn a_route_by_header_is_traffic_of_the_older_canary_too() {
    let mut world = World::new(SUBSETS);
    let router = subsets(&[], &["by-agent"]);
    let older = by_header(
        hashes(0, Some("v1"), Some("v2")),
        &[("by-agent", &[("agent", exact("firefox"))])],
    );
    world.settle(&router, &older);
    assert_eq!(
        world.settle(&router, &hashes(0, Some("v1"), Some("v3"))),
        [
            "Update VirtualService shop/checkout",
            "Update DestinationRule shop/rule"
        ]
    );
}

#[test]
fn a_promotion_with_a_newer_canary_behind_it_takes_both_orders() {
    let mut world = World::new(SUBSETS);
    let router = subsets(&[], &[]);
    world.settle(&router, &hashes(100, Some("v1"), Some("v2")));
    assert_eq!(
        world.settle(&router, &hashes(0, Some("v2"), Some("v3"))),
        [
            "Update DestinationRule shop/rule",
            "Update VirtualService shop/checkout",
            "Update DestinationRule shop/rule"
        ]
    );
    assert_eq!(labels(&world), "stable=v2 canary=v3 reserve=-");
}

#[test]
fn a_rule_without_the_subsets_holds_the_canary() {
    for (subset, name) in [(0, "stable"), (1, "canary")] {
        let mut world = World::new(SUBSETS);
        world.edit("DestinationRule", "rule", |body| {
            body["spec"]["subsets"][subset]["name"] = "other".into();
        });
        let changes = world.changes(&subsets(&[], &[]), &split(10));
        assert_eq!(changes.writes, Vec::new());
        assert_eq!(
            brief(&changes.problems),
            ["side-missing DestinationRule shop/rule spec.subsets"]
        );
        assert!(changes.problems[0].to_string().contains(name));
    }
}

#[test]
fn a_rule_that_nobody_names_any_more_loses_the_marks() {
    let mut world = World::new(SUBSETS);
    let router = subsets(&[], &[]);
    let before = world.object("DestinationRule", "rule").clone();
    world.settle(&router, &split(10));
    let marked = world.object("DestinationRule", "rule");
    assert_eq!(marked["metadata"]["annotations"][MANAGED_BY], "checkout");
    let released = release(marked, &router.traffic.marks).expect("a change");
    let mut wanted = before["spec"].clone();
    // An empty map stays where there was none.
    wanted["subsets"][1]["labels"] = json!({});
    assert_eq!(released["spec"], wanted);
    assert_eq!(released["metadata"]["annotations"], json!({}));
    assert_eq!(release(&released, &router.traffic.marks), None);
    assert_eq!(release(&Value::Null, &router.traffic.marks), None);
}

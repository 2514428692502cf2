//! AWS App Mesh.

use crate::world::{HASH, World, golden, line, problems, router, split};
use serde_json::{Value, json};
use sluice_routers::{AppMesh, Means, Router, Split};

pub(crate) const MESH: &str = "
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: checkout}
spec: {provider: {virtualRouter: {virtualRouterRef: {name: router}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {name: router}
spec:
  listeners: [{portMapping: {port: 80, protocol: http}}]
  routes:
    - name: primary
      httpRoute:
        match: {prefix: /}
        action:
          weightedTargets:
            - {virtualNodeRef: {name: vn-canary}, weight: 0}
            - {virtualNodeRef: {name: vn-stable, namespace: shop}, weight: 100}
            - {virtualNodeRef: {name: vn-stable, namespace: other}, weight: 3}
    - name: elsewhere
      grpcRoute:
        action:
          weightedTargets:
            - {virtualNodeRef: {name: other}, weight: 1}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: vn-stable}
spec:
  podSelector: {matchLabels: {app: checkout, rollouts-pod-template-hash: tbd}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: vn-canary}
spec:
  listeners: []
";

pub(crate) fn mesh(routes: &[&str]) -> Router {
    router(Means::AppMesh(AppMesh {
        virtual_service: "checkout".to_owned(),
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
        stable_node: "vn-stable".to_owned(),
        canary_node: "vn-canary".to_owned(),
        api_version: None,
    }))
}

fn hashes(canary: u32, stable: Option<&str>, newer: Option<&str>) -> Split {
    let mut split = split(canary);
    split.stable_hash = stable.map(str::to_owned);
    split.canary_hash = newer.map(str::to_owned);
    split
}

fn hash(world: &World, node: &str) -> String {
    let labels = &world.object("VirtualNode", node)["spec"]["podSelector"]["matchLabels"];
    labels[HASH].as_str().expect("a hash").to_owned()
}

#[test]
fn nodes_choose_the_pods_and_the_router_has_the_weights() {
    let mut world = World::new(MESH);
    golden("app-mesh", &world.changes(&mesh(&[]), &split(10)));
    assert_eq!(
        world.settle(&mesh(&[]), &split(10)),
        [
            "Update VirtualNode shop/vn-stable",
            "Update VirtualNode shop/vn-canary",
            "Update VirtualRouter shop/router"
        ]
    );
    let now = world.current(&mesh(&[])).expect("a split");
    assert_eq!(now.canary(), Some(10));
    assert_eq!(now.stable_hash.as_deref(), Some("old"));
    assert_eq!(now.canary_hash.as_deref(), Some("new"));
}

#[test]
fn the_canarys_node_loses_its_pods_after_its_traffic() {
    let mut world = World::new(MESH);
    world.settle(&mesh(&[]), &hashes(100, Some("v1"), Some("v2")));
    let promoted = world.changes(&mesh(&[]), &hashes(0, Some("v2"), Some("v2")));
    assert_eq!(
        promoted.writes.iter().map(line).collect::<Vec<_>>(),
        [
            "Update VirtualNode shop/vn-stable",
            "Update VirtualRouter shop/router",
            "Update VirtualNode shop/vn-canary"
        ]
    );
}

#[test]
fn a_weight_that_shrinks_goes_before_the_hash_when_it_is_asked_for() {
    let mut world = World::new(MESH);
    world.settle(&mesh(&[]), &hashes(100, Some("v1"), Some("v2")));
    let mut next = hashes(48, Some("v1"), Some("v3"));
    next.weight_first = true;
    assert_eq!(
        world.settle(&mesh(&[]), &next),
        [
            "Update VirtualRouter shop/router",
            "Update VirtualNode shop/vn-canary"
        ]
    );
}

#[test]
fn two_nodes_never_choose_the_same_pods() {
    for (stable, canary, nodes) in [
        (Some("v1"), Some("v2"), ("v1", "v2")),
        (Some("v2"), Some("v2"), ("v2", "canary-hash")),
        (Some("v1"), None, ("v1", "canary-hash")),
        (None, Some("v2"), ("stable-hash", "v2")),
        (None, None, ("stable-hash", "canary-hash")),
    ] {
        let mut world = World::new(MESH);
        world.settle(&mesh(&[]), &hashes(0, stable, canary));
        assert_eq!(
            (hash(&world, "vn-stable"), hash(&world, "vn-canary")),
            (nodes.0.to_owned(), nodes.1.to_owned())
        );
    }
}

#[test]
fn every_type_of_route_with_targets_is_split() {
    for kind in ["httpRoute", "tcpRoute", "http2Route", "grpcRoute"] {
        let mut world = World::new(&MESH.replace("httpRoute", kind));
        world.settle(&mesh(&["primary"]), &split(10));
        assert_eq!(world.canary(&mesh(&["primary"])), 10);
    }
}

#[test]
fn only_named_routes_are_split_when_any_is() {
    let mut world = World::new(MESH);
    world.edit("VirtualRouter", "router", |body| {
        let mut second = body["spec"]["routes"][0].clone();
        second["name"] = "second".into();
        let routes = body["spec"]["routes"].as_array_mut().expect("routes");
        routes.push(second);
    });
    world.settle(&mesh(&["second"]), &split(10));
    let canary = |world: &World, route: usize| {
        let route = &world.object("VirtualRouter", "router")["spec"]["routes"][route];
        route["httpRoute"]["action"]["weightedTargets"][0]["weight"].clone()
    };
    assert_eq!(
        (canary(&world, 0), canary(&world, 2)),
        (json!(0), json!(10))
    );
    world.settle(&mesh(&[]), &split(20));
    assert_eq!(
        (canary(&world, 0), canary(&world, 2)),
        (json!(20), json!(20))
    );
}

/// What is done to a sound mesh's object, and the problem.
type Case = (&'static str, &'static str, fn(&mut Value), &'static str);

#[test]
fn each_fault_is_named_with_its_place() {
    let cases: [Case; 6] = [
        (
            "VirtualService",
            "checkout",
            |body| body["spec"]["provider"] = json!({"virtualNode": {}}),
            "no-route VirtualService shop/checkout spec.provider.virtualRouter.virtualRouterRef",
        ),
        (
            "VirtualService",
            "checkout",
            |body| {
                body["spec"]["provider"]["virtualRouter"]["virtualRouterRef"]["name"] =
                    json!("missing");
            },
            "object-not-found VirtualRouter shop/missing",
        ),
        (
            "VirtualRouter",
            "router",
            |body| body["spec"]["routes"] = json!("none"),
            "malformed VirtualRouter shop/router spec.routes",
        ),
        (
            "VirtualRouter",
            "router",
            |body| body["spec"]["routes"][0]["httpRoute"] = json!(null),
            "malformed VirtualRouter shop/router spec.routes[0]",
        ),
        (
            "VirtualRouter",
            "router",
            |body| body["spec"]["routes"][0]["httpRoute"]["action"] = json!({}),
            "side-missing VirtualRouter shop/router spec.routes[0].httpRoute.action.weightedTargets",
        ),
        (
            "VirtualRouter",
            "router",
            |body| body["spec"]["routes"][0]["name"] = json!("other"),
            "route-not-found VirtualRouter shop/router spec.routes",
        ),
    ];
    for (kind, name, break_it, problem) in cases {
        let mut world = World::new(MESH);
        world.edit(kind, name, break_it);
        assert_eq!(problems(&world, &mesh(&["primary"]), &split(10)), [problem]);
    }
    let mut world = World::new(MESH);
    world.edit("VirtualRouter", "router", |body| {
        body["spec"]["routes"]
            .as_array_mut()
            .expect("routes")
            .remove(0);
    });
    assert_eq!(
        problems(&world, &mesh(&[]), &split(10)),
        ["no-route VirtualRouter shop/router spec.routes"]
    );
}

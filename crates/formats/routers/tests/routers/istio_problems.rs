//! Istio: what stands in the way, and that it never keeps traffic on the canary.

use crate::istio::{TWO_ROUTES, http, istio, one, service, weights};
use crate::world::{World, brief, by_header, exact, line, problems, router, split};
use serde_json::{Value, json};
use sluice_routers::{Changes, Means, Router, Traefik};

/// What is done to a sound VirtualService, and the problem.
type Case = (fn(&mut Value), &'static str);

const CASES: [Case; 9] = [
    (
        |body| body["spec"]["http"] = json!("none"),
        "malformed VirtualService shop/checkout spec.http",
    ),
    (
        |body| body["spec"]["http"] = json!([]),
        "route-not-found VirtualService shop/checkout spec.http",
    ),
    (
        |body| body["spec"] = json!({}),
        "no-route VirtualService shop/checkout spec",
    ),
    (
        |body| body["spec"]["http"][0]["name"] = json!("other"),
        "route-not-found VirtualService shop/checkout spec.http",
    ),
    (
        |body| body["spec"]["http"][0]["route"] = json!("none"),
        "side-missing VirtualService shop/checkout spec.http[0].route",
    ),
    (
        |body| body["spec"]["http"][0]["route"][0]["destination"]["host"] = json!("other"),
        "side-missing VirtualService shop/checkout spec.http[0].route",
    ),
    (
        |body| body["spec"]["http"][0]["route"][1]["destination"] = json!("canary"),
        "side-missing VirtualService shop/checkout spec.http[0].route",
    ),
    (
        |body| body["spec"]["http"][0]["route"][0]["weight"] = json!("90"),
        "malformed VirtualService shop/checkout spec.http[0].route[0].weight",
    ),
    (
        |body| body["spec"]["http"][0]["route"][0]["weight"] = json!(-1),
        "malformed VirtualService shop/checkout spec.http[0].route[0].weight",
    ),
];

#[test]
fn each_fault_of_a_virtual_service_is_named_with_its_place() {
    for (break_it, problem) in CASES {
        let mut world = World::new(TWO_ROUTES);
        world.edit("VirtualService", "checkout", break_it);
        assert_eq!(problems(&world, &one(&["primary"]), &split(10)), [problem]);
        let current = world.current(&one(&["primary"])).expect_err(problem);
        assert_eq!(brief(&[current]), [problem]);
    }
}

#[test]
fn an_object_that_is_missing_is_told_from_one_that_was_not_read() {
    let world = World::new(TWO_ROUTES);
    let missing = router(istio(vec![service("payment", &[])]));
    assert_eq!(
        problems(&world, &missing, &split(10)),
        ["object-not-found VirtualService shop/payment"]
    );
    let unread = missing.apply(&Default::default(), &split(10));
    assert_eq!(
        brief(&unread.problems),
        ["not-read VirtualService shop/payment"]
    );
    assert_eq!(
        unread.problems[0].to_string(),
        "VirtualService shop/payment: it was not looked up; look up what `Router::missing` names, and apply again"
    );
}

#[test]
fn a_fault_in_one_object_holds_an_advance_and_not_a_retreat() {
    let mut world = World::new(TWO_ROUTES);
    world.settle(&one(&["primary"]), &split(20));
    let both = router(istio(vec![
        service("gone", &[]),
        service("checkout", &["primary"]),
    ]));
    let advance = world.changes(&both, &split(40));
    assert_eq!(advance.writes, Vec::new());
    let mut with_header = both.clone();
    with_header.traffic.managed_routes = vec!["by-agent".to_owned()];
    let header = by_header(split(20), &[("by-agent", &[("agent", exact("x"))])]);
    assert_eq!(world.changes(&with_header, &header).writes, Vec::new());
    let retreat = world.changes(&both, &split(0));
    assert!(!retreat.complete);
    assert_eq!(
        retreat.writes.iter().map(line).collect::<Vec<_>>(),
        ["Update VirtualService shop/checkout"]
    );
    world.write(&retreat);
    assert_eq!(weights(http(&world, 0)), "stable 100, canary 0");
}

#[test]
fn a_fault_in_one_route_does_not_keep_the_others_on_the_canary() {
    let mut world = World::new(TWO_ROUTES);
    world.settle(&one(&["primary"]), &split(20));
    let with_typo = one(&["primary", "secndary"]);
    let wanted = ["route-not-found VirtualService shop/checkout spec.http"];
    assert_eq!(problems(&world, &with_typo, &split(40)), wanted);
    assert_eq!(world.changes(&with_typo, &split(40)).writes, Vec::new());
    let retreat = world.changes(&with_typo, &split(0));
    assert_eq!(brief(&retreat.problems), wanted);
    world.write(&retreat);
    assert_eq!(weights(http(&world, 0)), "stable 100, canary 0");
}

#[test]
fn a_fault_of_one_router_holds_the_others() {
    let service = "{kind: TraefikService, metadata: {name: edge}, spec: {weighted: {services: [{name: stable}, {name: canary}]}}}";
    let mut world = World::new(&format!("{TWO_ROUTES}\n---\n{service}"));
    let edge = router(Means::Traefik(Traefik {
        service: "edge".to_owned(),
        api_version: None,
    }));
    let mesh = one(&["primary"]);
    world.settle(&edge, &split(20));
    world.settle(&mesh, &split(20));
    let apply = |world: &World, mesh: &Router, canary| {
        let mut objects = world.read(&edge);
        while let Some(object) = mesh.missing(&objects) {
            let body = world.find(&object.kind.kind, &object.name).cloned();
            objects.insert(object, body);
        }
        let split = split(canary);
        Router::apply_all([(&edge, &split), (mesh, &split)], &objects)
    };
    let lines = |changes: &Changes| changes.writes.iter().map(line).collect::<Vec<_>>();
    let both = [
        "Update TraefikService shop/edge",
        "Update VirtualService shop/checkout",
    ];
    assert_eq!(lines(&apply(&world, &mesh, 30)), both);
    let broken = one(&["missing"]);
    assert_eq!(apply(&world, &broken, 30).writes, Vec::new());
    assert_eq!(lines(&apply(&world, &broken, 0)), both[..1]);
}

#[test]
fn a_total_other_than_100_is_refused_where_weights_are_percent() {
    let world = World::new(TWO_ROUTES);
    for total in [0, 1000] {
        let mut split = split(10);
        split.total = total;
        assert_eq!(problems(&world, &one(&["primary"]), &split), ["total"]);
    }
    assert_eq!(
        problems(&world, &one(&["primary"]), &split(101)),
        ["weights"]
    );
}

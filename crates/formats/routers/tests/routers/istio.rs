//! Istio: weights between Services.

use crate::world::{World, golden, problems, router, split, with};
use serde_json::{Value, json};
use sluice_routers::{Istio, Means, Router, TcpRoute, TlsRoute, VirtualService};

pub(crate) const TWO_ROUTES: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: checkout
  labels: {team: shop}
spec:
  gateways: [shop-gateway]
  hosts: [checkout.example]
  http:
    - name: primary
      retries: {attempts: 3}
      route:
        - destination: {host: stable, port: {number: 8443}}
          weight: 100
          headers: {request: {set: {x-side: stable}}}
        - destination: {host: canary, port: {number: 8443}}
          weight: 0
    - name: secondary
      match: [{uri: {prefix: /static}}]
      corsPolicy: {allowOrigins: [{exact: '*'}]}
      route:
        - destination: {host: assets}
        - destination: {host: canary}
          weight: 40
        - destination: {host: stable}
          weight: 60
";

pub(crate) const EVERY_PROTOCOL: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: checkout}
spec:
  http:
    - route:
        - destination: {host: stable.shop.svc.cluster.local}
          weight: 100
        - destination: {host: canary.shop.svc.cluster.local}
          weight: 0
  tls:
    - match: [{port: 3000, sniHosts: [a.example, b.example]}]
      route:
        - destination: {host: stable}
          weight: 100
        - destination: {host: canary}
  tcp:
    - match: [{port: 5432}]
      route:
        - destination: {host: stable}
          weight: 100
        - destination: {host: canary}
          weight: 0
";

pub(crate) fn service(name: &str, routes: &[&str]) -> VirtualService {
    VirtualService {
        name: name.to_owned(),
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
        ..VirtualService::default()
    }
}

pub(crate) fn istio(services: Vec<VirtualService>) -> Means {
    Means::Istio(Istio {
        virtual_services: services,
        ..Istio::default()
    })
}

pub(crate) fn one(routes: &[&str]) -> Router {
    router(istio(vec![service("checkout", routes)]))
}

/// The weights of a route by host, as `stable 90, canary 10`.
pub(crate) fn weights(route: &Value) -> String {
    let destinations = route["route"].as_array().expect("destinations");
    let spelled = destinations.iter().map(|one| {
        let host = one["destination"]["host"].as_str().expect("a host");
        let subset = one["destination"]["subset"].as_str();
        format!("{} {}", subset.unwrap_or(host), one["weight"])
    });
    spelled.collect::<Vec<_>>().join(", ")
}

pub(crate) fn http(world: &World, index: usize) -> &Value {
    &world.object("VirtualService", "checkout")["spec"]["http"][index]
}

#[test]
fn the_named_route_is_split_and_nothing_else_changes() {
    let mut world = World::new(TWO_ROUTES);
    let router = one(&["primary"]);
    golden("istio-named-route", &world.changes(&router, &split(10)));
    let before = world.object("VirtualService", "checkout").clone();
    assert_eq!(
        world.settle(&router, &split(10)),
        ["Update VirtualService shop/checkout"]
    );
    assert_eq!(weights(http(&world, 0)), "stable 90, canary 10");
    assert_eq!(http(&world, 1), &before["spec"]["http"][1]);
    assert_eq!(world.canary(&router), 10);
    assert!(world.settle(&router, &split(10)).is_empty());
}

#[test]
fn several_named_routes_are_split() {
    let mut world = World::new(TWO_ROUTES);
    world.settle(&one(&["primary", "secondary"]), &split(10));
    assert_eq!(weights(http(&world, 0)), "stable 90, canary 10");
    // Its destination without weight is not the owner's and gets nothing.
    assert_eq!(
        weights(http(&world, 1)),
        "assets null, canary 10, stable 90"
    );
}

#[test]
fn a_name_that_is_not_named_is_never_guessed() {
    let world = World::new(TWO_ROUTES);
    assert_eq!(
        problems(&world, &one(&[]), &split(10)),
        ["routes-ambiguous VirtualService shop/checkout spec.http"]
    );
}

#[test]
fn the_only_route_of_each_protocol_needs_no_name() {
    let mut world = World::new(EVERY_PROTOCOL);
    world.settle(&one(&[]), &split(10));
    let spec = &world.object("VirtualService", "checkout")["spec"];
    assert_eq!(
        weights(&spec["http"][0]),
        "stable.shop.svc.cluster.local 90, canary.shop.svc.cluster.local 10"
    );
    for protocol in ["tls", "tcp"] {
        assert_eq!(weights(&spec[protocol][0]), "stable 90, canary 10");
    }
    let places = world.current(&one(&[])).expect("weights").places;
    let places: Vec<(&str, u32)> = places
        .iter()
        .map(|place| (place.path.as_str(), place.canary))
        .collect();
    assert_eq!(
        places,
        [
            ("spec.http[0]", 10),
            ("spec.tls[0]", 10),
            ("spec.tcp[0]", 10)
        ]
    );
}

#[test]
fn tls_routes_are_found_by_port_and_hosts() {
    let tls = |port, hosts: &[&str]| VirtualService {
        tls_routes: vec![TlsRoute {
            port,
            sni_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        }],
        ..service("checkout", &[])
    };
    let mut world = World::new(EVERY_PROTOCOL);
    world.settle(
        &router(istio(vec![tls(3000, &["b.example", "a.example"])])),
        &split(10),
    );
    for wrong in [
        tls(3001, &["a.example", "b.example"]),
        tls(3000, &["a.example"]),
        tls(0, &["a.example", "b.example"]),
    ] {
        let world = World::new(EVERY_PROTOCOL);
        assert_eq!(
            problems(&world, &router(istio(vec![wrong])), &split(10)),
            ["route-not-found VirtualService shop/checkout spec.tls"]
        );
    }
}

#[test]
fn tcp_routes_are_found_by_their_only_port() {
    let tcp = |port| VirtualService {
        tcp_routes: vec![TcpRoute { port }],
        ..service("checkout", &[])
    };
    let mut world = World::new(EVERY_PROTOCOL);
    world.edit("VirtualService", "checkout", |body| {
        let more = json!([
            {"match": [{"port": 1}, {"port": 2}], "route": [{"destination": {"host": "stable"}}]},
            {"match": [{"port": 9}], "route": [{"destination": {"host": "other"}}]},
        ]);
        let routes = body["spec"]["tcp"].as_array_mut().expect("routes");
        routes.extend(more.as_array().cloned().expect("routes"));
    });
    let router_of = |port| router(istio(vec![tcp(port)]));
    world.settle(&router_of(5432), &split(10));
    let spec = &world.object("VirtualService", "checkout")["spec"];
    assert_eq!(weights(&spec["tcp"][0]), "stable 90, canary 10");
    assert_eq!(weights(&spec["tcp"][1]), "stable null");
    assert_eq!(
        problems(&world, &router_of(1), &split(20)),
        ["route-not-found VirtualService shop/checkout spec.tcp"]
    );
}

#[test]
fn a_protocol_whose_routes_lead_elsewhere_is_left_alone() {
    let mut world = World::new(EVERY_PROTOCOL);
    world.edit("VirtualService", "checkout", |body| {
        body["spec"]["tls"] = json!([
            {"match": [{"sniHosts": ["x"]}], "route": [{"destination": {"host": "other"}}]},
            {"match": [{"sniHosts": ["y"]}], "route": [{"destination": {"host": "another"}}]},
        ]);
    });
    let before = world.object("VirtualService", "checkout")["spec"]["tls"].clone();
    world.settle(&one(&[]), &split(10));
    assert_eq!(
        world.object("VirtualService", "checkout")["spec"]["tls"],
        before
    );
}

#[test]
fn routes_named_of_a_protocol_without_any_are_a_warning() {
    let mut world = World::new(EVERY_PROTOCOL);
    world.edit("VirtualService", "checkout", |body| {
        body["spec"].as_object_mut().expect("fields").remove("http");
    });
    let changes = world.changes(&one(&["primary"]), &split(10));
    assert!(changes.complete);
    assert_eq!(changes.warnings.len(), 1, "{:?}", changes.warnings);
    assert_eq!(changes.warnings[0].rule, "route-not-found");
}

#[test]
fn experiments_come_and_go_with_their_weights() {
    let mut world = World::new(TWO_ROUTES);
    let router = one(&["primary"]);
    let both = [("exp-canary", 20), ("exp-baseline", 20)];
    world.settle(&router, &with(split(10), &both));
    assert_eq!(
        weights(http(&world, 0)),
        "stable 50, canary 10, exp-baseline 20, exp-canary 20"
    );
    world.settle(&router, &with(split(10), &[("exp-canary", 5)]));
    assert_eq!(
        weights(http(&world, 0)),
        "stable 85, canary 10, exp-canary 5"
    );
    world.settle(&router, &split(10));
    assert_eq!(weights(http(&world, 0)), "stable 90, canary 10");
}

#[test]
fn what_is_twice_in_a_route_gets_its_weight_once() {
    let mut world = World::new(TWO_ROUTES);
    let router = one(&["primary"]);
    let wanted = with(split(10), &[("exp", 20)]);
    world.settle(&router, &wanted);
    world.edit("VirtualService", "checkout", |body| {
        let routes = body["spec"]["http"][0]["route"].as_array_mut();
        let routes = routes.expect("destinations");
        routes.push(routes[2].clone());
    });
    world.settle(&router, &wanted);
    assert_eq!(weights(http(&world, 0)), "stable 70, canary 10, exp 20");
}

#[test]
fn weights_never_add_up_to_more_than_all() {
    let mut world = World::new(TWO_ROUTES);
    let router = one(&["primary"]);
    let changes = world.changes(&router, &with(split(90), &[("exp", 20)]));
    assert_eq!(changes.warnings.len(), 1);
    world.write(&changes);
    assert_eq!(weights(http(&world, 0)), "stable 0, canary 80, exp 20");
    assert_eq!(
        problems(&world, &router, &with(split(10), &[("exp", 120)])),
        ["weights"]
    );
}

#[test]
fn a_side_with_two_destinations_shares_its_weight() {
    let mut world = World::new(TWO_ROUTES);
    world.edit("VirtualService", "checkout", |body| {
        let routes = body["spec"]["http"][0]["route"].as_array_mut();
        routes
            .expect("destinations")
            .push(json!({"destination": {"host": "canary", "port": {"number": 9090}}}));
    });
    let router = one(&["primary"]);
    world.settle(&router, &split(25));
    assert_eq!(weights(http(&world, 0)), "stable 75, canary 13, canary 12");
    assert_eq!(world.canary(&router), 25);
}

#[test]
fn virtual_services_may_be_several_and_elsewhere() {
    let elsewhere = TWO_ROUTES
        .replace("name: checkout\n", "name: edge.v2\n  namespace: edge\n")
        .replace("name: primary", "name: front");
    let mut world = World::new(&format!("{TWO_ROUTES}\n---\n{elsewhere}"));
    for name in ["edge.v2.edge", "edge.v2.edge.cluster.local"] {
        let services = vec![service("checkout", &["primary"]), service(name, &["front"])];
        let router = router(istio(services));
        world.settle(&router, &split(10));
        assert_eq!(world.current(&router).expect("weights").places.len(), 2);
        assert_eq!(world.canary(&router), 10);
    }
    assert_eq!(
        world.settle(
            &router(istio(vec![
                service("checkout", &["primary"]),
                service("edge.v2.edge", &["front"])
            ])),
            &split(30)
        ),
        [
            "Update VirtualService shop/checkout",
            "Update VirtualService edge/edge.v2"
        ]
    );
}

#[test]
fn a_weight_moved_by_somebody_else_is_seen_and_put_back() {
    let mut world = World::new(TWO_ROUTES);
    let router = one(&["primary"]);
    world.settle(&router, &split(10));
    world.edit("VirtualService", "checkout", |body| {
        body["spec"]["http"][0]["route"][1]["weight"] = json!(70.0);
        body["spec"]["http"][0]["route"][0]["weight"] = json!(30.0);
    });
    assert_eq!(world.canary(&router), 70);
    world.settle(&router, &split(10));
    assert_eq!(world.canary(&router), 10);
}

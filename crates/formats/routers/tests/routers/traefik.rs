//! Traefik.

use crate::world::{World, golden, problems, router, split};
use sluice_routers::{Means, Router, Traefik};

const SERVICE: &str = "
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: shop}
spec:
  weighted:
    sticky: {cookie: {name: side}}
    services:
      - {name: stable, port: 80, weight: 100}
      - {name: canary, port: 80}
      - {name: fixed, port: 80, weight: 7}
";

fn traefik() -> Router {
    router(Means::Traefik(Traefik {
        service: "shop".to_owned(),
        api_version: None,
    }))
}

#[test]
fn the_weights_of_both_services_are_set() {
    let mut world = World::new(SERVICE);
    golden("traefik", &world.changes(&traefik(), &split(10)));
    assert_eq!(
        world.settle(&traefik(), &split(10)),
        ["Update TraefikService shop/shop"]
    );
    assert_eq!(world.canary(&traefik()), 10);
    assert!(world.settle(&traefik(), &split(10)).is_empty());
}

#[test]
fn a_weight_of_nothing_is_written_where_none_is_a_share() {
    let mut world = World::new(SERVICE);
    assert_eq!(world.canary(&traefik()), 1);
    world.settle(&traefik(), &split(0));
    let services = &world.object("TraefikService", "shop")["spec"]["weighted"]["services"];
    assert_eq!(services[1]["weight"], 0);
}

#[test]
fn a_service_without_a_side_is_a_problem() {
    for side in ["stable", "canary"] {
        let world = World::new(&SERVICE.replace(&format!("name: {side}"), "name: other"));
        assert_eq!(
            problems(&world, &traefik(), &split(10)),
            ["side-missing TraefikService shop/shop spec.weighted.services"]
        );
    }
    let world = World::new(&SERVICE.replace("weighted", "mirroring"));
    assert_eq!(
        problems(&world, &traefik(), &split(10)),
        ["side-missing TraefikService shop/shop spec.weighted.services"]
    );
    let mut nameless = traefik();
    nameless.traffic.canary_service = None;
    assert_eq!(
        problems(&World::new(SERVICE), &nameless, &split(10)),
        ["no-service"]
    );
}

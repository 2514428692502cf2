//! Ambassador.

use crate::world::{World, golden, problems, router, split};
use serde_json::json;
use sluice_routers::{Ambassador, Means, Router};

const MAPPING: &str = "
apiVersion: getambassador.io/v2
kind: Mapping
metadata:
  name: checkout
  labels: {team: shop}
spec:
  prefix: /checkout/
  rewrite: /
  service: http://stable.shop:8080
";

const CANARY: &str = "checkout-canary";

fn ambassador(mappings: &[&str]) -> Router {
    router(Means::Ambassador(Ambassador {
        mappings: mappings.iter().map(|name| (*name).to_owned()).collect(),
        api_version: None,
    }))
}

fn one() -> Router {
    ambassador(&["checkout"])
}

#[test]
fn the_canarys_mapping_lives_as_long_as_it_has_a_weight() {
    let mut world = World::new(MAPPING);
    assert!(world.settle(&one(), &split(0)).is_empty());
    golden("ambassador", &world.changes(&one(), &split(10)));
    assert_eq!(
        world.settle(&one(), &split(10)),
        ["Create Mapping shop/checkout-canary"]
    );
    assert_eq!(world.canary(&one()), 10);
    assert_eq!(
        world.settle(&one(), &split(30)),
        ["Update Mapping shop/checkout-canary"]
    );
    assert_eq!(world.canary(&one()), 30);
    assert_eq!(
        world.settle(&one(), &split(0)),
        [
            "Update Mapping shop/checkout-canary",
            "Delete Mapping shop/checkout-canary"
        ]
    );
    assert_eq!(world.canary(&one()), 0);
}

#[test]
fn a_mapping_without_its_weight_gets_it_back() {
    let mut world = World::new(MAPPING);
    world.settle(&one(), &split(10));
    world.edit("Mapping", CANARY, |body| {
        body["spec"]
            .as_object_mut()
            .expect("fields")
            .remove("weight");
    });
    assert_eq!(world.canary(&one()), 50);
    world.settle(&one(), &split(10));
    assert_eq!(world.canary(&one()), 10);
}

#[test]
fn the_service_is_replaced_whatever_stands_around_it() {
    for (of, wanted) in [
        ("stable", "canary"),
        ("stable:8080", "canary:8080"),
        ("stable.shop.svc", "canary.shop.svc"),
        ("https://stable", "https://canary"),
        ("grpc://stable.shop:1/x", "grpc://canary.shop:1/x"),
    ] {
        let mut world = World::new(&MAPPING.replace("http://stable.shop:8080", of));
        world.settle(&one(), &split(10));
        assert_eq!(world.object("Mapping", CANARY)["spec"]["service"], wanted);
    }
    for of in ["other", "stable-edge", "http://other.stable", "''"] {
        let world = World::new(&MAPPING.replace("http://stable.shop:8080", of));
        assert_eq!(
            problems(&world, &one(), &split(10)),
            ["side-missing Mapping shop/checkout spec.service"]
        );
    }
}

#[test]
fn a_mapping_with_a_weight_of_its_own_and_a_missing_one_are_problems() {
    let mut world = World::new(MAPPING);
    world.edit("Mapping", "checkout", |body| {
        body["spec"]["weight"] = json!(20);
    });
    assert_eq!(
        problems(&world, &one(), &split(10)),
        ["weights Mapping shop/checkout spec.weight"]
    );
    let both = ambassador(&["missing", "gone"]);
    assert_eq!(
        problems(&world, &both, &split(10)),
        [
            "object-not-found Mapping shop/missing",
            "object-not-found Mapping shop/gone"
        ]
    );
}

#[test]
fn several_mappings_and_long_names() {
    let long = "m".repeat(250);
    let second = MAPPING.replace("name: checkout", &format!("name: {long}"));
    let mut world = World::new(&format!("{MAPPING}\n---\n{second}"));
    let router = ambassador(&["checkout", &long]);
    assert_eq!(
        world.settle(&router, &split(10)),
        [
            "Create Mapping shop/checkout-canary".to_owned(),
            format!("Create Mapping shop/{}-canary", "m".repeat(246))
        ]
    );
}

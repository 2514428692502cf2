//! Service Mesh Interface.

use crate::world::{World, golden, problems, router, split, with};
use serde_json::{Value, json};
use sluice_routers::{Means, Router, Smi};

const ANYTHING: &str = "{kind: Service, metadata: {name: stable}}";

fn smi(version: &str) -> Router {
    router(Means::Smi(Smi {
        api_version: Some(version.to_owned()),
        ..Smi::default()
    }))
}

fn backends(world: &World) -> &Value {
    &world.object("TrafficSplit", "checkout")["spec"]["backends"]
}

#[test]
fn a_traffic_split_is_created_in_each_version_and_then_changed() {
    for version in ["v1alpha1", "v1alpha2", "v1alpha3"] {
        let mut world = World::new(ANYTHING);
        let router = smi(version);
        let wanted = with(split(10), &[("exp-b", 20), ("exp-a", 5)]);
        golden(&format!("smi-{version}"), &world.changes(&router, &wanted));
        assert_eq!(
            world.settle(&router, &wanted),
            ["Create TrafficSplit shop/checkout"]
        );
        let now = world.current(&router).expect("a split");
        assert_eq!((now.places[0].stable, now.canary()), (65, Some(10)));
        assert_eq!(now.places[0].total(), 100);
        assert_eq!(
            world.settle(&router, &split(20)),
            ["Update TrafficSplit shop/checkout"]
        );
        let weight = |weight: u32| match version {
            "v1alpha1" => json!(weight.to_string()),
            _ => json!(weight),
        };
        assert_eq!(
            *backends(&world),
            json!([
                {"service": "canary", "weight": weight(20)},
                {"service": "stable", "weight": weight(80)},
            ])
        );
    }
}

#[test]
fn names_can_be_chosen_and_what_others_added_stays() {
    let mut world = World::new(ANYTHING);
    let router = router(Means::Smi(Smi {
        traffic_split: Some("edge".to_owned()),
        root_service: Some("root".to_owned()),
        api_version: Some("v1alpha2".to_owned()),
    }));
    world.settle(&router, &split(0));
    world.edit("TrafficSplit", "edge", |body| {
        body["spec"]["matches"] = json!([{"kind": "HTTPRouteGroup", "name": "all"}]);
        body["spec"]["service"] = "other".into();
    });
    world.settle(&router, &split(0));
    let spec = &world.object("TrafficSplit", "edge")["spec"];
    assert_eq!(spec["service"], "root");
    assert_eq!(spec["matches"][0]["name"], "all");
}

#[test]
fn backends_of_others_give_way() {
    let mut world = World::new(ANYTHING);
    let router = smi("v1alpha2");
    world.settle(&router, &split(10));
    world.edit("TrafficSplit", "checkout", |body| {
        body["spec"]["backends"][0]["service"] = "other".into();
    });
    world.settle(&router, &split(10));
    assert_eq!(backends(&world)[0]["service"], "canary");
}

#[test]
fn weights_of_the_first_version_may_be_spelled_as_numbers() {
    let mut world = World::new(ANYTHING);
    let router = smi("v1alpha1");
    world.settle(&router, &split(10));
    world.edit("TrafficSplit", "checkout", |body| {
        body["spec"]["backends"][0]["weight"] = json!(10);
    });
    assert!(world.settle(&router, &split(10)).is_empty());
}

#[test]
fn a_split_of_somebody_else_and_an_unknown_version_are_problems() {
    let mut world = World::new(ANYTHING);
    world.settle(&smi("v1alpha1"), &split(10));
    world.edit("TrafficSplit", "checkout", |body| {
        body["metadata"]["ownerReferences"][0]["uid"] = "another".into();
    });
    assert_eq!(
        problems(&world, &smi("v1alpha1"), &split(20)),
        ["not-owned TrafficSplit shop/checkout metadata.ownerReferences"]
    );
    assert_eq!(
        problems(&world, &smi("v1"), &split(20)),
        ["version TrafficSplit shop/checkout apiVersion"]
    );
}

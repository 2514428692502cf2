//! Whatever is asked of whatever router, one after the other.

use crate::app_mesh::{MESH, mesh};
use crate::istio::{TWO_ROUTES, istio, service};
use crate::world::{World, managing, split, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_routers::{Alb, Ambassador, Apisix, Means, Nginx, RouteRule, Smi, Split, Text, Traefik};

/// An object for each router, and the router.
fn worlds() -> Vec<(World, Means)> {
    let ingress = |service: &str| {
        World::new(&format!(
            "
kind: Ingress
metadata: {{name: edge}}
spec: {{rules: [{{http: {{paths: [{{path: /, backend: {{service: {{name: {service}}}}}}}]}}}}]}}
"
        ))
    };
    let backends = "[{serviceName: stable, weight: 1}, {serviceName: canary, weight: 1}]";
    vec![
        (
            World::new(TWO_ROUTES),
            istio(vec![service("checkout", &["primary"])]),
        ),
        (
            ingress("root"),
            Means::Alb(Alb {
                ingresses: vec!["edge".to_owned()],
                action: "root".to_owned(),
                ..Alb::default()
            }),
        ),
        (
            ingress("stable"),
            Means::Nginx(Nginx {
                stable_ingresses: vec!["edge".to_owned()],
                ..Nginx::default()
            }),
        ),
        (
            World::new(
                "{kind: TraefikService, metadata: {name: shop}, spec: {weighted: {services: [{name: stable}, {name: canary}]}}}",
            ),
            Means::Traefik(Traefik {
                service: "shop".to_owned(),
                ..Traefik::default()
            }),
        ),
        (
            World::new(&format!(
                "{{kind: ApisixRoute, metadata: {{name: shop}}, spec: {{http: [{{name: shop, backends: {backends}}}]}}}}"
            )),
            Means::Apisix(Apisix {
                route: "shop".to_owned(),
                ..Apisix::default()
            }),
        ),
        (
            World::new("{kind: Service, metadata: {name: stable}}"),
            Means::Smi(Smi::default()),
        ),
        (World::new(MESH), mesh(&[]).means),
        (
            World::new("{kind: Mapping, metadata: {name: shop}, spec: {service: stable}}"),
            Means::Ambassador(Ambassador {
                mappings: vec!["shop".to_owned()],
                ..Ambassador::default()
            }),
        ),
    ]
}

fn splits() -> impl Strategy<Value = Split> {
    let experiment = proptest::option::of(0_u32..=30);
    let headers = proptest::sample::subsequence(vec!["first", "second", "third"], 0..=3);
    (0_u32..=70, experiment, headers).prop_map(|(canary, experiment, headers)| {
        let additional: Vec<(&str, u32)> = experiment
            .map(|weight| ("exp", weight))
            .into_iter()
            .collect();
        let matches = [("agent", Text::Exact("x".to_owned()))];
        let routes: Vec<(&str, &[(&str, Text)])> =
            headers.iter().map(|name| (*name, &matches[..])).collect();
        crate::world::by_header(with(split(canary), &additional), &routes)
    })
}

#[test]
fn where_weights_are_percent_another_total_lets_the_canary_only_retreat() {
    for (mut world, means) in worlds() {
        let router = managing(means, &[]);
        let facts = router.facts();
        if facts.any_total {
            continue;
        }
        world.settle(&router, &split(40));
        let of_1000 = |canary| Split {
            total: 1000,
            ..split(canary)
        };
        let advance = world.changes(&router, &of_1000(500));
        assert_eq!(advance.problems[0].rule, "total");
        assert_eq!(advance.writes, Vec::new(), "{}", facts.name);
        world.write(&world.changes(&router, &of_1000(200)));
        assert_eq!(world.canary(&router), 20, "{}", facts.name);
    }
}

/// All places in an object, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let mut below = |key: &str, value: &Value| {
        let key = key.replace('~', "~0").replace('/', "~1");
        places(value, &format!("{at}/{key}"), found);
    };
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                below(&index.to_string(), item);
            }
        }
        Value::Object(fields) => fields.iter().for_each(|(key, value)| below(key, value)),
        _ => {}
    }
}

fn absurd() -> impl Strategy<Value = Value> {
    proptest::sample::select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0.5),
        json!(u32::MAX),
        json!(1e300),
        json!(""),
        json!("stable"),
        json!("."),
        json!([]),
        json!([[]]),
        json!({}),
        json!([{}]),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever stands anywhere in an object: an answer, in which the second application changes nothing more.
    #[test]
    fn absurd_objects_get_an_answer(
        broken in proptest::collection::vec((any::<prop::sample::Index>(), absurd()), 1..4),
        split in splits(),
    ) {
        for (mut world, means) in worlds() {
            let router = managing(means, &["first", "second", "third"]);
            world.settle(&router, &split);
            for (at, value) in &broken {
                let mut found = Vec::new();
                let bodies: Vec<Value> = world.objects.values().cloned().collect();
                let body = at.get(&bodies);
                places(&body["spec"], "/spec", &mut found);
                places(&body["metadata"]["annotations"], "/metadata/annotations", &mut found);
                let place = at.get(&found);
                let (kind, name) = (body["kind"].as_str(), body["metadata"]["name"].as_str());
                world.edit(kind.expect("a kind"), name.expect("a name"), |body| {
                    if let Some(target) = body.pointer_mut(place) {
                        *target = value.clone();
                    }
                });
            }
            let _ = world.current(&router);
            for _ in 0..3 {
                let changes = world.changes(&router, &split);
                world.write(&changes);
            }
            prop_assert!(world.changes(&router, &split).writes.is_empty(), "{}", router.facts().name);
        }
    }

    #[test]
    fn the_objects_say_what_was_asked_for_last(wanted in proptest::collection::vec(splits(), 1..6)) {
        for (mut world, means) in worlds() {
            let router = managing(means, &["first", "second", "third"]);
            let facts = router.facts();
            for split in &wanted {
                world.settle(&router, split);
                let now = world.current(&router).expect("a split");
                prop_assert_eq!(now.canary(), Some(split.canary), "{}", facts.name);
                for place in &now.places {
                    let foreign = place.others.get("vn-stable").copied().unwrap_or(0);
                    prop_assert_eq!(place.total() - foreign, 100, "{}", facts.name);
                }
                let is_header = |rule: &RouteRule| matches!(rule, RouteRule::Header(_));
                let asked: Vec<&str> = router.traffic.managed_routes.iter().map(String::as_str)
                    .filter(|name| facts.header_routes && split.routes.iter().any(
                        |route| route.name == *name && is_header(&route.rule)))
                    .collect();
                prop_assert_eq!(now.managed, asked, "{}", facts.name);
            }
        }
    }
}

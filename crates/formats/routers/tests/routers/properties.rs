//! Whatever is asked of whatever router, one after the other.

use crate::istio::{TWO_ROUTES, istio, service};
use crate::world::{World, managing, split, with};
use proptest::prelude::*;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

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
                    prop_assert_eq!(place.total(), 100, "{}", facts.name);
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

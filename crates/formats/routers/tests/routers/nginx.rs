//! The NGINX ingress controller.

use crate::world::{World, golden, problems, router, split, with};
use serde_json::json;
use sluice_routers::{Means, Nginx, Router};

const STABLE: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: edge
  labels: {team: shop}
  annotations:
    kubernetes.io/ingress.class: nginx
    nginx.ingress.kubernetes.io/rewrite-target: /
spec:
  ingressClassName: nginx
  tls:
    - hosts: [shop.example]
      secretName: shop-tls
  rules:
    - host: shop.example
      http:
        paths:
          - path: /static
            pathType: Prefix
            backend: {service: {name: assets, port: {number: 80}}}
          - path: /
            pathType: Prefix
            backend: {service: {name: stable, port: {number: 80}}}
    - host: admin.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: admin, port: {number: 80}}}
    - host: empty.example
    - host: files.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {resource: {kind: Bucket, name: files}}
";

const CANARY: &str = "checkout-edge-canary";

fn nginx() -> Nginx {
    Nginx {
        stable_ingresses: vec!["edge".to_owned()],
        ..Nginx::default()
    }
}

fn plain() -> Router {
    router(Means::Nginx(nginx()))
}

#[test]
fn the_canarys_ingress_is_created_and_then_follows() {
    let mut world = World::new(STABLE);
    golden("nginx-created", &world.changes(&plain(), &split(10)));
    assert_eq!(
        world.settle(&plain(), &split(10)),
        ["Create Ingress shop/checkout-edge-canary"]
    );
    assert_eq!(world.canary(&plain()), 10);
    world.edit("Ingress", "edge", |body| {
        body["spec"]["rules"][0]["host"] = "new.example".into();
        body["spec"].as_object_mut().expect("fields").remove("tls");
    });
    world.edit("Ingress", CANARY, |body| {
        body["metadata"]["labels"] = json!({"by": "others"});
        body["metadata"]["annotations"]["by"] = "others".into();
    });
    assert_eq!(
        world.settle(&plain(), &split(0)),
        ["Update Ingress shop/checkout-edge-canary"]
    );
    let canary = world.object("Ingress", CANARY);
    assert_eq!(canary["spec"]["rules"][0]["host"], "new.example");
    assert_eq!(canary["spec"].get("tls"), None);
    assert_eq!(canary["metadata"]["labels"], json!({"by": "others"}));
    assert_eq!(canary["metadata"]["annotations"]["by"], "others");
    assert_eq!(world.canary(&plain()), 0);
}

#[test]
fn further_annotations_are_set_and_the_weight_is_never_theirs() {
    let mut world = World::new(STABLE);
    let text = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let router = router(Means::Nginx(Nginx {
        annotation_prefix: Some("nginx.example".to_owned()),
        additional_annotations: text(&[
            ("canary-by-header", "x-canary"),
            ("nginx.example/canary-by-cookie", "side"),
            ("canary-weight", "99"),
        ]),
        canary_annotations: text(&[
            ("other.example/rate", "5"),
            ("nginx.example/canary-by-header", "x-side"),
        ]),
        ..nginx()
    }));
    world.settle(&router, &split(10));
    assert_eq!(
        world.object("Ingress", CANARY)["metadata"]["annotations"],
        json!({
            "kubernetes.io/ingress.class": "nginx",
            "nginx.example/canary": "true",
            "nginx.example/canary-weight": "10",
            "nginx.example/canary-by-header": "x-side",
            "nginx.example/canary-by-cookie": "side",
            "other.example/rate": "5",
        })
    );
}

#[test]
fn the_total_may_be_another_and_come_back_to_100() {
    let mut world = World::new(STABLE);
    let mut wanted = split(5);
    wanted.total = 1000;
    world.settle(&plain(), &wanted);
    let total = "nginx.ingress.kubernetes.io/canary-weight-total";
    let annotations =
        |world: &World| world.object("Ingress", CANARY)["metadata"]["annotations"][total].clone();
    assert_eq!(annotations(&world), "1000");
    let place = &world.current(&plain()).expect("a split").places[0];
    assert_eq!((place.stable, place.canary), (995, 5));
    world.settle(&plain(), &split(5));
    assert_eq!(annotations(&world), "100");
}

#[test]
fn an_ingress_of_somebody_else_is_not_taken() {
    let theirs = STABLE.replace("name: edge", &format!("name: {CANARY}"));
    let mut world = World::new(&format!("{STABLE}\n---\n{theirs}"));
    let wanted = [format!(
        "not-owned Ingress shop/{CANARY} metadata.ownerReferences"
    )];
    assert_eq!(problems(&world, &plain(), &split(10)), wanted);
    world.edit("Ingress", CANARY, |body| {
        body["metadata"]["ownerReferences"] = json!([{"uid": "another", "controller": true}]);
    });
    assert_eq!(problems(&world, &plain(), &split(10)), wanted);
    world.edit("Ingress", CANARY, |body| {
        body["metadata"]["ownerReferences"] =
            json!([{"uid": "uid-of-checkout", "controller": false}]);
    });
    assert_eq!(problems(&world, &plain(), &split(10)), wanted);
}

#[test]
fn an_ingress_without_the_stable_service_and_a_missing_one_are_problems() {
    let world = World::new(&STABLE.replace("name: stable", "name: other"));
    assert_eq!(
        problems(&world, &plain(), &split(10)),
        ["no-route Ingress shop/edge spec.rules"]
    );
    let missing = router(Means::Nginx(Nginx {
        stable_ingresses: vec!["missing".to_owned()],
        ..nginx()
    }));
    assert_eq!(
        problems(&world, &missing, &split(10)),
        ["object-not-found Ingress shop/missing"]
    );
}

#[test]
fn a_stable_ingress_that_leads_elsewhere_now_does_not_keep_the_canary() {
    let mut world = World::new(STABLE);
    world.settle(&plain(), &split(30));
    world.edit("Ingress", "edge", |body| body["spec"]["rules"] = json!([]));
    assert_eq!(world.changes(&plain(), &split(40)).writes, Vec::new());
    let retreat = world.changes(&plain(), &split(0));
    assert_eq!(retreat.problems.len(), 1);
    world.write(&retreat);
    assert_eq!(world.canary(&plain()), 0);
}

#[test]
fn several_ingresses_have_a_canary_each_and_names_fit() {
    let long = "x".repeat(253);
    let second = STABLE.replace("name: edge", &format!("name: {long}"));
    let mut world = World::new(&format!("{STABLE}\n---\n{second}"));
    let both = router(Means::Nginx(Nginx {
        stable_ingresses: vec!["edge".to_owned(), long],
        ..nginx()
    }));
    let cut = format!("checkout-{}-canary", "x".repeat(253 - 16));
    assert_eq!(cut.len(), 253);
    world.settle(&plain(), &split(10));
    assert_eq!(world.current(&both).expect("a split").canary(), None);
    assert_eq!(
        world.settle(&both, &split(10)),
        [format!("Create Ingress shop/{cut}")]
    );
}

#[test]
fn what_nginx_has_no_weight_for_is_a_warning() {
    let world = World::new(STABLE);
    let changes = world.changes(&plain(), &with(split(10), &[("exp", 20)]));
    assert!(changes.complete);
    assert_eq!(changes.warnings[0].rule, "additional-weights");
}

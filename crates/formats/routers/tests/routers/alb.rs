//! The AWS load balancer controller.

use crate::world::{
    MANAGED_ALB, World, brief, by_header, exact, golden, managing, problems, router, split, with,
};
use serde_json::{Value, json};
use sluice_routers::{Alb, Means, Router, Split, Stickiness, Text};

const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: edge
  annotations: {kubernetes.io/ingress.class: alb}
spec:
  rules:
    - host: shop.example
      http:
        paths:
          - path: /static
            pathType: Prefix
            backend: {service: {name: assets, port: {number: 80}}}
          - path: /*
            pathType: ImplementationSpecific
            backend: {service: {name: root, port: {name: use-annotation}}}
    - host: admin.example
      http:
        paths:
          - path: /*
            pathType: ImplementationSpecific
            backend: {service: {name: admin, port: {number: 80}}}
    - host: empty.example
";

const ACTION: &str = "alb.ingress.kubernetes.io/actions.root";

fn alb() -> Alb {
    Alb {
        ingresses: vec!["edge".to_owned()],
        action: "root".to_owned(),
        service_port: 8080,
        ..Alb::default()
    }
}

fn plain() -> Router {
    router(Means::Alb(alb()))
}

fn firefox(split: Split, name: &str) -> Split {
    by_header(split, &[(name, &[("agent", exact("Mozilla*"))])])
}

fn annotation<'a>(world: &'a World, key: &str) -> Option<&'a str> {
    world.object("Ingress", "edge")["metadata"]["annotations"][key].as_str()
}

fn services(world: &World, rule: usize) -> Vec<&str> {
    let rule = &world.object("Ingress", "edge")["spec"]["rules"][rule];
    let paths = rule["http"]["paths"].as_array().expect("paths").iter();
    paths
        .map(|path| path["backend"]["service"]["name"].as_str().expect("a name"))
        .collect()
}

/// Clients compare these texts (`test/e2e/aws_test.go`).
#[test]
fn the_actions_text_is_the_one_that_clients_compare() {
    let group = |name: &str, weight: u32| {
        format!(r#"{{"ServiceName":"{name}","ServicePort":"8080","Weight":{weight}}}"#)
    };
    for (wanted, groups) in [
        (
            split(0),
            [group("canary", 0), group("stable", 100)].join(","),
        ),
        (
            with(split(10), &[("exp-b", 20), ("exp-a", 20)]),
            [
                group("canary", 10),
                group("exp-b", 20),
                group("exp-a", 20),
                group("stable", 50),
            ]
            .join(","),
        ),
        (
            split(100),
            [group("canary", 100), group("stable", 0)].join(","),
        ),
    ] {
        let mut world = World::new(INGRESS);
        world.settle(&plain(), &wanted);
        let text = format!(r#"{{"Type":"forward","ForwardConfig":{{"TargetGroups":[{groups}]}}}}"#);
        assert_eq!(annotation(&world, ACTION), Some(text.as_str()));
        assert_eq!(world.canary(&plain()), wanted.canary);
        assert_eq!(
            annotation(&world, MANAGED_ALB),
            Some(format!(r#"{{"checkout":["{ACTION}"]}}"#).as_str())
        );
    }
}

#[test]
fn users_stay_on_their_side_for_up_to_a_week() {
    let sticky = |seconds| {
        router(Means::Alb(Alb {
            stickiness: Some(Stickiness { seconds }),
            ..alb()
        }))
    };
    let mut world = World::new(INGRESS);
    world.settle(&sticky(300), &split(10));
    let text = annotation(&world, ACTION).expect("an action");
    assert!(
        text.ends_with(
            r#","TargetGroupStickinessConfig":{"Enabled":true,"DurationSeconds":300}}}"#
        )
    );
    for seconds in [-1, 0, 604_801] {
        assert_eq!(
            problems(&world, &sticky(seconds), &split(20)),
            ["stickiness stickiness"]
        );
    }
}

#[test]
fn routes_by_header_stand_first_where_the_split_is() {
    let mut world = World::new(INGRESS);
    let router = managing(Means::Alb(alb()), &["first", "second"]);
    let wanted = firefox(firefox(split(20), "second"), "first");
    golden("alb-header-routes", &world.changes(&router, &wanted));
    world.settle(&router, &wanted);
    assert_eq!(services(&world, 0), ["first", "second", "assets", "root"]);
    assert_eq!(
        services(&world, 1),
        ["admin"],
        "no other host's traffic moves"
    );
    assert_eq!(
        world.current(&router).expect("a split").managed,
        ["first", "second"]
    );
    world.settle(&router, &firefox(split(20), "second"));
    assert_eq!(services(&world, 0), ["second", "assets", "root"]);
    world.settle(&router, &split(20));
    assert_eq!(services(&world, 0), ["assets", "root"]);
    assert_eq!(
        annotation(&world, MANAGED_ALB),
        Some(format!(r#"{{"checkout":["{ACTION}"]}}"#).as_str())
    );
    let annotations = &world.object("Ingress", "edge")["metadata"]["annotations"];
    let keys: Vec<&String> = annotations.as_object().expect("texts").keys().collect();
    assert_eq!(keys, [ACTION, "kubernetes.io/ingress.class", MANAGED_ALB]);
}

#[test]
fn values_of_one_header_are_one_condition() {
    let mut world = World::new(INGRESS);
    let router = managing(Means::Alb(alb()), &["by-agent"]);
    let matches = [
        ("agent", exact("Chrome")),
        ("tier", exact("gold")),
        ("agent", exact("Safari")),
    ];
    world.settle(&router, &by_header(split(20), &[("by-agent", &matches)]));
    let text = annotation(&world, "alb.ingress.kubernetes.io/conditions.by-agent");
    assert_eq!(
        text,
        Some(concat!(
            r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"agent","values":["Chrome","Safari"]}},"#,
            r#"{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"tier","values":["gold"]}}]"#
        ))
    );
    for other in [Text::Prefix("C".to_owned()), Text::Regex("C".to_owned())] {
        let wanted = by_header(split(20), &[("by-agent", &[("agent", other)])]);
        assert_eq!(
            problems(&world, &router, &wanted),
            ["header-match by-agent"]
        );
    }
}

#[test]
fn several_ingresses_are_all_written_also_behind_one_that_is_right() {
    let second = INGRESS.replace("name: edge", "name: inner");
    let mut world = World::new(&format!("{INGRESS}\n---\n{second}"));
    let both = router(Means::Alb(Alb {
        ingresses: vec!["edge".to_owned(), "inner".to_owned()],
        ..alb()
    }));
    world.settle(&plain(), &split(10));
    assert_eq!(world.current(&both).expect("a split").canary(), None);
    assert_eq!(
        world.settle(&both, &split(10)),
        ["Update Ingress shop/inner"]
    );
    assert_eq!(world.canary(&both), 10);
}

#[test]
fn a_missing_ingress_holds_an_advance_and_not_a_retreat() {
    let mut world = World::new(INGRESS);
    let router = managing(Means::Alb(alb()), &["by-agent"]);
    world.settle(&router, &split(20));
    let both = managing(
        Means::Alb(Alb {
            ingresses: vec!["missing".to_owned(), "edge".to_owned()],
            ..alb()
        }),
        &["by-agent"],
    );
    for advance in [split(30), firefox(split(20), "by-agent")] {
        let changes = world.changes(&both, &advance);
        assert_eq!(
            brief(&changes.problems),
            ["object-not-found Ingress shop/missing"]
        );
        assert_eq!(changes.writes, Vec::new());
    }
    world.write(&world.changes(&both, &split(0)));
    assert_eq!(world.canary(&router), 0);
}

#[test]
fn ping_and_pong_change_sides() {
    let mut world = World::new(INGRESS);
    let sides = |stable: &str, canary: &str| {
        let mut router = plain();
        router.traffic.stable_service = Some(stable.to_owned());
        router.traffic.canary_service = Some(canary.to_owned());
        router
    };
    world.settle(&sides("ping", "pong"), &split(100));
    let current = world.current(&sides("pong", "ping")).expect("a split");
    assert_eq!(current.canary(), Some(0));
    world.settle(&sides("pong", "ping"), &split(25));
    let place = &world
        .current(&sides("ping", "pong"))
        .expect("a split")
        .places[0];
    assert_eq!((place.stable, place.canary), (25, 75));
}

#[test]
fn annotations_of_other_owners_stay_listed() {
    let mut world = World::new(INGRESS);
    world.edit("Ingress", "edge", |body| {
        body["metadata"]["annotations"][MANAGED_ALB] =
            json!(r#"{"other": ["x"], "checkout": ["mine"]}"#);
    });
    world.settle(&plain(), &split(10));
    let lists: Value =
        serde_json::from_str(annotation(&world, MANAGED_ALB).expect("a list")).expect("JSON");
    assert_eq!(lists, json!({"other": ["x"], "checkout": ["mine", ACTION]}));
}

#[test]
fn faults_of_an_ingress_are_named_with_their_place() {
    let world = World::new(INGRESS);
    let missing = router(Means::Alb(Alb {
        action: "missing".to_owned(),
        ..alb()
    }));
    assert_eq!(
        problems(&world, &missing, &split(10)),
        ["no-route Ingress shop/edge spec.rules"]
    );
    let mut world = World::new(INGRESS);
    world.edit("Ingress", "edge", |body| {
        body["metadata"]["annotations"][MANAGED_ALB] = json!("edge:root");
    });
    let path = format!("metadata.annotations[{MANAGED_ALB}]");
    assert_eq!(
        problems(&world, &plain(), &split(10)),
        [format!("malformed Ingress shop/edge {path}")]
    );
    world.edit("Ingress", "edge", |body| {
        body["metadata"]["annotations"][ACTION] = json!("{");
    });
    let unreadable = world.current(&plain()).expect_err("no action");
    assert_eq!(
        brief(&[unreadable]),
        [format!(
            "malformed Ingress shop/edge metadata.annotations[{ACTION}]"
        )]
    );
}

//! APISIX.

use crate::world::{World, by_header, exact, golden, managing, problems, router, split};
use serde_json::{Value, json};
use sluice_routers::{Apisix, Means, Router, Split, Text};

const ROUTE: &str = r#"
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata:
  name: shop
  generation: 4
  labels: {team: shop}
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    note: ours
spec:
  http:
    - name: checkout
      priority: 10
      match:
        paths: [/*]
        exprs:
          - {subject: {scope: Cookie, name: beta}, op: Equal, value: "1"}
      plugins: [{name: limit-req, enable: true}]
      backends:
        - {serviceName: stable, servicePort: 80, weight: 100}
        - {serviceName: canary, servicePort: 80, weight: 0}
    - name: other
      match: {paths: [/other]}
      backends:
        - {serviceName: other, servicePort: 80}
"#;

fn apisix() -> Means {
    Means::Apisix(Apisix {
        route: "shop".to_owned(),
        rules: vec!["checkout".to_owned()],
        api_version: None,
    })
}

fn plain() -> Router {
    router(apisix())
}

fn debug(split: Split, name: &str) -> Split {
    by_header(split, &[(name, &[("trace", exact("debug"))])])
}

#[test]
fn the_weights_of_the_named_rule_are_set() {
    let mut world = World::new(ROUTE);
    let other = world.object("ApisixRoute", "shop")["spec"]["http"][1].clone();
    golden("apisix", &world.changes(&plain(), &split(5)));
    world.settle(&plain(), &split(5));
    assert_eq!(world.canary(&plain()), 5);
    assert_eq!(
        world.object("ApisixRoute", "shop")["spec"]["http"][1],
        other
    );
}

#[test]
fn a_weight_of_nothing_is_written_where_none_is_a_share() {
    let mut world = World::new(&ROUTE.replace(", weight: 0", ""));
    assert_eq!(world.canary(&plain()), 100);
    world.settle(&plain(), &split(0));
    let backends = &world.object("ApisixRoute", "shop")["spec"]["http"][0]["backends"];
    assert_eq!(backends[1]["weight"], 0);
}

#[test]
fn without_names_the_rule_is_called_like_the_route() {
    let unnamed = router(Means::Apisix(Apisix {
        route: "shop".to_owned(),
        ..Apisix::default()
    }));
    let mut world = World::new(ROUTE);
    assert_eq!(
        problems(&world, &unnamed, &split(5)),
        ["route-not-found ApisixRoute shop/shop spec.http"]
    );
    world.edit("ApisixRoute", "shop", |body| {
        body["spec"]["http"][0]["name"] = "shop".into();
    });
    world.settle(&unnamed, &split(5));
}

#[test]
fn a_route_by_header_is_an_object_that_goes_before_the_base() {
    let mut world = World::new(ROUTE);
    let router = managing(apisix(), &["by-trace"]);
    let wanted = debug(split(5), "by-trace");
    golden("apisix-header-route", &world.changes(&router, &wanted));
    assert_eq!(
        world.settle(&router, &wanted),
        [
            "Update ApisixRoute shop/shop",
            "Create ApisixRoute shop/by-trace"
        ]
    );
    assert_eq!(
        world.current(&router).expect("a split").managed,
        ["by-trace"]
    );
    // It follows the base rule.
    world.edit("ApisixRoute", "shop", |body| {
        body["spec"]["http"][0]["match"]["paths"] = json!(["/v2/*"]);
    });
    assert_eq!(
        world.settle(&router, &wanted),
        ["Update ApisixRoute shop/by-trace"]
    );
    assert_eq!(
        world.settle(&router, &split(50)),
        [
            "Delete ApisixRoute shop/by-trace",
            "Update ApisixRoute shop/shop"
        ]
    );
}

#[test]
fn the_first_of_several_routes_by_header_wins() {
    let mut world = World::new(ROUTE);
    let router = managing(apisix(), &["first", "second"]);
    let wanted = debug(debug(split(5), "second"), "first");
    world.settle(&router, &wanted);
    let priority =
        |name: &str| world.object("ApisixRoute", name)["spec"]["http"][0]["priority"].clone();
    assert_eq!(
        (priority("first"), priority("second"), priority("shop")),
        (json!(12), json!(11), json!(10))
    );
}

#[test]
fn conditions_on_headers_stand_beside_those_of_the_rule() {
    let mut world = World::new(ROUTE);
    let router = managing(apisix(), &["by-trace"]);
    let matches = [
        ("a", exact("x")),
        ("b", Text::Regex("y.*".to_owned())),
        ("c", Text::Prefix("1.2(".to_owned())),
    ];
    world.settle(&router, &by_header(split(5), &[("by-trace", &matches)]));
    let rule = &world.object("ApisixRoute", "by-trace")["spec"]["http"][0];
    let conditions = rule["match"]["exprs"]
        .as_array()
        .expect("conditions")
        .iter();
    let spelled: Vec<(&str, &str)> = conditions
        .map(|one| {
            (
                one["op"].as_str().expect("a text"),
                one["value"].as_str().expect("a text"),
            )
        })
        .collect();
    assert_eq!(
        spelled,
        [
            ("Equal", "1"),
            ("Equal", "x"),
            ("RegexMatch", "y.*"),
            ("RegexMatch", r"^1\.2\(.*")
        ]
    );
}

#[test]
fn a_route_of_somebody_else_is_neither_taken_nor_deleted() {
    let theirs = ROUTE.replace("name: shop", "name: by-trace");
    let mut world = World::new(&format!("{ROUTE}\n---\n{theirs}"));
    let router = managing(apisix(), &["by-trace"]);
    assert_eq!(
        problems(&world, &router, &debug(split(5), "by-trace")),
        ["not-owned ApisixRoute shop/by-trace metadata.ownerReferences"]
    );
    assert_eq!(
        world.settle(&router, &split(5)),
        ["Update ApisixRoute shop/shop"]
    );
}

/// What is done to a sound route, and the problem.
type Case = (fn(&mut Value), &'static str);

#[test]
fn each_fault_is_named_with_its_place() {
    let cases: [Case; 5] = [
        (
            |body| body["spec"] = json!({}),
            "route-not-found ApisixRoute shop/shop spec.http",
        ),
        (
            |body| body["spec"]["http"] = json!({}),
            "malformed ApisixRoute shop/shop spec.http",
        ),
        (
            |body| body["spec"]["http"][0]["backends"] = json!(7),
            "side-missing ApisixRoute shop/shop spec.http[0].backends",
        ),
        (
            |body| body["spec"]["http"][0]["backends"][1]["serviceName"] = json!("other"),
            "side-missing ApisixRoute shop/shop spec.http[0].backends",
        ),
        (
            |body| body["spec"]["http"][0]["backends"][1]["weight"] = json!("5"),
            "malformed ApisixRoute shop/shop spec.http[0].backends[1].weight",
        ),
    ];
    for (break_it, problem) in cases {
        let mut world = World::new(ROUTE);
        world.edit("ApisixRoute", "shop", break_it);
        assert_eq!(problems(&world, &plain(), &split(5)), [problem]);
    }
}

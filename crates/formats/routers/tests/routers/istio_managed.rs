//! Istio: routes by header and mirrors.

use crate::istio::{EVERY_PROTOCOL, TWO_ROUTES, http, istio, service, weights};
use crate::world::{World, by_header, exact, golden, managing, problems, split};
use serde_json::json;
use sluice_routers::{ManagedRoute, RequestMatch, RouteRule, Router, Split, Text};

fn manager(routes: &[&str], managed: &[&str]) -> Router {
    managing(istio(vec![service("checkout", routes)]), managed)
}

fn mirror(mut split: Split, name: &str, percent: u32) -> Split {
    split.routes.push(ManagedRoute {
        name: name.to_owned(),
        rule: RouteRule::Mirror {
            matches: vec![RequestMatch {
                method: Some(exact("GET")),
                path: Some(Text::Prefix("/".to_owned())),
                headers: [("agent".to_owned(), Text::Regex("fire.*".to_owned()))].into(),
            }],
            percent,
        },
    });
    split
}

fn firefox(split: Split, name: &str) -> Split {
    by_header(split, &[(name, &[("agent", exact("firefox"))])])
}

fn names(world: &World) -> Vec<String> {
    let routes = &world.object("VirtualService", "checkout")["spec"]["http"];
    let routes = routes.as_array().expect("routes").iter();
    routes
        .map(|route| route["name"].as_str().unwrap_or("-").to_owned())
        .collect()
}

#[test]
fn a_route_by_header_goes_first_and_all_of_it_to_the_canary() {
    let mut world = World::new(TWO_ROUTES);
    let router = manager(&["primary"], &["by-agent"]);
    let wanted = by_header(
        split(20),
        &[(
            "by-agent",
            &[
                ("agent", exact("firefox")),
                ("agent", Text::Prefix("safari".to_owned())),
                ("tier", Text::Regex("gold|silver".to_owned())),
            ],
        )],
    );
    golden("istio-header-route", &world.changes(&router, &wanted));
    world.settle(&router, &wanted);
    assert_eq!(names(&world), ["by-agent", "primary", "secondary"]);
    assert_eq!(weights(http(&world, 1)), "stable 80, canary 20");
    assert_eq!(
        world.current(&router).expect("routes").managed,
        ["by-agent"]
    );
    world.settle(&router, &split(40));
    assert_eq!(names(&world), ["primary", "secondary"]);
}

#[test]
fn a_mirror_is_split_as_the_route_that_it_stands_before() {
    let mut world = World::new(TWO_ROUTES);
    let router = manager(&["primary"], &["copies"]);
    let wanted = mirror(split(20), "copies", 80);
    golden("istio-mirror-route", &world.changes(&router, &wanted));
    world.settle(&router, &wanted);
    assert_eq!(weights(http(&world, 0)), "stable 80, canary 20");
    world.settle(&router, &mirror(split(40), "copies", 80));
    assert_eq!(weights(http(&world, 0)), "stable 60, canary 40");
    assert_eq!(weights(http(&world, 1)), "stable 60, canary 40");
}

#[test]
fn managed_routes_stand_in_their_own_order() {
    let mut world = World::new(TWO_ROUTES);
    let router = manager(&["primary"], &["first", "second", "third"]);
    // The order of the steps is not the order of the routes.
    let wanted = firefox(
        mirror(mirror(split(20), "third", 100), "second", 50),
        "first",
    );
    world.settle(&router, &wanted);
    assert_eq!(
        names(&world),
        ["first", "second", "third", "primary", "secondary"]
    );
    world.settle(&router, &mirror(split(20), "third", 100));
    assert_eq!(names(&world), ["third", "primary", "secondary"]);
    world.settle(&router, &split(0));
    assert_eq!(names(&world), ["primary", "secondary"]);
}

#[test]
fn a_route_without_name_keeps_its_place_below_managed_ones() {
    let mut world = World::new(EVERY_PROTOCOL);
    let router = manager(&[], &["copies", "by-agent"]);
    world.settle(
        &router,
        &firefox(mirror(split(20), "copies", 100), "by-agent"),
    );
    assert_eq!(names(&world), ["copies", "by-agent", "-"]);
    for index in [0, 2] {
        assert_eq!(
            weights(http(&world, index)),
            "stable.shop.svc.cluster.local 80, canary.shop.svc.cluster.local 20"
        );
    }
    world.settle(&router, &split(20));
    assert_eq!(names(&world), ["-"]);
}

#[test]
fn several_routes_without_name_are_all_kept() {
    let mut world = World::new(TWO_ROUTES);
    world.edit("VirtualService", "checkout", |body| {
        let unnamed = json!({"match": [{"uri": {"prefix": "/a"}}], "route": [{"destination": {"host": "a"}}]});
        let other = json!({"match": [{"uri": {"prefix": "/b"}}], "route": [{"destination": {"host": "b"}}]});
        let routes = body["spec"]["http"].as_array_mut().expect("routes");
        routes.insert(0, unnamed);
        routes.push(other);
    });
    let router = manager(&["primary"], &["by-agent"]);
    world.settle(&router, &firefox(split(20), "by-agent"));
    assert_eq!(
        names(&world),
        ["by-agent", "-", "primary", "secondary", "-"]
    );
    assert_eq!(http(&world, 1)["route"][0]["destination"]["host"], "a");
    assert_eq!(http(&world, 4)["route"][0]["destination"]["host"], "b");
}

#[test]
fn a_named_only_route_is_found_beside_managed_ones() {
    let mut world = World::new(EVERY_PROTOCOL);
    world.edit("VirtualService", "checkout", |body| {
        body["spec"]["http"][0]["name"] = "primary".into();
    });
    let router = manager(&[], &["by-agent"]);
    world.settle(&router, &firefox(split(20), "by-agent"));
    world.settle(&router, &firefox(split(60), "by-agent"));
    assert_eq!(
        weights(http(&world, 1)),
        "stable.shop.svc.cluster.local 40, canary.shop.svc.cluster.local 60"
    );
}

#[test]
fn what_others_add_to_a_managed_route_stays_and_what_they_change_does_not() {
    let mut world = World::new(TWO_ROUTES);
    let router = manager(&["primary"], &["by-agent"]);
    let wanted = firefox(split(20), "by-agent");
    world.settle(&router, &wanted);
    world.edit("VirtualService", "checkout", |body| {
        body["spec"]["http"][0]["timeout"] = "3s".into();
        body["spec"]["http"][0]["route"][0]["destination"]["host"] = "stable".into();
    });
    world.settle(&router, &wanted);
    assert_eq!(http(&world, 0)["timeout"], "3s");
    assert_eq!(weights(http(&world, 0)), "canary 100");
}

#[test]
fn routes_that_argos_controller_made_are_taken_over_without_a_write() {
    let mut world = World::new(TWO_ROUTES);
    let router = manager(&["primary"], &["copies", "by-agent"]);
    world.edit("VirtualService", "checkout", |body| {
        let matches = json!([{
            "method": {"exact": "GET"},
            "uri": {"prefix": "/"},
            "headers": {"agent": {"regex": "fire.*"}},
        }]);
        // As its Go types spell it: a weight of 0 is left out, a percentage has a fraction.
        let copies = json!({
            "name": "copies",
            "match": matches,
            "route": [
                {"destination": {"host": "stable", "port": {"number": 8443}}, "weight": 100},
                {"destination": {"host": "canary", "port": {"number": 8443}}},
            ],
            "mirror": {"host": "canary", "port": {"number": 8443}},
            "mirrorPercentage": {"value": 80.0},
        });
        let by_agent = json!({
            "name": "by-agent",
            "match": [{"headers": {"agent": {"exact": "firefox"}}}],
            "route": [{"destination": {"host": "canary", "port": {"number": 8443}}, "weight": 100}],
        });
        let routes = body["spec"]["http"].as_array_mut().expect("routes");
        routes[0]["route"][0]
            .as_object_mut()
            .expect("fields")
            .remove("headers");
        routes.insert(0, by_agent);
        routes.insert(0, copies);
    });
    let wanted = firefox(mirror(split(0), "copies", 80), "by-agent");
    assert!(world.settle(&router, &wanted).is_empty());
}

#[test]
fn managed_routes_need_an_http_route_and_a_name_of_their_own() {
    let world = World::new(TWO_ROUTES);
    assert_eq!(
        problems(&world, &manager(&["primary"], &["primary"]), &split(20)),
        ["managed-route VirtualService shop/checkout spec.http"]
    );
    let unknown = firefox(split(20), "unknown");
    assert_eq!(
        problems(&world, &manager(&["primary"], &["known"]), &unknown),
        ["managed-route unknown"]
    );
    let mut world = World::new(EVERY_PROTOCOL);
    world.edit("VirtualService", "checkout", |body| {
        body["spec"].as_object_mut().expect("fields").remove("http");
    });
    let router = manager(&[], &["by-agent"]);
    assert_eq!(
        problems(&world, &router, &firefox(split(20), "by-agent")),
        ["no-route VirtualService shop/checkout spec.http"]
    );
    world.settle(&router, &split(20));
}

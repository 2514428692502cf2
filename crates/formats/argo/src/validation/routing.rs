//! The rules of routers: which Services they need, and what they can do.

use super::Problems;
use super::canary::PATH;
use crate::api::{CanaryStrategy, RolloutTrafficRouting};

pub(super) fn check(canary: &CanaryStrategy, found: &mut Problems) {
    ping_pong(canary, found);
    let Some(routing) = &canary.traffic_routing else {
        return;
    };
    for name in routing.plugins.0.keys() {
        found.warning(
            "router-plugin",
            format!("{PATH}.trafficRouting.plugins[{name:?}]"),
            "Sluice's controller runs no plugins, and leaves the Rollout as it is: no traffic would move",
            "name a router that it knows, or leave the Rollout to Argo's controller, by an instance id",
        );
    }
    needed_services(canary, routing, found);
    if routing.max_traffic_weight.is_some() && routing.nginx.is_none() && !routing.has_plugins() {
        found.error(
            "max-traffic-weight",
            format!("{PATH}.trafficRouting.maxTrafficWeight"),
            "only nginx and plugins know another whole than 100",
            "remove it, or name one of those routers",
        );
    }
    if routing.max_traffic_weight.is_some_and(|weight| weight < 1) {
        found.error(
            "max-traffic-weight",
            format!("{PATH}.trafficRouting.maxTrafficWeight"),
            "the whole of the traffic must be more than 0",
            "write at least 1",
        );
    }
    objects(routing, found);
}

fn ping_pong(canary: &CanaryStrategy, found: &mut Problems) {
    let Some(ping_pong) = &canary.ping_pong else {
        return;
    };
    let path = format!("{PATH}.pingPong");
    let routing = canary.traffic_routing.as_ref();
    let can = |routing: &RolloutTrafficRouting| {
        routing.alb.is_some() || routing.istio.is_some() || routing.has_plugins()
    };
    if routing.is_some_and(|routing| !can(routing)) {
        found.error(
            "ping-pong-router",
            format!("{PATH}.trafficRouting"),
            "pingPong works with alb, istio and plugins only",
            "name one of those routers, or canaryService and stableService instead of pingPong",
        );
    }
    for (field, service) in [
        ("pingService", &ping_pong.ping_service),
        ("pongService", &ping_pong.pong_service),
    ] {
        if service.is_empty() {
            found.error(
                "ping-pong",
                format!("{path}.{field}"),
                "both Services are needed to take turns",
                "name the Service",
            );
        }
    }
    if ping_pong.ping_service == ping_pong.pong_service {
        found.error(
            "ping-pong",
            format!("{path}.pingService"),
            format!(
                "`{}` is both Services, so that none could take its turn",
                ping_pong.ping_service
            ),
            "name two different Services",
        );
    }
    let alb = routing.and_then(|routing| routing.alb.as_ref());
    if alb.is_some_and(|alb| alb.root_service.is_empty()) {
        found.error(
            "ping-pong-root-service",
            format!("{PATH}.trafficRouting.alb.rootService"),
            "both Services change sides, so that the Ingress needs a third name for its rule",
            "name the Service that the Ingress' rule has",
        );
    }
}

/// The router for which both Services must be named, if there is one.
fn router_with_services(
    canary: &CanaryStrategy,
    routing: &RolloutTrafficRouting,
) -> Option<&'static str> {
    let takes_turns = canary.ping_pong.is_some();
    let by_host = |istio: &crate::api::IstioTrafficRouting| istio.destination_rule.is_none();
    [
        ("alb", routing.alb.is_some() && !takes_turns),
        (
            "istio without destinationRule",
            routing.istio.as_ref().is_some_and(by_host) && !takes_turns,
        ),
        ("smi", routing.smi.is_some()),
        ("apisix", routing.apisix.is_some()),
        ("ambassador", routing.ambassador.is_some()),
        ("nginx", routing.nginx.is_some()),
        ("appMesh", routing.app_mesh.is_some()),
        ("traefik", routing.traefik.is_some()),
    ]
    .into_iter()
    .find_map(|(name, needs)| needs.then_some(name))
}

fn needed_services(canary: &CanaryStrategy, routing: &RolloutTrafficRouting, found: &mut Problems) {
    let Some(router) = router_with_services(canary, routing) else {
        return;
    };
    for (field, service) in [
        ("stableService", &canary.stable_service),
        ("canaryService", &canary.canary_service),
    ] {
        if service.is_empty() {
            found.error(
                "router-services",
                format!("{PATH}.{field}"),
                format!(
                    "{router} splits the traffic between two Services, and this one is missing"
                ),
                "name the Service",
            );
        }
    }
}

/// Objects that are named once or as a list, and not both.
fn objects(routing: &RolloutTrafficRouting, found: &mut Problems) {
    let path = format!("{PATH}.trafficRouting");
    let mut one_of = |router: &str, one: (&str, bool), many: (&str, bool)| {
        if one.1 == many.1 {
            let cause = if one.1 {
                "both are named"
            } else {
                "none is named"
            };
            found.error(
                "router-objects",
                format!("{path}.{router}"),
                format!("of {} and {} {cause}", one.0, many.0),
                "name exactly one of them",
            );
        }
    };
    if let Some(nginx) = &routing.nginx {
        one_of(
            "nginx",
            ("stableIngress", !nginx.stable_ingress.is_empty()),
            ("stableIngresses", !nginx.stable_ingresses.is_empty()),
        );
    }
    if let Some(alb) = &routing.alb {
        one_of(
            "alb",
            ("ingress", !alb.ingress.is_empty()),
            ("ingresses", !alb.ingresses.is_empty()),
        );
    }
    if let Some(istio) = &routing.istio {
        one_of(
            "istio",
            ("virtualService", istio.virtual_service.is_some()),
            ("virtualServices", !istio.virtual_services.is_empty()),
        );
    }
}

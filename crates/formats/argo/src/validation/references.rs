//! A Rollout held against the objects that it names: Services that select its pods, Ingresses and
//! VirtualServices that lead to them.

use super::{Problem, Problems};
use crate::api::{POD_TEMPLATE_HASH_LABEL, Rollout};
use serde_json::Value;

/// The annotation by which a Rollout claims a Service.
const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";

/// What is wrong between a Rollout and other objects, as those of the same file. What is not among
/// `objects` is not judged: it may be there already.
#[must_use]
pub fn validate_references(rollout: &Rollout, objects: &[&Value]) -> Vec<Problem> {
    let mut found = Problems::default();
    services(rollout, objects, &mut found);
    ingresses(rollout, objects, &mut found);
    virtual_services(rollout, objects, &mut found);
    found.0
}

/// The object of a kind and name in the Rollout's namespace; `group` is its API's name without version.
fn named<'a>(
    rollout: &Rollout,
    objects: &[&'a Value],
    group: &str,
    kind: &str,
    name: &str,
) -> Option<&'a Value> {
    let text = |object: &'a Value, path: &str| object.pointer(path).and_then(Value::as_str);
    objects.iter().copied().find(|object| {
        let api_version = text(object, "/apiVersion").unwrap_or_default();
        let found_group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let namespace = text(object, "/metadata/namespace").unwrap_or_default();
        let own = rollout.metadata.namespace.as_str();
        found_group == group
            && text(object, "/kind") == Some(kind)
            && text(object, "/metadata/name") == Some(name)
            && (namespace == own || namespace.is_empty() || own.is_empty())
    })
}

/// The Services that a Rollout names, with where.
fn named_services(rollout: &Rollout) -> Vec<(&'static str, &str)> {
    let strategy = &rollout.spec.strategy;
    let mut services = Vec::new();
    if let Some(canary) = &strategy.canary {
        services.push(("canary.canaryService", canary.canary_service.as_str()));
        services.push(("canary.stableService", canary.stable_service.as_str()));
        if let Some(turns) = &canary.ping_pong {
            services.push(("canary.pingPong.pingService", turns.ping_service.as_str()));
            services.push(("canary.pingPong.pongService", turns.pong_service.as_str()));
        }
    }
    if let Some(blue_green) = &strategy.blue_green {
        services.push((
            "blueGreen.activeService",
            blue_green.active_service.as_str(),
        ));
        services.push((
            "blueGreen.previewService",
            blue_green.preview_service.as_str(),
        ));
    }
    services.retain(|(_, name)| !name.is_empty());
    services
}

fn services(rollout: &Rollout, objects: &[&Value], found: &mut Problems) {
    let labels = rollout.spec.template.labels();
    for (field, name) in named_services(rollout) {
        let path = format!("spec.strategy.{field}");
        let Some(service) = named(rollout, objects, "", "Service", name) else {
            continue;
        };
        let selector = service.pointer("/spec/selector").and_then(Value::as_object);
        for (label, value) in selector.into_iter().flatten() {
            let fits = labels.get(label).map(String::as_str) == value.as_str();
            // With a workload reference the labels are that workload's.
            if label != POD_TEMPLATE_HASH_LABEL && !fits && rollout.spec.workload_ref.is_none() {
                found.error(
                    "service-labels",
                    path.as_str(),
                    format!("the Service `{name}` selects pods by `{label}: {value}`, which the pod template does not have", value = value.as_str().unwrap_or("")),
                    "give the template this label, or take it out of the Service's selector",
                );
            }
        }
        let owner = service
            .pointer("/metadata/annotations")
            .and_then(|annotations| annotations.get(MANAGED_BY))
            .and_then(Value::as_str)
            .filter(|owner| *owner != rollout.metadata.name);
        if let Some(owner) = owner {
            found.error(
                "service-owner",
                path,
                format!("the Service `{name}` belongs to the Rollout `{owner}`"),
                "name a Service of this Rollout's own",
            );
        }
    }
}

fn ingresses(rollout: &Rollout, objects: &[&Value], found: &mut Problems) {
    let canary = rollout.spec.strategy.canary.as_ref();
    let Some((canary, routing)) =
        canary.and_then(|canary| Some((canary, canary.traffic_routing.as_ref()?)))
    else {
        return;
    };
    let mut named_ingresses: Vec<(String, &str, &str)> = Vec::new();
    if let Some(nginx) = &routing.nginx {
        let service = canary.stable_service.as_str();
        named_ingresses.push((
            "nginx.stableIngress".to_owned(),
            &nginx.stable_ingress,
            service,
        ));
        for (at, name) in nginx.stable_ingresses.iter().enumerate() {
            named_ingresses.push((format!("nginx.stableIngresses[{at}]"), name, service));
        }
    }
    if let Some(alb) = &routing.alb {
        let service = match alb.root_service.as_str() {
            "" => canary.stable_service.as_str(),
            root => root,
        };
        named_ingresses.push(("alb.ingress".to_owned(), &alb.ingress, service));
        for (at, name) in alb.ingresses.iter().enumerate() {
            named_ingresses.push((format!("alb.ingresses[{at}]"), name, service));
        }
    }
    for (field, name, service) in named_ingresses {
        let ingress = ["networking.k8s.io", "extensions"]
            .iter()
            .find_map(|group| named(rollout, objects, group, "Ingress", name));
        if ingress.is_some_and(|ingress| !leads_to(ingress, service)) {
            found.error(
                "ingress-service",
                format!("spec.strategy.canary.trafficRouting.{field}"),
                format!("the Ingress `{name}` has no rule that leads to the Service `{service}`"),
                "give it such a rule, or name another Ingress",
            );
        }
    }
}

fn leads_to(ingress: &Value, service: &str) -> bool {
    let list = |value: &Value, path: &str| -> Vec<Value> {
        let found = value.pointer(path).and_then(Value::as_array);
        found.cloned().unwrap_or_default()
    };
    list(ingress, "/spec/rules")
        .iter()
        .flat_map(|rule| list(rule, "/http/paths"))
        .any(|path| {
            ["/backend/service/name", "/backend/serviceName"]
                .iter()
                .any(|name| path.pointer(name).and_then(Value::as_str) == Some(service))
        })
}

fn virtual_services(rollout: &Rollout, objects: &[&Value], found: &mut Problems) {
    let istio = rollout
        .spec
        .strategy
        .canary
        .as_ref()
        .and_then(|canary| canary.traffic_routing.as_ref())
        .and_then(|routing| routing.istio.as_ref());
    let Some(istio) = istio else {
        return;
    };
    let one = istio
        .virtual_service
        .iter()
        .map(|service| ("virtualService".to_owned(), service));
    let many = istio
        .virtual_services
        .iter()
        .enumerate()
        .map(|(at, service)| (format!("virtualServices[{at}]"), service));
    for (field, wanted) in one.chain(many) {
        let path = format!("spec.strategy.canary.trafficRouting.istio.{field}");
        // `name.namespace` names one of another namespace.
        let name = wanted.name.split('.').next().unwrap_or_default();
        let Some(object) = named(
            rollout,
            objects,
            "networking.istio.io",
            "VirtualService",
            name,
        ) else {
            continue;
        };
        let routes = |kind: &str| {
            let routes = object.pointer(&format!("/spec/{kind}"));
            routes
                .and_then(Value::as_array)
                .filter(|routes| !routes.is_empty())
        };
        if ["http", "tls", "tcp"]
            .iter()
            .all(|kind| routes(kind).is_none())
        {
            found.error(
                "virtual-service-routes",
                format!("{path}.name"),
                format!("the VirtualService `{name}` has no routes to give weights to"),
                "give it an http, tls or tcp route with both Services",
            );
            continue;
        }
        let known: Vec<&str> = routes("http")
            .into_iter()
            .flatten()
            .filter_map(|route| route.get("name").and_then(Value::as_str))
            .collect();
        for (at, route) in wanted.routes.iter().enumerate() {
            if !known.contains(&route.as_str()) {
                found.error(
                    "virtual-service-routes",
                    format!("{path}.routes[{at}]"),
                    format!("the VirtualService `{name}` has no HTTP route `{route}`"),
                    format!("name one of its routes: {}", known.join(", ")),
                );
            }
        }
    }
}

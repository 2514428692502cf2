//! The objects by which routers split an app's traffic, and what they say.

use crate::app::App;
use crate::store::Store;
use serde_json::{Value, json};
use sluice_argo::api::POD_TEMPLATE_HASH_LABEL;
use sluice_kubernetes::resource::{Resource, SERVICE};
use sluice_routers::ObjectKind;

/// Where an app's requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The Service.
    pub(crate) service: String,
    /// The hash that the pods have which get them: the Service's, or the subset's; empty for any.
    pub(crate) hash: String,
    /// The share of the requests, of 100.
    pub(crate) weight: i32,
}

/// Ingresses.
pub(crate) fn ingress() -> Resource {
    kind("networking.k8s.io", "v1", "Ingress", "ingresses")
}

/// Istio's VirtualServices.
pub(crate) fn virtual_service() -> Resource {
    let (kind_name, plural) = ("VirtualService", "virtualservices");
    kind("networking.istio.io", "v1alpha3", kind_name, plural)
}

/// Istio's DestinationRules.
pub(crate) fn destination_rule() -> Resource {
    let (kind_name, plural) = ("DestinationRule", "destinationrules");
    kind("networking.istio.io", "v1alpha3", kind_name, plural)
}

fn kind(group: &str, version: &str, kind: &str, plural: &str) -> Resource {
    Resource::of_router(&ObjectKind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    })
}

/// What a strategy's router needs.
pub(super) fn objects(app: App, strategy: &Value) -> Vec<(Resource, Value)> {
    let canary = &strategy["canary"];
    let routing = &canary["trafficRouting"];
    if routing["nginx"].is_object() {
        return vec![(ingress(), stable_ingress(app))];
    }
    if !routing["istio"].is_object() {
        return Vec::new();
    }
    let mut objects = Vec::new();
    let by_subset = routing["istio"]["destinationRule"].is_object();
    let host = |role: &str| json!({"host": app.named(role)});
    let destinations = if by_subset {
        let subset = |name: &str| json!({"host": app.named("active"), "subset": name});
        [subset("stable"), subset("canary")]
    } else if canary["pingPong"].is_object() {
        // Pong is stable first.
        [host("pong"), host("ping")]
    } else {
        [host("stable"), host("canary")]
    };
    let [stable, canary] = destinations;
    objects.push((
        virtual_service(),
        json!({
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "VirtualService",
            "metadata": {"name": app.name},
            "spec": {"hosts": [app.name], "http": [{"name": "primary", "route": [
                {"destination": stable, "weight": 100},
                {"destination": canary, "weight": 0},
            ]}]},
        }),
    ));
    if by_subset {
        let subset = |name: &str| json!({"name": name, "labels": {"app": app.name}});
        objects.push((
            destination_rule(),
            json!({
                "apiVersion": "networking.istio.io/v1alpha3",
                "kind": "DestinationRule",
                "metadata": {"name": app.name},
                "spec": {
                    "host": app.named("active"),
                    "subsets": [subset("stable"), subset("canary")],
                },
            }),
        ));
    }
    objects
}

fn stable_ingress(app: App) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": app.name},
        "spec": {"rules": [{"host": "shop.example", "http": {"paths": [{
            "path": "/",
            "pathType": "Prefix",
            "backend": {"service": {"name": app.named("stable"), "port": {"number": 80}}},
        }]}}]},
    })
}

/// Where an app's requests go, by the objects of its router as they are stored; nowhere without a router.
pub(crate) fn split(store: &Store, app: App) -> Vec<Destination> {
    let of = |resource, name: &str| store.get(&app.key(resource, name));
    let service = |name: &str, weight| {
        let service = of(SERVICE, name);
        let hash = service.map(|it| &it["spec"]["selector"][POD_TEMPLATE_HASH_LABEL]);
        Destination {
            service: name.to_owned(),
            hash: text(hash),
            weight,
        }
    };
    if let Some(object) = of(virtual_service(), app.name) {
        let routes = object["spec"]["http"][0]["route"].as_array();
        let subsets = of(destination_rule(), app.name)
            .and_then(|rule| rule["spec"]["subsets"].as_array())
            .map_or(&[][..], Vec::as_slice);
        return routes
            .into_iter()
            .flatten()
            .map(|route| {
                let to = &route["destination"];
                let weight = route["weight"].as_i64().unwrap_or(0);
                let weight = i32::try_from(weight).unwrap_or(i32::MAX);
                let host = to["host"].as_str().unwrap_or_default();
                let subset = to["subset"].as_str();
                let Some(subset) = subset else {
                    return service(host, weight);
                };
                let named = subsets.iter().find(|it| it["name"] == subset);
                Destination {
                    service: format!("{host}/{subset}"),
                    hash: text(named.map(|it| &it["labels"][POD_TEMPLATE_HASH_LABEL])),
                    weight,
                }
            })
            .collect();
    }
    if of(ingress(), app.name).is_none() {
        return Vec::new();
    }
    let canary = of(ingress(), &format!("{0}-{0}-canary", app.name));
    let weight = canary.map_or(0, canary_weight);
    vec![
        service(&app.named("stable"), 100 - weight),
        service(&app.named("canary"), weight),
    ]
}

fn text(value: Option<&Value>) -> String {
    let text = value.and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn canary_weight(ingress: &Value) -> i32 {
    let annotations = &ingress["metadata"]["annotations"];
    let text = annotations["nginx.ingress.kubernetes.io/canary-weight"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

//! A Rollout's routers and a stage's split, from their JSON.

use crate::world::traffic;
use serde_json::Value;
use sluice_routers::{
    Alb, Ambassador, Apisix, AppMesh, Destination, DestinationRule, HeaderMatch, Istio,
    ManagedRoute, Means, Nginx, RequestMatch, RouteRule, Router, Smi, Split, Stickiness, TcpRoute,
    Text, TlsRoute, Traefik, Traffic, VirtualService,
};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn some(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().into_iter().flatten().map(read).collect()
}

fn texts<T: FromIterator<(String, String)>>(value: &Value) -> T {
    let fields = value.as_object().into_iter().flatten();
    fields
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

fn one_or_more(routing: &Value, one: &str, more: &str) -> Vec<String> {
    let mut names = list(&routing[more], text);
    names.extend(some(&routing[one]));
    names
}

type Read = fn(&Value, &Traffic) -> Means;
type Make = fn(String) -> Text;

/// All routers of a canary strategy.
pub(crate) fn routers(strategy: &Value) -> Vec<Router> {
    let routing = &strategy["trafficRouting"];
    let mut services = traffic();
    services.owner.name = "checkout".to_owned();
    services.owner.uid = "uid-of-rollout".to_owned();
    services.stable_service = some(&strategy["stableService"]);
    services.canary_service = some(&strategy["canaryService"]);
    services.managed_routes = list(&routing["managedRoutes"], |route| text(&route["name"]));
    let mut ping_pong = services.clone();
    if let Some(ping) = some(&strategy["pingPong"]["pingService"]) {
        // The recordings have no status, and then ping is the canary.
        ping_pong.canary_service = Some(ping);
        ping_pong.stable_service = some(&strategy["pingPong"]["pongService"]);
    }
    let kinds: [(&str, Read); 8] = [
        ("istio", |routing, _| istio(routing)),
        ("alb", alb),
        ("nginx", |routing, _| nginx(routing)),
        ("smi", |routing, _| smi(routing)),
        ("appMesh", |routing, _| app_mesh(routing)),
        ("traefik", |routing, _| {
            Means::Traefik(Traefik {
                service: text(&routing["weightedTraefikServiceName"]),
                api_version: None,
            })
        }),
        ("apisix", |routing, _| {
            Means::Apisix(Apisix {
                route: text(&routing["route"]["name"]),
                rules: list(&routing["route"]["rules"], text),
                api_version: None,
            })
        }),
        ("ambassador", |routing, _| {
            Means::Ambassador(Ambassador {
                mappings: list(&routing["mappings"], text),
                api_version: None,
            })
        }),
    ];
    let present = kinds.iter().filter(|(name, _)| routing[name].is_object());
    present
        .map(|(name, means)| Router {
            means: means(&routing[name], &services),
            traffic: if *name == "alb" {
                ping_pong.clone()
            } else {
                services.clone()
            },
        })
        .collect()
}

fn istio(routing: &Value) -> Means {
    let service = |service: &Value| VirtualService {
        name: text(&service["name"]),
        routes: list(&service["routes"], text),
        tls_routes: list(&service["tlsRoutes"], |route| TlsRoute {
            port: route["port"].as_i64().unwrap_or(0),
            sni_hosts: list(&route["sniHosts"], text),
        }),
        tcp_routes: list(&service["tcpRoutes"], |route| TcpRoute {
            port: route["port"].as_i64().unwrap_or(0),
        }),
    };
    let mut virtual_services = list(&routing["virtualServices"], service);
    if routing["virtualService"].is_object() {
        virtual_services.push(service(&routing["virtualService"]));
    }
    let rule = &routing["destinationRule"];
    Means::Istio(Istio {
        virtual_services,
        destination_rule: rule.is_object().then(|| DestinationRule {
            name: text(&rule["name"]),
            stable_subset: text(&rule["stableSubsetName"]),
            canary_subset: text(&rule["canarySubsetName"]),
            additional_subsets: list(&rule["additionalSubsetNames"], text),
        }),
        api_version: None,
    })
}

fn alb(routing: &Value, traffic: &Traffic) -> Means {
    let sticky = &routing["stickinessConfig"];
    let stable = traffic.stable_service.clone();
    Means::Alb(Alb {
        ingresses: one_or_more(routing, "ingress", "ingresses"),
        action: some(&routing["rootService"]).or(stable).unwrap_or_default(),
        service_port: i32::try_from(routing["servicePort"].as_i64().unwrap_or(0)).expect("a port"),
        annotation_prefix: some(&routing["annotationPrefix"]),
        stickiness: (sticky["enabled"] == true).then(|| Stickiness {
            seconds: sticky["durationSeconds"].as_i64().unwrap_or(0),
        }),
    })
}

fn nginx(routing: &Value) -> Means {
    Means::Nginx(Nginx {
        stable_ingresses: one_or_more(routing, "stableIngress", "stableIngresses"),
        annotation_prefix: some(&routing["annotationPrefix"]),
        additional_annotations: texts(&routing["additionalIngressAnnotations"]),
        canary_annotations: texts(&routing["canaryIngressAnnotations"]),
    })
}

fn smi(routing: &Value) -> Means {
    Means::Smi(Smi {
        traffic_split: some(&routing["trafficSplitName"]),
        root_service: some(&routing["rootService"]),
        api_version: None,
    })
}

fn app_mesh(routing: &Value) -> Means {
    let nodes = &routing["virtualNodeGroup"];
    Means::AppMesh(AppMesh {
        virtual_service: text(&routing["virtualService"]["name"]),
        routes: list(&routing["virtualService"]["routes"], text),
        stable_node: text(&nodes["stableVirtualNodeRef"]["name"]),
        canary_node: text(&nodes["canaryVirtualNodeRef"]["name"]),
        api_version: None,
    })
}

fn condition(value: &Value) -> Option<Text> {
    let kinds: [(&str, Make); 3] = [
        ("exact", Text::Exact),
        ("prefix", Text::Prefix),
        ("regex", Text::Regex),
    ];
    let mut found = kinds
        .iter()
        .filter_map(|(kind, make)| some(&value[kind]).map(make));
    found.next()
}

/// The split that a stage of a recording asks for.
pub(crate) fn split(strategy: &Value, stage: &Value) -> Split {
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap_or(0)).expect("a weight");
    let headers = list(&stage["headers"], |route| ManagedRoute {
        name: text(&route["name"]),
        rule: RouteRule::Header(list(&route["match"], |one| HeaderMatch {
            header: text(&one["headerName"]),
            value: condition(&one["headerValue"]).expect("a value"),
        })),
    });
    let mirrors = list(&stage["mirrors"], |route| ManagedRoute {
        name: text(&route["name"]),
        rule: RouteRule::Mirror {
            matches: list(&route["match"], |one| RequestMatch {
                method: condition(&one["method"]),
                path: condition(&one["path"]),
                headers: one["headers"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, value)| Some((name.clone(), condition(value)?)))
                    .collect(),
            }),
            percent: route["percentage"]
                .as_u64()
                .map_or(100, |_| number(&route["percentage"])),
        },
    });
    let total = &strategy["trafficRouting"]["maxTrafficWeight"];
    Split {
        canary: number(&stage["weight"]),
        total: total.as_u64().map_or(100, |_| number(total)),
        additional: list(&stage["additional"], |one| Destination {
            service: text(&one["serviceName"]),
            pod_hash: some(&one["podTemplateHash"]),
            weight: number(&one["weight"]),
        }),
        stable_hash: some(&stage["stable"]),
        canary_hash: some(&stage["canary"]),
        weight_first: false,
        routes: headers.into_iter().chain(mirrors).collect(),
    }
}

//! The routers that a Rollout names, as `formats/routers` knows them.

use crate::api::Key;
use crate::resource::{Resource, SERVICE};
use sluice_argo::api::{
    API_VERSION, IstioVirtualService, POD_TEMPLATE_HASH_LABEL, Rollout, RolloutTrafficRouting,
    StringMatch,
};
use sluice_argo::rollout::{MANAGED_BY, Routing, service_names};
use sluice_routers::{
    Alb, Ambassador, Apisix, AppMesh, Destination, DestinationRule, HeaderMatch, Istio,
    ManagedRoute, Marks, Means, Nginx, Objects, Owner, RequestMatch, RouteRule, Router, Smi, Split,
    Stickiness, TcpRoute, Text, TlsRoute, Traefik, Traffic, VirtualService,
};

/// The annotation of an Ingress that lists what each Rollout manages of it.
const MANAGED_ALB: &str = "rollouts.argoproj.io/managed-alb-actions";

/// In which API versions the objects of routers are read and written; each router's own choice when absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterVersions {
    /// The version of Istio's kinds, as `v1beta1`.
    pub istio: Option<String>,
    /// The version of TrafficSplits, as `v1alpha2`.
    pub smi: Option<String>,
    /// The version of Mappings, with or without its group, as `x.getambassador.io/v3alpha1`.
    pub ambassador: Option<String>,
    /// The version of App Mesh's kinds, as `v1beta2`.
    pub app_mesh: Option<String>,
    /// The version of TraefikServices, with or without its group, as `traefik.containo.us/v1alpha1`.
    pub traefik: Option<String>,
}

/// The routers of a Rollout, each with whose traffic it splits.
pub(crate) fn routers(
    rollout: &Rollout,
    routing: &Routing,
    versions: &RouterVersions,
) -> Vec<Router> {
    let Some(canary) = &rollout.spec.strategy.canary else {
        return Vec::new();
    };
    let Some(named) = &canary.traffic_routing else {
        return Vec::new();
    };
    means(named, &canary.stable_service, versions)
        .into_iter()
        .map(|means| {
            let services = match &means {
                Means::Alb(_) => &routing.turn_services,
                _ => &routing.services,
            };
            let traffic = traffic(rollout, named, services);
            Router { traffic, means }
        })
        .collect()
}

fn traffic(
    rollout: &Rollout,
    named: &RolloutTrafficRouting,
    services: &(String, String),
) -> Traffic {
    let metadata = &rollout.metadata;
    let routes = named.managed_routes.iter().flatten();
    Traffic {
        owner: Owner {
            api_version: API_VERSION.to_owned(),
            kind: "Rollout".to_owned(),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
        },
        stable_service: some(&services.0),
        canary_service: some(&services.1),
        managed_routes: routes.map(|route| route.name.clone()).collect(),
        marks: marks(),
    }
}

/// What is written on objects to say whose they are, and whose pods they mean.
pub(crate) fn marks() -> Marks {
    Marks {
        pod_hash_label: POD_TEMPLATE_HASH_LABEL.to_owned(),
        managed_by: Some(MANAGED_BY.to_owned()),
        managed_alb_annotations: Some(MANAGED_ALB.to_owned()),
    }
}

/// The objects that a Rollout's strategy names: those of its routers, and its Services.
pub(crate) fn named(rollout: &Rollout, versions: &RouterVersions) -> Vec<Key> {
    let mut named = Vec::new();
    for router in routers(rollout, &Routing::default(), versions) {
        for wanted in router.wants(&Objects::default()) {
            let resource = Resource::of_router(&wanted.kind);
            named.push(Key::new(resource, &wanted.namespace, &wanted.name));
        }
    }
    let services = service_names(rollout).into_iter();
    named.extend(services.map(|name| Key::new(SERVICE, &rollout.metadata.namespace, name)));
    named
}

/// Whether a kind is Istio's DestinationRule, which says which Rollout manages it.
pub(crate) fn is_destination_rule(resource: &Resource) -> bool {
    resource.group == "networking.istio.io" && resource.kind == "DestinationRule"
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a routing means for a router.
pub(crate) fn split(routing: &Routing) -> Split {
    let weight = |weight: i32| u32::try_from(weight).unwrap_or(0);
    let header_routes = routing.header_routes.iter().map(|route| ManagedRoute {
        name: route.name.clone(),
        rule: RouteRule::Header(
            route
                .matches
                .iter()
                .filter_map(|wanted| {
                    Some(HeaderMatch {
                        header: wanted.header_name.clone(),
                        value: text(wanted.header_value.as_ref()?)?,
                    })
                })
                .collect(),
        ),
    });
    let mirrors = routing.mirror_routes.iter().map(|route| ManagedRoute {
        name: route.name.clone(),
        rule: RouteRule::Mirror {
            matches: route
                .matches
                .iter()
                .map(|wanted| RequestMatch {
                    method: wanted.method.as_ref().and_then(text),
                    path: wanted.path.as_ref().and_then(text),
                    headers: wanted
                        .headers
                        .iter()
                        .filter_map(|(header, value)| Some((header.clone(), text(value)?)))
                        .collect(),
                })
                .collect(),
            percent: weight(route.percentage.unwrap_or(100)),
        },
    });
    Split {
        canary: weight(routing.weight),
        total: weight(routing.whole),
        additional: routing
            .additional
            .iter()
            .map(|other| Destination {
                service: other.service_name.clone(),
                pod_hash: some(&other.pod_template_hash),
                weight: weight(other.weight),
            })
            .collect(),
        stable_hash: some(&routing.stable_hash),
        canary_hash: some(&routing.canary_hash),
        weight_first: routing.weight_first,
        routes: header_routes.chain(mirrors).collect(),
    }
}

fn text(wanted: &StringMatch) -> Option<Text> {
    [
        (&wanted.exact, Text::Exact as fn(String) -> Text),
        (&wanted.prefix, Text::Prefix),
        (&wanted.regex, Text::Regex),
    ]
    .into_iter()
    .find(|(value, _)| !value.is_empty())
    .map(|(value, kind)| kind(value.clone()))
}

fn means(
    named: &RolloutTrafficRouting,
    stable_service: &str,
    versions: &RouterVersions,
) -> Vec<Means> {
    let mut all = Vec::new();
    if let Some(istio) = &named.istio {
        let one = istio.virtual_service.iter();
        let several = istio.virtual_services.iter();
        all.push(Means::Istio(Istio {
            virtual_services: one.chain(several).map(virtual_service).collect(),
            destination_rule: istio.destination_rule.as_ref().map(|rule| DestinationRule {
                name: rule.name.clone(),
                stable_subset: rule.stable_subset_name.clone(),
                canary_subset: rule.canary_subset_name.clone(),
                additional_subsets: rule.additional_subset_names.clone(),
            }),
            api_version: versions.istio.clone(),
        }));
    }
    if let Some(nginx) = &named.nginx {
        let one = some(&nginx.stable_ingress).into_iter();
        let several = nginx.stable_ingresses.iter().cloned();
        all.push(Means::Nginx(Nginx {
            stable_ingresses: one.chain(several).collect(),
            annotation_prefix: some(&nginx.annotation_prefix),
            additional_annotations: nginx.additional_ingress_annotations.clone(),
            canary_annotations: nginx.canary_ingress_annotations.clone(),
        }));
    }
    if let Some(alb) = &named.alb {
        let one = some(&alb.ingress).into_iter();
        let action = if alb.root_service.is_empty() {
            stable_service
        } else {
            &alb.root_service
        };
        all.push(Means::Alb(Alb {
            ingresses: one.chain(alb.ingresses.iter().cloned()).collect(),
            action: action.to_owned(),
            service_port: alb.service_port,
            annotation_prefix: some(&alb.annotation_prefix),
            stickiness: alb
                .stickiness_config
                .as_ref()
                .filter(|stickiness| stickiness.enabled)
                .map(|stickiness| Stickiness {
                    seconds: stickiness.duration_seconds,
                }),
        }));
    }
    if let Some(smi) = &named.smi {
        all.push(Means::Smi(Smi {
            traffic_split: some(&smi.traffic_split_name),
            root_service: some(&smi.root_service),
            api_version: versions.smi.clone(),
        }));
    }
    if let Some(ambassador) = &named.ambassador {
        all.push(Means::Ambassador(Ambassador {
            mappings: ambassador.mappings.clone(),
            api_version: versions.ambassador.clone(),
        }));
    }
    if let Some(mesh) = &named.app_mesh {
        let service = mesh.virtual_service.as_ref();
        let nodes = mesh.virtual_node_group.as_ref();
        let node = |node: Option<&sluice_argo::api::AppMeshVirtualNodeReference>| {
            node.map_or_else(String::new, |node| node.name.clone())
        };
        all.push(Means::AppMesh(AppMesh {
            virtual_service: service.map_or_else(String::new, |service| service.name.clone()),
            routes: service.map_or_else(Vec::new, |service| service.routes.clone()),
            stable_node: node(nodes.and_then(|nodes| nodes.stable_virtual_node_ref.as_ref())),
            canary_node: node(nodes.and_then(|nodes| nodes.canary_virtual_node_ref.as_ref())),
            api_version: versions.app_mesh.clone(),
        }));
    }
    if let Some(traefik) = &named.traefik {
        all.push(Means::Traefik(Traefik {
            service: traefik.weighted_traefik_service_name.clone(),
            api_version: versions.traefik.clone(),
        }));
    }
    if let Some(route) = named
        .apisix
        .as_ref()
        .and_then(|apisix| apisix.route.as_ref())
    {
        all.push(Means::Apisix(Apisix {
            route: route.name.clone(),
            rules: route.rules.clone(),
            api_version: None,
        }));
    }
    all
}

fn virtual_service(named: &IstioVirtualService) -> VirtualService {
    VirtualService {
        name: named.name.clone(),
        routes: named.routes.clone(),
        tls_routes: named
            .tls_routes
            .iter()
            .map(|route| TlsRoute {
                port: route.port,
                sni_hosts: route.sni_hosts.clone(),
            })
            .collect(),
        tcp_routes: named
            .tcp_routes
            .iter()
            .map(|route| TcpRoute { port: route.port })
            .collect(),
    }
}

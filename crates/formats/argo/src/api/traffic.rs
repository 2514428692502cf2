//! The routers that split the traffic of a canary.

use super::scalar::RawObject;
use std::collections::BTreeMap;

wire! {
    /// The routers; several may be combined.
    RolloutTrafficRouting {
        optional {
            /// Istio.
            istio: Option<IstioTrafficRouting>,
            /// The NGINX ingress controller.
            nginx: Option<NginxTrafficRouting>,
            /// The AWS load balancer controller.
            alb: Option<AlbTrafficRouting>,
            /// Service Mesh Interface.
            smi: Option<SmiTrafficRouting>,
            /// Ambassador.
            ambassador: Option<AmbassadorTrafficRouting>,
            /// AWS App Mesh.
            app_mesh: Option<AppMeshTrafficRouting>,
            /// Traefik.
            traefik: Option<TraefikTrafficRouting>,
            /// Routes that the steps create, those that win first.
            managed_routes: Option<Vec<ManagedRoute>>,
            /// APISIX.
            apisix: Option<ApisixTrafficRouting>,
            /// Plugins, each with its configuration.
            plugins: RawObject,
            /// The weight that is the whole of the traffic, with nginx and plugins; 100 when absent.
            max_traffic_weight: Option<i32>,
        }
    }

    /// A route that the steps create.
    ManagedRoute {
        required {
            /// Its name.
            name: String,
        }
    }

    /// The AWS load balancer controller.
    AlbTrafficRouting {
        required {
            /// The port of the Services.
            service_port: i32,
        }
        optional {
            /// The Ingress.
            ingress: String,
            /// The Service whose rule in the Ingress is replaced; the stable Service when absent.
            root_service: String,
            /// Prefix of the controller's annotations.
            annotation_prefix: String,
            /// Whether users stay on their side.
            stickiness_config: Option<StickinessConfig>,
            /// Several Ingresses instead of one.
            ingresses: Vec<String>,
        }
    }

    /// Whether users stay on their side.
    StickinessConfig {
        required {
            /// Whether they do.
            enabled: bool,
            /// For how long, in seconds.
            duration_seconds: i64,
        }
    }

    /// Traefik.
    TraefikTrafficRouting {
        required {
            /// The TraefikService with the weights.
            weighted_traefik_service_name: String,
        }
    }

    /// APISIX.
    ApisixTrafficRouting {
        optional {
            /// The route.
            route: Option<ApisixRoute>,
        }
    }

    /// An ApisixRoute.
    ApisixRoute {
        required {
            /// Its name.
            name: String,
        }
        optional {
            /// Its HTTP rules that are changed; the one named like the route when absent.
            rules: Vec<String>,
        }
    }

    /// Ambassador.
    AmbassadorTrafficRouting {
        required {
            /// The Mappings.
            mappings: Vec<String>,
        }
    }

    /// Service Mesh Interface.
    SmiTrafficRouting {
        optional {
            /// The Service that clients call.
            root_service: String,
            /// The TrafficSplit; named after the Rollout when absent.
            traffic_split_name: String,
        }
    }

    /// The NGINX ingress controller.
    NginxTrafficRouting {
        optional {
            /// Prefix of the controller's annotations.
            annotation_prefix: String,
            /// The Ingress of the stable Service.
            stable_ingress: String,
            /// Further annotations of the canary Ingress, below the prefix.
            additional_ingress_annotations: BTreeMap<String, String>,
            /// Several Ingresses instead of one.
            stable_ingresses: Vec<String>,
            /// Annotations of the canary Ingress, as they are.
            canary_ingress_annotations: BTreeMap<String, String>,
        }
    }

    /// Istio.
    IstioTrafficRouting {
        optional {
            /// The VirtualService with the weights.
            virtual_service: Option<IstioVirtualService>,
            /// The DestinationRule with the subsets.
            destination_rule: Option<IstioDestinationRule>,
            /// Several VirtualServices instead of one.
            virtual_services: Vec<IstioVirtualService>,
        }
    }

    /// A VirtualService and its routes.
    IstioVirtualService {
        required {
            /// Its name.
            name: String,
        }
        optional {
            /// HTTP routes that are changed; the only one when absent.
            routes: Vec<String>,
            /// TLS routes that are changed; the only one when absent.
            tls_routes: Vec<TlsRoute>,
            /// TCP routes that are changed; the only one when absent.
            tcp_routes: Vec<TcpRoute>,
        }
    }

    /// A TLS route.
    TlsRoute {
        optional {
            /// Its port.
            port: i64,
            /// Its SNI hosts.
            sni_hosts: Vec<String>,
        }
    }

    /// A TCP route.
    TcpRoute {
        optional {
            /// Its port.
            port: i64,
        }
    }

    /// A DestinationRule and its subsets.
    IstioDestinationRule {
        required {
            /// Its name.
            name: String,
            /// The canary's subset.
            canary_subset_name: String,
            /// The stable subset.
            stable_subset_name: String,
        }
        optional {
            /// Subsets that are left alone.
            additional_subset_names: Vec<String>,
        }
    }

    /// AWS App Mesh.
    AppMeshTrafficRouting {
        optional {
            /// The VirtualService with the weights.
            virtual_service: Option<AppMeshVirtualService>,
            /// The virtual nodes of both sides.
            virtual_node_group: Option<AppMeshVirtualNodeGroup>,
        }
    }

    /// A VirtualService of App Mesh and its routes.
    AppMeshVirtualService {
        required {
            /// Its name.
            name: String,
        }
        optional {
            /// Routes that are changed; all that lead to the two nodes when absent.
            routes: Vec<String>,
        }
    }

    /// The virtual nodes of both sides.
    AppMeshVirtualNodeGroup {
        required {
            /// The canary's.
            canary_virtual_node_ref: Option<AppMeshVirtualNodeReference>,
            /// The stable one.
            stable_virtual_node_ref: Option<AppMeshVirtualNodeReference>,
        }
    }

    /// A VirtualNode.
    AppMeshVirtualNodeReference {
        required {
            /// Its name.
            name: String,
        }
    }

    /// A condition on a text; exactly one of the fields.
    StringMatch {
        optional {
            /// Exactly this.
            exact: String,
            /// Begins with this.
            prefix: String,
            /// Matches this regular expression.
            regex: String,
        }
    }
}

impl RolloutTrafficRouting {
    /// Whether any plugin is named.
    #[must_use]
    pub fn has_plugins(&self) -> bool {
        !self.plugins.0.is_empty()
    }
}

impl RolloutTrafficRouting {
    /// Whether any router, or plugin, is named.
    #[must_use]
    pub fn has_router(&self) -> bool {
        let named = [
            self.istio.is_some(),
            self.nginx.is_some(),
            self.alb.is_some(),
            self.smi.is_some(),
            self.ambassador.is_some(),
            self.app_mesh.is_some(),
            self.traefik.is_some(),
            self.apisix.is_some(),
            !self.plugins.0.is_empty(),
        ];
        named.contains(&true)
    }
}

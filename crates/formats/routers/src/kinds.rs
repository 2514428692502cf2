//! The routers: their objects, and what each of them can do.

use crate::object::ObjectKind;

/// What happens to objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// They are read.
    Read,
    /// They are the user's, and are changed.
    Change,
    /// Some are the user's and only read or changed; others are created, changed and deleted.
    Create,
}

/// Whether a router takes the ping and pong Services of an owner that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingPong {
    /// It takes them before the stable and the canary Service.
    First,
    /// It takes them where there is neither a stable nor a canary Service.
    Fallback,
    /// It never does.
    Never,
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindFacts {
    /// API group.
    pub group: &'static str,
    /// Version, where no other is configured.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Resource, as it stands in paths of the API.
    pub plural: &'static str,
    /// What happens to its objects.
    pub access: Access,
}

/// A router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name in the field, as Argo Rollouts spells it: `istio`, `appMesh`.
    pub name: &'static str,
    /// Its objects. The first is the one that holds the weights.
    pub kinds: &'static [KindFacts],
    /// Whether requests with certain headers can be sent to the canary.
    pub header_routes: bool,
    /// Whether copies of requests can be sent to the canary.
    pub mirror_routes: bool,
    /// Whether other destinations than stable and canary can have a weight.
    pub additional_weights: bool,
    /// Whether the whole of the traffic can be another number than 100.
    pub any_total: bool,
    /// Which Services it takes of an owner with ping and pong Services.
    pub ping_pong: PingPong,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    access: Access,
) -> KindFacts {
    KindFacts {
        group,
        version,
        kind,
        plural,
        access,
    }
}

pub(crate) const VIRTUAL_SERVICE: KindFacts = kind(
    "networking.istio.io",
    "v1alpha3",
    "VirtualService",
    "virtualservices",
    Access::Change,
);
pub(crate) const DESTINATION_RULE: KindFacts = kind(
    "networking.istio.io",
    "v1alpha3",
    "DestinationRule",
    "destinationrules",
    Access::Change,
);
pub(crate) const INGRESS: KindFacts = kind(
    "networking.k8s.io",
    "v1",
    "Ingress",
    "ingresses",
    Access::Change,
);
pub(crate) const CANARY_INGRESS: KindFacts = KindFacts {
    access: Access::Create,
    ..INGRESS
};
pub(crate) const TRAEFIK_SERVICE: KindFacts = kind(
    "traefik.io",
    "v1alpha1",
    "TraefikService",
    "traefikservices",
    Access::Change,
);
pub(crate) const APISIX_ROUTE: KindFacts = kind(
    "apisix.apache.org",
    "v2",
    "ApisixRoute",
    "apisixroutes",
    Access::Create,
);
pub(crate) const TRAFFIC_SPLIT: KindFacts = kind(
    "split.smi-spec.io",
    "v1alpha1",
    "TrafficSplit",
    "trafficsplits",
    Access::Create,
);
pub(crate) const MAPPING: KindFacts = kind(
    "getambassador.io",
    "v2",
    "Mapping",
    "mappings",
    Access::Create,
);
pub(crate) const MESH_SERVICE: KindFacts = kind(
    "appmesh.k8s.aws",
    "v1beta2",
    "VirtualService",
    "virtualservices",
    Access::Read,
);
pub(crate) const MESH_ROUTER: KindFacts = kind(
    "appmesh.k8s.aws",
    "v1beta2",
    "VirtualRouter",
    "virtualrouters",
    Access::Change,
);
pub(crate) const MESH_NODE: KindFacts = kind(
    "appmesh.k8s.aws",
    "v1beta2",
    "VirtualNode",
    "virtualnodes",
    Access::Change,
);

const NOTHING_MORE: Facts = Facts {
    name: "",
    kinds: &[],
    header_routes: false,
    mirror_routes: false,
    additional_weights: false,
    any_total: false,
    ping_pong: PingPong::Never,
};

pub(crate) const ISTIO: Facts = Facts {
    name: "istio",
    kinds: &[VIRTUAL_SERVICE, DESTINATION_RULE],
    header_routes: true,
    mirror_routes: true,
    additional_weights: true,
    ping_pong: PingPong::Fallback,
    ..NOTHING_MORE
};
pub(crate) const ALB: Facts = Facts {
    name: "alb",
    kinds: &[INGRESS],
    header_routes: true,
    additional_weights: true,
    ping_pong: PingPong::First,
    ..NOTHING_MORE
};
pub(crate) const NGINX: Facts = Facts {
    name: "nginx",
    kinds: &[CANARY_INGRESS],
    any_total: true,
    ..NOTHING_MORE
};
pub(crate) const TRAEFIK: Facts = Facts {
    name: "traefik",
    kinds: &[TRAEFIK_SERVICE],
    ..NOTHING_MORE
};
pub(crate) const APISIX: Facts = Facts {
    name: "apisix",
    kinds: &[APISIX_ROUTE],
    header_routes: true,
    ..NOTHING_MORE
};
pub(crate) const SMI: Facts = Facts {
    name: "smi",
    kinds: &[TRAFFIC_SPLIT],
    additional_weights: true,
    ..NOTHING_MORE
};
pub(crate) const APP_MESH: Facts = Facts {
    name: "appMesh",
    kinds: &[MESH_ROUTER, MESH_NODE, MESH_SERVICE],
    ..NOTHING_MORE
};
pub(crate) const AMBASSADOR: Facts = Facts {
    name: "ambassador",
    kinds: &[MAPPING],
    ..NOTHING_MORE
};

/// All routers, with the versions that are used where no other is configured.
pub const ROUTERS: [Facts; 8] = [
    ISTIO, ALB, NGINX, TRAEFIK, APISIX, SMI, APP_MESH, AMBASSADOR,
];

/// Group of Ambassador's older kinds, which have other names.
const AMBASSADOR_LEGACY: &str = "x.getambassador.io";

impl KindFacts {
    /// The kind in `api_version`: `group/version`, `version` alone, or this one's own when absent.
    #[must_use]
    pub fn in_version(&self, api_version: Option<&str>) -> ObjectKind {
        let (group, version) = match api_version.map(|text| text.rsplit_once('/').ok_or(text)) {
            None => (self.group, self.version),
            Some(Ok((group, version))) => (group, version),
            Some(Err(version)) => (self.group, version),
        };
        let (kind, plural) = if group == AMBASSADOR_LEGACY {
            ("AmbassadorMapping", "ambassadormappings")
        } else {
            (self.kind, self.plural)
        };
        ObjectKind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }
}

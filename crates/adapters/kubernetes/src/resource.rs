//! The kinds of objects that the controller reads and writes.

use sluice_routers::ObjectKind;
use std::borrow::Cow;

/// A kind of object, and where an API server serves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// The API group; empty for the core.
    pub group: Cow<'static, str>,
    /// The version.
    pub version: Cow<'static, str>,
    /// The kind.
    pub kind: Cow<'static, str>,
    /// The name in paths.
    pub plural: Cow<'static, str>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
}

impl Resource {
    const fn new(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Resource {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(kind),
            plural: Cow::Borrowed(plural),
            namespaced: true,
        }
    }

    /// A kind of objects of a router.
    pub fn of_router(kind: &ObjectKind) -> Self {
        Resource {
            group: Cow::Owned(kind.group.clone()),
            version: Cow::Owned(kind.version.clone()),
            kind: Cow::Owned(kind.kind.clone()),
            plural: Cow::Owned(kind.plural.clone()),
            namespaced: true,
        }
    }

    /// Whether its objects tell a router where requests go.
    #[must_use]
    pub fn is_routed(&self) -> bool {
        !OWN_GROUPS.contains(&&*self.group)
    }

    /// `group/version`, or the version alone for the core.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The path of all its objects, in a namespace or everywhere.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        match namespace.filter(|namespace| self.namespaced && !namespace.is_empty()) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

const ARGO: &str = "argoproj.io";
/// The groups of everything but the objects of routers.
const OWN_GROUPS: [&str; 5] = [ARGO, "", "apps", "batch", "coordination.k8s.io"];

/// Rollouts.
pub const ROLLOUT: Resource = Resource::new(ARGO, "v1alpha1", "Rollout", "rollouts");
/// Analysis runs.
pub const ANALYSIS_RUN: Resource = Resource::new(ARGO, "v1alpha1", "AnalysisRun", "analysisruns");
/// Analysis templates of a namespace.
pub const ANALYSIS_TEMPLATE: Resource =
    Resource::new(ARGO, "v1alpha1", "AnalysisTemplate", "analysistemplates");
/// Analysis templates of the whole cluster.
pub const CLUSTER_ANALYSIS_TEMPLATE: Resource = Resource {
    group: Cow::Borrowed(ARGO),
    version: Cow::Borrowed("v1alpha1"),
    kind: Cow::Borrowed("ClusterAnalysisTemplate"),
    plural: Cow::Borrowed("clusteranalysistemplates"),
    namespaced: false,
};
/// Experiments.
pub const EXPERIMENT: Resource = Resource::new(ARGO, "v1alpha1", "Experiment", "experiments");
/// ReplicaSets.
pub const REPLICA_SET: Resource = Resource::new("apps", "v1", "ReplicaSet", "replicasets");
/// Deployments, for `workloadRef`.
pub const DEPLOYMENT: Resource = Resource::new("apps", "v1", "Deployment", "deployments");
/// Pod templates, for `workloadRef`.
pub const POD_TEMPLATE: Resource = Resource::new("", "v1", "PodTemplate", "podtemplates");
/// Services.
pub const SERVICE: Resource = Resource::new("", "v1", "Service", "services");
/// Pods: listed where they are needed, never watched.
pub const POD: Resource = Resource::new("", "v1", "Pod", "pods");
/// Jobs that are measurements.
pub const JOB: Resource = Resource::new("batch", "v1", "Job", "jobs");
/// ConfigMaps: those of notifications are watched.
pub const CONFIG_MAP: Resource = Resource::new("", "v1", "ConfigMap", "configmaps");
/// Secrets: read where they are needed; those of notifications are watched.
pub const SECRET: Resource = Resource::new("", "v1", "Secret", "secrets");
/// Events.
pub const EVENT: Resource = Resource::new("", "v1", "Event", "events");
/// Leases, for the election of a leader.
pub const LEASE: Resource = Resource::new("coordination.k8s.io", "v1", "Lease", "leases");

/// The kind of workload that a Rollout may refer to.
#[must_use]
pub fn workload(api_version: &str, kind: &str) -> Option<Resource> {
    [DEPLOYMENT, REPLICA_SET, POD_TEMPLATE]
        .into_iter()
        .find(|resource| resource.kind == kind && resource.api_version() == api_version)
}

//! What the controller may do: with the role of `docs/kubernetes.yaml`, and with the one that Argo's users have.

use crate::cluster;
use crate::support::{self, Account, Controller, Watched, canary, rollout, service, status_patch};
use serde_json::{Value, json};
use sluice_cluster::Cluster;
use std::path::Path;

/// The rules of Argo's ClusterRole at v1.10.1: groups, resources, verbs.
const ARGO_RULES: [(&[&str], &[&str], &[&str]); 19] = [
    (
        &["argoproj.io"],
        &["rollouts", "rollouts/status", "rollouts/finalizers"],
        &["get", "list", "watch", "update", "patch"],
    ),
    (
        &["argoproj.io"],
        &[
            "analysisruns",
            "analysisruns/finalizers",
            "experiments",
            "experiments/finalizers",
        ],
        &[
            "create", "get", "list", "watch", "update", "patch", "delete",
        ],
    ),
    (
        &["argoproj.io"],
        &["analysistemplates", "clusteranalysistemplates"],
        &["get", "list", "watch"],
    ),
    (
        &["apps"],
        &["replicasets"],
        &[
            "create", "get", "list", "watch", "update", "patch", "delete",
        ],
    ),
    (
        &["", "apps"],
        &["deployments", "podtemplates"],
        &["get", "list", "watch", "update"],
    ),
    (
        &[""],
        &["services"],
        &["get", "list", "watch", "patch", "create", "delete"],
    ),
    (
        &["coordination.k8s.io"],
        &["leases"],
        &["create", "get", "update"],
    ),
    (&[""], &["secrets", "configmaps"], &["get", "list", "watch"]),
    (&[""], &["pods"], &["list", "update", "watch"]),
    (&[""], &["pods/eviction"], &["create"]),
    (&[""], &["events"], &["create", "update", "patch"]),
    (
        &["networking.k8s.io", "extensions"],
        &["ingresses"],
        &["create", "get", "list", "watch", "update", "patch"],
    ),
    (
        &["batch"],
        &["jobs"],
        &[
            "create", "get", "list", "watch", "update", "patch", "delete",
        ],
    ),
    (
        &["networking.istio.io"],
        &["virtualservices", "destinationrules"],
        &["watch", "get", "update", "patch", "list"],
    ),
    (
        &["split.smi-spec.io"],
        &["trafficsplits"],
        &["create", "watch", "get", "update", "patch"],
    ),
    (
        &["getambassador.io", "x.getambassador.io"],
        &["mappings", "ambassadormappings"],
        &["create", "watch", "get", "update", "list", "delete"],
    ),
    (
        &["appmesh.k8s.aws"],
        &["virtualservices", "virtualnodes", "virtualrouters"],
        &["watch", "get", "list", "update"],
    ),
    (
        &["traefik.containo.us", "traefik.io"],
        &["traefikservices"],
        &["watch", "get", "update"],
    ),
    (
        &["apisix.apache.org"],
        &["apisixroutes"],
        &["watch", "get", "update"],
    ),
];

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn the_role_of_the_documentation_allows_what_the_controller_does() {
    let cluster = cluster("controller-own-role");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kubernetes.yaml");
    let file = file.display().to_string();
    cluster
        .kubectl(&["apply", "--server-side", "-f", &file])
        .unwrap();
    let account = Account::of(&cluster, "sluice-controller");
    rolls_out_all_that_needs_a_right(&cluster, &account);
    assert_eq!(account.refusals(), Vec::<String>::new());
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn argos_role_allows_what_the_controller_does() {
    let cluster = cluster("controller-argo-role");
    cluster.apply(&argo_account()).unwrap();
    let account = Account::of(&cluster, "argo-rollouts");
    rolls_out_all_that_needs_a_right(&cluster, &account);
    let refusals = account.refusals();
    assert!(
        matches!(&refusals[..], [only] if only.contains("TraefikService") && only.contains("list")),
        "{refusals:#?}"
    );
}

fn argo_account() -> Value {
    let rules: Vec<Value> = ARGO_RULES
        .iter()
        .map(|(groups, resources, verbs)| json!({"apiGroups": groups, "resources": resources, "verbs": verbs}))
        .collect();
    let kind = |api: &str, kind: &str| json!({"apiVersion": api, "kind": kind, "metadata": {"name": "argo-rollouts"}});
    let rbac = "rbac.authorization.k8s.io/v1";
    let mut account = kind("v1", "ServiceAccount");
    account["metadata"]["namespace"] = json!("argo-rollouts");
    let mut role = kind(rbac, "ClusterRole");
    role["rules"] = json!(rules);
    let mut binding = kind(rbac, "ClusterRoleBinding");
    binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "argo-rollouts"});
    binding["subjects"] =
        json!([{"kind": "ServiceAccount", "name": "argo-rollouts", "namespace": "argo-rollouts"}]);
    let items = [kind("v1", "Namespace"), account, role, binding];
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// A Deployment's template under a router, with labels that come and go, an experiment and a restart.
fn rolls_out_all_that_needs_a_right(cluster: &Cluster, account: &Account) {
    support::define_traefik(cluster);
    let mut services = vec![service("web-stable"), service("web-canary")];
    services.push(support::traefik_service("web"));
    cluster
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": services}))
        .unwrap();
    let steps = json!([
        {"setWeight": 50},
        {"pause": {}},
        {"experiment": {"duration": "2s", "templates": [{"name": "trial", "specRef": "canary", "service": {}}]}},
    ]);
    let mut strategy = canary(steps);
    strategy["canary"]["canaryService"] = json!("web-canary");
    strategy["canary"]["stableService"] = json!("web-stable");
    strategy["canary"]["canaryMetadata"] = json!({"labels": {"role": "canary"}});
    strategy["canary"]["stableMetadata"] = json!({"labels": {"role": "stable"}});
    strategy["canary"]["trafficRouting"] =
        json!({"traefik": {"weightedTraefikServiceName": "web"}});
    let mut object = rollout("web", 2, "one", &strategy);
    let template = object["spec"]["template"].take();
    let selector = object["spec"]["selector"].take();
    let spec = object["spec"].as_object_mut().unwrap();
    spec.retain(|_, value| !value.is_null());
    spec.insert(
        "workloadRef".to_owned(),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "scaleDown": "onsuccess"}),
    );
    let mut deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 1, "selector": selector, "template": template},
    });
    cluster.apply(&deployment).unwrap();
    cluster.apply(&object).unwrap();

    let _controller = Controller::start_as(cluster, account);
    let web = Watched::new(cluster, "web");
    web.until_phase("Healthy");
    web.until("the Deployment has no pods of its own", |_| {
        support::read(cluster, &["get", "deployment", "web", "-o", "json"])["spec"]["replicas"] == 0
    });
    deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("two");
    deployment["spec"]["replicas"] = json!(0);
    cluster.apply(&deployment).unwrap();
    web.until_phase("Paused");
    let routed = support::read(
        cluster,
        &["get", "traefikservices.traefik.io", "web", "-o", "json"],
    );
    assert_eq!(
        routed["spec"]["weighted"]["services"],
        json!([
            {"name": "web-stable", "port": 80, "weight": 50},
            {"name": "web-canary", "port": 80, "weight": 50},
        ])
    );
    assert_eq!(labelled(cluster, "role=canary"), 1);
    assert_eq!(labelled(cluster, "role=stable"), 2);
    status_patch(cluster, "web", &json!({"pauseConditions": null}));
    web.until_phase("Healthy");
    web.until("all pods have the labels of stable ones", |_| {
        labelled(cluster, "role=stable") == 2 && labelled(cluster, "role=canary") == 0
    });
    let experiments = support::read(cluster, &["get", "experiments", "-o", "json"]);
    assert_eq!(experiments["items"][0]["status"]["phase"], "Successful");
}

/// How many pods have a label.
fn labelled(cluster: &Cluster, selector: &str) -> usize {
    let list = support::read(cluster, &["get", "pods", "-l", selector, "-o", "json"]);
    list["items"].as_array().unwrap().len()
}

//! Objects, the controller as a process, and what is seen of a Rollout.

use anyhow::Result;
use serde_json::{Value, json};
use sluice_cluster::{Cluster, wait_until};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Longest wait for anything to come about.
const PATIENCE: Duration = Duration::from_secs(90);
pub(crate) const HASH: &str = "rollouts-pod-template-hash";

/// The program of the same build.
pub(crate) fn program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("sluice");
    assert!(
        path.is_file(),
        "there is no {}; run `cargo build -p sluice` first",
        path.display()
    );
    path
}

/// Gives the cluster the definitions that the program prints.
pub(crate) fn define(cluster: &Cluster) {
    let output = std::process::Command::new(program())
        .arg("crds")
        .output()
        .unwrap();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.yaml", cluster.name()));
    std::fs::write(&file, output.stdout).unwrap();
    let file = file.display().to_string();
    cluster
        .kubectl(&["apply", "--server-side", "-f", &file])
        .unwrap();
    let condition = "--for=condition=Established";
    let kinds = "crd/rollouts.argoproj.io";
    cluster
        .kubectl(&["wait", condition, kinds, "--timeout=60s"])
        .unwrap();
}

/// The controller, ended with the value.
pub(crate) struct Controller<'a> {
    cluster: &'a Cluster,
    process: Child,
    /// What it logs in.
    account: Option<Account>,
}

/// An account of the cluster: a file with what logs it in, and the log of who uses it.
#[derive(Clone)]
pub(crate) struct Account {
    kubeconfig: PathBuf,
    log: PathBuf,
}

impl Account {
    /// An account that exists in the namespace `argo-rollouts`.
    pub(crate) fn of(cluster: &Cluster, name: &str) -> Self {
        let token = cluster
            .kubectl(&["create", "token", name, "--namespace", "argo-rollouts"])
            .unwrap();
        let mut config = read(cluster, &["config", "view", "--raw", "-o", "json"]);
        for user in config["users"].as_array_mut().unwrap() {
            user["user"] = json!({"token": token.trim()});
        }
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let account = Account {
            kubeconfig: folder.join(format!("{}-{name}.kubeconfig", cluster.name())),
            log: folder.join(format!("{}-{name}.log", cluster.name())),
        };
        std::fs::write(&account.kubeconfig, config.to_string()).unwrap();
        account
    }

    /// The lines of its log that tell of something that was not allowed.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let lines = text.lines().filter(|line| line.contains("forbidden"));
        lines.map(str::to_owned).collect()
    }
}

impl<'a> Controller<'a> {
    pub(crate) fn start(cluster: &'a Cluster) -> Self {
        Controller {
            process: Self::spawn(cluster, None),
            cluster,
            account: None,
        }
    }

    /// Starts it with the rights of an account.
    pub(crate) fn start_as(cluster: &'a Cluster, account: &Account) -> Self {
        Controller {
            process: Self::spawn(cluster, Some(account)),
            cluster,
            account: Some(account.clone()),
        }
    }

    fn spawn(cluster: &Cluster, account: Option<&Account>) -> Child {
        let mut command = cluster.run_inside(program());
        command.arg("controller");
        match account {
            Some(account) => command
                .arg("--leader-elect")
                .env("KUBECONFIG", &account.kubeconfig)
                .stderr(std::fs::File::create(&account.log).unwrap()),
            // There is no namespace for its Lease.
            None => command.arg("--leader-elect=false").stderr(Stdio::null()),
        };
        command.spawn().unwrap()
    }

    /// Kills it after a time, and starts it again.
    pub(crate) fn kill_and_start(&mut self, after: Duration) {
        std::thread::sleep(after);
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::spawn(self.cluster, self.account.as_ref());
    }
}

impl Drop for Controller<'_> {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A canary by the number of pods.
pub(crate) fn canary(steps: Value) -> Value {
    json!({"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": steps}})
}

fn template(name: &str, version: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [
            {"name": "web", "image": "pretended:1", "env": [{"name": "VERSION", "value": version}]},
        ]},
    })
}

/// A Rollout.
pub(crate) fn rollout(name: &str, replicas: u32, version: &str, strategy: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, version),
            "strategy": strategy,
        },
    })
}

/// A Service for pods of a name.
pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

/// Gives the cluster Traefik's definition.
pub(crate) fn define_traefik(cluster: &Cluster) {
    cluster.apply(&traefik_definition()).unwrap();
    let served = || -> Result<Option<String>> {
        let answer = cluster.kubectl(&["get", "traefikservices.traefik.io"]);
        Ok(answer.err().map(|cause| format!("{cause:#}")))
    };
    wait_until("Traefik's kind is served", PATIENCE, served).unwrap();
}

/// The definition of Traefik's objects, as far as it matters here.
fn traefik_definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "traefikservices.traefik.io"},
        "spec": {
            "group": "traefik.io",
            "scope": "Namespaced",
            "names": {
                "kind": "TraefikService",
                "listKind": "TraefikServiceList",
                "plural": "traefikservices",
                "singular": "traefikservice",
            },
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    })
}

/// What divides the requests between the Services of a Rollout's stable and canary version.
pub(crate) fn traefik_service(name: &str) -> Value {
    json!({
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "TraefikService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"weighted": {"services": [
            {"name": format!("{name}-stable"), "port": 80},
            {"name": format!("{name}-canary"), "port": 80},
        ]}},
    })
}

/// Changes a Rollout's status, as the official plugin does.
pub(crate) fn status_patch(cluster: &Cluster, name: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    let arguments = [
        "patch",
        "rollout",
        name,
        "--subresource=status",
        "--type=merge",
        "-p",
    ];
    cluster
        .kubectl(&[&arguments[..], &[&patch]].concat())
        .unwrap();
}

/// Leaves the world as another controller would: a ReplicaSet with its hash, and a status that names it.
pub(crate) fn adopted(cluster: &Cluster, name: &str, hash: &str) {
    let found: Value = read(cluster, &["get", "rollout", name, "-o", "json"]);
    let mut pods = template(name, "one");
    pods["metadata"]["labels"][HASH] = json!(hash);
    cluster
        .apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{name}-{hash}"),
                "namespace": "default",
                "labels": pods["metadata"]["labels"],
                "annotations": {
                    "rollout.argoproj.io/revision": "1",
                    "rollout.argoproj.io/desired-replicas": "2",
                },
                "ownerReferences": [{
                    "apiVersion": "argoproj.io/v1alpha1",
                    "kind": "Rollout",
                    "name": name,
                    "uid": found["metadata"]["uid"],
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": name, HASH: hash}},
                "template": pods,
            },
        }))
        .unwrap();
    let status = json!({"stableRS": hash, "currentPodHash": hash, "currentStepIndex": 2});
    status_patch(cluster, name, &status);
}

/// The names of all pods.
pub(crate) fn pod_names(cluster: &Cluster) -> Vec<String> {
    let list = read(cluster, &["get", "pods", "-o", "json"]);
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// What kubectl prints as JSON.
pub(crate) fn read(cluster: &Cluster, arguments: &[&str]) -> Value {
    serde_json::from_str(&cluster.kubectl(arguments).unwrap()).unwrap()
}

/// A Rollout, and what is seen of it.
pub(crate) struct Watched<'a> {
    cluster: &'a Cluster,
    name: &'a str,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(cluster: &'a Cluster, name: &'a str) -> Self {
        Watched { cluster, name }
    }

    fn object(&self) -> Value {
        read(self.cluster, &["get", "rollout", self.name, "-o", "json"])
    }

    /// A field of its status.
    pub(crate) fn status(&self, field: &str) -> Value {
        self.object()["status"][field].clone()
    }

    /// Its ReplicaSets, by revision.
    pub(crate) fn replica_sets(&self) -> Vec<Value> {
        let selector = format!("app={}", self.name);
        let list = read(self.cluster, &["get", "rs", "-l", &selector, "-o", "json"]);
        let mut sets = list["items"].as_array().unwrap().clone();
        // Those of experiments have the same labels.
        sets.retain(|set| set["metadata"]["ownerReferences"][0]["kind"] == "Rollout");
        // Times of creation have whole seconds only.
        sets.sort_by_key(|set| {
            let revision = &set["metadata"]["annotations"]["rollout.argoproj.io/revision"];
            revision.as_str().and_then(|text| text.parse::<u32>().ok())
        });
        sets
    }

    /// Available pods of each ReplicaSet that has any, by revision.
    pub(crate) fn pods(&self) -> Vec<i64> {
        let sets = self.replica_sets();
        let available = sets
            .iter()
            .map(|set| set["status"]["availableReplicas"].as_i64().unwrap_or(0));
        available.filter(|count| *count > 0).collect()
    }

    /// The hash that a Service's selector asks for.
    pub(crate) fn selector(&self, service: &str) -> Value {
        let found = read(self.cluster, &["get", "service", service, "-o", "json"]);
        found["spec"]["selector"][HASH].clone()
    }

    /// The versions of the Rollout and its ReplicaSets: they rise with each write.
    pub(crate) fn versions(&self) -> Vec<Value> {
        std::iter::once(self.object())
            .chain(self.replica_sets())
            .map(|object| object["metadata"]["resourceVersion"].clone())
            .collect()
    }

    /// The reasons of its events.
    pub(crate) fn events(&self) -> Vec<String> {
        let selector = format!("involvedObject.name={}", self.name);
        let list = read(
            self.cluster,
            &["get", "events", "--field-selector", &selector, "-o", "json"],
        );
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|event| event["reason"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Rolls out another version.
    pub(crate) fn set_version(&self, version: &str) {
        let patch = json!({"spec": {"template": template(self.name, version)}}).to_string();
        let arguments = ["patch", "rollout", self.name, "--type=merge", "-p"];
        let answer = self.cluster.kubectl(&[&arguments[..], &[&patch]].concat());
        answer.unwrap();
    }

    /// Waits for a phase of the spec as it is now.
    pub(crate) fn until_phase(&self, phase: &str) {
        self.until(phase, |web| {
            let object = web.object();
            let generation = object["metadata"]["generation"].to_string();
            object["status"]["phase"] == phase
                && object["status"]["observedGeneration"] == generation.as_str()
        });
    }

    /// Waits until something holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let seen = || -> Result<Option<String>> {
            Ok((!holds(self)).then(|| self.object()["status"].to_string()))
        };
        wait_until(what, PATIENCE, seen).unwrap();
    }
}

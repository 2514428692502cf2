//! Sluice's controller and Argo's take over from each other in the middle of a rollout, and back.
//!
//! Three Rollouts stand at a step: one by the number of its pods, one by a router's object, one with two colours. Whoever takes over
//! must leave pods, ReplicaSets, weights and step as they are, and then go on from there.

use crate::cluster;
use crate::support::{Watched, canary, program, read, rollout, service, status_patch};
use serde_json::{Value, json};
use sluice_cluster::{Cluster, wait_until};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

/// Where both controllers answer with their metrics.
const METRICS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8090);
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a controller may take until it has looked at everything and rests.
const REST_MAX: Duration = Duration::from_secs(90);
/// Nothing was written for this long: it rests.
const REST: Duration = Duration::from_secs(3);

const PLAIN: &str = "plain";
const ROUTED: &str = "routed";
const COLOURED: &str = "coloured";
const ALL: [&str; 3] = [PLAIN, ROUTED, COLOURED];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Argo,
    Sluice,
}

/// A controller that runs, killed with the value.
struct Running(Child);

impl Running {
    fn start(cluster: &Cluster, side: Side) -> Self {
        let log = format!("{}-{side:?}.log", cluster.name());
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(log);
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = match side {
            Side::Argo => cluster.run_inside("rollouts-controller"),
            Side::Sluice => {
                let mut command = cluster.run_inside(program());
                command.arg("controller");
                command
            }
        };
        let command = command.arg("--leader-elect=false");
        let command = command.stdout(log.try_clone().unwrap()).stderr(log);
        Running(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What says how traffic is split in Istio; the rest of it is of no interest here.
fn virtual_services() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "virtualservices.networking.istio.io"},
        "spec": {
            "group": "networking.istio.io",
            "scope": "Namespaced",
            "names": {"kind": "VirtualService", "plural": "virtualservices", "singular": "virtualservice"},
            "versions": [{"name": "v1alpha3", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    })
}

fn virtual_service() -> Value {
    let destination =
        |host: &str, weight: u32| json!({"destination": {"host": host}, "weight": weight});
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "VirtualService",
        "metadata": {"name": ROUTED, "namespace": "default"},
        "spec": {"hosts": [ROUTED], "http": [{"name": "primary", "route": [
            destination("routed-stable", 100),
            destination("routed-canary", 0),
        ]}]},
    })
}

/// Defines everything, and the three Rollouts in their first version.
fn set_up(cluster: &Cluster) {
    cluster.apply(&virtual_services()).unwrap();
    wait_until("the kind VirtualService", REST_MAX, || {
        let listed = cluster.kubectl(&["get", "virtualservices"]);
        Ok(listed.err().map(|why| why.to_string()))
    })
    .unwrap();
    let service = |name: &str, app: &str| {
        let mut service = service(name);
        service["spec"]["selector"] = json!({"app": app});
        service
    };
    let plain =
        json!([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": 1}}]);
    let routed = json!({"canary": {
        "stableService": "routed-stable",
        "canaryService": "routed-canary",
        "trafficRouting": {"istio": {"virtualService": {"name": ROUTED, "routes": ["primary"]}}},
        "steps": [{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}],
    }});
    let coloured = json!({"blueGreen": {
        "activeService": "coloured-active",
        "previewService": "coloured-preview",
        "autoPromotionEnabled": false,
        "scaleDownDelaySeconds": 2,
    }});
    for object in [
        service("routed-stable", ROUTED),
        service("routed-canary", ROUTED),
        service("coloured-active", COLOURED),
        service("coloured-preview", COLOURED),
        virtual_service(),
        rollout(PLAIN, 5, "one", &canary(plain)),
        rollout(ROUTED, 4, "one", &routed),
        rollout(COLOURED, 2, "one", &coloured),
    ] {
        cluster.apply(&object).unwrap();
    }
}

/// Waits until the controller has looked at all three, and nothing is written any more.
fn rests(cluster: &Cluster) {
    wait_until("a look at each Rollout", REST_MAX, || {
        let metrics = cluster.inside(metrics)?.unwrap_or_default();
        let is_looked_at = |name: &&str| {
            let label = format!("name=\"{name}\"");
            let mut counts = metrics
                .lines()
                .filter(|line| line.starts_with("rollout_reconcile_count{"));
            counts.any(|line| line.contains(&label) && !line.ends_with(" 0"))
        };
        let missing = ALL.iter().find(|name| !is_looked_at(name));
        Ok(missing.map(|name| format!("{name} was not looked at")))
    })
    .unwrap();
    let mut known = Vec::new();
    let mut since = Instant::now();
    wait_until("rest", REST_MAX, || {
        let now = versions(cluster);
        if now != known {
            (known, since) = (now, Instant::now());
        }
        Ok((since.elapsed() < REST).then(|| format!("written until just now: {known:?}")))
    })
    .unwrap();
}

fn metrics() -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&METRICS, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The versions of everything that a controller writes.
fn versions(cluster: &Cluster) -> Vec<Value> {
    let kinds = "rollouts,replicasets,services,virtualservices";
    let list = read(cluster, &["get", kinds, "-o", "json"]);
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|object| {
            let metadata = &object["metadata"];
            json!([
                object["kind"],
                metadata["name"],
                metadata["resourceVersion"]
            ])
        })
        .collect()
}

/// What must not change when another controller takes over: pods, ReplicaSets, traffic, and where each rollout stands.
fn standing(cluster: &Cluster) -> Value {
    let listed = |kind: &str, tell: &dyn Fn(&Value) -> Value| -> Value {
        let list = read(cluster, &["get", kind, "-o", "json"]);
        let items = list["items"].as_array().unwrap();
        let told = items.iter().map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            (name, tell(object))
        });
        told.collect()
    };
    let status = |rollout: &Value| {
        let fields = [
            "phase",
            "currentStepIndex",
            "currentPodHash",
            "stableRS",
            "pauseConditions",
            "controllerPause",
            "abort",
            "blueGreen",
        ];
        let status = &rollout["status"];
        fields
            .map(|field| (field.to_owned(), status[field].clone()))
            .into_iter()
            .collect()
    };
    json!({
        "pods": listed("pods", &|pod| pod["metadata"]["uid"].clone()),
        "replicaSets": listed("replicasets", &|set| {
            // The generation rises with each change of the spec.
            json!([set["metadata"]["uid"], set["metadata"]["generation"], set["spec"]["replicas"]])
        }),
        "services": listed("services", &|service| service["spec"]["selector"].clone()),
        "weights": listed("virtualservices", &|object| {
            json!([object["metadata"]["generation"], object["spec"]["http"]])
        }),
        "rollouts": listed("rollouts", &status),
    })
}

/// The paths at which two values differ, with both.
fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if before != after {
            found.push(format!("{path}: {before} became {after}"));
        }
        return;
    };
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let at = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
        differences(&format!("{path}/{key}"), &at(old), &at(new), found);
    }
}

/// The first of these controllers brings the rollouts to the middle; each of the others takes over there; the last one
/// finishes them.
fn handed_over(label: &str, sides: &[Side]) {
    let cluster = cluster(label);
    set_up(&cluster);
    let watched = ALL.map(|name| Watched::new(&cluster, name));
    let mut running = Running::start(&cluster, sides[0]);
    for rollout in &watched {
        rollout.until_phase("Healthy");
    }
    for rollout in &watched {
        rollout.set_version("two");
    }
    for rollout in &watched {
        rollout.until_phase("Paused");
    }
    rests(&cluster);
    let before = standing(&cluster);
    assert_eq!(before["rollouts"][PLAIN]["currentStepIndex"], 1);
    assert_eq!(watched[0].pods(), [4, 1]);
    assert_eq!(
        before["weights"][ROUTED][1][0]["route"][1]["weight"], 25,
        "{}",
        before["weights"]
    );

    for side in &sides[1..] {
        drop(running);
        running = Running::start(&cluster, *side);
        rests(&cluster);
        let mut found = Vec::new();
        differences("", &before, &standing(&cluster), &mut found);
        assert!(
            found.is_empty(),
            "{side:?} took over and changed:\n{}",
            found.join("\n")
        );
    }

    for name in ALL {
        status_patch(&cluster, name, &json!({"pauseConditions": null}));
    }
    for rollout in &watched {
        rollout.until_phase("Healthy");
        assert_eq!(rollout.replica_sets().len(), 2, "no revision is made twice");
        assert_eq!(rollout.status("stableRS"), rollout.status("currentPodHash"));
    }
    let weights = standing(&cluster)["weights"][ROUTED][1][0]["route"].clone();
    assert_eq!(weights[0]["weight"], 100, "all traffic is stable's again");
    assert_eq!(
        watched[2].selector("coloured-active"),
        watched[2].status("stableRS")
    );
    drop(running);
}

#[test]
#[ignore = "part cluster: needs root, a cluster's programs, and Argo's controller"]
fn takeover_from_argos_controller_changes_nothing_and_goes_on() {
    handed_over("takeover-from", &[Side::Argo, Side::Sluice]);
}

#[test]
#[ignore = "part cluster: needs root, a cluster's programs, and Argo's controller"]
fn takeover_by_argos_controller_changes_nothing_and_goes_on() {
    handed_over("takeover-by", &[Side::Sluice, Side::Argo]);
}

#[test]
#[ignore = "part cluster: needs root, a cluster's programs, and Argo's controller"]
fn takeover_from_argos_controller_and_back_changes_nothing() {
    handed_over("takeover-back", &[Side::Argo, Side::Sluice, Side::Argo]);
}

#[test]
#[ignore = "part cluster: needs root, a cluster's programs, and Argo's controller"]
fn takeover_by_argos_controller_and_back_changes_nothing() {
    handed_over("takeover-ours", &[Side::Sluice, Side::Argo, Side::Sluice]);
}

//! A node with real pods: probes, Services, rollouts, images.

use super::{PATIENCE, deployment, get, name};
use serde_json::{Value, json};
use sluice_cluster::{BUSYBOX_IMAGE, Cluster, Image, Variant, wait_until};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The cluster of these tests: started by the first one, ended with the last one that uses it.
fn cluster() -> Arc<Cluster> {
    static RUNNING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::up(&name("node"), Variant::Node).unwrap());
        *running = Arc::downgrade(&cluster);
        cluster
    })
}

fn pod(name: &str, container: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    })
}

/// A container that answers every request with its host's name and `version`.
fn web(version: &str) -> Value {
    let script = format!(
        "mkdir /tmp/www; echo $(hostname) {version} > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
    );
    json!({
        "name": "web",
        "image": BUSYBOX_IMAGE,
        "command": ["sh", "-c", script],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    })
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn a_pod_is_ready_when_its_probe_says_so() {
    let cluster = cluster();
    let probed = json!({
        "name": "probed",
        "image": BUSYBOX_IMAGE,
        "command": ["sleep", "3600"],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1},
    });
    cluster.apply(&pod("probed", &probed)).unwrap();
    let ready = || {
        let condition =
            r#"jsonpath={.status.phase} {.status.conditions[?(@.type=="Ready")].status}"#;
        cluster.kubectl(&["get", "pod", "probed", "-o", condition])
    };
    wait_until("the pod runs", PATIENCE, || {
        let now = ready()?;
        Ok((!now.starts_with("Running")).then_some(now))
    })
    .unwrap();
    // The probe has failed before it succeeds.
    wait_until("a failed probe", PATIENCE, || {
        let events = cluster.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"])?;
        Ok((!events.contains("Unhealthy")).then_some(events))
    })
    .unwrap();
    assert_eq!(ready().unwrap(), "Running False");
    cluster
        .kubectl(&["exec", "probed", "--", "touch", "/tmp/ready"])
        .unwrap();
    wait_until("the pod is Ready", PATIENCE, || {
        let now = ready()?;
        Ok((now != "Running True").then_some(now))
    })
    .unwrap();
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn a_service_answers_with_its_endpoints_and_follows_a_deployment_that_rolls() {
    let cluster = cluster();
    cluster.apply(&deployment("web", 2, &web("1"))).unwrap();
    cluster
        .apply(&json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }))
        .unwrap();
    let rolled = || cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=90s"]);
    rolled().unwrap();
    let address = cluster
        .kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"])
        .unwrap();
    let address: SocketAddr = format!("{address}:80").parse().unwrap();
    let pods = |version: &str| -> BTreeSet<String> {
        let names = cluster
            .kubectl(&[
                "get",
                "endpointslices",
                "-l",
                "kubernetes.io/service-name=web",
                "-o",
                "jsonpath={.items[*].endpoints[*].targetRef.name}",
            ])
            .unwrap();
        names
            .split(' ')
            .map(|pod| format!("{pod} {version}"))
            .collect()
    };
    let answered = |by: &BTreeSet<String>| {
        let mut seen = BTreeSet::new();
        wait_until(
            "an answer of each endpoint and of nobody else",
            PATIENCE,
            || {
                let answer = cluster.inside(|| get(address))?;
                match answer {
                    Ok(pod) if by.contains(&pod) => drop(seen.insert(pod)),
                    // Rules follow endpoints with a delay, in a cluster as elsewhere.
                    Ok(_) | Err(_) => seen.clear(),
                }
                Ok((seen != *by).then(|| format!("{seen:?} of {by:?} answered")))
            },
        )
    };
    let before = pods("1");
    assert_eq!(before.len(), 2, "{before:?}");
    answered(&before).unwrap();

    cluster.apply(&deployment("web", 2, &web("2"))).unwrap();
    rolled().unwrap();
    wait_until("endpoints of the new pods alone", PATIENCE, || {
        let now = pods("1");
        Ok((now.len() != 2 || !now.is_disjoint(&before)).then(|| format!("{now:?}")))
    })
    .unwrap();
    answered(&pods("2")).unwrap();
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn a_program_of_this_machine_runs_as_an_image_with_its_libraries() {
    let cluster = cluster();
    let program = Path::new(env!("CARGO_BIN_EXE_sluice-cluster"));
    let image = Image::of_program("harness:dev", program)
        .unwrap()
        .also_named("example.org/harness:1");
    cluster.load_images(&[image]).unwrap();
    for (name, image) in [("short", "harness:dev"), ("long", "example.org/harness:1")] {
        let container = json!({"name": "harness", "image": image, "args": ["--version"]});
        cluster.apply(&pod(name, &container)).unwrap();
        wait_until("the program's end", PATIENCE, || {
            let phase = cluster.kubectl(&["get", "pod", name, "-o", "jsonpath={.status.phase}"])?;
            Ok((phase != "Succeeded").then_some(phase))
        })
        .unwrap();
        let said = cluster.kubectl(&["logs", name]).unwrap();
        assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
    }
}

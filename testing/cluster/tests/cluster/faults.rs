//! Parts of the control plane that die and come back, for the tests of what has to live with that.

use super::name;
use serde_json::json;
use sluice_cluster::{Cluster, Variant, status};

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn killed_parts_come_back_and_nothing_stored_is_lost() {
    let name = name("faults");
    let mut cluster = Cluster::up(&name, Variant::ControlPlane).unwrap();
    cluster
        .apply(&json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kept", "namespace": "default"},
            "data": {"key": "value"},
        }))
        .unwrap();
    assert!(status(&name).unwrap().is_ready);
    cluster.kill("kube-apiserver").unwrap();
    cluster.kill("etcd").unwrap();
    let now = status(&name).unwrap();
    let running: Vec<&str> = now
        .components
        .iter()
        .map(|part| part.name.as_str())
        .collect();
    assert!(!now.is_ready && !running.contains(&"etcd"), "{now:?}");
    cluster.kubectl(&["get", "configmaps"]).unwrap_err();

    // The API server waits for etcd.
    let unknown = cluster.start("kubelet").unwrap_err();
    assert!(
        unknown.to_string().contains("no part of this cluster"),
        "{unknown:#}"
    );
    cluster.start_without_waiting("etcd").unwrap();
    cluster.start("kube-apiserver").unwrap();
    let value = cluster.kubectl(&["get", "configmap", "kept", "-o", "jsonpath={.data.key}"]);
    assert_eq!(value.unwrap(), "value");
    assert!(status(&name).unwrap().is_ready);
    cluster.down().unwrap();
}

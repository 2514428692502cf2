//! Pods that only pretend, in numbers.

use super::{PATIENCE, deployment, name};
use serde_json::json;
use sluice_cluster::{Cluster, Image, Variant, wait_until};
use std::path::Path;

const PODS: u32 = 200;

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn two_hundred_pods_are_ready_on_nodes_that_pretend() {
    let cluster = Cluster::up(&name("kwok"), Variant::Kwok { nodes: 2 }).unwrap();
    let container = json!({"name": "none", "image": "none"});
    cluster
        .apply(&deployment("many", PODS, &container))
        .unwrap();
    wait_until("all pods are Ready", PATIENCE, || {
        let ready = cluster.kubectl(&[
            "get",
            "deployment",
            "many",
            "-o",
            "jsonpath={.status.readyReplicas}",
        ])?;
        Ok((ready != PODS.to_string()).then_some(ready))
    })
    .unwrap();
    let nodes = cluster
        .kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"])
        .unwrap();
    assert!(
        nodes.contains("node-0") && nodes.contains("node-1"),
        "{nodes}"
    );

    let image = Image::of_program("sh:1", Path::new("/bin/sh")).unwrap();
    let refused = cluster.load_images(&[image]).unwrap_err();
    assert!(
        refused.to_string().contains("no image is ever run"),
        "{refused:#}"
    );
    cluster.down().unwrap();
}

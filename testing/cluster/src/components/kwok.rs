//! Nodes and pods that only pretend.

use super::Component;
use crate::credentials::Credentials;
use crate::network::{NODE_ADDRESS, POD_RANGE};
use serde_json::{Value, json};

/// Seconds that a node's lease is good for. Without leases the node controller takes thousands of pretended nodes for dead.
const LEASE_SECONDS: u32 = 40;

pub(crate) fn kwok(credentials: &Credentials) -> Component {
    Component::new(
        "kwok",
        [
            format!("--kubeconfig={}", credentials.kubeconfig().display()),
            "--manage-all-nodes=true".to_owned(),
            format!("--node-ip={NODE_ADDRESS}"),
            format!("--cidr={POD_RANGE}"),
            format!("--node-lease-duration-seconds={LEASE_SECONDS}"),
        ],
    )
}

/// The objects of the nodes that kwok then keeps Ready.
pub(crate) fn nodes(count: u32) -> Value {
    let node = |index: u32| {
        let name = format!("node-{index}");
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
            },
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": (0..count).map(node).collect::<Vec<_>>()})
}

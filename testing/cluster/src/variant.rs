//! What a cluster consists of.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What runs in a cluster besides etcd, the API server, the controller manager and the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// A node with real pods: kubelet, containerd and kube-proxy.
    Node,
    /// Nodes and pods that only pretend, by kwok: for scale. Images, commands and probes mean nothing here.
    Kwok {
        /// How many nodes pretend to be there.
        nodes: u32,
    },
    /// Nothing: objects can be stored and watched, and no pod ever runs.
    ControlPlane,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variant::Node => write!(f, "a node with real pods"),
            Variant::Kwok { nodes: 1 } => write!(f, "a node that pretends (kwok)"),
            Variant::Kwok { nodes } => write!(f, "{nodes} nodes that pretend (kwok)"),
            Variant::ControlPlane => write!(f, "control plane only"),
        }
    }
}

//! A real Kubernetes cluster on this machine, for tests: started in seconds, side by side with others, gone without a trace.
//!
//! etcd, the API server, the controller manager and the scheduler run as processes; with them a node with real pods (kubelet,
//! containerd, kube-proxy), or nodes and pods that only pretend (kwok), or none. No container engine and no registry is needed: images
//! are assembled from programs of this machine. It needs root.
//!
//! Read `start` for what happens on the way up, `holder` for the namespaces that keep a cluster apart from the machine, `members` and
//! `teardown` for why nothing of it is left, however it ended. `image` assembles images. The programs are found on `PATH`;
//! `cargo xtask cluster` and `cargo xtask test` build or install them.
//!
//! ```no_run
//! use sluice_cluster::{Cluster, Variant};
//!
//! # fn main() -> anyhow::Result<()> {
//! let cluster = Cluster::up(&"example".parse()?, Variant::Node)?;
//! print!("{}", cluster.kubectl(&["get", "nodes"])?);
//! // The kubeconfig's server answers inside the cluster's network only: run the program under test there.
//! let mut controller = cluster.run_inside("sluice").arg("--help").spawn()?;
//! controller.wait()?;
//! // Or a part of the test itself.
//! cluster.inside(|| std::net::TcpStream::connect(("10.96.0.1", 443)))??;
//! cluster.down()
//! # }
//! ```

mod cgroups;
mod cluster;
mod components;
mod credentials;
mod holder;
mod image;
mod lock;
mod members;
mod name;
mod network;
mod programs;
mod run;
mod start;
mod state;
mod status;
mod teardown;
mod variant;

pub use cluster::{Cluster, down};
pub use image::{Image, canonical, write_archive};
pub use name::ClusterName;
pub use run::wait_until;
pub use start::BUSYBOX_IMAGE;
pub use status::{ComponentStatus, Status, all as status_of_all, of as status};
pub use teardown::remains;
pub use variant::Variant;

//! The controller for Argo Rollouts' objects on a Kubernetes cluster.
//!
//! `sluice_argo::rollout` decides; this crate knows the cluster and does what was decided. Read `controller`
//! for how it runs, `gather` and `reconcile` for one look at a Rollout, `cache` for what is known, `watch`
//! for how it becomes known, `leadership` for who acts.

mod analysis;
mod api;
mod cache;
mod client;
mod connect;
mod controller;
mod events;
mod gather;
mod job;
mod leadership;
mod measure;
mod queue;
mod reconcile;
mod resource;
mod routing;
mod watch;

pub use connect::{ConnectError, connect};
pub use controller::{Controller, Ended, Options, Wanted};
pub use leadership::Election;
pub use measure::{Answer, Answering, Measure};

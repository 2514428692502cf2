//! The controller for Argo Rollouts' objects on a Kubernetes cluster.
//!
//! `sluice_argo::rollout` decides; this crate knows the cluster and does what was decided. Read `controller`
//! for how it begins and ends, [`loops`](Loops) for what runs meanwhile, `gather` and `reconcile` for one look
//! at a Rollout, `cache` for what is known, `watch` for how it becomes known, `leadership` for who acts, `metrics` and
//! `serve` for what others see of it, `notify` for messages about it.
//!
//! [`Controller`] is for a real cluster. [`Loops`] are the same without a connection and a lead: with another
//! [`api::Api`] and [`api::Feed`] they run in simulations.

mod analysis;
pub mod api;
mod cache;
mod cells;
mod client;
mod connect;
mod controller;
mod events;
mod experiment;
mod gather;
mod job;
mod leadership;
mod limit;
mod lookup;
mod loops;
mod measure;
mod metrics;
mod names;
mod notify;
mod packed;
mod pods;
mod queue;
mod reconcile;
mod references;
mod release;
mod requests;
pub mod resource;
mod routing;
mod selectors;
mod serve;
mod stored;
mod watch;

pub use connect::{ConnectError, connect};
pub use controller::{Controller, Ended, Options, Rate};
pub use leadership::Election;
pub use lookup::{Lookup, Reading, SecretKeys};
pub use loops::{Loops, Scope, Wanted};
pub use measure::{Answer, Answering, MEASURE_MAX, Meaning, Measure, Question};
pub use notify::{Deliver, Delivering, DeliveryError, Notifications};
pub use routing::RouterVersions;
pub use serve::{ServeError, Serving};

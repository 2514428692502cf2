//! The Kubernetes controller's loops against a fake API server under a seeded clock.
//!
//! The production watches, cache, queue and workers ([`sluice_kubernetes::Loops`]) run here as they do in a
//! cluster, on tokio's paused clock, connected to a server that fails in every way that a real one does: it
//! restarts, refuses, forgets what it was asked, answers late or never, and kills its client between two writes.
//! A seed decides everything. After each write the promises of `promises` are checked, and those of `rest` once
//! nothing goes wrong any more.
//!
//! Start with [`run()`](run::run) for one seed, [`soak`] for many, [`scenario`] for a run that is told beforehand, `world` and `server` for the fake server,
//! `cluster` for ReplicaSets and pods, [`bugs`] for how the simulation is shown to find something.

mod app;
pub mod bugs;
mod clock;
mod cluster;
mod manifests;
mod metrics;
mod mishaps;
mod promises;
mod recipients;
mod requests;
mod rest;
pub mod run;
pub mod scenario;
mod server;
pub mod soak;
mod store;
mod users;
mod weather;
mod world;

pub use bugs::Bug;
pub use promises::{Reached, Violation};
pub use run::{RunReport, Settings, run};
pub use weather::{Fault, Faults};

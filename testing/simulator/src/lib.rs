//! Engine and control loop in a fake world under a seeded clock.
//!
//! The production [`Cell`](sluice_control::Cell) and engine run here against a fake platform, fake traffic,
//! a fake executor of hooks and a fake store, all of which fail in every way that the real ones do. A
//! seed decides everything; the same seed gives the same run on every machine. After each decision the
//! promises of `watch` are checked. Nothing here sleeps, and nothing reads a clock.
//!
//! Start with [`run()`](run::run) for one seed, [`soak`] for many, [`site`] for the fake world itself (the
//! scenarios use it too), [`watch`] for what is promised, [`bugs`] for how the simulation is shown to find
//! something, [`many`] for the cost of thousands of services, and [`releases`] for how often a good release is
//! taken back and how soon a bad one is caught.

pub mod bugs;
mod comparing;
pub mod counting;
pub mod effects;
pub mod many;
mod mishaps;
mod operators;
mod plans;
pub mod platform;
pub mod random;
pub mod releases;
pub mod rules;
pub mod run;
pub mod sampling;
mod seat;
pub mod shrink;
pub mod site;
pub mod soak;
pub mod store;
mod telling;
pub mod traffic;
pub mod watch;
pub mod weather;

pub use bugs::Bug;
pub use run::{RunReport, Settings, run};
pub use site::{START, Site};
pub use weather::{Fault, Faults};

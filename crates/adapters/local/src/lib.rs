//! This machine: replicas of revisions as supervised processes (Linux 5.4 or newer).
//!
//! [`LocalPlatform`] is told which replicas a service shall have ([`LocalPlatform::apply`]) and says
//! which it has ([`LocalPlatform::observe`]); in between it starts, probes, restarts and stops
//! processes, and tells the proxy which of them may get traffic ([`Routing`]). It decides nothing
//! about rollouts and knows nothing of weights.
//!
//! A replica outlives Sluice. Each is written down under the state folder before it starts, its
//! output goes straight to a file, and it carries marks in its environment, so that after a
//! `kill -9` the next [`LocalPlatform::open`] finds every process again or ends it.
//!
//! Where to look next: `platform` for the interface, `fleet` for which replica starts or stops,
//! `supervise` for the life of one replica, `health` for its probes, `adopt` for what a crash left
//! behind, [`artifacts`] for the copy that a revision keeps of its files.

mod account;
mod adopt;
pub mod artifacts;
mod clock;
mod config;
mod environment;
mod fleet;
mod follow;
mod group;
mod health;
mod launch;
mod logs;
mod platform;
mod ports;
mod probe;
mod process;
mod procfs;
mod record;
mod shared;
mod start;
mod supervise;
mod usage;

pub use adopt::{AdoptedReplica, AdoptionReport, EndedProcess};
pub use config::{LocalConfig, LocalError, LogLimits, Routing};
pub use fleet::{REPLICAS_MAX, ReplicaInfo, ReplicaState};
pub use follow::{LogLine, LogQuery};
pub use platform::LocalPlatform;
pub use supervise::HURRY_GRACE;
pub use usage::{Gauges, Usage};

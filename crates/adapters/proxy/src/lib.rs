//! The embedded proxy: it takes the requests of each service's clients to the revision that
//! [`sluice_routing`] names, and counts what becomes of them.
//!
//! Each worker is a thread with a runtime of its own; a request stays on one worker from its first byte
//! to its last, and meets no lock. The control side (`proxy`, `service`, `listen`) builds immutable
//! snapshots; the workers (`worker`, `connection`, `h1`, `h2`, `tcp`) read them; `forward` is the way of one
//! request, and the best place to start reading; `charge` says who answers for its outcome.
//!
//! Not here: which weights are right (the engine), whether a replica is ready (the platform), and
//! whether a revision is good (the analysis).

mod answer;
mod body;
mod buffer;
mod charge;
mod config;
mod connection;
mod descriptors;
mod error;
mod forward;
mod forwarded;
mod h1;
mod h2;
mod head;
mod io;
mod listen;
mod mirror;
mod out;
mod owner;
mod proxy;
mod replica;
mod service;
mod shards;
mod tcp;
mod timer;
mod tunnel;
mod units;
mod upstream;
mod worker;

#[cfg(feature = "measure")]
pub mod measure;

pub use config::{DrainReport, Ejection, Endpoint, ListenerRole, MirrorBudget, ProxyConfig};
pub use error::ProxyError;
pub use proxy::Proxy;

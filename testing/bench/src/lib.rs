//! Side by side with the peers: what a request through Sluice costs, and what a decision costs.
//!
//! Everything runs on this machine over loopback, bounded in time, and ends what it started.
//! Absolute figures depend on the machine; the ratios against a peer measured in the same run,
//! in alternating rounds, are the result.
//!
//! `contest` holds the comparison of proxies: the server under test has one core for itself and one
//! worker; `load` (the clients) and `backend` (the servers behind) share the other core. What a
//! proxy costs is its own processor time per request, so that a slow client or backend does not
//! decide. Latency is taken at the same fixed rate for all, from the time at which a request was
//! due, not from when it could be sent: a proxy that stalls is charged for everybody who waits.
//!
//! `rollouts` releases services and replaces Sluice under load; `decisions` times the engine alone.
#![allow(clippy::print_stdout, reason = "the table is the result")]

pub mod backend;
pub mod comparisons;
pub mod contest;
pub mod cpus;
pub mod decisions;
pub mod load;
pub mod poller;
pub mod rollouts;
pub mod server;
pub mod wire;

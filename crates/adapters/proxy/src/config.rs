//! What the proxy is told: its configuration, endpoints, and the report of a drain.

use sluice_model::ReplicaId;
use std::net::SocketAddr;
use std::time::Duration;

/// The configuration of a [`crate::Proxy`].
#[derive(Clone, Debug, Default)]
pub struct ProxyConfig {
    /// Worker threads; 0 is one for each core.
    pub workers: usize,
    /// Whether `X-Forwarded-Proto` and `X-Forwarded-Host` of a request are passed on as they are, because
    /// a trusted proxy stands in front; otherwise they are replaced. `X-Forwarded-For` is always extended.
    pub trust_forwarded: bool,
    /// Bounds of mirroring.
    pub mirror: MirrorBudget,
    /// When a replica is left out for a while.
    pub ejection: Ejection,
    /// Seed of the random draws, for tests; from the system when absent.
    pub seed: Option<u64>,
}

/// Bounds of mirroring; a copy beyond them is dropped, never waited for.
#[derive(Clone, Copy, Debug)]
pub struct MirrorBudget {
    /// Copies in flight at a time, for each worker.
    pub concurrent_max: usize,
    /// Body bytes that may wait for one copy's replica.
    pub body_bytes_max: usize,
}

impl Default for MirrorBudget {
    fn default() -> Self {
        Self {
            concurrent_max: 64,
            body_bytes_max: 256 * 1024,
        }
    }
}

/// When a replica that fails is left out, and how long. The last replica of a revision never is, and
/// every failure is counted before.
#[derive(Clone, Copy, Debug)]
pub struct Ejection {
    /// Failures to connect, broken answers or timeouts in a row; answers with 5xx are not among
    /// them, because they are the revision's own.
    pub failures: u32,
    /// The first time; it doubles with each further one.
    pub base: Duration,
    /// The longest time.
    pub max: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            base: Duration::from_secs(1),
            max: Duration::from_secs(30),
        }
    }
}

/// A replica that is ready for traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its identity.
    pub id: ReplicaId,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Which address of a service a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenerRole {
    /// The service's address.
    Main,
    /// The address that leads to the preview revision alone.
    Preview,
}

impl ListenerRole {
    /// The role's name: `main` or `preview`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ListenerRole::Main => "main",
            ListenerRole::Preview => "preview",
        }
    }
}

/// What became of the connections of a proxy that was drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Idle connections that were closed when the time was over; their clients may have been about to send.
    pub idle_closed: u64,
    /// Requests and tunnels that were cut off when the time was over.
    pub requests_cut: u64,
}

//! What a revision runs on this machine: command, environment, probes, stopping.

use crate::millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The program of a revision and how its replicas are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Program and arguments; `$NAME` and `${NAME}` in them are replaced from the replica's
    /// environment when it starts. No shell is involved.
    pub command: Vec<String>,
    /// Files and folders (paths as the document gives them, made absolute) of which the revision
    /// keeps its own copy. The program itself is always among them when it is a path.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// Environment, over that of `env_files`, over an inherited minimum (PATH, HOME, LANG …).
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files of `NAME=value` lines, read when the revision is created.
    #[serde(default)]
    pub env_files: Vec<String>,
    /// Working directory; absolute.
    pub workdir: String,
    /// User (name or number) to run as; needs root.
    #[serde(default)]
    pub user: Option<String>,
    /// Gate to traffic.
    #[serde(default)]
    pub readiness: Option<Probe>,
    /// Restarts the replica when it fails.
    #[serde(default)]
    pub liveness: Option<Probe>,
    /// Holds the other probes back until it passes once.
    #[serde(default)]
    pub startup: Option<Probe>,
    /// How a replica is stopped.
    pub stop: Stopping,
}

/// A probe and its patience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// What is asked.
    pub action: ProbeAction,
    /// Time from one probe to the next.
    #[serde(with = "millis")]
    pub period: Duration,
    /// Longest wait for an answer.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// Wait before the first probe.
    #[serde(with = "millis")]
    pub initial_delay: Duration,
    /// Failures in a row that count as failed; at least 1.
    pub failures: u32,
    /// Successes in a row that count as passed; at least 1.
    pub successes: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProbeAction {
    /// GET of a path on the replica's port; 200–399 passes.
    Http {
        /// Path with leading `/`.
        path: String,
    },
    /// A TCP connection to the replica's port.
    Tcp,
    /// A command in the replica's environment; exit code 0 passes.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// Stopping a replica: out of routing → drain → SIGTERM → grace → SIGKILL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopping {
    /// Longest wait for requests in flight after the replica left the routing.
    #[serde(with = "millis")]
    pub drain: Duration,
    /// Wait between SIGTERM and SIGKILL.
    #[serde(with = "millis")]
    pub grace: Duration,
}

/// How a service is reached: the listener of the embedded proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Address to accept on, `host:port`.
    pub address: String,
    /// Address of the preview (blue-green), if any.
    #[serde(default)]
    pub preview: Option<String>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Certificate chain and key (PEM files) when TLS is terminated here.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// Bounds of requests.
    pub limits: TrafficLimits,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2 from clients (by preface, or ALPN with TLS), HTTP/1.1 to replicas.
    Http,
    /// The same from clients, HTTP/2 with prior knowledge (h2c) to replicas; gRPC.
    H2c,
    /// Bytes; the split is by connection.
    Tcp,
}

/// PEM files of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsFiles {
    /// Certificate chain.
    pub certificate: String,
    /// Private key.
    pub key: String,
}

/// Bounds and timeouts of one listener's traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficLimits {
    /// Longest wait for a replica's response head.
    #[serde(with = "millis")]
    pub request_timeout: Duration,
    /// Longest wait for a connection to a replica.
    #[serde(with = "millis")]
    pub connect_timeout: Duration,
    /// Longest time for a client to send its request head.
    #[serde(with = "millis")]
    pub header_timeout: Duration,
    /// Longest silence on a connection, a body or a tunnel.
    #[serde(with = "millis")]
    pub idle_timeout: Duration,
    /// Largest request head, in bytes.
    pub header_bytes_max: u32,
    /// Most header lines of a request.
    pub headers_max: u32,
    /// Largest request body, in bytes; no bound when absent.
    pub body_bytes_max: Option<u64>,
    /// Most connections at a time.
    pub connections_max: u32,
    /// Tries on other replicas for an idempotent request whose replica could not be reached.
    pub retries_max: u32,
}

impl Default for TrafficLimits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(2),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            header_bytes_max: 32 * 1024,
            headers_max: 100,
            body_bytes_max: None,
            connections_max: 20_000,
            retries_max: 2,
        }
    }
}

//! A service: what runs, how it is probed and stopped, how it is reached.

use super::{
    AddressText, Brief, Command, Entries, Field, Many, PathText, Release, SizeText, SpanText, Text,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// A service: a program, the address at which it is reached, and how a change of it is released.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Service")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceFields {
    /// The program and its arguments, as one line (quotes group words; no shell) or as a list.
    /// `$PORT` is the port on which this replica has to listen; other variables of the replica's
    /// environment are replaced too. A program given as a relative path lies beside this file.
    #[schemars(required)]
    pub(crate) run: Field<Command>,
    /// Files and folders that belong to the program; each revision keeps its own copy of them. The
    /// program itself is always kept when it is given as a path.
    pub(crate) artifacts: Field<Many<Text>>,
    /// Environment variables, over those of `envFile`.
    pub(crate) env: Field<Entries<Text>>,
    /// Files of `NAME=value` lines, read when a revision is made; later files win.
    pub(crate) env_file: Field<Many<Text>>,
    /// Working directory; the folder of this file by default.
    pub(crate) workdir: Field<Text>,
    /// User (name or number) to run as; needs root.
    pub(crate) user: Field<Text>,
    /// Replicas at full size, 1 to 1000; 1 by default.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) replicas: Field<u32>,
    /// Address at which users reach the service; a port alone is one of this machine only.
    #[schemars(required)]
    pub(crate) listen: Field<AddressText>,
    /// Address at which the new revision can be tried before it gets traffic.
    pub(crate) preview: Field<AddressText>,
    /// What is spoken at these addresses; `http` by default.
    pub(crate) protocol: Field<ProtocolWord>,
    /// Certificate and key when the proxy terminates TLS.
    pub(crate) tls: Field<TlsFields>,
    /// Readiness: a replica gets traffic only while this passes. A path, or a full probe.
    pub(crate) ready: Field<Probe>,
    /// Liveness: a replica that fails this is restarted. A path, or a full probe.
    pub(crate) live: Field<Probe>,
    /// Startup: holds the other probes back until it passes once. A path, or a full probe.
    pub(crate) startup: Field<Probe>,
    /// How a replica is stopped: out of routing, drain, SIGTERM, grace, SIGKILL.
    pub(crate) stop: Field<StopFields>,
    /// Bounds and timeouts of the service's traffic.
    pub(crate) limits: Field<LimitFields>,
    /// Keeps each user on one revision during a rollout.
    pub(crate) sticky: Field<StickyFields>,
    /// How a change is released: a preset (`canary`, `blue-green`, `rolling`, `recreate`, `shadow`), a
    /// risk class (`LOW`, `MEDIUM`, `HIGH`, `CRITICAL`), a name from `releases`, or a plan. `canary` by
    /// default.
    pub(crate) release: Field<Release>,
}

/// What is spoken at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Protocol")]
#[serde(rename_all = "camelCase")]
pub(crate) enum ProtocolWord {
    /// HTTP/1.1 and HTTP/2 from clients, HTTP/1.1 to replicas.
    Http,
    /// The same from clients, HTTP/2 with prior knowledge to replicas; for gRPC.
    H2c,
    /// Bytes; split by connection.
    Tcp,
}

/// PEM files of a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Tls")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TlsFields {
    /// Certificate chain, a PEM file.
    #[schemars(required)]
    pub(crate) certificate: Field<Text>,
    /// Private key, a PEM file.
    #[schemars(required)]
    pub(crate) key: Field<Text>,
}

/// A probe: a path on the replica's port, or the full form.
pub(crate) type Probe = Brief<PathText, ProbeFields>;

/// A probe in full: exactly one of `http`, `tcp` and `command`, and its patience.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Probe")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProbeFields {
    /// Path of a GET on the replica's port; a status of 200 to 399 passes.
    pub(crate) http: Field<PathText>,
    /// `true`: a connection to the replica's port passes.
    pub(crate) tcp: Field<bool>,
    /// A command in the replica's environment; exit code 0 passes.
    pub(crate) command: Field<Command>,
    /// Time from one probe to the next; 1s for `ready` and `startup`, 5s for `live` by default.
    pub(crate) period: Field<SpanText>,
    /// Longest wait for an answer; 1s by default.
    pub(crate) timeout: Field<SpanText>,
    /// Wait before the first probe; 0s by default.
    pub(crate) initial_delay: Field<SpanText>,
    /// Failures in a row that count; 3 by default, 60 for `startup`.
    #[schemars(range(min = 1))]
    pub(crate) failures: Field<u32>,
    /// Successes in a row that count; 1 by default.
    #[schemars(range(min = 1))]
    pub(crate) successes: Field<u32>,
}

/// How a replica is stopped.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Stop")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StopFields {
    /// Longest wait for requests in flight once the replica is out of routing; `limits.requestTimeout`
    /// by default.
    pub(crate) drain: Field<SpanText>,
    /// Wait between SIGTERM and SIGKILL; 10s by default.
    pub(crate) grace: Field<SpanText>,
}

/// Bounds and timeouts of a service's traffic.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Limits")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LimitFields {
    /// Longest wait for a replica's response head; 1m by default.
    pub(crate) request_timeout: Field<SpanText>,
    /// Longest wait for a connection to a replica; 2s by default.
    pub(crate) connect_timeout: Field<SpanText>,
    /// Longest time for a client to send its request head; 10s by default.
    pub(crate) header_timeout: Field<SpanText>,
    /// Longest silence on a connection, a body or a tunnel; 2m by default.
    pub(crate) idle_timeout: Field<SpanText>,
    /// Largest request head, 1KiB to 1MiB; 32KiB by default.
    pub(crate) header_bytes: Field<SizeText>,
    /// Most header lines of a request, 1 to 1000; 100 by default.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) headers: Field<u32>,
    /// Largest request body; no bound by default.
    pub(crate) body_bytes: Field<SizeText>,
    /// Most connections at a time; 20000 by default.
    #[schemars(range(min = 1))]
    pub(crate) connections: Field<u32>,
    /// Tries on other replicas for an idempotent request whose replica could not be reached, 0 to 10; 2
    /// by default.
    #[schemars(range(max = 10))]
    pub(crate) retries: Field<u32>,
}

/// What names the user: exactly one of a header and a cookie.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Sticky")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StickyFields {
    /// A header that names the user; requests without it are assigned by chance.
    pub(crate) header: Field<Text>,
    /// A cookie; the proxy sets a random one where it is absent.
    pub(crate) cookie: Field<Text>,
}

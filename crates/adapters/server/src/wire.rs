//! What travels over the local API besides the model's own types. Field names are a promise to
//! scripts: add, never rename.
//!
//! Requests that name a service carry it in the address (`routes`); these are the bodies and the
//! answers. Errors are in [`crate::error`].

use serde::{Deserialize, Serialize};
use sluice_model::ids::{ReplicaId, RevisionNumber, RolloutId, ServiceName};
use sluice_model::report::Judgement;
use sluice_model::time::Timestamp;
use sluice_model::view::ServiceView;
use std::collections::BTreeMap;
use std::time::Duration;

/// The process that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DaemonInfo {
    /// Version of Sluice.
    pub version: String,
    /// Its process number.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// The state folder it owns.
    pub state_dir: String,
    /// The document it serves, as a path.
    pub document: Option<String>,
    /// How many services it has.
    pub services: u32,
    /// Requests that its proxy has finished since it started.
    pub requests: u64,
}

/// Make a revision of what the document says now, and roll it out if it is another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeployRequest {
    /// Which service; may be absent where the document has exactly one.
    pub service: Option<ServiceName>,
    /// Environment of the new revision, over the document's.
    pub env: BTreeMap<String, String>,
    /// The document to use; the one that the daemon was started with, read anew, when absent.
    pub document: Option<DocumentText>,
    /// Why, for the history.
    pub note: Option<String>,
}

/// A document that a client has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentText {
    /// Its file, as the user named it; for messages.
    pub file: String,
    /// The folder that its relative paths start from; absolute.
    pub base_dir: String,
    /// Its text.
    pub text: String,
}

/// What became of a deployment or a restart. When it arrives, the service's view shows the rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployReply {
    /// Which service.
    pub service: ServiceName,
    /// The revision that is asked for now.
    pub revision: RevisionNumber,
    /// The rollout that brings it; absent when nothing has to be done.
    pub rollout: Option<RolloutId>,
    /// Whether the service already was at this revision, or on its way to it.
    pub unchanged: bool,
}

/// One revision in a service's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Its number.
    pub revision: RevisionNumber,
    /// SHA-256 (hex) of what it runs.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// Why, for people.
    pub note: Option<String>,
    /// What it is to the service now.
    pub mark: RevisionMark,
}

/// What a revision is to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevisionMark {
    /// Users are on it.
    Stable,
    /// It is being rolled out.
    Canary,
    /// It was stable once; `undo` may go back to it.
    Former,
    /// Its rollout was aborted.
    Aborted,
    /// It never was stable.
    Unused,
}

/// One replica of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaEntry {
    /// Its identity.
    pub replica: ReplicaId,
    /// Of which revision.
    pub revision: RevisionNumber,
    /// Where it stands: `starting`, `ready`, `unready`, `waiting`, `draining`, `terminating`.
    pub state: String,
    /// Its process, and process group; absent while none runs.
    pub pid: Option<i32>,
    /// Its loopback port.
    pub port: Option<u16>,
    /// Since when it is ready.
    pub ready_since: Option<Timestamp>,
    /// Starts after the first.
    pub restarts: u32,
    /// Why it failed last, or is not ready.
    pub last_failure: Option<String>,
    /// CPU, in cores.
    pub cpu_cores: Option<f64>,
    /// Resident memory, in bytes.
    pub memory_bytes: Option<u64>,
}

/// Why a service stands where it stands. The checks with their evidence are the view's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Where it stands.
    pub view: ServiceView,
    /// What its rollout waits for; absent when it waits for nothing.
    pub waiting: Option<String>,
    /// What was decided of late, oldest first.
    pub recent: Vec<LogEntry>,
}

/// One entry of the decision log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Its place in the log, from 1.
    pub sequence: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Of which service; absent when it is about Sluice as a whole.
    pub service: Option<ServiceName>,
    /// The rule of the engine that fired, as [`sluice_model::Rule`] is written; for what no rule decided (a start, a
    /// checklist that was run), what happened.
    pub rule: String,
    /// The same for people.
    pub message: String,
    /// Who asked for it; absent when Sluice did it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The judgements behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Judgement>,
    /// SHA-256 (hex) over this entry and the hash of the one before.
    pub hash: String,
}

/// Which entries of the decision log are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditQuery {
    /// Only this service's.
    pub service: Option<ServiceName>,
    /// At most this many, the newest; [`AUDIT_LIMIT_DEFAULT`] when absent, never more than
    /// [`AUDIT_LIMIT_MAX`].
    pub limit: Option<u32>,
    /// Only entries before this place in the log, for paging back.
    pub before: Option<u64>,
}

/// Entries of the log in one answer unless more are asked for.
pub const AUDIT_LIMIT_DEFAULT: u32 = 100;
/// Most entries of the log in one answer: they are held in memory on both ends.
pub const AUDIT_LIMIT_MAX: u32 = 10_000;

impl AuditQuery {
    /// How many entries to answer with.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
            .unwrap_or(AUDIT_LIMIT_DEFAULT)
            .min(AUDIT_LIMIT_MAX)
    }
}

/// Which minutes of a service's history are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MinutesQuery {
    /// Those that began at this time or later.
    pub from: Timestamp,
    /// Those that began before this time; at most [`MINUTES_SPAN_MAX`] after `from` are answered.
    pub until: Timestamp,
}

/// Longest time whose minutes are in one answer: they are held in memory on both ends.
pub const MINUTES_SPAN_MAX: Duration = Duration::from_secs(86_400);

/// Whether the decision log is what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// Whether every hash fits.
    pub intact: bool,
    /// Entries that were looked at.
    pub entries: u64,
    /// The first entry that does not fit.
    pub broken_at: Option<u64>,
    /// Hash of the last entry, to be kept elsewhere: a log that was cut short or written anew ends
    /// in another one.
    pub head: Option<String>,
    /// The same for people.
    pub message: String,
}

/// Which lines of a service's output are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogsQuery {
    /// Only this revision's.
    pub revision: Option<RevisionNumber>,
    /// The last so many lines; [`LOGS_TAIL_DEFAULT`] when absent, never more than [`LOGS_TAIL_MAX`].
    pub tail: Option<u32>,
    /// Go on with new lines as they are written.
    pub follow: bool,
}

/// Lines of output unless more are asked for.
pub const LOGS_TAIL_DEFAULT: u32 = 100;
/// Most lines of output looked back at: they are read and sorted in memory.
pub const LOGS_TAIL_MAX: u32 = 100_000;

impl LogsQuery {
    /// How many lines to look back.
    #[must_use]
    pub fn tail(&self) -> u32 {
        self.tail.unwrap_or(LOGS_TAIL_DEFAULT).min(LOGS_TAIL_MAX)
    }
}

/// One line that a replica wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When it was read, if that is known.
    pub at: Option<Timestamp>,
    /// Which revision.
    pub revision: RevisionNumber,
    /// Which replica.
    pub replica: ReplicaId,
    /// Where it was written to.
    pub stream: LogStream,
    /// The line, without its end.
    pub text: String,
}

/// Where a replica wrote a line to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The pre-deployment checklist, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checklist {
    /// Of which service.
    pub service: ServiceName,
    /// Its items.
    pub items: Vec<CheckItem>,
}

impl Checklist {
    /// Whether no item failed; warnings do not count.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.items.iter().all(|item| item.state != CheckState::Fail)
    }
}

/// One item of a [`Checklist`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckItem {
    /// Stable name, as `readiness-probe`.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// The finding.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// How an item of a checklist stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckState {
    /// Fine.
    Ok,
    /// It works, but it is risky.
    Warn,
    /// A release would go wrong.
    Fail,
}

/// End the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopRequest {
    /// Finish the requests in flight and stop the replicas in order; otherwise at once.
    pub graceful: bool,
}

/// What a watcher sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WatchEvent {
    /// A service as it is now: at first each, then each that changed.
    View(Box<ServiceView>),
    /// Every service has been shown once; what follows are changes.
    Synced,
    /// A service is no more.
    Gone(ServiceName),
}

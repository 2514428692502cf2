//! What the platform is opened with, what it needs of the proxy, and its errors.

use sluice_model::{ReplicaId, RevisionNumber, ServiceName};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Variables that replicas inherit from Sluice; everything else of its environment stays out.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "USER"];
/// The search path when Sluice itself has none.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Bounds of the captured output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// A replica's log is rotated when it is larger than this, in bytes; looked at once a second.
    pub file_bytes_max: u64,
    /// Rotated files kept per replica, besides the current one.
    pub rotated_max: u32,
    /// Ended replicas of a service whose logs are kept, the latest ones.
    pub ended_replicas_max: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 8 * 1024 * 1024,
            rotated_max: 2,
            ended_replicas_max: 20,
        }
    }
}

/// How a [`crate::LocalPlatform`] is opened.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// The state folder; absolute. `replicas`, `logs` and `artifacts` are made below it. A replica
    /// that runs as another user must be able to reach `artifacts`.
    pub state_dir: PathBuf,
    /// Names this state folder among all on the machine: processes marked with it belong here, and
    /// are ended when no record knows them. It must not be shared with a copy of the folder.
    pub sluice_id: String,
    /// Bounds of the captured output.
    pub log_limits: LogLimits,
    /// What replicas inherit, below their own environment.
    pub inherited_env: BTreeMap<String, String>,
    /// The soft limit of open files that replicas get; this process's own when absent.
    pub open_files: Option<u64>,
}

impl LocalConfig {
    /// Defaults, with PATH, HOME, LANG, TZ and USER inherited from this process.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>, sluice_id: impl Into<String>) -> Self {
        Self {
            state_dir: state_dir.into(),
            sluice_id: sluice_id.into(),
            log_limits: LogLimits::default(),
            inherited_env: inherited_env(),
            open_files: None,
        }
    }

    pub(crate) fn logs_dir(&self) -> PathBuf {
        self.state_dir.join("logs")
    }
}

/// What replicas inherit of this process's environment.
pub(crate) fn inherited_env() -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = INHERITED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect();
    env.entry("PATH".to_owned())
        .or_insert_with(|| DEFAULT_PATH.to_owned());
    env
}

/// What the platform needs of the proxy.
pub trait Routing: Send + Sync + 'static {
    /// The replicas of a revision that may get requests: ready and not being stopped. Complete; an
    /// empty list takes the revision out. Called in order, never concurrently; it must not block.
    fn set_endpoints(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        endpoints: Vec<(ReplicaId, SocketAddr)>,
    );

    /// Requests that the replica is serving now.
    fn in_flight(&self, replica: &ReplicaId) -> u64;
}

/// Why the platform cannot be opened, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The state folder cannot be used.
    #[error("cannot {what} {}: {source}; check that the state folder exists, is writable and has space", path.display())]
    Folder {
        /// What was attempted.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// `/proc` cannot be read, so that earlier replicas cannot be told from strangers.
    #[error(
        "cannot read /proc to find the replicas of an earlier run: {0}; mount it, it is needed to supervise processes"
    )]
    Proc(std::io::Error),
    /// Replicas, or strays of an earlier run, were still there when every wait was over.
    #[error("replicas that did not end, not even by SIGKILL: {}; look for processes in state D", .0.iter().map(ReplicaId::as_str).collect::<Vec<_>>().join(", "))]
    StillRunning(Vec<ReplicaId>),
}

impl LocalError {
    pub(crate) fn folder(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> LocalError {
        let path = path.to_owned();
        move |source| LocalError::Folder { what, path, source }
    }
}

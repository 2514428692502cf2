//! What the API asks of the daemon. The daemon implements it; tests use a small one of their own.
//!
//! Every future may be dropped at any point, when its client leaves or its time is up: work that
//! must be finished belongs into a task of the daemon's, and the future waits for its answer. The
//! server has checked the service's name and the size of the input before it calls; a service that
//! vanishes in between is [`ApiError::unknown_service`].

use crate::error::ApiError;
use crate::wire::{
    AuditQuery, Checklist, DaemonInfo, DeployReply, DeployRequest, Explanation, HistoryEntry,
    LogEntry, LogLine, LogsQuery, MinutesQuery, ReplicaEntry, StopRequest, VerifyReport,
};
use sluice_model::Minute;
use sluice_model::command::{CommandKind, CommandOutcome};
use sluice_model::ids::ServiceName;
use sluice_model::view::ServiceView;
use std::future::Future;
use tokio::sync::{mpsc, watch};

/// The running Sluice, as the API sees it.
pub trait Backend: Send + Sync + 'static {
    /// Facts about the process.
    fn info(&self) -> impl Future<Output = DaemonInfo> + Send;

    /// All services, by name.
    fn services(&self) -> impl Future<Output = Result<Vec<ServiceView>, ApiError>> + Send;

    /// One service; `None` when there is none of this name.
    fn service(
        &self,
        name: &ServiceName,
    ) -> impl Future<Output = Result<Option<ServiceView>, ApiError>> + Send;

    /// A number that rises whenever a view may have changed. Watchers look again when it does, so a
    /// slow one misses intermediate views and never the last. Raise it about once a second while
    /// traffic flows, for the rates.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Stores a command and waits for the decision that answers it.
    fn command(
        &self,
        name: &ServiceName,
        actor: &str,
        kind: CommandKind,
    ) -> impl Future<Output = Result<CommandOutcome, ApiError>> + Send;

    /// Makes a revision and rolls it out; waits until the decision that starts it is stored.
    fn deploy(
        &self,
        request: DeployRequest,
        actor: &str,
    ) -> impl Future<Output = Result<DeployReply, ApiError>> + Send;

    /// Rolls out a copy of the stable revision, to replace its processes.
    fn restart(
        &self,
        name: &ServiceName,
        actor: &str,
    ) -> impl Future<Output = Result<DeployReply, ApiError>> + Send;

    /// The revisions that are kept, newest first.
    fn history(
        &self,
        name: &ServiceName,
    ) -> impl Future<Output = Result<Vec<HistoryEntry>, ApiError>> + Send;

    /// The replicas, by revision and age.
    fn replicas(
        &self,
        name: &ServiceName,
    ) -> impl Future<Output = Result<Vec<ReplicaEntry>, ApiError>> + Send;

    /// Why the service stands where it stands.
    fn explain(
        &self,
        name: &ServiceName,
    ) -> impl Future<Output = Result<Explanation, ApiError>> + Send;

    /// Entries of the decision log, oldest first: the newest [`AuditQuery::limit`] that fit.
    fn audit(
        &self,
        query: AuditQuery,
    ) -> impl Future<Output = Result<Vec<LogEntry>, ApiError>> + Send;

    /// Whether the decision log is what was written.
    fn verify(&self) -> impl Future<Output = Result<VerifyReport, ApiError>> + Send;

    /// Lines of output, oldest first; the channel closes after the last one, or never when they are
    /// followed. A closed receiver means that the reader left.
    fn logs(
        &self,
        name: &ServiceName,
        query: LogsQuery,
    ) -> impl Future<Output = Result<mpsc::Receiver<LogLine>, ApiError>> + Send;

    /// What was counted in each minute, by time and revision.
    fn minutes(
        &self,
        name: &ServiceName,
        query: MinutesQuery,
    ) -> impl Future<Output = Result<Vec<Minute>, ApiError>> + Send;

    /// Goes through the pre-deployment checklist and records the result.
    fn check(
        &self,
        name: &ServiceName,
        actor: &str,
    ) -> impl Future<Output = Result<Checklist, ApiError>> + Send;

    /// Begins to end the daemon; answers before it has ended.
    fn stop(
        &self,
        request: StopRequest,
        actor: &str,
    ) -> impl Future<Output = Result<(), ApiError>> + Send;
}

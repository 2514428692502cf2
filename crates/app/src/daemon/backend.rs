//! The daemon behind the local API: every call becomes a look at a view, a command, or a deployment.

use super::deploy::{self, blocking};
use super::parts::Parts;
use super::{checklist, clock, logs};
use sluice_model::command::{CommandKind, CommandOutcome};
use sluice_model::status::RolloutState;
use sluice_model::view::ServiceView;
use sluice_model::{Minute, RevisionNumber, ServiceName, ServiceStatus, Timestamp};
use sluice_server::wire::{
    AuditQuery, Checklist, DaemonInfo, DeployReply, DeployRequest, Explanation, HistoryEntry,
    LogEntry, LogLine, LogsQuery, MinutesQuery, ReplicaEntry, RevisionMark, StopRequest,
    VerifyReport,
};
use sluice_server::{ApiError, Backend};
use sluice_store::Note;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Entries of the log that `explain` shows.
const RECENT: u32 = 12;

/// How Sluice is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Not yet.
    No,
    /// Finish what is in flight, stop the replicas in order.
    Graceful,
    /// At once.
    Quick,
}

/// See the module.
pub(super) struct DaemonBackend {
    pub(super) parts: Arc<Parts>,
    pub(super) started_at: Timestamp,
    pub(super) ending: watch::Sender<Ending>,
}

impl DaemonBackend {
    fn status(&self, name: &ServiceName) -> Result<ServiceStatus, ApiError> {
        self.parts
            .shared
            .view(name)
            .map(|cell| cell.status)
            .ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &ServiceName) -> ApiError {
        let known: Vec<ServiceName> = self
            .parts
            .shared
            .views()
            .into_iter()
            .map(|view| view.service)
            .collect();
        ApiError::unknown_service(name.as_str(), &known)
    }

    async fn entries(&self, query: sluice_store::LogQuery) -> Result<Vec<LogEntry>, ApiError> {
        let store = self.parts.store.clone();
        let mut entries = blocking(move || store.log(&query))
            .await?
            .map_err(|error| ApiError::internal(error.to_string()))?;
        entries.reverse();
        Ok(entries.into_iter().map(wire_entry).collect())
    }
}

/// An entry as the API shows it.
pub(crate) fn wire_entry(entry: sluice_store::LogEntry) -> LogEntry {
    let evidence = entry.report().map(|report| report.evidence);
    LogEntry {
        sequence: entry.seq,
        at: entry.at,
        service: entry.service.and_then(|name| ServiceName::new(name).ok()),
        rule: entry.rule,
        message: entry.message,
        actor: entry.actor,
        evidence: evidence.unwrap_or_default(),
        hash: entry.hash.to_string(),
    }
}

impl Backend for DaemonBackend {
    async fn info(&self) -> DaemonInfo {
        let views = self.parts.shared.views();
        let requests = views
            .iter()
            .flat_map(|view| self.parts.proxy.counters(&view.service).into_values())
            .map(|counters| counters.requests)
            .sum();
        DaemonInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.started_at,
            state_dir: self.parts.state_dir.display().to_string(),
            document: Some(self.parts.document.display().to_string()),
            services: views.len() as u32,
            requests,
        }
    }

    async fn services(&self) -> Result<Vec<ServiceView>, ApiError> {
        Ok(self.parts.shared.views())
    }

    async fn service(&self, name: &ServiceName) -> Result<Option<ServiceView>, ApiError> {
        Ok(self.parts.shared.view(name).map(|cell| cell.view))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.parts.shared.changes()
    }

    async fn command(
        &self,
        name: &ServiceName,
        actor: &str,
        kind: CommandKind,
    ) -> Result<CommandOutcome, ApiError> {
        let status = self.status(name)?;
        if let CommandKind::Undo { to: Some(number) } | CommandKind::Deploy { revision: number } =
            kind
            && self.parts.revisions.get(&status.service, number).is_none()
        {
            return Err(
                ApiError::refused(format!("there is no revision {number} of `{name}`"))
                    .with_help(format!("`sluice history {name}` lists what there is")),
            );
        }
        deploy::command(&self.parts, name, actor, kind).await
    }

    async fn deploy(&self, request: DeployRequest, actor: &str) -> Result<DeployReply, ApiError> {
        let (parts, actor) = (Arc::clone(&self.parts), actor.to_owned());
        // A client that leaves must not leave half a deployment behind.
        let work = tokio::spawn(async move { deploy::deploy(&parts, request, &actor).await });
        work.await
            .map_err(|error| ApiError::internal(error.to_string()))?
    }

    async fn restart(&self, name: &ServiceName, actor: &str) -> Result<DeployReply, ApiError> {
        let (parts, name, actor) = (Arc::clone(&self.parts), name.clone(), actor.to_owned());
        let work = tokio::spawn(async move { deploy::restart(&parts, &name, &actor).await });
        work.await
            .map_err(|error| ApiError::internal(error.to_string()))?
    }

    async fn history(&self, name: &ServiceName) -> Result<Vec<HistoryEntry>, ApiError> {
        let status = self.status(name)?;
        let (store, service) = (self.parts.store.clone(), name.clone());
        let mut revisions = blocking(move || store.revisions(&service))
            .await?
            .map_err(|error| ApiError::internal(error.to_string()))?;
        revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
        let entry = |revision: sluice_model::Revision| HistoryEntry {
            mark: mark_of(&status, revision.number),
            revision: revision.number,
            digest: revision.digest,
            created_at: revision.created_at,
            actor: revision.actor,
            note: revision.note,
        };
        Ok(revisions.into_iter().map(entry).collect())
    }

    async fn replicas(&self, name: &ServiceName) -> Result<Vec<ReplicaEntry>, ApiError> {
        self.status(name)?;
        let entry = |replica: sluice_local::ReplicaInfo| ReplicaEntry {
            replica: replica.id,
            revision: replica.revision,
            state: format!("{:?}", replica.state).to_lowercase(),
            pid: replica.pid,
            port: replica.port,
            ready_since: replica.ready_since,
            restarts: replica.restarts,
            last_failure: replica.last_failure,
            cpu_cores: replica.cpu_cores,
            memory_bytes: replica.memory_bytes,
        };
        Ok(self
            .parts
            .platform
            .replicas(name)
            .into_iter()
            .map(entry)
            .collect())
    }

    async fn explain(&self, name: &ServiceName) -> Result<Explanation, ApiError> {
        let cell = self
            .parts
            .shared
            .view(name)
            .ok_or_else(|| self.unknown(name))?;
        let query = sluice_store::LogQuery {
            service: Some(name.clone()),
            limit: RECENT,
            newest_first: true,
            ..sluice_store::LogQuery::default()
        };
        let recent = self.entries(query).await?;
        Ok(Explanation {
            view: cell.view,
            waiting: cell.waiting,
            recent,
        })
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<LogEntry>, ApiError> {
        let query = sluice_store::LogQuery {
            limit: query.limit(),
            before_seq: query.before,
            service: query.service,
            newest_first: true,
            ..sluice_store::LogQuery::default()
        };
        self.entries(query).await
    }

    async fn verify(&self) -> Result<VerifyReport, ApiError> {
        let store = self.parts.store.clone();
        let report = blocking(move || store.verify())
            .await?
            .map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(wire_verify(&report))
    }

    async fn logs(
        &self,
        name: &ServiceName,
        query: LogsQuery,
    ) -> Result<mpsc::Receiver<LogLine>, ApiError> {
        self.status(name)?;
        logs::stream(&self.parts, name, &query)
    }

    async fn minutes(
        &self,
        name: &ServiceName,
        query: MinutesQuery,
    ) -> Result<Vec<Minute>, ApiError> {
        self.status(name)?;
        let (store, service) = (self.parts.store.clone(), name.clone());
        blocking(move || store.minutes(&service, query.from..query.until))
            .await?
            .map_err(|error| ApiError::internal(error.to_string()))
    }

    async fn check(&self, name: &ServiceName, actor: &str) -> Result<Checklist, ApiError> {
        let list = checklist::run(&self.parts, name).await?;
        let note = Note {
            rule: "checklistRun".to_owned(),
            message: format!(
                "the checklist {}",
                if list.passes() {
                    "passed"
                } else {
                    "did not pass"
                }
            ),
            actor: Some(actor.to_owned()),
            details: serde_json::to_value(&list).ok(),
        };
        let (store, service) = (self.parts.store.clone(), name.clone());
        blocking(move || store.append(Some(&service), &note, clock::now()))
            .await?
            .map_err(ApiError::store_unavailable)?;
        Ok(list)
    }

    async fn stop(&self, request: StopRequest, actor: &str) -> Result<(), ApiError> {
        tracing::info!(actor, graceful = request.graceful, "asked to end");
        let ending = if request.graceful {
            Ending::Graceful
        } else {
            Ending::Quick
        };
        let note = Note {
            rule: "stopRequested".to_owned(),
            message: "Sluice was asked to end".to_owned(),
            actor: Some(actor.to_owned()),
            details: None,
        };
        let store = self.parts.store.clone();
        let noted = blocking(move || store.append(None, &note, clock::now())).await?;
        if let Err(error) = noted {
            // Ending must work on a full disk.
            tracing::error!(%error, "the request to end could not be recorded");
        }
        self.ending.send_replace(ending);
        Ok(())
    }
}

fn mark_of(status: &ServiceStatus, number: RevisionNumber) -> RevisionMark {
    if status.stable == Some(number) {
        return RevisionMark::Stable;
    }
    if status.former.contains(&number) {
        return RevisionMark::Former;
    }
    match status
        .rollout
        .as_ref()
        .filter(|rollout| rollout.target == number)
    {
        Some(rollout) if rollout.is_running() => RevisionMark::Canary,
        Some(rollout) if matches!(rollout.state, RolloutState::Aborted { .. }) => {
            RevisionMark::Aborted
        }
        _ => RevisionMark::Unused,
    }
}

/// The store's finding as the API shows it.
pub(crate) fn wire_verify(report: &sluice_store::VerifyReport) -> VerifyReport {
    let broken = report.first_bad.as_ref();
    VerifyReport {
        intact: broken.is_none(),
        entries: report.entries,
        broken_at: broken.map(|broken| broken.seq),
        head: Some(report.head.hash.to_string()),
        message: match broken {
            None => format!("all {} entries are as they were written", report.entries),
            Some(broken) => broken.to_string(),
        },
    }
}

//! From a document to a revision that the control loop rolls out.
//!
//! Everything that can be wrong is found before anything changes: the document, the files of the
//! artifact (`prepare`), the address to listen on (`listen`, which can be taken back). Then the revision
//! is stored, and a command asks for it (`command`).

mod command;
mod listen;
mod prepare;
mod restart;

pub(super) use command::command;
pub(super) use listen::{listen, listen_on};
pub(super) use prepare::{Version, capture, read_document};
pub(super) use restart::restart;

use super::parts::Parts;
use super::tidy;
use command::{accepted, shutting_down};
use prepare::{choose, make, parse, with_env};
use sluice_model::command::CommandKind;
use sluice_model::status::RolloutState;
use sluice_model::{RevisionNumber, ServiceName, ServiceStatus};
use sluice_server::wire::{DeployReply, DeployRequest};
use sluice_server::{ApiError, ErrorCode};
use std::sync::Arc;

/// Deploys one service as the request says.
pub(super) async fn deploy(
    parts: &Arc<Parts>,
    request: DeployRequest,
    actor: &str,
) -> Result<DeployReply, ApiError> {
    let _one_at_a_time = parts.deploying.lock().await;
    let (document, _) = match &request.document {
        Some(document) => parse(&document.file, &document.text, &document.base_dir)?,
        None => read_document(&parts.document)?,
    };
    let said = choose(&document, request.service.as_ref())?;
    let version = capture(parts, with_env(said.clone(), &request.env)).await?;
    let mark = match request.env.is_empty() {
        true => version.mark()?,
        false => capture(parts, said.clone()).await?.mark()?,
    };
    roll_out(parts, version, mark, actor, request.note).await
}

/// Makes the service reachable where its version says, stores the revision and asks for it.
async fn roll_out(
    parts: &Arc<Parts>,
    version: Version,
    mark: String,
    actor: &str,
    note: Option<String>,
) -> Result<DeployReply, ApiError> {
    let (service, history_limit) = (version.spec.name.clone(), version.spec.history_limit);
    let moved = listen(parts, &service, &version.spec.listener)?;
    let asked = async {
        if let Some(revision) = restarted(parts, &version, &mark).await? {
            return Ok(DeployReply {
                service: service.clone(),
                revision,
                rollout: None,
                unchanged: true,
            });
        }
        let revision = make(parts, version, actor, note).await?;
        ask_for(parts, &service, revision, actor).await
    };
    let reply = match asked.await {
        Ok(reply) => reply,
        Err(error) => {
            // A command that was stored is carried out yet.
            if !matches!(error.code, ErrorCode::TimedOut | ErrorCode::ShuttingDown) {
                moved.take_back(parts);
            }
            return Err(error);
        }
    };
    note_mark(parts, &service, mark).await?;
    tidy::after_deployment(parts, &service, history_limit).await;
    Ok(reply)
}

/// The stable revision, if it is this version after a restart: there is nothing to roll out then, least
/// of all the revision from before the restart.
async fn restarted(
    parts: &Arc<Parts>,
    version: &Version,
    mark: &str,
) -> Result<Option<RevisionNumber>, ApiError> {
    let service = version.service();
    let status = parts.shared.view(service).map(|cell| cell.status);
    let stable = status
        .filter(|status| status.running().is_none())
        .and_then(|status| parts.revisions.get(service, status.stable?))
        .filter(|stable| stable.digest == version.digest() && restart::is_restart(stable));
    let Some(stable) = stable else {
        return Ok(None);
    };
    let deployed = deployed_mark(parts, service).await?;
    Ok((deployed.as_deref() == Some(mark)).then_some(stable.number))
}

/// Sends the command that rolls a revision out, unless the service is there already.
async fn ask_for(
    parts: &Arc<Parts>,
    service: &ServiceName,
    revision: RevisionNumber,
    actor: &str,
) -> Result<DeployReply, ApiError> {
    let status = parts.shared.view(service).map(|cell| cell.status);
    let running = status
        .as_ref()
        .and_then(|status| status.running())
        .map(|rollout| rollout.target);
    let stable = status.as_ref().and_then(|status| status.stable);
    if running == Some(revision) || running.is_none() && stable == Some(revision) {
        let rollout = status.and_then(|status| status.running().map(|rollout| rollout.id));
        return Ok(DeployReply {
            service: service.clone(),
            revision,
            rollout,
            unchanged: true,
        });
    }
    let aborted = status
        .as_ref()
        .and_then(|status| status.rollout.as_ref())
        .is_some_and(|rollout| {
            rollout.target == revision && matches!(rollout.state, RolloutState::Aborted { .. })
        });
    if status.is_none() {
        parts
            .arrivals
            .send(service.clone())
            .map_err(|_| shutting_down())?;
        parts.shared.wake(service);
    }
    let kind = if aborted {
        CommandKind::Retry
    } else {
        CommandKind::Deploy { revision }
    };
    command(parts, service, actor, kind)
        .await
        .and_then(accepted)?;
    let rollout = parts
        .shared
        .view(service)
        .and_then(|cell| cell.status.rollout.map(|rollout| rollout.id));
    Ok(DeployReply {
        service: service.clone(),
        revision,
        rollout,
        unchanged: false,
    })
}

/// Brings a service to what the document says at the start of Sluice, if the document says anything
/// else than when it was last deployed: a release that was going on (perhaps of an environment that the
/// document does not name), an undo or an abort are not overruled by a restart.
pub(super) async fn bring_up(
    parts: &Arc<Parts>,
    version: Version,
    status: Option<&ServiceStatus>,
    actor: &str,
) -> Result<DeployReply, ApiError> {
    let _one_at_a_time = parts.deploying.lock().await;
    let service = version.service().clone();
    let mark = version.mark()?;
    let known = status.and_then(|status| status.rollout.as_ref().map(|rollout| (status, rollout)));
    if let Some((status, rollout)) = known
        && deployed_mark(parts, &service).await?.as_ref() == Some(&mark)
    {
        let running = status.running().map(|rollout| rollout.id);
        let revision = status.stable.unwrap_or(rollout.target);
        return Ok(DeployReply {
            service,
            revision,
            rollout: running,
            unchanged: true,
        });
    }
    roll_out(parts, version, mark, actor, None).await
}

/// Under which key the store keeps what the document said of a service when it was last deployed.
fn mark_key(service: &ServiceName) -> String {
    format!("deployed/{service}")
}

async fn deployed_mark(
    parts: &Arc<Parts>,
    service: &ServiceName,
) -> Result<Option<String>, ApiError> {
    let (store, key) = (parts.store.clone(), mark_key(service));
    blocking(move || store.meta_get(&key))
        .await?
        .map_err(ApiError::store_unavailable)
}

async fn note_mark(
    parts: &Arc<Parts>,
    service: &ServiceName,
    mark: String,
) -> Result<(), ApiError> {
    let (store, key) = (parts.store.clone(), mark_key(service));
    blocking(move || store.meta_set(&key, &mark))
        .await?
        .map_err(ApiError::store_unavailable)
}

/// Runs work that waits for a disk on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::internal(format!("a task of Sluice failed: {error}")))
}

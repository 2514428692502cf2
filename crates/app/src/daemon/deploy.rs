//! From a document to a revision that the control loop rolls out.
//!
//! Everything that can be wrong is found before anything changes: the document, the files of the
//! artifact, the address to listen on. Then the revision is stored, and a command asks for it.

use super::parts::{Listening, Parts};
use super::shared::lock;
use super::{clock, tidy};
use sluice_local::artifacts;
use sluice_model::command::{CommandKind, CommandOutcome};
use sluice_model::plan::{Exposure, Plan, Step, Strategy};
use sluice_model::status::RolloutState;
use sluice_model::workload::Listener;
use sluice_model::{Diagnostic, Revision, RevisionNumber, ServiceName, ServiceStatus, Severity};
use sluice_native::{Document, ServiceSpec};
use sluice_proxy::ListenerRole;
use sluice_server::wire::{DeployReply, DeployRequest};
use sluice_server::{ApiError, ErrorCode};
use sluice_store::NewRevision;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for the decision that answers a command.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Reads a document from its file.
pub(super) fn read_document(path: &Path) -> Result<(Document, Vec<Diagnostic>), ApiError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        ApiError::new(
            ErrorCode::Invalid,
            format!("cannot read {}: {error}", path.display()),
        )
        .with_help("name the document with `--file`, or go to the folder of sluice.yaml")
    })?;
    let base = path.parent().unwrap_or(Path::new("/"));
    parse(
        &path.display().to_string(),
        &text,
        &base.display().to_string(),
    )
}

fn parse(file: &str, text: &str, base: &str) -> Result<(Document, Vec<Diagnostic>), ApiError> {
    let parsed = sluice_native::parse(file, text, base);
    match parsed.document {
        Some(document) => Ok((document, parsed.diagnostics)),
        None => {
            let errors = parsed
                .diagnostics
                .into_iter()
                .filter(|diagnostic| diagnostic.severity == Severity::Error)
                .collect();
            Err(ApiError::invalid_document(errors))
        }
    }
}

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
    let (service, history_limit) = (said.name.clone(), said.history_limit);
    let spec = with_env(said.clone(), &request.env);
    let prepared = prepare(parts, spec).await?;
    let mark = match request.env.is_empty() {
        true => prepared.mark.clone(),
        false => prepare(parts, said.clone()).await?.mark,
    };
    let revision = make(parts, prepared, actor, request.note).await?;
    let reply = ask_for(parts, &service, revision, actor).await?;
    note_mark(parts, &service, mark).await?;
    tidy::after_deployment(parts, &service, history_limit).await;
    Ok(reply)
}

fn choose<'d>(
    document: &'d Document,
    name: Option<&ServiceName>,
) -> Result<&'d ServiceSpec, ApiError> {
    let names = || {
        document
            .services
            .iter()
            .map(|spec| spec.name.clone())
            .collect::<Vec<_>>()
    };
    match (name, document.services.as_slice()) {
        (Some(name), services) => services
            .iter()
            .find(|spec| spec.name == *name)
            .ok_or_else(|| ApiError::unknown_service(name.as_str(), &names())),
        (None, [only]) => Ok(only),
        (None, services) => {
            let listed: Vec<String> = names().iter().map(ToString::to_string).collect();
            Err(ApiError::new(
                ErrorCode::Invalid,
                format!("the document has {} services; name one", services.len()),
            )
            .with_help(format!("the services are: {}", listed.join(", "))))
        }
    }
}

fn with_env(mut spec: ServiceSpec, env: &BTreeMap<String, String>) -> ServiceSpec {
    spec.workload.env.extend(env.clone());
    spec
}

/// A version that can be deployed: checked, its files copied, its address bound.
struct Prepared {
    spec: ServiceSpec,
    captured: artifacts::Captured,
    /// The newest revision that is the same in everything, if there is one.
    same: Option<RevisionNumber>,
    /// Tells this version from any other: its digest, and everything that the digest does not cover.
    mark: String,
}

async fn prepare(parts: &Arc<Parts>, spec: ServiceSpec) -> Result<Prepared, ApiError> {
    let (keeper, workload) = (Arc::clone(parts), spec.workload.clone());
    let captured = blocking(move || artifacts::capture(&keeper.state_dir, &workload))
        .await?
        .map_err(|error| {
            ApiError::new(ErrorCode::Invalid, format!("`{}`: {error}", spec.name))
                .with_help("nothing was changed; correct `run` or `artifacts` and deploy again")
        })?;
    listen(parts, &spec.name, &spec.listener)?;
    let same = same_revision(parts, &spec, &captured.digest).await?;
    let rest = serde_json::to_string(&(&spec.listener, &spec.plan))
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let mark = format!("{} {rest}", captured.digest);
    Ok(Prepared {
        spec,
        captured,
        same,
        mark,
    })
}

/// The revision of a prepared version: an earlier one that is the same, or a new one.
async fn make(
    parts: &Arc<Parts>,
    prepared: Prepared,
    actor: &str,
    note: Option<String>,
) -> Result<RevisionNumber, ApiError> {
    if let Some(same) = prepared.same {
        return Ok(same);
    }
    let new = NewRevision {
        service: prepared.spec.name,
        digest: prepared.captured.digest,
        created_at: clock::now(),
        actor: actor.to_owned(),
        note,
        workload: prepared.captured.workload,
        listener: prepared.spec.listener,
        plan: prepared.spec.plan,
    };
    create(parts, new).await
}

async fn create(parts: &Arc<Parts>, new: NewRevision) -> Result<RevisionNumber, ApiError> {
    let keeper = Arc::clone(parts);
    let made = blocking(move || keeper.store.create_revision(new)).await?;
    made.map(|revision| revision.number)
        .map_err(ApiError::store_unavailable)
}

/// The newest revision that is the same in everything, if there is one.
async fn same_revision(
    parts: &Arc<Parts>,
    spec: &ServiceSpec,
    digest: &str,
) -> Result<Option<RevisionNumber>, ApiError> {
    let (keeper, service) = (Arc::clone(parts), spec.name.clone());
    let all = blocking(move || keeper.store.revisions(&service))
        .await?
        .map_err(ApiError::store_unavailable)?;
    let is_same = |revision: &&Revision| {
        revision.digest == digest
            && revision.listener == spec.listener
            && revision.plan == spec.plan
            && revision
                .note
                .as_deref()
                .is_none_or(|note| !note.starts_with(RESTART_NOTE))
    };
    Ok(all
        .iter()
        .filter(is_same)
        .map(|revision| revision.number)
        .max())
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

fn accepted(outcome: CommandOutcome) -> Result<(), ApiError> {
    match outcome {
        CommandOutcome::Accepted => Ok(()),
        CommandOutcome::Refused { message } => Err(ApiError::refused(message)),
    }
}

/// How the note of a restart's revision begins.
const RESTART_NOTE: &str = "restart of revision";

/// Revisions kept after a restart; the document's own limit, which may be lower, holds at the next
/// deployment.
const RESTART_HISTORY: u32 = 20;

/// Rolls out a copy of the stable revision, replica by replica.
pub(super) async fn restart(
    parts: &Arc<Parts>,
    service: &ServiceName,
    actor: &str,
) -> Result<DeployReply, ApiError> {
    let _one_at_a_time = parts.deploying.lock().await;
    let status = parts
        .shared
        .view(service)
        .map(|cell| cell.status)
        .ok_or_else(|| ApiError::unknown_service(service.as_str(), &[]))?;
    if status.running().is_some() {
        return Err(
            ApiError::refused("a rollout runs; it starts new processes anyway")
                .with_help("wait for it, or abort it, and restart then"),
        );
    }
    let stable = status
        .stable
        .and_then(|number| parts.revisions.get(service, number))
        .ok_or_else(|| ApiError::refused("there is no stable revision to restart"))?;
    let new = NewRevision {
        service: service.clone(),
        digest: stable.digest.clone(),
        created_at: clock::now(),
        actor: actor.to_owned(),
        note: Some(format!("{RESTART_NOTE} {}", stable.number)),
        workload: stable.workload.clone(),
        listener: stable.listener.clone(),
        plan: restart_plan(&stable.plan),
    };
    let revision = create(parts, new).await?;
    let reply = ask_for(parts, service, revision, actor).await?;
    tidy::after_deployment(parts, service, RESTART_HISTORY).await;
    Ok(reply)
}

/// The same service, replaced replica by replica (or, where two may not run side by side, all at once).
fn restart_plan(plan: &Plan) -> Plan {
    let recreate = plan
        .steps
        .iter()
        .any(|step| step.exposure == Exposure::Recreate);
    let (strategy, exposure) = if recreate {
        (Strategy::Recreate, Exposure::Recreate)
    } else {
        (
            Strategy::Rolling,
            Exposure::Rolling {
                max_surge: 1,
                max_unavailable: 0,
            },
        )
    };
    let step = Step {
        name: "restart".to_owned(),
        exposure,
        bake: Duration::ZERO,
        checks: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    };
    Plan {
        strategy,
        steps: vec![step],
        checks: Vec::new(),
        ..plan.clone()
    }
}

/// Sends a command and waits for its answer.
pub(super) async fn command(
    parts: &Arc<Parts>,
    service: &ServiceName,
    actor: &str,
    kind: CommandKind,
) -> Result<CommandOutcome, ApiError> {
    let (keeper, name, who) = (Arc::clone(parts), service.clone(), actor.to_owned());
    let answer = blocking(move || send(&keeper, &name, &who, kind)).await??;
    parts.shared.wake(service);
    match tokio::time::timeout(ANSWER_WAIT, answer).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => Err(shutting_down()),
        Err(_) => Err(ApiError::timed_out(format!(
            "the command was not answered within {} s",
            ANSWER_WAIT.as_secs()
        ))),
    }
}

fn shutting_down() -> ApiError {
    ApiError::new(ErrorCode::ShuttingDown, "Sluice is ending")
        .with_help("a command that was stored is carried out at the next start")
}

type Answer = tokio::sync::oneshot::Receiver<CommandOutcome>;

/// Stores a command. An abort works even when it cannot be stored.
fn send(
    parts: &Parts,
    service: &ServiceName,
    actor: &str,
    kind: CommandKind,
) -> Result<Answer, ApiError> {
    let at = clock::now();
    let is_abort = matches!(kind, CommandKind::Abort { .. });
    parts.shared.register(service, || {
        match parts.store.add_command(service, actor, kind.clone(), at) {
            Ok(id) => Ok(id),
            Err(error) if is_abort => {
                tracing::error!(%error, %service, "the abort could not be stored; it is carried out all the same");
                Ok(parts.shared.add_volatile(service, actor, kind.clone(), at))
            }
            Err(error) => Err(ApiError::store_unavailable(error)),
        }
    })
}

/// Makes the service reachable where its document says; an address that was bound stays.
fn listen(parts: &Parts, service: &ServiceName, listener: &Listener) -> Result<(), ApiError> {
    listen_with(parts, service, listener, None, None)
}

/// The same, on sockets that are open already.
pub(super) fn listen_with(
    parts: &Parts,
    service: &ServiceName,
    listener: &Listener,
    main: Option<Vec<OwnedFd>>,
    preview: Option<Vec<OwnedFd>>,
) -> Result<(), ApiError> {
    let before = lock(&parts.listeners).get(service).cloned();
    if before.is_some_and(|before| before.listener == *listener) {
        return Ok(());
    }
    let refuse = |error: sluice_proxy::ProxyError| {
        ApiError::new(ErrorCode::Invalid, format!("`{service}`: {error}"))
            .with_help("nothing was changed; choose another address, or end what uses this one")
    };
    let bind = |role, inherited| parts.proxy.listen(service, role, listener, inherited);
    let address = bind(ListenerRole::Main, main).map_err(refuse)?;
    let preview = match &listener.preview {
        Some(_) => Some(
            bind(ListenerRole::Preview, preview)
                .map_err(refuse)?
                .to_string(),
        ),
        None => None,
    };
    let listening = Listening {
        listener: listener.clone(),
        address: address.to_string(),
        preview,
    };
    lock(&parts.listeners).insert(service.clone(), listening);
    Ok(())
}

/// Brings a service to what the document says at the start of Sluice, if the document says anything
/// else than when it was last deployed: a release that was going on (perhaps of an environment that the
/// document does not name), an undo or an abort are not overruled by a restart.
pub(super) async fn bring_up(
    parts: &Arc<Parts>,
    spec: ServiceSpec,
    status: Option<&ServiceStatus>,
    actor: &str,
) -> Result<DeployReply, ApiError> {
    let _one_at_a_time = parts.deploying.lock().await;
    let (service, history_limit) = (spec.name.clone(), spec.history_limit);
    let prepared = prepare(parts, spec).await?;
    let mark = prepared.mark.clone();
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
    let revision = make(parts, prepared, actor, None).await?;
    let reply = ask_for(parts, &service, revision, actor).await?;
    note_mark(parts, &service, mark).await?;
    tidy::after_deployment(parts, &service, history_limit).await;
    Ok(reply)
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

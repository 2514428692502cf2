//! A restart: a copy of the stable revision takes its place, replica by replica.

use super::super::clock;
use super::super::parts::Parts;
use super::super::tidy;
use super::ask_for;
use super::prepare::create;
use sluice_model::plan::{Exposure, Plan, Step, Strategy};
use sluice_model::{Revision, ServiceName};
use sluice_server::ApiError;
use sluice_server::wire::DeployReply;
use sluice_store::NewRevision;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How the note of a restart's revision begins.
const RESTART_NOTE: &str = "restart of revision";

/// Whether a revision was made by a restart.
pub(super) fn is_restart(revision: &Revision) -> bool {
    let note = revision.note.as_deref();
    note.is_some_and(|note| note.starts_with(RESTART_NOTE))
}

/// Revisions kept after a restart; the document's own limit, which may be lower, holds at the next
/// deployment.
const RESTART_HISTORY: u32 = 20;

/// Rolls out a copy of the stable revision, replica by replica.
pub(in crate::daemon) async fn restart(
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
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
        ..plan.clone()
    }
}

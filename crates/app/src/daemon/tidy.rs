//! Giving up what no revision needs any more: old revisions beyond the history's limit, and copies of
//! files that no revision names. Done after each deployment, while no other one is under way.

use super::deploy::blocking;
use super::parts::Parts;
use sluice_local::artifacts;
use sluice_model::ServiceName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tidies up after a deployment of `service`. What cannot be removed now is tried again after the next
/// one: it costs space, nothing else.
pub(super) async fn after_deployment(
    parts: &Arc<Parts>,
    service: &ServiceName,
    history_limit: u32,
) {
    let (keeper, name) = (Arc::clone(parts), service.clone());
    let tidied = blocking(move || tidy(&keeper, &name, history_limit)).await;
    match tidied {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%service, "old revisions could not be given up: {error:#}")
        }
        Err(error) => tracing::warn!(%service, %error, "old revisions could not be given up"),
    }
}

fn tidy(parts: &Parts, service: &ServiceName, history_limit: u32) -> anyhow::Result<()> {
    let dropped = parts
        .store
        .prune_revisions(service, &BTreeSet::new(), history_limit)?;
    if !dropped.is_empty() {
        parts.revisions.forget(service, &dropped);
        tracing::info!(%service, ?dropped, "revisions beyond the history's limit are given up");
    }
    let mut services: BTreeSet<ServiceName> = parts
        .store
        .statuses()?
        .into_iter()
        .map(|status| status.service)
        .collect();
    services.insert(service.clone());
    let mut needed = BTreeSet::new();
    for service in services {
        needed.extend(
            parts
                .store
                .revisions(&service)?
                .into_iter()
                .map(|revision| revision.digest),
        );
    }
    artifacts::collect_garbage(&parts.state_dir, &needed)?;
    Ok(())
}

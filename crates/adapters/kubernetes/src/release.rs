//! Objects that say whose they are: when no Rollout names them any more, our marks on them go.
//!
//! A Service or a DestinationRule that a Rollout gave up, or whose Rollout is gone, would lead to one revision's pods for
//! ever. Argo's controller takes its marks away, and so its clients expect it.

use crate::api::{Api, ApiError, Key, Patch, Reason};
use crate::queue::Outcome;
use crate::reconcile::{Look, Reconciler};
use crate::resource::{ROLLOUT, Resource, SERVICE};
use crate::routing;
use serde_json::{Value, json};
use sluice_argo::api::{POD_TEMPLATE_HASH_LABEL, Rollout};
use sluice_argo::rollout::MANAGED_BY;

/// Whether objects of a kind say which Rollout manages them.
pub(crate) fn has_marks(resource: &Resource) -> bool {
    *resource == SERVICE || routing::is_destination_rule(resource)
}

impl<A: Api> Reconciler<'_, A> {
    /// Looks at an object that says whose it is, and takes the marks away if it is not.
    pub(crate) async fn marked(&self, key: &Key) -> Look {
        match self.release(key).await {
            Ok(()) => Look::done(None),
            Err(cause) if cause.reason == Reason::NotFound => Look::done(None),
            Err(cause) => {
                tracing::warn!(%key, %cause, "an object that no Rollout names keeps its marks for now");
                Look {
                    outcome: Outcome::Failed(cause.retry_after),
                    missing: Vec::new(),
                }
            }
        }
    }

    async fn release(&self, key: &Key) -> Result<(), ApiError> {
        let Some(object) = self.cache.get::<Value>(key) else {
            return Ok(());
        };
        let annotations = object.pointer("/metadata/annotations");
        let mark = annotations.and_then(|annotations| annotations.get(MANAGED_BY));
        let Some(manager) = mark.and_then(Value::as_str) else {
            return Ok(());
        };
        let manager = Key::new(ROLLOUT, &key.namespace, manager);
        if self.cache.version(&manager).is_some() {
            let Some(rollout) = self.cache.get::<Rollout>(&manager) else {
                // It is there, and what it names cannot be read.
                return Ok(());
            };
            let named = routing::named(&rollout, self.routers);
            if !self.is_own(&rollout.metadata.labels) || named.contains(key) {
                return Ok(());
            }
        }
        let stored = if key.resource == SERVICE {
            let patch = json!({
                "metadata": {
                    "annotations": {MANAGED_BY: null},
                    "resourceVersion": object["metadata"]["resourceVersion"],
                },
                "spec": {"selector": {POD_TEMPLATE_HASH_LABEL: null}},
            });
            self.api.patch(key, None, &Patch::Merge(patch)).await?
        } else {
            let Some(released) = sluice_routers::release(&object, &routing::marks()) else {
                return Ok(());
            };
            self.api.replace(key, &released).await?
        };
        tracing::info!(%key, rollout = manager.name, "no Rollout names it any more; its marks are gone");
        self.learn(&key.resource, stored);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

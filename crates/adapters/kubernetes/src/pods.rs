//! Pods: those that a restart replaces, and the labels of their role.

use crate::api::{Api, ApiError, Key, Reason};
use crate::names::TextsByName;
use crate::reconcile::Reconciler;
use crate::resource::POD;
use serde_json::{Value, json};
use sluice_argo::api::{ObjectMeta, PodTemplateMetadata};
use sluice_argo::rollout::{ReplicaSet, World, selector_text};
use sluice_argo::template::sync_metadata;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many ReplicaSets are remembered at most; with more, their pods are listed again.
const LABELLED_MAX: usize = 20_000;

/// ReplicaSets all of whose pods were seen with the labels of their role: they are not listed at each look. Who
/// forgets it lists them once more.
#[derive(Debug, Default)]
pub(crate) struct Labelled(Mutex<TextsByName>);

impl Labelled {
    fn lock(&self) -> MutexGuard<'_, TextsByName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, set: &ReplicaSet, wanted: &PodTemplateMetadata) -> bool {
        let wanted = json!(wanted).to_string();
        self.lock().is(&set.metadata.uid, &wanted)
    }

    /// Pods that start from now on have the labels from their template, if whoever starts them knows it.
    fn note(&self, set: &ReplicaSet, wanted: &PodTemplateMetadata) {
        let generation = set.metadata.generation.unwrap_or(0);
        if set.status.observed_generation < generation {
            return;
        }
        let mut known = self.lock();
        if known.len() >= LABELLED_MAX {
            *known = TextsByName::default();
        }
        known.put(&set.metadata.uid, &json!(wanted).to_string());
    }
}

impl<A: Api> Reconciler<'_, A> {
    /// Evicts pods; those that a disruption budget protects are tried again later. True when there was one that it does not
    /// protect.
    pub(crate) async fn evict(
        &self,
        namespace: &str,
        names: Vec<String>,
    ) -> Result<bool, ApiError> {
        let mut evicted = false;
        for name in names {
            match self.api.evict(&Key::new(POD, namespace, &name)).await {
                Ok(()) => evicted = true,
                Err(cause)
                    if matches!(
                        cause.reason,
                        Reason::TooManyRequests | Reason::NotFound | Reason::Conflict
                    ) =>
                {
                    tracing::info!(namespace, pod = name, %cause, "a pod is not evicted now");
                }
                Err(cause) => return Err(cause),
            }
        }
        if evicted {
            tracing::info!(namespace, "pods are replaced for a restart");
        }
        Ok(evicted)
    }

    /// Gives pods the labels and annotations of their role, besides what others gave them.
    pub(crate) async fn sync_pods(
        &self,
        world: &World,
        replica_set: &str,
        existing: &PodTemplateMetadata,
        wanted: &PodTemplateMetadata,
    ) -> Result<bool, ApiError> {
        let namespace = &world.rollout.metadata.namespace;
        let mut sets = world.replica_sets.iter();
        let Some(set) = sets.find(|set| set.metadata.name == replica_set) else {
            return Ok(false);
        };
        if self.labelled.has(set, wanted) {
            return Ok(false);
        }
        let selector = selector_text(&set.spec.selector);
        let mut had_all = true;
        for pod in self.api.list(&POD, namespace, &selector).await? {
            if let Some((name, object)) = synced_pod(pod, set, existing, wanted) {
                had_all = false;
                let target = Key::new(POD, namespace, &name);
                // Replaced, since Argo's role does not allow a patch.
                let done = self.api.replace(&target, &object).await;
                if let Err(cause) = done
                    && cause.reason != Reason::NotFound
                {
                    return Err(cause);
                }
            }
        }
        // A template that was changed in this look is not known to whoever starts pods.
        if had_all && existing == wanted {
            self.labelled.note(set, wanted);
        }
        Ok(false)
    }
}

/// A pod of a ReplicaSet with the labels and annotations that it is to have, if it has other ones.
fn synced_pod(
    mut pod: Value,
    set: &ReplicaSet,
    existing: &PodTemplateMetadata,
    wanted: &PodTemplateMetadata,
) -> Option<(String, Value)> {
    let metadata: ObjectMeta = serde_json::from_value(pod.get("metadata")?.clone()).ok()?;
    let owners = pod.pointer("/metadata/ownerReferences")?.as_array()?;
    let is_own = owners
        .iter()
        .any(|owner| owner["uid"] == set.metadata.uid.as_str());
    if !is_own {
        return None;
    }
    let (labels, annotations) =
        sync_metadata(&metadata.labels, &metadata.annotations, existing, wanted);
    if labels == metadata.labels && annotations == metadata.annotations {
        return None;
    }
    pod["metadata"]["labels"] = json!(labels);
    pod["metadata"]["annotations"] = json!(annotations);
    // The objects of a list do not say what they are.
    pod["apiVersion"] = json!(POD.api_version());
    pod["kind"] = json!(POD.kind);
    Some((metadata.name, pod))
}

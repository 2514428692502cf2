//! One Rollout: look, decide, write.

mod traffic;

use crate::api::{Api, ApiError, Key, Patch, Reason};
use crate::cache::{Cache, Change, is_owned, key_of, version_of};
use crate::events::Events;
use crate::gather;
use crate::metrics::Metrics;
use crate::notify::{Notifier, Told};
use crate::pods::Labelled;
use crate::queue::Outcome;
use crate::resource::{ANALYSIS_RUN, EXPERIMENT, REPLICA_SET, Resource, SERVICE, workload};
use crate::routing::RouterVersions;
use crate::selectors::Selectors;
use crate::watch::Seen;
use serde_json::{Map, Value, json};
use sluice_argo::api::{ObjectMeta, POD_TEMPLATE_HASH_LABEL, Rollout, RolloutStatus};
use sluice_argo::event::Event;
use sluice_argo::rollout::{self, INSTANCE_ID_LABEL, MANAGED_BY, World, Write};
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What looking at a Rollout needs.
pub(crate) struct Reconciler<'a, A> {
    pub(crate) api: &'a A,
    pub(crate) cache: &'a Cache,
    pub(crate) selectors: &'a Selectors,
    pub(crate) labelled: &'a Labelled,
    pub(crate) events: &'a Events,
    /// The controller's name among others; empty for the one that takes objects without a name.
    pub(crate) instance_id: &'a str,
    pub(crate) routers: &'a RouterVersions,
    /// Hears of every write, as of every change that is watched.
    pub(crate) tell: &'a (dyn Fn(Seen) + Send + Sync),
    pub(crate) metrics: &'a Metrics,
    /// Who notifies, if anybody does.
    pub(crate) notifier: Option<&'a Notifier>,
}

/// How looking at a Rollout ended, and what has to be watched before it can be looked at.
pub(crate) struct Look {
    pub(crate) outcome: Outcome,
    pub(crate) missing: Vec<Resource>,
}

impl Look {
    pub(crate) fn done(wait: Option<Duration>) -> Self {
        Look {
            outcome: Outcome::Done(wait),
            missing: Vec::new(),
        }
    }

    /// Something was written: what is now is a new world, in which nothing else may ever happen.
    pub(crate) fn again() -> Self {
        Look {
            outcome: Outcome::Again,
            missing: Vec::new(),
        }
    }

    pub(crate) fn failed(least: Option<Duration>) -> Self {
        Look {
            outcome: Outcome::Failed(least),
            missing: Vec::new(),
        }
    }

    /// Nothing can be decided before a kind is watched; its first list asks for a look again.
    pub(crate) fn waits_for(resource: Resource) -> Self {
        Look {
            outcome: Outcome::Done(Some(SYNC_WAIT)),
            missing: vec![resource],
        }
    }
}

/// How long a look waits for a kind that is about to be watched.
const SYNC_WAIT: Duration = Duration::from_millis(200);

/// One look at a Rollout while its writes are made.
struct Pass {
    world: World,
    /// The status as it is stored now.
    noted: RolloutStatus,
    /// The versions that the decision knew, and those of its own writes. What others write meanwhile may be known
    /// already, but not to the decision.
    versions: HashMap<Key, u64>,
    now: Timestamp,
    /// The events of this look.
    told: Told,
}

impl<A: Api> Reconciler<'_, A> {
    /// Looks at a Rollout, decides, and writes what follows.
    pub(crate) async fn rollout(&self, key: &Key, now: Timestamp) -> Look {
        let Some(rollout) = self.cache.get::<Rollout>(key) else {
            self.cache.take_doubt(key);
            return Look::done(None);
        };
        if !self.is_own(&rollout.metadata.labels) {
            return Look::done(None);
        }
        match self.look(key, rollout, now).await {
            Ok(look) => look,
            Err(cause) => {
                if cause.reason == Reason::Unavailable {
                    self.cache.doubt(key);
                }
                if cause.reason == Reason::Conflict {
                    tracing::debug!(%key, %cause, "somebody else wrote first");
                } else {
                    tracing::warn!(%key, %cause, "a write failed; it is tried again");
                }
                Look::failed(cause.retry_after)
            }
        }
    }

    /// Whether an object with these labels is this controller's and not another instance's.
    pub(crate) fn is_own(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = labels.get(INSTANCE_ID_LABEL);
        label.map_or("", String::as_str) == self.instance_id
    }

    /// Reads the ReplicaSets of a Rollout when nobody knows what became of the last write: one that was scaled and is not known
    /// so gives room for pods that there is not.
    async fn settle_doubts(&self, key: &Key, uid: &str) -> Result<(), ApiError> {
        if !self.cache.take_doubt(key) {
            return Ok(());
        }
        for set in self.cache.owned_keys(uid, &REPLICA_SET) {
            match self.api.get(&set).await {
                Ok(stored) => self.learn(&REPLICA_SET, stored),
                // Its end is told.
                Err(cause) if cause.reason == Reason::NotFound => {}
                Err(cause) => {
                    self.cache.doubt(key);
                    return Err(cause);
                }
            }
        }
        Ok(())
    }

    async fn look(&self, key: &Key, rollout: Rollout, now: Timestamp) -> Result<Look, ApiError> {
        self.settle_doubts(key, &rollout.metadata.uid).await?;
        let mut gathered = gather::world(self.api, self.cache, rollout, now).await?;
        if !gathered.missing.is_empty() {
            return Ok(Look {
                outcome: Outcome::Done(Some(SYNC_WAIT)),
                missing: gathered.missing,
            });
        }
        for cause in gathered.unreadable {
            tracing::error!(%key, cause, "a pod is left out");
            let event = Event {
                warning: true,
                reason: "UnreadablePod".to_owned(),
                message: cause,
            };
            let uid = &gathered.world.rollout.metadata.uid;
            self.events.record(key, uid, event);
        }
        gathered.world.rivals = self.selectors.rivals(key);
        let mut pass = Pass {
            noted: gathered.world.rollout.status.clone(),
            versions: gathered.versions,
            world: gathered.world,
            now,
            told: Told::default(),
        };
        let mut decision = rollout::decide(&pass.world, now);
        let writes = std::mem::take(&mut decision.writes);
        let mut written = self.write_all(key, &mut pass, writes).await;
        if decision.only_evicts && pass.world.evictions_refused && written == Ok(false) {
            decision = rollout::decide(&pass.world, now);
            let writes = std::mem::take(&mut decision.writes);
            written = self.write_all(key, &mut pass, writes).await;
        }
        let told = std::mem::take(&mut pass.told);
        let rollout = &pass.world.rollout;
        let notifies_at = self.notify(key, rollout, told, written.is_err(), now).await;
        if written? {
            return Ok(Look::again());
        }
        let wait = decision.wake_at.map(|at| at.since(now));
        let wait = wait.into_iter().chain(notifies_at).min();
        Ok(Look::done(wait))
    }

    async fn write_all(
        &self,
        key: &Key,
        pass: &mut Pass,
        writes: Vec<Write>,
    ) -> Result<bool, ApiError> {
        let mut changed = false;
        for write in writes {
            changed |= self.write(key, pass, write).await?;
        }
        Ok(changed)
    }

    /// Records an event of the Rollout that is looked at.
    fn record(&self, key: &Key, pass: &mut Pass, event: Event) -> bool {
        let uid = &pass.world.rollout.metadata.uid;
        let is_fresh = self.events.record(key, uid, event.clone());
        pass.told.push(event, is_fresh);
        is_fresh
    }

    /// Writes; true when something is different now.
    async fn write(&self, key: &Key, pass: &mut Pass, write: Write) -> Result<bool, ApiError> {
        let namespace = key.namespace.as_str();
        match write {
            Write::DefaultReplicas { remove } if remove.is_empty() => {
                let patch = json!({"spec": {"replicas": 1}});
                self.patch_known(pass, key, None, patch).await
            }
            Write::DefaultReplicas { remove } => {
                let version = pass.versions.get(key).map(ToString::to_string);
                let place = "/metadata/resourceVersion";
                let mut operations = vec![json!({"op": "test", "path": place, "value": version})];
                let removed = remove.iter();
                operations.extend(removed.map(|path| json!({"op": "remove", "path": path})));
                operations.push(json!({"op": "add", "path": "/spec/replicas", "value": 1}));
                self.patch(key, None, &Patch::Operations(operations)).await
            }
            Write::AnnotateRollout(annotations) => {
                let patch = json!({"metadata": {"annotations": annotations}});
                self.patch_known(pass, key, None, patch).await
            }
            Write::CreateReplicaSet(object) => self.create_replica_set(key, pass, &object).await,
            Write::PatchReplicaSet { name, operations } => {
                let target = Key::new(REPLICA_SET, namespace, &name);
                self.patch(&target, None, &Patch::Operations(operations))
                    .await
            }
            Write::AdoptReplicaSet { name, operations } => {
                let present = self.api.get(key).await?;
                let metadata = &present["metadata"];
                let uid = &pass.world.rollout.metadata.uid;
                if metadata["uid"] != uid.as_str() || !metadata["deletionTimestamp"].is_null() {
                    return Err(ApiError::new(
                        Reason::Conflict,
                        "the Rollout was deleted meanwhile; it adopts nothing any more",
                    ));
                }
                let target = Key::new(REPLICA_SET, namespace, &name);
                self.patch(&target, None, &Patch::Operations(operations))
                    .await
            }
            Write::DeleteReplicaSet { name } => {
                // One that has got pods since the decision stays.
                let mut sets = pass.world.replica_sets.iter();
                let set = sets.find(|set| set.metadata.name == name);
                let version = set.and_then(|set| set.metadata.version());
                let target = Key::new(REPLICA_SET, namespace, &name);
                self.delete_at(&target, version).await
            }
            Write::SwitchService { name, hash, claim } => {
                let mut patch = json!({"spec": {"selector": {POD_TEMPLATE_HASH_LABEL: hash}}});
                if claim {
                    patch["metadata"] = json!({"annotations": {MANAGED_BY: key.name}});
                }
                self.check_newest(key, pass).await?;
                let target = Key::new(SERVICE, namespace, &name);
                self.patch_known(pass, &target, None, patch).await
            }
            Write::Route(routing) => self.route(key, pass, &routing).await,
            Write::SyncPods {
                replica_set,
                existing,
                wanted,
            } => {
                self.sync_pods(&pass.world, &replica_set, &existing, &wanted)
                    .await
            }
            Write::EvictPods(names) => {
                pass.world.evictions_refused = !self.evict(namespace, names).await?;
                // Counts follow later; with them comes the next look.
                Ok(false)
            }
            Write::StartRun(run) => self.start(key, pass, ANALYSIS_RUN, &json!(run)).await,
            Write::TerminateRun(name) => {
                self.terminate(&Key::new(ANALYSIS_RUN, namespace, &name))
                    .await
            }
            Write::DeleteRun(name) => self.delete(&Key::new(ANALYSIS_RUN, namespace, &name)).await,
            Write::StartExperiment(experiment) => {
                self.start(key, pass, EXPERIMENT, &json!(experiment)).await
            }
            Write::TerminateExperiment(name) => {
                self.terminate(&Key::new(EXPERIMENT, namespace, &name))
                    .await
            }
            Write::DeleteExperiment(name) => {
                self.delete(&Key::new(EXPERIMENT, namespace, &name)).await
            }
            Write::ScaleWorkload(replicas) => self.scale_workload(&pass.world, replicas).await,
            Write::Status(status) => self.write_status(key, pass, *status).await,
            Write::Event(event) => {
                self.record(key, pass, event);
                Ok(false)
            }
            Write::Completed(duration) => {
                self.events.completed(&duration);
                Ok(false)
            }
        }
    }

    /// Starts a run or an experiment of a Rollout. When that is refused, the rollout waits, and says for what.
    async fn start(
        &self,
        key: &Key,
        pass: &mut Pass,
        resource: Resource,
        object: &Value,
    ) -> Result<bool, ApiError> {
        let kind = resource.kind.clone();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let target = Key::new(resource.clone(), &key.namespace, name);
        let cause = match self.create(resource, &key.namespace, object).await {
            Err(cause) => cause,
            done => return done,
        };
        let next_step = match cause.reason {
            Reason::AlreadyExists => {
                let found = self.api.get(&target).await?;
                if is_owned(&found, &pass.world.rollout.metadata.uid) {
                    // An answer was lost, or is heard late. The next look knows it.
                    self.learn(&target.resource, found);
                    return Err(cause);
                }
                "it is somebody else's; delete or rename it"
            }
            Reason::Refused => "the rollout waits until it is let in",
            _ => return Err(cause),
        };
        let message = format!(
            "Failed to create {kind} '{name}': {}; {next_step}",
            cause.message
        );
        let event = Event {
            warning: true,
            reason: format!("{kind}Error"),
            message,
        };
        self.record(key, pass, event);
        Err(cause)
    }

    async fn create_replica_set(
        &self,
        key: &Key,
        pass: &mut Pass,
        object: &Value,
    ) -> Result<bool, ApiError> {
        let Err(cause) = self.create(REPLICA_SET, &key.namespace, object).await else {
            return Ok(true);
        };
        match cause.reason {
            Reason::AlreadyExists => {
                // It may be ours, created and not yet seen.
                let name = object.pointer("/metadata/name").and_then(Value::as_str);
                let target = Key::new(REPLICA_SET, &key.namespace, name.unwrap_or_default());
                let existing = self.api.get(&target).await?;
                self.cache.put(&REPLICA_SET, existing);
                Err(cause)
            }
            Reason::Refused => {
                let rollout = &pass.world.rollout;
                let name = object.pointer("/metadata/name").and_then(Value::as_str);
                let (event, status) = rollout::creation_failed(
                    rollout,
                    name.unwrap_or_default(),
                    &cause.message,
                    pass.now,
                );
                if status != pass.noted {
                    self.record(key, pass, event);
                    self.write_status(key, pass, status).await?;
                }
                Err(cause)
            }
            _ => Err(cause),
        }
    }

    async fn write_status(
        &self,
        key: &Key,
        pass: &mut Pass,
        status: RolloutStatus,
    ) -> Result<bool, ApiError> {
        let Some(patch) = merge_patch(&json!(pass.noted), &json!(status)) else {
            return Ok(false);
        };
        let patch = json!({"status": patch});
        let changed = self.patch_known(pass, key, Some("status"), patch).await?;
        pass.noted = status;
        Ok(changed)
    }

    /// Writes the status of an AnalysisRun or Experiment that was read at a version; true when it changed. Their
    /// definitions have no status subresource, in Argo's CRDs and so in ours.
    pub(crate) async fn write_plain_status(
        &self,
        key: &Key,
        metadata: &ObjectMeta,
        before: &Value,
        after: &Value,
    ) -> Result<bool, ApiError> {
        let Some(patch) = merge_patch(before, after) else {
            return Ok(false);
        };
        let patch = at_version(json!({"status": patch}), metadata.version());
        let changed = self.patch(key, None, &Patch::Merge(patch)).await?;
        if changed {
            return Ok(true);
        }
        Err(ApiError::new(
            Reason::Refused,
            format!(
                "the status of {key} was not stored: its definition is another one; apply those that `sluice crds` prints"
            ),
        ))
    }

    /// Tells of a write that the API server refuses until something else changes.
    pub(crate) fn tell_refusal(&self, key: &Key, uid: &str, cause: &ApiError) {
        if cause.reason == Reason::Refused {
            let event = Event {
                warning: true,
                reason: "WriteRefused".to_owned(),
                message: cause.message.clone(),
            };
            self.events.record(key, uid, event);
        }
    }

    /// Patches an object as the decision knew it: refused when somebody else has written it since.
    async fn patch_known(
        &self,
        pass: &mut Pass,
        key: &Key,
        subresource: Option<&'static str>,
        patch: Value,
    ) -> Result<bool, ApiError> {
        let patch = at_version(patch, pass.versions.get(key).copied());
        let stored = self
            .api
            .patch(key, subresource, &Patch::Merge(patch))
            .await?;
        let version = version_of(&stored);
        let before = pass.versions.insert(key.clone(), version);
        self.learn(&key.resource, stored);
        Ok(before != Some(version))
    }

    /// Refuses when the Rollout is another one than the decision knew. The version of a Service says nothing of it, and
    /// a controller that has lost the lead, or hears late, led users back to a revision that is gone.
    async fn check_newest(&self, key: &Key, pass: &Pass) -> Result<(), ApiError> {
        let stored = version_of(&self.api.get(key).await?);
        if pass.versions.get(key) == Some(&stored) {
            return Ok(());
        }
        Err(ApiError::new(
            Reason::Conflict,
            format!("{key} has changed since the decision; the next look knows it"),
        ))
    }

    pub(crate) async fn terminate(&self, target: &Key) -> Result<bool, ApiError> {
        let patch = Patch::Merge(json!({"spec": {"terminate": true}}));
        match self.patch(target, None, &patch).await {
            Err(cause) if cause.reason == Reason::NotFound => Ok(false),
            done => done,
        }
    }

    async fn scale_workload(&self, world: &World, replicas: i32) -> Result<bool, ApiError> {
        let Some(reference) = &world.rollout.spec.workload_ref else {
            return Ok(false);
        };
        let Some(resource) = workload(&reference.api_version, &reference.kind) else {
            return Ok(false);
        };
        let target = Key::new(resource, &world.rollout.metadata.namespace, &reference.name);
        // Read and replaced, since Argo's role does not allow a patch.
        let mut object = self.api.get(&target).await?;
        if object.pointer("/spec/replicas") == Some(&json!(replicas)) {
            return Ok(false);
        }
        object["spec"]["replicas"] = json!(replicas);
        let stored = self.api.replace(&target, &object).await?;
        self.learn(&target.resource, stored);
        Ok(true)
    }

    pub(crate) async fn create(
        &self,
        resource: Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<bool, ApiError> {
        let stored = self.api.create(&resource, namespace, object).await?;
        self.learn(&resource, stored);
        Ok(true)
    }

    /// Patches an object; true when something is different now. What a definition does not know is not stored.
    pub(crate) async fn patch(
        &self,
        target: &Key,
        subresource: Option<&'static str>,
        patch: &Patch,
    ) -> Result<bool, ApiError> {
        let before = self.cache.version(target);
        let stored = self.api.patch(target, subresource, patch).await?;
        let version = version_of(&stored);
        self.learn(&target.resource, stored);
        Ok(before != Some(version))
    }

    pub(crate) async fn delete(&self, target: &Key) -> Result<bool, ApiError> {
        self.delete_at(target, None).await
    }

    /// Deletes an object that is of a version; refused when somebody has written it since.
    async fn delete_at(&self, target: &Key, version: Option<u64>) -> Result<bool, ApiError> {
        match self.api.delete(target, version).await {
            Err(cause) if cause.reason != Reason::NotFound => Err(cause),
            _ => Ok(false),
        }
    }

    /// What was written is known at once.
    pub(crate) fn learn(&self, resource: &Resource, stored: Value) {
        let key = key_of(resource, &stored);
        if let Change::Newer { owner, spec } = self.cache.put(resource, stored) {
            (self.tell)(Seen { key, owner, spec });
        }
    }
}

/// The patch for an object at a version; another one is refused then.
fn at_version(mut patch: Value, version: Option<u64>) -> Value {
    if let Some(version) = version {
        patch["metadata"]["resourceVersion"] = json!(version.to_string());
    }
    patch
}

/// The merge patch from one value to another; `None` when they are the same.
pub(crate) fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let mut patch = Map::new();
    for (key, value) in after {
        let change = match before.get(key) {
            Some(known) => merge_patch(known, value),
            None => Some(value.clone()),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests;

//! What an API server keeps: objects with versions and generations, patched as the real one does, and the
//! history that watches begin from.

use crate::world::Chosen;
use serde_json::{Value, json};
use sluice_argo::api::Time;
use sluice_kubernetes::api::{ApiError, Key, Notice, Patch, Reason};
use sluice_kubernetes::resource::{ANALYSIS_RUN, JOB, REPLICA_SET, ROLLOUT, Resource};
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// How many changes a watch can go back.
const HISTORY_MAX: usize = 400;

/// The objects of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    uids: u64,
    /// How many objects were deleted.
    deletions: u64,
    history: VecDeque<(u64, Key, Notice)>,
    /// The version of the newest change that is forgotten.
    compacted: u64,
    /// Whether the definition of Rollouts is an older one, which does not know all of their status.
    pub(crate) is_older: bool,
    /// Whether the definition of AnalysisRuns has a status subresource, which it should not.
    pub(crate) has_status_apart: bool,
}

/// A change that was made: what was there before, and what is there now.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    pub(crate) notice: Notice,
}

impl Store {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key).map(Arc::as_ref)
    }

    /// All objects of a kind, by name.
    pub(crate) fn of_kind(&self, resource: Resource) -> impl Iterator<Item = (&Key, &Value)> {
        let first = Key::new(resource.clone(), "", "");
        let all = self.objects.range(first..);
        all.take_while(move |(key, _)| key.resource == resource)
            .map(|(key, object)| (key, object.as_ref()))
    }

    /// A number that is another one when objects came or went.
    pub(crate) fn births_and_deaths(&self) -> u64 {
        self.uids + self.deletions
    }

    /// All objects of a kind, to be kept while the store changes.
    pub(crate) fn shared(&self, resource: Resource) -> Vec<(Key, Arc<Value>)> {
        let first = Key::new(resource.clone(), "", "");
        let all = self.objects.range(first..);
        all.take_while(|(key, _)| key.resource == resource)
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect()
    }

    /// Keys and owners of all objects that have one.
    pub(crate) fn owned(&self) -> impl Iterator<Item = (&Key, &str)> {
        self.objects.iter().filter_map(|(key, object)| {
            let uid = object
                .pointer("/metadata/ownerReferences/0/uid")?
                .as_str()?;
            Some((key, uid))
        })
    }

    /// Whether an object with this identity exists.
    pub(crate) fn has_uid(&self, uid: &str) -> bool {
        let mut all = self.objects.values();
        all.any(|object| object["metadata"]["uid"] == uid)
    }

    /// What happened to the chosen objects of a kind after a version; `None` when that is forgotten.
    pub(crate) fn since(
        &self,
        resource: &Resource,
        chosen: &Chosen,
        version: u64,
    ) -> Option<Vec<Notice>> {
        if version < self.compacted {
            return None;
        }
        let later = self
            .history
            .iter()
            .filter(|(at, key, _)| *at > version && key.resource == *resource && chosen.has(key));
        Some(later.map(|(_, _, notice)| notice.clone()).collect())
    }

    /// Forgets the history: no watch can begin from an earlier version.
    pub(crate) fn compact(&mut self) {
        self.history.clear();
        self.compacted = self.version;
    }

    pub(crate) fn create(
        &mut self,
        resource: &Resource,
        namespace: &str,
        object: &Value,
        now: Timestamp,
    ) -> Result<Change, ApiError> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let key = Key::new(resource.clone(), namespace, name);
        if self.objects.contains_key(&key) {
            let message = format!("{} \"{name}\" already exists", resource.plural);
            return Err(ApiError::new(Reason::AlreadyExists, message));
        }
        let mut stored = object.clone();
        self.uids += 1;
        let metadata = &mut stored["metadata"];
        metadata["uid"] = json!(format!("00000000-0000-4000-8000-{:012}", self.uids));
        metadata["creationTimestamp"] = json!(Time(now).to_string());
        metadata["generation"] = json!(1);
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        if self.has_status(resource)
            && let Some(object) = stored.as_object_mut()
        {
            object.remove("status");
        }
        if *resource == REPLICA_SET {
            add_defaults(&mut stored);
        }
        if *resource == JOB {
            let uid = stored["metadata"]["uid"].clone();
            stored["spec"]["selector"] = json!({"matchLabels": {"controller-uid": uid}});
        }
        Ok(self.put(key, None, stored))
    }

    pub(crate) fn patch(
        &mut self,
        key: &Key,
        subresource: Option<&str>,
        patch: &Patch,
    ) -> Result<Option<Change>, ApiError> {
        let before = self.existing(key)?.clone();
        let mut after = before.clone();
        match patch {
            Patch::Merge(patch) => {
                if let Some(version) = patch.pointer("/metadata/resourceVersion")
                    && *version != before["metadata"]["resourceVersion"]
                {
                    return Err(conflict(key));
                }
                json_patch::merge(&mut after, patch);
            }
            Patch::Operations(operations) => operate(&mut after, operations)?,
        }
        Ok(self.update(key, subresource, before, after))
    }

    pub(crate) fn replace(
        &mut self,
        key: &Key,
        object: &Value,
    ) -> Result<Option<Change>, ApiError> {
        let before = self.existing(key)?.clone();
        let version = &object["metadata"]["resourceVersion"];
        if !version.is_null() && *version != before["metadata"]["resourceVersion"] {
            return Err(conflict(key));
        }
        Ok(self.update(key, None, before, object.clone()))
    }

    pub(crate) fn delete(&mut self, key: &Key) -> Result<Change, ApiError> {
        let before = self.existing(key)?.clone();
        self.objects.remove(key);
        self.deletions += 1;
        self.version += 1;
        let mut last = before.clone();
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let notice = Notice::Deleted(last.into());
        self.remember(key, notice.clone());
        Ok(Change {
            key: key.clone(),
            before: Some(before),
            after: None,
            notice,
        })
    }

    /// All objects.
    pub(crate) fn all(&self) -> Vec<(Key, Value)> {
        let all = self.objects.iter();
        all.map(|(key, object)| (key.clone(), object.as_ref().clone()))
            .collect()
    }

    /// Whether the status of a kind is written apart from the rest.
    fn has_status(&self, resource: &Resource) -> bool {
        [ROLLOUT, REPLICA_SET].contains(resource)
            || *resource == ANALYSIS_RUN && self.has_status_apart
    }

    /// Refuses when an object is of another version than the one that is given.
    pub(crate) fn check_version(&self, key: &Key, version: Option<u64>) -> Result<(), ApiError> {
        let stored = self.existing(key)?["metadata"]["resourceVersion"].as_str();
        let stored = stored.and_then(|version| version.parse().ok());
        if version.is_some() && version != stored {
            return Err(conflict(key));
        }
        Ok(())
    }

    fn existing(&self, key: &Key) -> Result<&Value, ApiError> {
        self.get(key).ok_or_else(|| {
            let message = format!("{} \"{}\" not found", key.resource.plural, key.name);
            ApiError::new(Reason::NotFound, message)
        })
    }

    /// Stores what an object became; `None` when nothing changed.
    fn update(
        &mut self,
        key: &Key,
        subresource: Option<&str>,
        before: Value,
        mut after: Value,
    ) -> Option<Change> {
        if subresource == Some("status") {
            let status = after["status"].take();
            after = before.clone();
            after["status"] = status;
        } else if subresource == Some("scale") {
            let replicas = after["spec"]["replicas"].take();
            after = before.clone();
            after["spec"]["replicas"] = replicas;
        } else if self.has_status(&key.resource)
            && let Some(object) = after.as_object_mut()
        {
            match before.get("status") {
                Some(status) => object.insert("status".to_owned(), status.clone()),
                None => object.remove("status"),
            };
        }
        let (kept, metadata) = (&before["metadata"], &mut after["metadata"]);
        for field in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
            metadata[field] = kept[field].clone();
        }
        if self.is_older && key.resource == ROLLOUT {
            prune(&mut after);
        }
        if after == before {
            return None;
        }
        if after["spec"] != before["spec"] {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
            after["metadata"]["generation"] = json!(generation + 1);
        }
        Some(self.put(key.clone(), Some(before), after))
    }

    fn put(&mut self, key: Key, before: Option<Value>, mut after: Value) -> Change {
        self.version += 1;
        after["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let notice = Notice::Changed(after.clone().into());
        self.remember(&key, notice.clone());
        self.objects.insert(key.clone(), Arc::new(after.clone()));
        Change {
            key,
            before,
            after: Some(after),
            notice,
        }
    }

    fn remember(&mut self, key: &Key, notice: Notice) {
        self.history.push_back((self.version, key.clone(), notice));
        while self.history.len() > HISTORY_MAX {
            if let Some((version, _, _)) = self.history.pop_front() {
                self.compacted = version;
            }
        }
    }
}

/// Drops what an older definition of Rollouts does not know.
fn prune(rollout: &mut Value) {
    let status = rollout.get_mut("status").and_then(Value::as_object_mut);
    if let Some(status) = status {
        status.remove("duration");
        status.remove("selector");
    }
}

fn conflict(key: &Key) -> ApiError {
    let message = format!(
        "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the latest version and try again",
        key.resource.plural, key.name
    );
    ApiError::new(Reason::Conflict, message)
}

fn operate(object: &mut Value, operations: &[Value]) -> Result<(), ApiError> {
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(operations.to_vec()))
        .map_err(|cause| ApiError::new(Reason::Refused, cause.to_string()))?;
    json_patch::patch(object, &patch).map_err(|cause| {
        let reason = match cause.kind {
            json_patch::PatchErrorKind::TestFailed => Reason::Conflict,
            _ => Reason::Refused,
        };
        ApiError::new(reason, cause.to_string())
    })
}

/// What the server adds to a ReplicaSet's template.
fn add_defaults(set: &mut Value) {
    let spec = &mut set["spec"]["template"]["spec"];
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
    ] {
        if spec[field].is_null() {
            spec[field] = value;
        }
    }
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        for (field, value) in [
            ("terminationMessagePath", json!("/dev/termination-log")),
            ("terminationMessagePolicy", json!("File")),
            ("imagePullPolicy", json!("IfNotPresent")),
            ("resources", json!({})),
        ] {
            if container[field].is_null() {
                container[field] = value;
            }
        }
    }
}

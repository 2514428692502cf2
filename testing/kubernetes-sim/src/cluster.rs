//! The other controllers of a cluster: ReplicaSets get and lose pods, pods get ready or do not, Jobs end, and
//! what has lost its owner goes.

use crate::store::{Change, Store};
use fastrand::Rng;
use serde_json::{Value, json};
use sluice_argo::api::{POD_TEMPLATE_HASH_LABEL, Time};
use sluice_kubernetes::api::{Key, Patch};
use sluice_kubernetes::resource::{JOB, REPLICA_SET};
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

/// What pods of an image are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    /// Milliseconds until a pod is ready; `None` for never.
    pub(crate) ready_ms: Option<(i64, i64)>,
    /// What metrics say about it.
    pub(crate) quality: Quality,
}

/// What metrics say about a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    Bad,
    /// Neither good nor bad.
    Vague,
    /// Nothing: who asks gets errors.
    Silent,
}

#[derive(Clone, Debug)]
struct Pod {
    name: String,
    labels: Value,
    annotations: Value,
    created: Timestamp,
    /// When it gets ready; `None` for never.
    ready_at: Option<Timestamp>,
    ready_since: Option<Timestamp>,
    /// When it is gone, once it is being deleted.
    gone_at: Option<Timestamp>,
}

/// Pods, and what makes them.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    /// By the key of their ReplicaSet.
    pods: BTreeMap<Key, Vec<Pod>>,
    /// What images are like, by name.
    pub(crate) images: BTreeMap<String, Image>,
    /// Pods that may exist at most, while that is limited.
    pub(crate) quota: Option<usize>,
    /// When pods were last taken away, or got unready, by anything but a ReplicaSet's number.
    pub(crate) lost_at: Option<Timestamp>,
    number: u64,
    /// Up to where what has lost its owner was looked for.
    collected: u64,
}

/// Pods of a ReplicaSet that there really are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Not being deleted.
    pub(crate) existing: i32,
    pub(crate) ready: i32,
    pub(crate) available: i32,
}

impl Cluster {
    /// What there really is of a ReplicaSet.
    pub(crate) fn count(&self, key: &Key, set: &Value, now: Timestamp) -> Count {
        let wait_ms = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0) * 1_000;
        let mut count = Count::default();
        for pod in self.pods.get(key).into_iter().flatten() {
            if pod.gone_at.is_some() {
                continue;
            }
            count.existing += 1;
            if let Some(since) = pod.ready_since {
                count.ready += 1;
                count.available += i32::from(since.shifted(wait_ms) <= now);
            }
        }
        count
    }

    /// The image of a ReplicaSet, or of a Rollout.
    pub(crate) fn image_of(&self, object: &Value) -> Option<Image> {
        let name = object
            .pointer("/spec/template/spec/containers/0/image")?
            .as_str()?;
        self.images.get(name).copied()
    }

    /// One moment: what ReplicaSets ask for is done, sometimes later.
    pub(crate) fn tick(
        &mut self,
        store: &mut Store,
        random: &mut Rng,
        now: Timestamp,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.collected != store.births_and_deaths() {
            changes = self.collect_garbage(store);
            self.collected = store.births_and_deaths();
        }
        self.age(now);
        for (key, set) in &store.shared(REPLICA_SET) {
            if random.u8(..100) < 60 {
                self.follow(key, set, random, now);
            }
            if random.u8(..100) < 60 {
                changes.extend(self.report(store, key, set, now));
            }
        }
        changes.extend(run_jobs(store, self, random, now));
        changes
    }

    fn collect_garbage(&mut self, store: &mut Store) -> Vec<Change> {
        let orphans: Vec<Key> = store
            .owned()
            .filter(|(_, uid)| !store.has_uid(uid))
            .map(|(key, _)| key.clone())
            .collect();
        self.pods.retain(|set, _| store.get(set).is_some());
        orphans
            .iter()
            .filter_map(|key| store.delete(key).ok())
            .collect()
    }

    fn age(&mut self, now: Timestamp) {
        for pods in self.pods.values_mut() {
            pods.retain(|pod| pod.gone_at.is_none_or(|at| at > now));
            for pod in pods {
                if pod.ready_since.is_none() && pod.ready_at.is_some_and(|at| at <= now) {
                    pod.ready_since = Some(now);
                }
            }
        }
    }

    fn follow(&mut self, key: &Key, set: &Value, random: &mut Rng, now: Timestamp) {
        let wanted = usize::try_from(set["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap_or(0);
        let all: usize = self.pods.values().map(Vec::len).sum();
        let image = self.image_of(set);
        let pods = self.pods.entry(key.clone()).or_default();
        let alive = pods.iter().filter(|pod| pod.gone_at.is_none()).count();
        let room = self
            .quota
            .map_or(usize::MAX, |quota| quota.saturating_sub(all));
        for _ in 0..wanted.saturating_sub(alive).min(room) {
            self.number += 1;
            let ready_ms = image.and_then(|image| image.ready_ms);
            pods.push(Pod {
                name: format!("{}-{:05x}", key.name, self.number),
                labels: set["spec"]["template"]["metadata"]["labels"].clone(),
                annotations: set["spec"]["template"]["metadata"]["annotations"].clone(),
                created: now,
                ready_at: ready_ms.map(|(low, high)| now.shifted(random.i64(low..=high))),
                ready_since: None,
                gone_at: None,
            });
        }
        let surplus = alive.saturating_sub(wanted);
        if surplus > 0 {
            let mut order: Vec<usize> = (0..pods.len())
                .filter(|at| pods[*at].gone_at.is_none())
                .collect();
            // Those that are not ready go first, then the newest.
            order.sort_by_key(|at| {
                let pod = &pods[*at];
                (
                    pod.ready_since.is_some(),
                    std::cmp::Reverse(pod.ready_since),
                    *at,
                )
            });
            for at in order.into_iter().take(surplus) {
                pods[at].gone_at = Some(now.shifted(random.i64(200..=5_000)));
            }
        }
    }

    fn report(&self, store: &mut Store, key: &Key, set: &Value, now: Timestamp) -> Option<Change> {
        let Count {
            existing,
            ready,
            available,
        } = self.count(key, set, now);
        let wanted = set["spec"]["replicas"].as_i64().unwrap_or(1);
        let is_short = self.quota.is_some() && i64::from(existing) < wanted;
        let since = || {
            let known = set.pointer("/status/conditions/0/lastTransitionTime");
            known
                .cloned()
                .unwrap_or_else(|| json!(Time(now).to_string()))
        };
        let mut status = json!({
            "replicas": existing,
            "readyReplicas": ready,
            "availableReplicas": available,
            "observedGeneration": set["metadata"]["generation"],
        });
        if is_short {
            status["conditions"] = json!([{
                "type": "ReplicaFailure",
                "status": "True",
                "lastTransitionTime": since(),
                "reason": "FailedCreate",
                "message": "pods are forbidden: exceeded quota",
            }]);
        }
        if set["status"] == status {
            return None;
        }
        let patch = Patch::Operations(vec![
            json!({"op": "add", "path": "/status", "value": status}),
        ]);
        store.patch(key, Some("status"), &patch).ok().flatten()
    }

    /// Pods of a namespace that a selector fits, as an API server shows them.
    pub(crate) fn list(&self, store: &Store, namespace: &str, selector: &str) -> Vec<Value> {
        let wanted: Vec<(&str, &str)> = selector
            .split(',')
            .filter_map(|part| part.split_once('='))
            .collect();
        let mut found = Vec::new();
        for (key, pods) in &self.pods {
            let Some(set) = store.get(key).filter(|_| key.namespace == namespace) else {
                continue;
            };
            for pod in pods {
                if wanted
                    .iter()
                    .all(|(label, value)| pod.labels[*label] == *value)
                {
                    found.push(object(pod, key, set));
                }
            }
        }
        found
    }

    /// Replaces a pod's labels and annotations; `None` when there is none.
    pub(crate) fn relabel(&mut self, name: &str, object: &Value) -> Option<Value> {
        let mut pods = self.pods.values_mut().flatten();
        let pod = pods.find(|pod| pod.name == name)?;
        pod.labels = object["metadata"]["labels"].clone();
        pod.annotations = object["metadata"]["annotations"].clone();
        Some(object.clone())
    }

    /// Ends a pod that was there before; false when there is none.
    pub(crate) fn evict(&mut self, name: &str, now: Timestamp) -> bool {
        let pod = self
            .pods
            .values_mut()
            .flatten()
            .find(|pod| pod.name == name);
        let Some(pod) = pod.filter(|pod| pod.gone_at.is_none()) else {
            return false;
        };
        pod.gone_at = Some(now.shifted(1_000));
        self.lost_at = Some(now);
        true
    }

    /// Some pods end, or are unready for a while.
    pub(crate) fn lose(&mut self, random: &mut Rng, now: Timestamp) {
        for pod in self.pods.values_mut().flatten() {
            if random.u8(..100) >= 30 || pod.gone_at.is_some() {
                continue;
            }
            self.lost_at = Some(now);
            if random.bool() {
                pod.gone_at = Some(now);
            } else if pod.ready_since.is_some() {
                pod.ready_since = None;
                pod.ready_at = Some(now.shifted(random.i64(1_000..=20_000)));
            }
        }
    }
}

fn object(pod: &Pod, set: &Key, owner: &Value) -> Value {
    let mut metadata = json!({
        "name": pod.name,
        "namespace": set.namespace,
        "labels": pod.labels,
        "creationTimestamp": Time(pod.created).to_string(),
        "ownerReferences": [{
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": set.name,
            "uid": owner["metadata"]["uid"],
            "controller": true,
        }],
    });
    if !pod.annotations.is_null() {
        metadata["annotations"] = pod.annotations.clone();
    }
    if let Some(at) = pod.gone_at {
        metadata["deletionTimestamp"] = json!(Time(at).to_string());
    }
    let mut status = json!({"conditions": []});
    if let Some(since) = pod.ready_since {
        status["conditions"] = json!([{
            "type": "Ready",
            "status": "True",
            "lastTransitionTime": Time(since).to_string(),
        }]);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
}

/// Jobs end as their revision's quality says.
fn run_jobs(store: &mut Store, cluster: &Cluster, random: &mut Rng, now: Timestamp) -> Vec<Change> {
    let running: Vec<(Key, Value)> = store
        .of_kind(JOB)
        .filter(|(_, job)| job["status"]["conditions"].is_null())
        .map(|(key, job)| (key.clone(), job.clone()))
        .collect();
    let mut changes = Vec::new();
    for (key, job) in running {
        let created = job["metadata"]["creationTimestamp"]
            .as_str()
            .unwrap_or_default();
        let created = Time::parse(created).map_or(now, |time| time.0);
        if now < created.shifted(3_000) || random.u8(..100) >= 10 {
            continue;
        }
        let hash = job["metadata"]["labels"]["about"]
            .as_str()
            .unwrap_or_default();
        let kind = match quality_of(store, cluster, hash) {
            Quality::Bad | Quality::Silent => "Failed",
            _ => "Complete",
        };
        let patch = json!({"status": {"conditions": [{"type": kind, "status": "True"}]}});
        if let Ok(Some(change)) = store.patch(&key, None, &Patch::Merge(patch)) {
            changes.push(change);
        }
    }
    changes
}

/// What metrics say about the revision of a hash.
pub(crate) fn quality_of(store: &Store, cluster: &Cluster, hash: &str) -> Quality {
    let mut sets = store.of_kind(REPLICA_SET);
    let set = sets.find(|(_, set)| set["metadata"]["labels"][POD_TEMPLATE_HASH_LABEL] == hash);
    let image = set.and_then(|(_, set)| cluster.image_of(set));
    image.map_or(Quality::Good, |image| image.quality)
}

//! What must hold, whatever goes wrong: looked at after each write of a controller, against what there really is.
//!
//! `pods` is about ReplicaSets, `traffic` about Services and routers, `verdicts` about steps, promotions and
//! analyses. A controller may be as wrong as what it has heard is late: the window is [`LATE_MS`]. And while two of them
//! write, each may believe in numbers that the other just changed.

mod pods;
mod traffic;
mod verdicts;

use crate::cluster::{Cluster, Count};
use crate::manifests::ingress;
use crate::store::{Change, Store};
use serde_json::Value;
use sluice_argo::api::{POD_TEMPLATE_HASH_LABEL, Rollout};
use sluice_argo::workload::MoveBounds;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{ANALYSIS_RUN, REPLICA_SET, ROLLOUT, SERVICE};
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// How late a controller may hear of something, in milliseconds, the time of its own turn included.
pub(crate) const LATE_MS: i64 = 45_000;
/// Most writes within [`SPIN_MS`] once nothing goes wrong any more.
const SPIN_WRITES_MAX: usize = 250;
const SPIN_MS: i64 = 30_000;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Milliseconds since the run began.
    pub at_ms: i64,
    /// What was promised.
    pub promise: &'static str,
    /// What was seen instead.
    pub seen: String,
}

/// How often a run came to what it is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Controllers' writes.
    pub writes: u64,
    /// Revisions that became stable, first ones not counted.
    pub promotions: u64,
    /// Rollouts that were aborted by the controller itself.
    pub aborts: u64,
    /// Analyses that failed.
    pub failed_analyses: u64,
    /// Services that were switched.
    pub switches: u64,
    /// ReplicaSets that lost pods on purpose.
    pub scale_downs: u64,
    /// Controllers that were killed.
    pub crashes: u64,
    /// Controllers that took over while the old one was still there.
    pub takeovers: u64,
}

impl Reached {
    /// Adds another run's.
    pub fn add(&mut self, other: Reached) {
        self.writes += other.writes;
        self.promotions += other.promotions;
        self.aborts += other.aborts;
        self.failed_analyses += other.failed_analyses;
        self.switches += other.switches;
        self.scale_downs += other.scale_downs;
        self.crashes += other.crashes;
        self.takeovers += other.takeovers;
    }
}

/// What a Rollout's spec allows.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    at: Timestamp,
    replicas: i32,
    most: i32,
    least: i32,
}

/// The world as it is at a write.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) store: &'a Store,
    pub(crate) cluster: &'a Cluster,
    pub(crate) now: Timestamp,
    /// Until when the writes of two controllers may cross.
    pub(crate) crossing_until: Timestamp,
}

/// The promises, and what is remembered for them.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    pub(crate) violation: Option<Violation>,
    pub(crate) reached: Reached,
    bounds: BTreeMap<Key, VecDeque<Bounds>>,
    failed: BTreeMap<Key, Timestamp>,
    recent_writes: VecDeque<Timestamp>,
    pub(crate) last_write: Option<Timestamp>,
}

impl View<'_> {
    fn lost_pods(&self) -> bool {
        let lost = self.cluster.lost_at;
        lost.is_some_and(|at| self.now < at.shifted(LATE_MS))
    }

    fn is_crossing(&self) -> bool {
        self.now < self.crossing_until
    }

    /// The ReplicaSets of a Rollout.
    fn sets_of(&self, rollout: &Rollout) -> Vec<(&Key, &Value)> {
        let uid = rollout.metadata.uid.as_str();
        let sets = self.store.of_kind(REPLICA_SET);
        sets.filter(|(_, set)| set["metadata"]["ownerReferences"][0]["uid"] == uid)
            .collect()
    }

    fn of_hash(&self, rollout: &Rollout, hash: &str) -> Option<Count> {
        let mut sets = self.sets_of(rollout).into_iter();
        let (key, set) = sets.find(|(_, set)| hash_of(set) == hash)?;
        Some(self.cluster.count(key, set, self.now))
    }

    fn owner(&self, object: &Value, namespace: &str) -> Option<Rollout> {
        let name = object
            .pointer("/metadata/ownerReferences/0/name")?
            .as_str()?;
        let rollout = self.store.get(&Key::new(ROLLOUT, namespace, name))?;
        serde_json::from_value(rollout.clone()).ok()
    }
}

fn hash_of(set: &Value) -> &str {
    set["metadata"]["labels"][POD_TEMPLATE_HASH_LABEL]
        .as_str()
        .unwrap_or_default()
}

fn desired(set: &Value) -> i32 {
    let replicas = set["spec"]["replicas"].as_i64().unwrap_or(1);
    i32::try_from(replicas).unwrap_or(i32::MAX)
}

impl Promises {
    pub(crate) fn broken(&mut self, now: Timestamp, promise: &'static str, seen: String) {
        let at_ms = now.0 - crate::clock::START.0;
        self.violation.get_or_insert(Violation {
            at_ms,
            promise,
            seen,
        });
    }

    /// A Rollout is another one than before, whoever changed it.
    pub(crate) fn changed(&mut self, key: &Key, object: &Value, now: Timestamp) {
        let Ok(rollout) = serde_json::from_value::<Rollout>(object.clone()) else {
            return;
        };
        let replicas = rollout.spec.replicas();
        let bounds = MoveBounds::of(&rollout.spec.strategy, replicas);
        let all = self.bounds.entry(key.clone()).or_default();
        // What was true until now counts from now on as what a controller may still believe.
        if let Some(last) = all.back_mut() {
            last.at = now;
        }
        all.push_back(Bounds {
            at: now,
            replicas,
            most: replicas + bounds.surge,
            least: replicas - bounds.unavailable,
        });
        while all
            .front()
            .is_some_and(|first| all.len() > 1 && first.at.shifted(LATE_MS) < now)
        {
            all.pop_front();
        }
    }

    fn recent(&self, rollout: &Rollout, now: Timestamp) -> Bounds {
        let key = Key::new(ROLLOUT, &rollout.metadata.namespace, &rollout.metadata.name);
        let all = self.bounds.get(&key);
        let newest = all.and_then(VecDeque::back).copied();
        let mut bounds = newest.unwrap_or(Bounds {
            at: now,
            replicas: 0,
            most: i32::MAX,
            least: 0,
        });
        for earlier in all.into_iter().flatten() {
            if earlier.at.shifted(LATE_MS) >= now {
                bounds.replicas = bounds.replicas.min(earlier.replicas);
                bounds.most = bounds.most.max(earlier.most);
                bounds.least = bounds.least.min(earlier.least);
            }
        }
        bounds
    }

    /// A controller wrote.
    pub(crate) fn wrote(&mut self, change: &Change, view: View<'_>, is_quiet: bool) {
        self.reached.writes += 1;
        self.last_write = Some(view.now);
        self.spins(view.now, is_quiet);
        let Change {
            key, before, after, ..
        } = change;
        match (&key.resource, before, after) {
            (resource, None, Some(set)) if *resource == REPLICA_SET => self.created(key, set, view),
            (resource, Some(set), None) if *resource == REPLICA_SET => self.deleted(key, set, view),
            (resource, Some(before), Some(after)) if *resource == REPLICA_SET => {
                self.scaled(key, before, after, view);
            }
            (resource, Some(before), Some(after)) if *resource == SERVICE => {
                self.switched(key, before, after, view);
            }
            (resource, before, Some(after)) if *resource == ingress() => {
                self.routed(before.as_ref(), after, view);
            }
            (resource, Some(before), Some(after)) if *resource == ROLLOUT => {
                self.status(before, after, view);
            }
            (resource, Some(before), Some(after)) if *resource == ANALYSIS_RUN => {
                self.judged(key, before, after, view);
            }
            _ => {}
        }
    }

    fn spins(&mut self, now: Timestamp, is_quiet: bool) {
        self.recent_writes.push_back(now);
        while self
            .recent_writes
            .front()
            .is_some_and(|at| at.shifted(SPIN_MS) < now)
        {
            self.recent_writes.pop_front();
        }
        if is_quiet && self.recent_writes.len() > SPIN_WRITES_MAX {
            let seen = format!("{} writes in {SPIN_MS} ms", self.recent_writes.len());
            self.broken(now, "a controller does not write again and again", seen);
        }
    }
}

/// The hash that a Service's selector asks for.
pub(crate) fn selected(service: &Value) -> &str {
    service["spec"]["selector"][POD_TEMPLATE_HASH_LABEL]
        .as_str()
        .unwrap_or_default()
}

/// The weight that a canary's Ingress has; 0 without one.
pub(crate) fn canary_weight(ingress: &Value) -> i32 {
    let annotations = &ingress["metadata"]["annotations"];
    let text = annotations["nginx.ingress.kubernetes.io/canary-weight"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

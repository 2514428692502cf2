//! What must hold, whatever goes wrong: looked at after each write of a controller, against what there really is.
//!
//! `pods` is about ReplicaSets, `traffic` about Services and routers, `verdicts` about steps, promotions and
//! analyses, `others` about Experiments and the Deployments whose place Rollouts take. A controller may be as wrong as what it has heard is late: the window is [`LATE_MS`]. And while two of them
//! write, each may believe in numbers that the other just changed.

mod others;
mod pods;
mod traffic;
mod verdicts;

use crate::app::App;
use crate::cluster::{Cluster, Count};
use crate::manifests::{Destination, destination_rule, ingress, split, virtual_service};
use crate::store::{Change, Store};
use serde_json::Value;
use sluice_argo::api::{POD_TEMPLATE_HASH_LABEL, Rollout};
use sluice_argo::workload::MoveBounds;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{
    ANALYSIS_RUN, DEPLOYMENT, EXPERIMENT, REPLICA_SET, ROLLOUT, Resource, SERVICE,
};
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// How late a controller may hear of something, in milliseconds, the time of its own turn included.
pub(crate) const LATE_MS: i64 = 45_000;
/// Most writes of one object within [`SPIN_MS`] once nothing goes wrong any more.
const SPIN_WRITES_MAX: usize = 120;
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
    /// Times that routers were told to lead more to a revision.
    pub shifts: u64,
    /// Experiments that ended.
    pub experiments: u64,
    /// Deployments that lost pods to a Rollout.
    pub workloads: u64,
    /// Messages that somebody heard.
    pub notifications: u64,
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
        self.shifts += other.shifts;
        self.experiments += other.experiments;
        self.workloads += other.workloads;
        self.notifications += other.notifications;
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
    pub(crate) apps: &'a [App],
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
    recent_writes: BTreeMap<Key, VecDeque<Timestamp>>,
    /// Where each app's requests went at the last look.
    splits: BTreeMap<App, Vec<Destination>>,
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

    /// The Rollout that an object belongs to.
    fn owner(&self, object: &Value, namespace: &str) -> Option<Rollout> {
        let owner = object.pointer("/metadata/ownerReferences/0")?;
        if owner["kind"] != "Rollout" {
            return None;
        }
        let name = owner["name"].as_str()?;
        self.rollout(&Key::new(ROLLOUT, namespace, name))
    }

    fn rollout(&self, key: &Key) -> Option<Rollout> {
        serde_json::from_value(self.store.get(key)?.clone()).ok()
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
        if is_quiet {
            self.spins(&change.key, view.now);
        }
        let Change {
            key, before, after, ..
        } = change;
        match (&key.resource, before, after) {
            (resource, None, Some(set)) if *resource == REPLICA_SET => self.created(key, set, view),
            (resource, Some(set), None) if *resource == REPLICA_SET => self.deleted(key, set, view),
            (resource, Some(before), Some(after)) if *resource == REPLICA_SET => {
                self.scaled(key, before, after, view);
                self.sized(key, before, after, view);
            }
            (resource, Some(before), Some(after)) if *resource == SERVICE => {
                self.switched(key, before, after, view);
            }
            (resource, ..) if is_router(resource) => self.routed(key, view),
            (resource, Some(before), Some(after)) if *resource == ROLLOUT => {
                self.status(before, after, view);
            }
            (resource, Some(before), Some(after)) if *resource == ANALYSIS_RUN => {
                self.judged(key, before, after, view);
            }
            (resource, Some(before), Some(after)) if *resource == EXPERIMENT => {
                self.tried(before, after);
            }
            (resource, Some(before), Some(after)) if *resource == DEPLOYMENT => {
                self.relieved(key, before, after, view);
            }
            _ => {}
        }
        if !is_router(&key.resource) {
            self.note_splits(key, view);
        }
    }

    /// Somebody else wrote: what is true now is what controllers find.
    pub(crate) fn noted(&mut self, key: &Key, view: View<'_>) {
        self.note_splits(key, view);
    }

    /// Remembers where requests go, without asking whether they should.
    fn note_splits(&mut self, key: &Key, view: View<'_>) {
        if key.resource != SERVICE && !is_router(&key.resource) {
            return;
        }
        for app in view
            .apps
            .iter()
            .filter(|app| app.namespace == key.namespace)
        {
            self.splits.insert(*app, split(view.store, *app));
        }
    }

    fn spins(&mut self, key: &Key, now: Timestamp) {
        let recent = self.recent_writes.entry(key.clone()).or_default();
        recent.push_back(now);
        while recent.front().is_some_and(|at| at.shifted(SPIN_MS) < now) {
            recent.pop_front();
        }
        let count = recent.len();
        if count > SPIN_WRITES_MAX {
            let seen = format!("{key}: {count} writes in {SPIN_MS} ms");
            self.broken(now, "a controller does not write again and again", seen);
        }
    }
}

fn is_router(resource: &Resource) -> bool {
    [ingress(), virtual_service(), destination_rule()].contains(resource)
}

/// The hash that a Service's selector asks for.
pub(crate) fn selected(service: &Value) -> &str {
    service["spec"]["selector"][POD_TEMPLATE_HASH_LABEL]
        .as_str()
        .unwrap_or_default()
}

//! What must hold, whatever goes wrong: looked at after each write of a controller, against what there really is.
//!
//! A controller may be as wrong as what it has heard is late: the window is [`LATE_MS`]. And while two of them
//! write, each may believe in numbers that the other just changed.

use crate::cluster::{Cluster, Count};
use crate::manifests::{NAMESPACE, ingress};
use crate::store::{Change, Store};
use serde_json::Value;
use sluice_argo::api::{AnalysisRun, POD_TEMPLATE_HASH_LABEL, Rollout, TrafficWeights};
use sluice_argo::workload::MoveBounds;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{ANALYSIS_RUN, REPLICA_SET, ROLLOUT, SERVICE};
use sluice_model::time::Timestamp;
use std::cmp::Ordering;
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

    fn created(&mut self, key: &Key, set: &Value, view: View<'_>) {
        let Some(rollout) = view.owner(set, &key.namespace) else {
            return;
        };
        let template = |set: &Value| {
            let mut template = set["spec"]["template"].clone();
            if let Some(labels) = template.pointer_mut("/metadata/labels")
                && let Some(labels) = labels.as_object_mut()
            {
                labels.remove(POD_TEMPLATE_HASH_LABEL);
            }
            template
        };
        let wanted = template(set);
        for (other, known) in view.sets_of(&rollout) {
            if other != key && template(known) == wanted {
                let seen = format!("{} has the template of {}", key.name, other.name);
                self.broken(view.now, "a template has one ReplicaSet", seen);
            }
        }
    }

    fn deleted(&mut self, key: &Key, set: &Value, view: View<'_>) {
        let Some(rollout) = view.owner(set, &key.namespace) else {
            return;
        };
        let is_used = [&rollout.status.stable_rs, &rollout.status.current_pod_hash]
            .into_iter()
            .any(|hash| hash == hash_of(set));
        if is_used || desired(set) > 0 {
            let seen = format!("{} is deleted, with {} pods", key.name, desired(set));
            self.broken(view.now, "a ReplicaSet that is used is not deleted", seen);
        }
    }

    fn scaled(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
        let (from, to) = (desired(before), desired(after));
        let Some(rollout) = view.owner(after, &key.namespace) else {
            return;
        };
        self.reached.scale_downs += u64::from(to < from);
        if from == to || view.is_crossing() {
            return;
        }
        let bounds = self.recent(&rollout, view.now);
        match &rollout.spec.strategy.canary {
            Some(canary) if canary.traffic_routing.is_none() => {
                self.moved(key, from, to, &rollout, bounds, view);
            }
            Some(_) => self.kept(key, from, to, &rollout, bounds, view),
            None => self.active_kept(key, from, to, &rollout, bounds, view),
        }
    }

    /// A basic canary stays within its bounds.
    fn moved(
        &mut self,
        key: &Key,
        from: i32,
        to: i32,
        rollout: &Rollout,
        bounds: Bounds,
        view: View<'_>,
    ) {
        let sets = view.sets_of(rollout);
        let all: i32 = sets.iter().map(|(_, set)| desired(set)).sum();
        if to > from && all > bounds.most {
            let seen = format!(
                "{} from {from} to {to}: {all} pods, at most {}",
                key.name, bounds.most
            );
            self.broken(
                view.now,
                "a canary has at most replicas and maxSurge pods",
                seen,
            );
        }
        if to > from || view.lost_pods() {
            return;
        }
        let serving = |of: i32| -> i32 {
            let counts = sets.iter().map(|(name, set)| {
                let wanted = if *name == key { of } else { desired(set) };
                view.cluster
                    .count(name, set, view.now)
                    .available
                    .min(wanted)
            });
            counts.sum()
        };
        let (left, had) = (serving(to), serving(from));
        if left < bounds.least && left < had {
            let seen = format!(
                "{} from {from} to {to}: {left} of {had} available pods are left, at least {}",
                key.name, bounds.least
            );
            self.broken(
                view.now,
                "a canary keeps replicas without maxUnavailable available",
                seen,
            );
        }
    }

    /// Stable keeps what its weight needs.
    fn kept(
        &mut self,
        key: &Key,
        from: i32,
        to: i32,
        rollout: &Rollout,
        bounds: Bounds,
        view: View<'_>,
    ) {
        let Some(canary) = &rollout.spec.strategy.canary else {
            return;
        };
        let hash = view.store.get(key).map_or("", hash_of);
        if to > from || hash != rollout.status.stable_rs {
            return;
        }
        let whole = canary.max_traffic_weight();
        let weight = match &rollout.status.canary.weights {
            _ if !canary.dynamic_stable_scale => whole,
            Some(weights) => weight_of(weights, hash),
            None => return,
        };
        let needed = pods_for(weight, bounds.replicas, whole);
        if to < needed {
            let seen = format!(
                "{} from {from} to {to}, of weight {weight}, at least {needed}",
                key.name
            );
            self.broken(
                view.now,
                "stable keeps the pods that its weight needs",
                seen,
            );
        }
    }

    /// The active ReplicaSet keeps all pods.
    fn active_kept(
        &mut self,
        key: &Key,
        from: i32,
        to: i32,
        rollout: &Rollout,
        bounds: Bounds,
        view: View<'_>,
    ) {
        let Some(blue_green) = &rollout.spec.strategy.blue_green else {
            return;
        };
        let service = Key::new(SERVICE, &key.namespace, &blue_green.active_service);
        let active = view.store.get(&service).map(selected).unwrap_or_default();
        let hash = view.store.get(key).map_or("", hash_of);
        if to < from && active == hash && to < bounds.replicas {
            let seen = format!("{} from {from} to {to}, of {}", key.name, bounds.replicas);
            self.broken(view.now, "the active ReplicaSet keeps its pods", seen);
        }
    }

    fn switched(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
        let hash = selected(after);
        if selected(before) == hash {
            return;
        }
        self.reached.switches += 1;
        let rollouts = view.store.of_kind(ROLLOUT);
        for rollout in
            rollouts.filter_map(|(_, it)| serde_json::from_value::<Rollout>(it.clone()).ok())
        {
            let strategy = &rollout.spec.strategy;
            let is_preview = strategy
                .blue_green
                .as_ref()
                .is_some_and(|it| it.preview_service == key.name);
            let is_empty = self.recent(&rollout, view.now).replicas == 0;
            if !sluice_argo::rollout::service_names(&rollout).contains(&key.name.as_str())
                || is_preview
                || is_empty
                || view.lost_pods()
            {
                continue;
            }
            let available = view
                .of_hash(&rollout, hash)
                .map_or(0, |count| count.available);
            if available == 0 {
                let seen = format!("{} leads to {hash}, which has no available pod", key.name);
                self.broken(view.now, "a Service leads to available pods", seen);
            }
        }
    }

    fn status(&mut self, before: &Value, after: &Value, view: View<'_>) {
        let of = |object: &Value| serde_json::from_value::<Rollout>(object.clone()).ok();
        let (Some(before), Some(after)) = (of(before), of(after)) else {
            return;
        };
        self.reached.aborts += u64::from(after.status.abort && !before.status.abort);
        let (old, new) = (&before.status.stable_rs, &after.status.stable_rs);
        if !old.is_empty() && old != new {
            self.reached.promotions += 1;
            self.promoted(&before, &after, view);
        } else {
            self.stepped(&before, &after, view);
        }
    }

    /// Pods before traffic: what a router leads to a Service arrives at the pods that it selects.
    fn routed(&mut self, before: Option<&Value>, after: &Value, view: View<'_>) {
        let Some(rollout) = view.owner(after, NAMESPACE) else {
            return;
        };
        let Some(canary) = &rollout.spec.strategy.canary else {
            return;
        };
        if view.lost_pods() || view.is_crossing() {
            return;
        }
        let (from, to) = (before.map_or(0, canary_weight), canary_weight(after));
        let bounds = self.recent(&rollout, view.now);
        let is_sized = canary
            .steps
            .iter()
            .any(|step| step.set_canary_scale.is_some());
        let (service, weight) = match to.cmp(&from) {
            Ordering::Greater => (&canary.canary_service, to),
            Ordering::Less => (&canary.stable_service, 100 - to),
            Ordering::Equal => return,
        };
        if bounds.replicas == 0 {
            return;
        }
        let of_weight = (weight * bounds.replicas / 100).max(1);
        let needed = if is_sized && to > from { 1 } else { of_weight };
        let key = Key::new(SERVICE, NAMESPACE, service);
        let hash = view.store.get(&key).map(selected).unwrap_or_default();
        if hash.is_empty() {
            // It was created again, and selects all pods.
            return;
        }
        let available = view
            .of_hash(&rollout, hash)
            .map_or(0, |count| count.available);
        if available < needed {
            let seen = format!(
                "from {from} to {to}: {service} leads {weight} to {hash}, with {available} of {needed} pods"
            );
            self.broken(view.now, "traffic follows pods", seen);
        }
    }

    fn promoted(&mut self, before: &Rollout, after: &Rollout, view: View<'_>) {
        let (canary, blue_green) = (&before.status.canary, &before.status.blue_green);
        let runs = [
            &canary.current_step_analysis_run_status,
            &canary.current_background_analysis_run_status,
            &blue_green.pre_promotion_analysis_run_status,
            &blue_green.post_promotion_analysis_run_status,
        ];
        for run in runs.into_iter().flatten() {
            let key = Key::new(ANALYSIS_RUN, &after.metadata.namespace, &run.name);
            let failed_at = self.failed.get(&key);
            let is_known = failed_at.is_some_and(|at| at.shifted(LATE_MS) < view.now);
            if is_known && !before.status.promote_full {
                let seen = format!(
                    "{} is stable although {} failed",
                    after.status.stable_rs, run.name
                );
                self.broken(view.now, "a failed analysis is not promoted", seen);
            }
        }
        let hash = &after.status.stable_rs;
        let available = view.of_hash(after, hash).map_or(0, |count| count.available);
        let needed = self.recent(after, view.now).replicas;
        if available < needed && !view.lost_pods() && !view.is_crossing() {
            let seen = format!("{hash} is stable with {available} of {needed} pods");
            self.broken(view.now, "what becomes stable has all its pods", seen);
        }
    }

    /// An analysis step ends with a good analysis.
    fn stepped(&mut self, before: &Rollout, after: &Rollout, view: View<'_>) {
        let (old, new) = (&before.status, &after.status);
        let is_same = old.current_step_hash == new.current_step_hash
            && old.current_pod_hash == new.current_pod_hash
            && new.stable_rs != new.current_pod_hash
            && after.spec.rollback_window.is_none()
            && !old.promote_full;
        let (Some(from), Some(to)) = (old.current_step_index, new.current_step_index) else {
            return;
        };
        let steps = after
            .spec
            .strategy
            .canary
            .as_ref()
            .map(|canary| &canary.steps);
        let step = usize::try_from(from).ok().and_then(|at| steps?.get(at));
        if !is_same || to != from + 1 || step.is_none_or(|step| step.analysis.is_none()) {
            return;
        }
        let is_good = view.store.of_kind(ANALYSIS_RUN).any(|(_, run)| {
            let labels = &run["metadata"]["labels"];
            labels[POD_TEMPLATE_HASH_LABEL] == new.current_pod_hash.as_str()
                && labels["step-index"] == from.to_string()
                && run["status"]["phase"] == "Successful"
        });
        if !is_good {
            let seen = format!("step {from} is done");
            self.broken(view.now, "an analysis step needs a good analysis", seen);
        }
    }

    fn judged(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
        let of = |object: &Value| serde_json::from_value::<AnalysisRun>(object.clone()).ok();
        let (Some(before), Some(after)) = (of(before), of(after)) else {
            return;
        };
        let limit = |name: &str| {
            let mut metrics = after.spec.metrics.iter();
            let metric = metrics.find(|metric| metric.name == name);
            let limit = metric.and_then(|metric| metric.failure_limit.as_ref());
            limit.map_or(0, sluice_argo::api::IntOrString::int_value)
        };
        let mut results = after.status.metric_results.iter();
        let failed = results.find(|result| result.failed > limit(&result.name));
        if let Some(failed) = failed
            && after.status.phase.as_str() == "Successful"
        {
            let seen = format!(
                "{} is successful after {} failures",
                key.name, failed.failed
            );
            self.broken(view.now, "an analysis that failed is not successful", seen);
        }
        let is_bad = |run: &AnalysisRun| matches!(run.status.phase.as_str(), "Failed" | "Error");
        if is_bad(&after) && !is_bad(&before) {
            self.reached.failed_analyses += 1;
            self.failed.insert(key.clone(), view.now);
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

fn weight_of(weights: &TrafficWeights, hash: &str) -> i32 {
    [&weights.canary, &weights.stable]
        .into_iter()
        .filter(|side| side.pod_template_hash == hash)
        .map(|side| side.weight)
        .sum()
}

fn pods_for(weight: i32, replicas: i32, whole: i32) -> i32 {
    (weight * replicas + whole - 1) / whole.max(1)
}

//! ReplicaSets: one for a template, and as many pods as are needed.

use super::{Bounds, Promises, View, desired, hash_of, selected};
use serde_json::Value;
use sluice_argo::api::{POD_TEMPLATE_HASH_LABEL, Rollout, TrafficWeights};
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::SERVICE;

impl Promises {
    pub(super) fn created(&mut self, key: &Key, set: &Value, view: View<'_>) {
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

    pub(super) fn deleted(&mut self, key: &Key, set: &Value, view: View<'_>) {
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

    pub(super) fn scaled(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
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

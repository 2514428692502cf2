//! Traffic: it goes where pods are.

use super::{Promises, View, canary_weight, selected};
use crate::manifests::NAMESPACE;
use serde_json::Value;
use sluice_argo::api::Rollout;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{ROLLOUT, SERVICE};
use std::cmp::Ordering;

impl Promises {
    pub(super) fn switched(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
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

    /// Pods before traffic: what a router leads to a Service arrives at the pods that it selects.
    pub(super) fn routed(&mut self, before: Option<&Value>, after: &Value, view: View<'_>) {
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
}

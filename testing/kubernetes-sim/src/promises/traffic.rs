//! Traffic: it goes where pods are.

use super::{Promises, View, selected};
use crate::app::App;
use crate::manifests::{Destination, split};
use serde_json::Value;
use sluice_argo::api::{CanaryStrategy, Rollout};
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::ROLLOUT;

impl Promises {
    pub(super) fn switched(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
        let hash = selected(after);
        if selected(before) == hash {
            return;
        }
        self.reached.switches += 1;
        let rollouts = view.store.of_kind(ROLLOUT);
        let rollouts = rollouts.filter(|(rollout, _)| rollout.namespace == key.namespace);
        for rollout in
            rollouts.filter_map(|(_, it)| serde_json::from_value::<Rollout>(it.clone()).ok())
        {
            let is_empty = self.recent(&rollout, view.now).replicas == 0;
            if !sluice_argo::rollout::service_names(&rollout).contains(&key.name.as_str())
                || is_preview(&rollout, key, view)
                || is_empty
                || view.lost_pods()
            {
                continue;
            }
            let available = view
                .of_hash(&rollout, hash)
                .map_or(0, |count| count.available);
            if available == 0 {
                let seen = format!("{key} leads to {hash}, which has no available pod");
                self.broken(view.now, "a Service leads to available pods", seen);
            }
        }
    }

    /// Pods before traffic: where a router leads more than before, there are pods for it.
    pub(super) fn routed(&mut self, key: &Key, view: View<'_>) {
        let apps = view.apps.iter();
        let of_namespace = apps.filter(|app| app.namespace == key.namespace);
        for app in of_namespace {
            let after = split(view.store, *app);
            let before = self.splits.insert(*app, after.clone()).unwrap_or_default();
            if before == after {
                continue;
            }
            let Some(rollout) = view.rollout(&app.rollout()) else {
                continue;
            };
            for destination in &after {
                if was_there(&before, destination) {
                    continue;
                }
                self.reached.shifts += 1;
                self.shifted(*app, &rollout, destination, view);
            }
        }
    }

    /// A router leads more to a destination than before.
    fn shifted(&mut self, app: App, rollout: &Rollout, to: &Destination, view: View<'_>) {
        let Some(canary) = &rollout.spec.strategy.canary else {
            return;
        };
        let bounds = self.recent(rollout, view.now);
        if view.lost_pods() || view.is_crossing() || bounds.replicas == 0 || to.hash.is_empty() {
            // A Service or subset that was created again selects all pods.
            return;
        }
        let is_canary = to.hash != rollout.status.stable_rs;
        let needed = if is_canary && is_sized(canary) {
            1
        } else {
            (to.weight * bounds.replicas / canary.max_traffic_weight()).max(1)
        };
        let available = match view.of_hash(rollout, &to.hash) {
            Some(count) => count.available,
            // An Experiment's pods, which have a weight of their own.
            None => return self.tried_with(app, to, view),
        };
        if available < needed {
            let Destination {
                service,
                hash,
                weight,
            } = to;
            let seen = format!(
                "{} leads {weight} to {service} and so to {hash}, with {available} of {needed} pods",
                app.rollout()
            );
            self.broken(view.now, "traffic follows pods", seen);
        }
    }

    fn tried_with(&mut self, app: App, to: &Destination, view: View<'_>) {
        let available = view.available_of(app.namespace, &to.hash);
        if available == 0 {
            let seen = format!(
                "{} leads {} to {} and so to {}, which has no available pod",
                app.rollout(),
                to.weight,
                to.service,
                to.hash
            );
            self.broken(view.now, "traffic follows pods", seen);
        }
    }
}

/// Whether as much went to these pods before.
fn was_there(before: &[Destination], destination: &Destination) -> bool {
    let known = before.iter().find(|it| it.service == destination.service);
    destination.weight == 0
        || known.is_some_and(|known| {
            known.weight >= destination.weight
                && (known.hash == destination.hash || destination.hash.is_empty())
        })
}

/// Whether steps set the canary's pods apart from its traffic.
fn is_sized(canary: &CanaryStrategy) -> bool {
    let mut steps = canary.steps.iter();
    steps.any(|step| step.set_canary_scale.is_some())
}

/// Whether a Service has no users: the preview, and the one of two that take turns which gets no traffic.
fn is_preview(rollout: &Rollout, key: &Key, view: View<'_>) -> bool {
    let strategy = &rollout.spec.strategy;
    if let Some(blue_green) = &strategy.blue_green {
        return blue_green.preview_service == key.name;
    }
    let takes_turns = strategy
        .canary
        .as_ref()
        .is_some_and(|canary| canary.ping_pong.is_some());
    let mut apps = view.apps.iter();
    let app = apps.find(|app| app.namespace == key.namespace && app.name == rollout.metadata.name);
    takes_turns
        && app.is_some_and(|app| {
            let split = split(view.store, *app);
            split
                .iter()
                .all(|to| to.service != key.name || to.weight == 0)
        })
}

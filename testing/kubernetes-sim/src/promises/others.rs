//! Experiments, and the Deployments whose place Rollouts take.

use super::{Promises, View, desired, hash_of};
use serde_json::Value;
use sluice_argo::api::{AnalysisPhase, Experiment};
use sluice_argo::experiment::TEMPLATE_NAME;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{EXPERIMENT, REPLICA_SET};

impl View<'_> {
    /// Available pods of a hash, whoever owns them.
    pub(super) fn available_of(&self, namespace: &str, hash: &str) -> i32 {
        let sets = self.store.of_kind(REPLICA_SET);
        let sets = sets.filter(|(key, set)| key.namespace == namespace && hash_of(set) == hash);
        sets.map(|(key, set)| self.cluster.count(key, set, self.now).available)
            .sum()
    }
}

impl Promises {
    /// A version of an Experiment has at most the pods that it asks for, and gets none once it has ended.
    pub(super) fn sized(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
        let (from, to) = (desired(before), desired(after));
        let owner = &after["metadata"]["ownerReferences"][0];
        if to <= from || owner["kind"] != "Experiment" {
            return;
        }
        let name = owner["name"].as_str().unwrap_or_default();
        let object = view.store.get(&Key::new(EXPERIMENT, &key.namespace, name));
        let Some(experiment) =
            object.and_then(|it| serde_json::from_value::<Experiment>(it.clone()).ok())
        else {
            return;
        };
        let version = &after["metadata"]["annotations"][TEMPLATE_NAME];
        let mut templates = experiment.spec.templates.iter();
        let wanted = templates
            .find(|template| *version == template.name.as_str())
            .map_or(0, |template| template.replicas.unwrap_or(1));
        if to > wanted || experiment.status.phase.is_completed() && !view.is_crossing() {
            let phase = experiment.status.phase.as_str();
            let seen = format!("{key} from {from} to {to}, of {wanted}; it is {phase}");
            self.broken(
                view.now,
                "an Experiment has the pods that it asks for",
                seen,
            );
        }
    }

    pub(super) fn tried(&mut self, before: &Value, after: &Value) {
        let has_ended = |object: &Value| {
            serde_json::from_value::<AnalysisPhase>(object["status"]["phase"].clone())
                .is_ok_and(|phase| phase.is_completed())
        };
        self.reached.experiments += u64::from(has_ended(after) && !has_ended(before));
    }

    /// A Deployment gives up pods as the Rollout that takes its place has them.
    pub(super) fn relieved(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
        let (from, to) = (desired(before), desired(after));
        let mut apps = view.apps.iter();
        let Some(rollout) = apps
            .find(|app| app.workload() == *key)
            .and_then(|app| view.rollout(&app.rollout()))
        else {
            return;
        };
        if to >= from {
            return;
        }
        self.reached.workloads += 1;
        let scale_down = rollout.spec.workload_ref.as_ref();
        let scale_down = scale_down.map_or("", |reference| reference.scale_down.as_str());
        if scale_down == "never" {
            let seen = format!("{key} from {from} to {to}");
            self.broken(
                view.now,
                "a Deployment that is never scaled down is not",
                seen,
            );
            return;
        }
        if view.lost_pods() || view.is_crossing() {
            return;
        }
        let sets = view.sets_of(&rollout);
        let ready: i32 = sets
            .iter()
            .map(|(key, set)| view.cluster.count(key, set, view.now).ready)
            .sum();
        let needed = self.recent(&rollout, view.now).replicas;
        if to + ready < needed {
            let seen =
                format!("{key} from {from} to {to}, with {ready} ready pods of {needed} instead");
            self.broken(view.now, "a Deployment gives up what the Rollout has", seen);
        }
    }
}

//! Steps, promotions and analyses: nothing goes on without its reason.

use super::{LATE_MS, Promises, View};
use serde_json::Value;
use sluice_argo::api::{AnalysisRun, POD_TEMPLATE_HASH_LABEL, Rollout};
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::ANALYSIS_RUN;

impl Promises {
    pub(super) fn status(&mut self, before: &Value, after: &Value, view: View<'_>) {
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

    pub(super) fn promoted(&mut self, before: &Rollout, after: &Rollout, view: View<'_>) {
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
            if is_known && !before.status.promote_full && !is_skipped(before, &key, view) {
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
    pub(super) fn stepped(&mut self, before: &Rollout, after: &Rollout, view: View<'_>) {
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
                && labels["step-index"].as_str() == Some(from.to_string().as_str())
                && run["status"]["phase"] == "Successful"
        });
        if !is_good {
            let seen = format!("step {from} is done");
            self.broken(view.now, "an analysis step needs a good analysis", seen);
        }
    }

    pub(super) fn judged(&mut self, key: &Key, before: &Value, after: &Value, view: View<'_>) {
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

/// Whether a run is of a step that somebody promoted the Rollout past: the controller leaves a step only with a good
/// analysis, which is a promise of its own.
fn is_skipped(before: &Rollout, run: &Key, view: View<'_>) -> bool {
    let run = view.store.get(run);
    let label = run.and_then(|run| run["metadata"]["labels"]["step-index"].as_str());
    let step = label.and_then(|index| index.parse::<i32>().ok());
    step.is_some_and(|step| before.status.current_step_index > Some(step))
}

//! What holds whatever is measured.

use super::*;
use proptest::prelude::*;

fn counts(status: &sluice_argo::api::AnalysisRunStatus) -> Vec<i32> {
    let results = status.metric_results.iter();
    results
        .flat_map(|one| {
            [
                one.count,
                one.successful,
                one.failed,
                one.inconclusive,
                one.error,
            ]
        })
        .collect()
}

proptest! {
    /// Whatever is measured, and whenever: counts never fall, a run that has ended never changes, and
    /// one that has not has something due, something to wait for, or something under way.
    #[test]
    fn a_run_only_goes_on(
        steps in proptest::collection::vec((0..5_usize, 0..90_i64, any::<bool>()), 1..60),
        limits in (-1..3_i32, 0..3_i32, 0..3_i32, 0..3_i32),
        terminates_at in 0..80_usize,
    ) {
        let (failures, inconclusive, errors, successes) = limits;
        let limits = json!({
            "interval": "30s", "failureLimit": failures, "inconclusiveLimit": inconclusive,
            "consecutiveErrorLimit": errors, "consecutiveSuccessLimit": successes.max(i32::from(failures < 0))
        });
        let mut story = Story::of(json!({
            "metrics": [metric("a", limits), metric("b", json!({"initialDelay": "45s"})), metric("dry", json!({"interval": "1m", "count": 3}))],
            "dryRun": [{"metricName": "dry"}]
        }));
        let phases = ["Successful", "Failed", "Inconclusive", "Error", "Running"];
        let mut before = story.run.status.clone();
        for (at, (phase, wait, every)) in steps.into_iter().enumerate() {
            if at == terminates_at {
                story.terminates();
            }
            let names: Vec<String> = story.decision.tasks.iter()
                .filter(|_| every || phase == 0)
                .map(|task| task.metric.name.clone())
                .collect();
            let outcomes: Vec<(&str, &str)> =
                names.iter().map(|name| (name.as_str(), phases[phase])).collect();
            if !outcomes.is_empty() {
                story.measures_each(&outcomes);
            }
            story.after(wait);
            let now = &story.run.status;
            let grown = counts(now);
            for (old, new) in counts(&before).into_iter().zip(grown) {
                prop_assert!(new >= old);
            }
            if before.phase.is_completed() {
                prop_assert_eq!(&before, now);
            } else if !now.phase.is_completed() {
                prop_assert!(!story.due().is_empty() || story.decision.wake_at.is_some());
            }
            prop_assert!(now.metric_results.iter().all(|one| one.measurements.len() <= 10));
            before = now.clone();
        }
    }
}

//! How runs end.

use super::*;

#[test]
fn the_worst_metric_is_the_run() {
    let all = ["Successful", "Inconclusive", "Error", "Failed"];
    for (left, one) in all.iter().enumerate() {
        for (right, other) in all.iter().enumerate() {
            let strict = json!({"consecutiveErrorLimit": 0});
            let mut story =
                Story::of(json!({"metrics": [metric("a", strict.clone()), metric("b", strict)]}));
            story.measures_each(&[("a", one), ("b", other)]);
            assert_eq!(story.phase(), all[left.max(right)], "{one} and {other}");
            assert_eq!(story.run.status.completed_at, Some(Time(START)));
        }
    }
}

#[test]
fn it_runs_while_a_metric_does() {
    let mut story = Story::of(json!({"metrics": [
        metric("once", json!({})), metric("often", json!({"interval": "60s"}))
    ]}));
    story.measures("Successful");
    assert_eq!(story.phase(), "Running");
    assert_eq!(story.run.status.completed_at, None);
    let summary = &story.run.status.run_summary;
    assert_eq!((summary.count, summary.successful), (2, 1));
}

#[test]
fn a_metric_that_goes_wrong_ends_the_others() {
    let mut story = Story::of(json!({"metrics": [
        metric("bad", json!({})), metric("endless", json!({"interval": "60s"})),
        metric("delayed", json!({"initialDelay": "1h"}))
    ]}));
    story.measures_each(&[("bad", "Failed"), ("endless", "Successful")]);
    assert_eq!(story.phase(), "Failed");
    assert_eq!(story.result("endless").phase, AnalysisPhase::Successful);
    assert_eq!(
        story.events(),
        [
            "Warning MetricFailed: Metric 'bad' Completed. Result: Failed",
            "Normal MetricSuccessful: Metric 'endless' Completed. Result: Successful",
            "Warning AnalysisRunFailed: Analysis Completed. Result: Failed",
        ]
    );
    let summary = &story.run.status.run_summary;
    assert_eq!(
        (summary.count, summary.successful, summary.failed),
        (3, 1, 1)
    );
}

#[test]
fn what_is_unfinished_is_ended_first() {
    let mut story = Story::of(json!({"metrics": [
        metric("bad", json!({})), metric("job", json!({"provider": {"job": {"spec": {}}}}))
    ]}));
    story.measures_each(&[("bad", "Failed"), ("job", "Running")]);
    assert_eq!(story.phase(), "Running");
    assert_eq!(story.due(), [("job", Work::Terminate)]);
    story.measures("Inconclusive");
    assert_eq!(story.phase(), "Failed");
    assert_eq!(story.result("job").phase, AnalysisPhase::Inconclusive);
    assert_eq!(
        story.result("job").measurements[0].message,
        "Metric Terminated"
    );
}

#[test]
fn a_run_can_be_terminated() {
    let mut story = Story::metric(json!({"interval": "60s"}));
    story.measures("Successful").terminates();
    assert_eq!(story.phase(), "Successful");
    assert_eq!(story.message(), "Run Terminated");
    assert_eq!(
        story.events(),
        [
            "Normal MetricSuccessful: Metric 'm' Completed. Result: Successful",
            "Normal AnalysisRunSuccessful: Analysis Completed. Result: Successful",
        ]
    );
}

#[test]
fn a_run_that_was_terminated_before_it_measured_is_no_failure() {
    let mut story = Story::metric(json!({"interval": "60s"}));
    story.terminates();
    assert_eq!(story.phase(), "Successful");
    assert_eq!(story.message(), "Run Terminated");
}

#[test]
fn a_job_is_ended_with_its_run() {
    let mut story = Story::metric(json!({"provider": {"prometheus": null, "job": {"spec": {}}}}));
    story.measures("Running").terminates();
    assert_eq!(story.due(), [("m", Work::Terminate)]);
    assert_eq!(story.phase(), "Running");
    story.measures("Successful");
    assert_eq!(story.phase(), "Successful");
    assert_eq!(
        story.result("m").measurements[0].message,
        "Metric Terminated"
    );
}

#[test]
fn an_error_of_ending_it_keeps_its_message() {
    let mut story = Story::metric(json!({"consecutiveErrorLimit": 0}));
    story.measures("Running").terminates();
    story.measures("Error: forbidden");
    assert_eq!(story.phase(), "Error");
    assert_eq!(story.result("m").measurements[0].message, "forbidden");
}

/// argoproj/argo-rollouts#4479
#[test]
fn all_measurements_in_error_is_not_successful() {
    let e = "Error: no data";
    let many = json!({"interval": "60s", "count": 5, "failureLimit": 2});
    let endless = json!({"interval": "60s", "failureLimit": 9});
    for (patch, phases, expected) in [
        (many.clone(), vec![e, e, e, "Failed"], "Failed"),
        (many.clone(), vec!["Failed", e], "Error"),
        (many.clone(), vec![e, e], "Error"),
        (endless.clone(), vec![e, e], "Error"),
        (many, vec![e, "Successful", e], "Successful"),
        (
            endless,
            vec!["Failed", "Successful", "Failed"],
            "Successful",
        ),
    ] {
        let mut story = Story::plays(patch, &phases);
        assert_eq!(story.phase(), "Running", "{phases:?}");
        story.terminates();
        assert_eq!(story.phase(), expected, "{phases:?}");
    }
    let mut story = Story::metric(json!({"interval": "60s"}));
    story.measures(e).terminates();
    assert_eq!(
        story.message(),
        "Metric \"m\" assessed Error due to no successful measurement: 0 failed, 0 inconclusive, 1 in error: \"Error Message: no data\""
    );
}

#[test]
fn a_run_that_has_ended_never_changes() {
    let mut story = Story::metric(json!({"interval": "60s"}));
    let task = story.task("m");
    story.measures("Failed");
    let before = story.run.status.clone();
    story.after(600);
    story.decide(&[measured(&task, measurement("Successful", None))]);
    story.terminates();
    assert_eq!(story.run.status, before);
    assert_eq!(story.due(), []);
    assert_eq!(story.decision.wake_at, None);
}

#[test]
fn a_run_that_is_being_deleted_is_left_alone() {
    let run = json!({
        "metadata": {"name": "run", "deletionTimestamp": "2026-11-22T00:00:00Z"},
        "spec": {"metrics": [metric("m", json!({}))]}
    });
    let mut story = Story::unstarted(run, START);
    story.decide(&[]);
    assert_eq!(story.due(), []);
    assert_eq!(story.phase(), "");
}

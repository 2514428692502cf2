//! What is due, and when.

use super::*;

#[test]
fn all_metrics_begin_at_once() {
    let story = Story::of(
        json!({"metrics": [metric("a", json!({})), metric("b", json!({"interval": "60s"}))]}),
    );
    assert_eq!(story.due(), [("a", Work::Start), ("b", Work::Start)]);
    assert_eq!(story.phase(), "Running");
    assert_eq!(story.run.status.started_at, Some(Time(START)));
    assert_eq!(story.decision.wake_at, None);
    assert_eq!(story.events(), [""; 0]);
}

#[test]
fn without_an_interval_it_is_measured_once() {
    let mut story = Story::metric(json!({}));
    story.measures("Successful");
    assert_eq!(story.phase(), "Successful");
    assert_eq!(story.due(), []);
}

#[test]
fn with_an_interval_it_is_measured_again_after_it() {
    let mut story = Story::metric(json!({"interval": "60s"}));
    story.measures("Successful");
    assert_eq!(story.wakes_in(), Some(60));
    story.after(59);
    assert_eq!(story.due(), []);
    assert_eq!(story.wakes_in(), Some(1));
    story.after(1);
    assert_eq!(story.due(), [("m", Work::Start)]);
}

#[test]
fn an_error_is_repeated_after_ten_seconds_whatever_the_interval() {
    for interval in ["1h", "1s"] {
        let mut story = Story::metric(json!({"interval": interval, "count": 3}));
        story.measures("Error");
        assert_eq!(story.wakes_in(), Some(10), "{interval}");
    }
    let mut story = Story::metric(json!({}));
    story.measures("Error").after(10);
    assert_eq!(story.due(), [("m", Work::Start)]);
}

#[test]
fn the_first_measurement_waits_for_the_initial_delay() {
    let mut story = Story::of(json!({"metrics": [
        metric("now", json!({})), metric("later", json!({"initialDelay": "30s", "interval": "60s"}))
    ]}));
    assert_eq!(story.due(), [("now", Work::Start)]);
    assert_eq!(story.wakes_in(), Some(30));
    story.measures("Successful");
    assert_eq!(story.phase(), "Running");
    story.after(30);
    assert_eq!(story.due(), [("later", Work::Start)]);
    story.measures("Successful");
    assert_eq!(story.wakes_in(), Some(60));
}

#[test]
fn the_earliest_metric_wakes() {
    let mut story = Story::of(json!({"metrics": [
        metric("a", json!({"interval": "90s"})),
        metric("b", json!({"interval": "60s"})),
        metric("c", json!({"initialDelay": "70s"}))
    ]}));
    story.measures("Successful");
    assert_eq!(story.wakes_in(), Some(60));
}

#[test]
fn absurd_intervals_make_no_hot_loop() {
    for interval in ["0s", "1ns", "-5m"] {
        let mut story = Story::metric(json!({"interval": interval}));
        story.measures("Successful");
        assert_eq!(story.wakes_in(), Some(1), "{interval}");
    }
}

#[test]
fn an_unfinished_measurement_is_looked_at_when_it_asks_for_it() {
    let mut story = Story::metric(json!({"interval": "60s"}));
    let task = story.task("m");
    let pending = Measurement {
        resume_at: Some(Time(START.shifted(20_000))),
        ..measurement("Running", None)
    };
    story.decide(&[measured(&task, pending)]);
    assert_eq!(story.due(), []);
    assert_eq!(story.wakes_in(), Some(20));
    assert_eq!(story.result("m").phase, AnalysisPhase::Running);
    story.after(20);
    assert_eq!(story.due(), [("m", Work::Resume)]);
    story.measures("Successful");
    assert_eq!(story.result("m").measurements.len(), 1);
    assert_eq!(story.result("m").count, 1);
    assert_eq!(
        story.result("m").measurements[0].started_at,
        Some(Time(START))
    );
}

/// A Job has no deadline here: it runs until it ends, however long.
#[test]
fn an_unfinished_measurement_without_a_time_is_looked_at_at_once() {
    let mut story = Story::metric(json!({}));
    story.measures("Running").after(86_400);
    assert_eq!(story.due(), [("m", Work::Resume)]);
    assert_eq!(story.wakes_in(), None);
    assert_eq!(story.phase(), "Running");
}

/// A crash between measuring and storing: the measurement is due again.
#[test]
fn what_was_not_stored_is_due_again() {
    let mut story = Story::metric(json!({"interval": "60s"}));
    story.after(300);
    assert_eq!(story.due(), [("m", Work::Start)]);
}

#[test]
fn a_result_that_is_not_of_this_run_changes_nothing() {
    let mut story = Story::metric(json!({"interval": "60s"}));
    let task = story.task("m");
    let stranger = Measured {
        metric: "stranger".to_owned(),
        ..measured(&task, measurement("Failed", None))
    };
    let resumed = Measured {
        work: Work::Resume,
        ..measured(&task, measurement("Failed", None))
    };
    story.decide(&[stranger, resumed]);
    assert_eq!(story.run.status.metric_results, []);
}

/// An API server that does not answer: the measurement comes back as it was.
#[test]
fn looking_again_in_vain_makes_no_hot_loop() {
    let mut story = Story::metric(json!({}));
    story.measures("Running");
    assert_eq!(story.due(), [("m", Work::Resume)]);
    story.measures("Running");
    assert_eq!((story.due(), story.wakes_in()), (vec![], Some(10)));
    story.after(10);
    assert_eq!(story.due(), [("m", Work::Resume)]);
}

#[test]
fn a_job_that_ends_before_it_is_due_is_told_at_once() {
    let mut story = Story::metric(json!({}));
    story.measures("Running");
    let task = story.task("m");
    story.measures("Running");
    assert_eq!(story.due(), []);
    let ended = measurement("Successful", task.measurement.as_ref());
    story.decide(&[measured(&task, ended)]);
    assert_eq!(story.phase(), "Successful");
}

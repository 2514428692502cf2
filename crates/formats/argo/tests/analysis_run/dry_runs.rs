//! Metrics without consequences.

use super::*;

fn spec(names: &[&str], dry: &str) -> Value {
    let metrics: Vec<Value> = names.iter().map(|name| metric(name, json!({}))).collect();
    json!({"metrics": metrics, "dryRun": [{"metricName": dry}]})
}

#[test]
fn they_have_no_consequences() {
    let mut story = Story::of(spec(&["dry", "real"], "dry"));
    story.measures_each(&[("dry", "Failed: too high"), ("real", "Successful")]);
    assert_eq!(story.phase(), "Successful");
    assert_eq!(story.message(), "");
    assert!(story.result("dry").dry_run);
    assert!(!story.result("real").dry_run);
    assert_eq!(
        story.result("dry").message,
        "Metric assessed Failed due to failed (1) > failureLimit (0)"
    );
    let status = &story.run.status;
    assert_eq!(
        (status.run_summary.count, status.run_summary.successful),
        (1, 1)
    );
    let dry = status.dry_run_summary.as_ref().expect("it is written");
    assert_eq!((dry.count, dry.failed), (1, 1));
}

#[test]
fn a_run_of_nothing_else_is_successful() {
    let mut story = Story::of(spec(&["a", "b"], ".*"));
    story.measures_each(&[("a", "Failed"), ("b", "Inconclusive")]);
    assert_eq!(story.phase(), "Successful");
    let dry = story
        .run
        .status
        .dry_run_summary
        .clone()
        .expect("it is written");
    assert_eq!((dry.count, dry.failed, dry.inconclusive), (2, 1, 1));
    assert_eq!(story.run.status.run_summary.count, 0);
}

#[test]
fn the_run_waits_for_them() {
    let mut story = Story::of(spec(&["dry", "real"], "dry"));
    story.measures_each(&[("real", "Successful")]);
    assert_eq!(story.phase(), "Running");
    story.after(0).measures_each(&[("dry", "Successful")]);
    assert_eq!(story.phase(), "Successful");
}

#[test]
fn one_that_goes_wrong_ends_no_other() {
    let mut story = Story::of(json!({
        "metrics": [metric("dry", json!({})), metric("real", json!({"interval": "60s"}))],
        "dryRun": [{"metricName": "dry"}]
    }));
    story.measures_each(&[("dry", "Failed"), ("real", "Successful")]);
    assert_eq!(story.phase(), "Running");
    assert_eq!(story.wakes_in(), Some(60));
}

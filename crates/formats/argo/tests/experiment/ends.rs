//! How Experiments end.

use super::*;

#[test]
fn without_a_duration_it_runs_on() {
    let mut story = Story::available(&["bar"], json!({}));
    assert_eq!(story.wakes_in(), None);
    story.after(86_400);
    assert_eq!(story.phase(), "Running");
    assert_eq!(
        story.condition(),
        ("True".to_owned(), "NewReplicaSetAvailable".to_owned())
    );
}

#[test]
fn when_its_time_is_over_it_is_successful() {
    let mut story = Story::available(&["bar", "baz"], json!({"duration": "5m"}));
    story.after(299);
    assert_eq!((story.phase(), story.wakes_in()), ("Running", Some(1)));
    story.after(1);
    assert_eq!(story.phase(), "Successful");
    assert_eq!(
        story.condition(),
        ("False".to_owned(), "ExperimentCompleted".to_owned())
    );
    assert_eq!(
        story.events,
        [
            "Normal TemplateSuccessful: Template 'bar' transitioned from Running -> Successful",
            "Normal TemplateSuccessful: Template 'baz' transitioned from Running -> Successful",
            "Normal ExperimentSuccessful: Experiment transitioned from Running -> Successful",
        ]
    );
}

#[test]
fn its_pods_stay_for_the_delay() {
    let mut story = Story::available(&["bar"], json!({"duration": "5m"}));
    story.after(300);
    assert_eq!(story.desired(), [1]);
    assert_eq!(story.sets[0].deadline(), Some(START.shifted(330_000)));
    assert_eq!(story.wakes_in(), Some(30));
    story.after(29);
    assert_eq!(story.desired(), [1]);
    story.after(1);
    assert_eq!(story.desired(), [0]);
    story.pods_follow();
    assert_eq!(story.wakes_in(), None);
    assert_eq!(story.phase(), "Successful");
}

#[test]
fn without_a_delay_they_go_at_once() {
    let mut story = Story::available(
        &["bar"],
        json!({"duration": "5m", "scaleDownDelaySeconds": 0}),
    );
    let later = Time(START.shifted(9_000_000)).to_string();
    let annotations = &mut story.sets[0].metadata.annotations;
    annotations.insert("scale-down-deadline".to_owned(), later);
    story.after(300);
    assert_eq!((story.desired(), story.sets[0].deadline()), (vec![0], None));
}

#[test]
fn it_can_be_terminated_at_any_time() {
    let mut story = Story::available(
        &["bar"],
        json!({"duration": "5m", "progressDeadlineSeconds": 60}),
    );
    story.after(200).terminates();
    assert_eq!(story.phase(), "Successful");
    story.after(30);
    assert_eq!(story.desired(), [0]);

    let mut story = Story::with(&["bar"], json!({}));
    story.settle().terminates();
    assert_eq!(story.phase(), "Successful");
    let mut story = Story::with(&["bar"], json!({}));
    story.terminates();
    assert_eq!((story.phase(), story.sets.len()), ("Successful", 0));
}

#[test]
fn one_that_has_ended_starts_nothing_again() {
    let mut story = Story::available(
        &["bar"],
        json!({"duration": "5m", "scaleDownDelaySeconds": 0}),
    );
    story.after(300).pods_follow();
    let before = story.experiment.status.clone();
    story.sets.clear();
    story.experiment.spec.terminate = true;
    story.after(600);
    assert_eq!((story.sets.len(), story.phase()), (0, "Successful"));
    assert_eq!(
        story.experiment.status.template_statuses,
        before.template_statuses
    );
}

#[test]
fn one_that_is_being_deleted_is_left_alone() {
    let mut story = Story::with(&["bar"], json!({}));
    let metadata = &mut story.experiment.metadata.rest;
    metadata.insert(
        "deletionTimestamp".to_owned(),
        json!("2026-11-22T00:00:00Z"),
    );
    assert_eq!(story.decide(), ExperimentDecision::default());
}

//! Specs that make no sense.

use super::*;

#[test]
fn one_that_makes_no_sense_is_told_and_changes_nothing() {
    for (pointer, value, expected) in [
        (
            "/templates/0/selector",
            json!(null),
            "spec.templates[0]: selector is missing",
        ),
        (
            "/templates/1/selector",
            json!({}),
            "spec.templates[1]: an empty selector means all pods; name labels of its template",
        ),
        (
            "/templates/0/minReadySeconds",
            json!(601),
            "spec.templates[0]: minReadySeconds (601) is longer than progressDeadlineSeconds (600)",
        ),
        (
            "/templates/0/name",
            json!(""),
            "spec.templates[0]: the name is empty",
        ),
        (
            "/templates/1/name",
            json!("bar"),
            "spec.templates[1]: another template is called 'bar' too",
        ),
        (
            "/duration",
            json!("soon"),
            "spec.duration: `soon` is not a duration; write numbers with units, as in `30s`, `5m`, `1h30m`",
        ),
    ] {
        let mut spec = json!({
            "duration": "1m", "templates": [template("bar"), template("baz")]
        });
        spec["templates"][0]["minReadySeconds"] = json!(0);
        *spec.pointer_mut(pointer).expect("a field") = value;
        let mut story = Story::of(spec);
        story.settle();
        let conditions = &story.experiment.status.conditions;
        assert_eq!(conditions[0].kind, "InvalidSpec");
        assert_eq!(conditions[0].message, expected);
        assert_eq!((story.phase(), story.sets.len()), ("", 0));
    }
}

#[test]
fn the_reason_is_kept_up_to_date_and_goes_with_the_fault() {
    let mut story = Story::with(&["bar", "baz"], json!({}));
    story.experiment.spec.templates[0].selector = None;
    story.settle();
    story.experiment.spec.templates[0].selector =
        story.experiment.spec.templates[1].selector.clone();
    story.experiment.spec.templates[1].selector = None;
    story.settle();
    let conditions = &story.experiment.status.conditions;
    assert_eq!(
        conditions[0].message,
        "spec.templates[1]: selector is missing"
    );
    story.experiment.spec.templates[1].selector =
        story.experiment.spec.templates[0].selector.clone();
    story.settle();
    let kinds: Vec<&str> = story
        .experiment
        .status
        .conditions
        .iter()
        .map(|one| one.kind.as_str())
        .collect();
    assert_eq!(kinds, ["Progressing"]);
    assert_eq!(story.phase(), "Pending");
}

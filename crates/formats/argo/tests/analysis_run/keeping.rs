//! What is kept, and for how long.

use super::*;

#[test]
fn ten_measurements_are_kept_or_as_many_as_a_rule_says() {
    for (rules, kept) in [
        (json!([]), 10),
        (json!([{"metricName": "m", "limit": 3}]), 3),
    ] {
        let mut story = Story::of(json!({
            "metrics": [metric("m", json!({"interval": "60s"}))], "measurementRetention": rules
        }));
        for at in 0..12 {
            let task = story.task("m");
            let job = format!("job-{at}");
            let one = Measurement {
                metadata: BTreeMap::from([("job-name".to_owned(), job)]),
                ..measurement("Successful", None)
            };
            story.decide(&[measured(&task, one)]);
            let gone: Vec<&str> = story
                .decision
                .collect
                .iter()
                .map(|one| one.metadata["job-name"].as_str())
                .collect();
            let expected = format!("job-{}", at as i64 - kept as i64);
            assert_eq!(
                gone,
                if at < kept {
                    vec![]
                } else {
                    vec![expected.as_str()]
                }
            );
            story.after(60);
        }
        assert_eq!(story.result("m").measurements.len(), kept);
        assert_eq!(story.result("m").count, 12);
    }
}

#[test]
fn a_run_that_has_ended_is_kept_for_as_long_as_it_says() {
    let day = 86_400;
    for (strategy, phase, expected) in [
        (
            json!({"secondsAfterCompletion": day}),
            "Successful",
            Some(day),
        ),
        (json!({"secondsAfterCompletion": day}), "Failed", Some(day)),
        (
            json!({"secondsAfterCompletion": day}),
            "Inconclusive",
            Some(day),
        ),
        (json!({"secondsAfterSuccess": day}), "Successful", Some(day)),
        (json!({"secondsAfterSuccess": day}), "Failed", None),
        (json!({"secondsAfterFailure": day}), "Failed", Some(day)),
        (json!({"secondsAfterFailure": day}), "Successful", None),
        (
            json!({"secondsAfterCompletion": 9, "secondsAfterSuccess": day}),
            "Successful",
            Some(day),
        ),
        (
            json!({"secondsAfterCompletion": 9, "secondsAfterFailure": day}),
            "Failed",
            Some(day),
        ),
        (
            json!({"secondsAfterCompletion": day, "secondsAfterFailure": 9}),
            "Successful",
            Some(day),
        ),
        (json!(null), "Successful", None),
    ] {
        let mut story =
            Story::of(json!({"metrics": [metric("m", json!({}))], "ttlStrategy": strategy}));
        assert_eq!(story.decision.delete_at, None, "it has not ended");
        story.measures(phase);
        let expected = expected.map(|seconds| START.shifted(seconds * 1_000));
        assert_eq!(story.decision.delete_at, expected, "{strategy} {phase}");
        assert_eq!(story.decision.wake_at, expected);
        story.after(day + 1);
        assert_eq!(story.decision.delete_at, expected);
        assert_eq!(story.decision.wake_at, None);
    }
}

#[test]
fn a_run_that_ended_without_a_time_is_kept() {
    let run = json!({
        "metadata": {"name": "run"},
        "spec": {"metrics": [], "ttlStrategy": {"secondsAfterCompletion": 1}},
        "status": {"phase": "Successful"}
    });
    let mut story = Story::unstarted(run, START);
    story.decide(&[]);
    assert_eq!(story.decision.delete_at, None);
}

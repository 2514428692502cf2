//! Specs that make sense, and those that do not.

use super::*;

#[test]
fn one_that_makes_no_sense_ends_the_run_at_once() {
    let m = || metric("m", json!({}));
    for (spec, expected) in [
        (
            json!({"metrics": []}),
            "Analysis spec invalid: no metrics specified",
        ),
        (
            json!({"metrics": [m(), m()]}),
            "Analysis spec invalid: metrics[1].name: another metric is called `m` too",
        ),
        (
            json!({"metrics": [metric("m", json!({"provider": {}}))]}),
            "Analysis spec invalid: metrics[0].provider: no provider is named",
        ),
        (
            json!({"metrics": [metric("m", json!({"interval": "soon"}))]}),
            "Analysis spec invalid: metrics[0].interval: ",
        ),
        (
            json!({"metrics": [m()], "dryRun": [{"metricName": "nope"}]}),
            "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)",
        ),
        (
            json!({"metrics": [m()], "measurementRetention": [{"metricName": "nope", "limit": 1}]}),
            "Analysis spec invalid: measurementRetention[0]: Rule didn't match any metric name(s)",
        ),
        (
            json!({"metrics": [metric("m", json!({"interval": "{{args.nope}}"}))]}),
            "Unable to resolve metric arguments: failed to resolve {{args.nope}}",
        ),
        (
            json!({"metrics": [m()], "args": [{"name": "a"}]}),
            "Unable to resolve metric arguments: argument \"a\" was not supplied",
        ),
    ] {
        let story = Story::of(spec.clone());
        assert_eq!(story.phase(), "Error", "{spec}");
        assert!(story.message().starts_with(expected), "{}", story.message());
        assert_eq!(
            story.events(),
            ["Warning AnalysisRunError: Analysis Completed. Result: Error"]
        );
        assert_eq!(story.due(), []);
        assert_eq!(story.run.status.completed_at, Some(Time(START)));
    }
}

#[test]
fn arguments_are_in_place_when_something_is_measured() {
    let story = Story::of(json!({
        "metrics": [metric("m", json!({
            "count": "{{args.count}}", "interval": "{{args.every}}",
            "provider": {"prometheus": {"query": "up{job='{{args.job}}'}"}}
        }))],
        "args": [{"name": "count", "value": "2"}, {"name": "every", "value": "60s"}, {"name": "job", "value": "shop"}]
    }));
    let prometheus = story.task("m").metric.provider.prometheus.expect("it is");
    assert_eq!(prometheus.query, "up{job='shop'}");
    let mut story = story;
    story.measures("Successful");
    assert_eq!((story.phase(), story.wakes_in()), ("Running", Some(60)));
    story.after(60).measures("Successful");
    assert_eq!(story.phase(), "Successful");
}

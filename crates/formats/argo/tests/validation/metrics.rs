//! Rules for metrics, and for their conditions.

use super::merge;
use serde_json::{Value, json};
use sluice_argo::api::Metric;
use sluice_argo::validation::{validate_conditions, validate_metrics};

/// ValidateMetric (`utils/analysis/factory.go`)
#[test]
fn metrics_keep_their_rules() {
    let metric = |patch: Value| {
        let mut metric = json!({"name": "errors", "provider": {"prometheus": {"query": "up"}}});
        merge(&mut metric, &patch);
        let metric: Metric = serde_json::from_value(metric).expect("a metric");
        validate_metrics(&[metric], "spec.metrics")
            .into_iter()
            .map(|problem| (problem.rule, problem.path))
            .collect::<Vec<_>>()
    };
    for sound in [
        json!({}),
        json!({"count": 3, "interval": "10s", "failureLimit": 1}),
        json!({"count": "{{args.count}}", "interval": "{{args.interval}}"}),
        json!({"failureLimit": -1, "consecutiveSuccessLimit": 2, "interval": "1m", "count": 5}),
    ] {
        assert_eq!(metric(sound.clone()), [], "{sound}");
    }
    for (patch, rule, field) in [
        (json!({"failureLimit": -2}), "metric-limit", "failureLimit"),
        (
            json!({"failureLimit": "many"}),
            "metric-limit",
            "failureLimit",
        ),
        (
            json!({"inconclusiveLimit": -1}),
            "metric-limit",
            "inconclusiveLimit",
        ),
        (
            json!({"consecutiveErrorLimit": -1}),
            "metric-limit",
            "consecutiveErrorLimit",
        ),
        (
            json!({"consecutiveSuccessLimit": -1}),
            "metric-limit",
            "consecutiveSuccessLimit",
        ),
        (
            json!({"failureLimit": -1}),
            "metric-never-decides",
            "failureLimit",
        ),
        (json!({"count": 2}), "metric-interval", "interval"),
        (
            json!({"count": 2, "interval": "1m", "failureLimit": 3}),
            "metric-count",
            "count",
        ),
        (
            json!({"count": 1, "inconclusiveLimit": 2}),
            "metric-count",
            "count",
        ),
        (json!({"interval": "soon"}), "metric-duration", "interval"),
        (
            json!({"initialDelay": "5"}),
            "metric-duration",
            "initialDelay",
        ),
        (
            json!({"provider": {"prometheus": null}}),
            "one-provider",
            "provider",
        ),
        (
            json!({"provider": {"web": {"url": "http://x"}}}),
            "one-provider",
            "provider",
        ),
        (
            json!({"provider": {"plugin": {"a": {}, "b": {}}, "prometheus": null}}),
            "one-provider",
            "provider",
        ),
    ] {
        let path = format!("spec.metrics[0].{field}");
        assert_eq!(metric(patch.clone()), [(rule, path)], "{patch}");
    }
}

#[test]
fn conditions_that_are_none_are_found_before_anything_is_measured() {
    let conditions = |patch: Value| {
        let mut metric = json!({"name": "errors", "provider": {"prometheus": {"query": "up"}}});
        merge(&mut metric, &patch);
        let metric: Metric = serde_json::from_value(metric).expect("a metric");
        validate_conditions(&[metric], "spec.metrics")
            .into_iter()
            .map(|problem| problem.to_string())
            .collect::<Vec<_>>()
    };
    for sound in [
        json!({"successCondition": "result[0] >= 0.95", "failureCondition": "isNaN(result[0])"}),
        json!({"successCondition": "result[0] >= {{args.threshold}}"}),
        json!({"provider": {"prometheus": null, "plugin": {"a": {}}}, "successCondition": "its own"}),
    ] {
        assert_eq!(conditions(sound.clone()), [""; 0], "{sound}");
    }
    assert_eq!(
        conditions(json!({"failureCondition": "rsult[0] >"})),
        [
            "spec.metrics[0].failureCondition: `rsult[0] >`, character 11: a value was expected, not the end; write an expression over `result`, as `result[0] >= 0.95`"
        ]
    );
}

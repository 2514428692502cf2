//! What is wrong with a config, and what is odd about one: a table each.

use super::super::*;
use super::{only, with};
use serde_json::json;

#[test]
fn what_is_wrong_has_its_path() {
    let canary = "/metrics/0/analysisConfigurations/canary";
    let at = |field: &str| format!("{canary}/{field}");
    let cases = [
        ("/metrics".to_owned(), json!([]), "missing-field", "metrics"),
        ("/metrics".to_owned(), json!({}), "wrong-type", "metrics"),
        (
            "/metrics/1".to_owned(),
            json!("latency"),
            "wrong-type",
            "metrics[1]",
        ),
        (
            "/metrics/1/name".to_owned(),
            json!(null),
            "missing-field",
            "metrics[1].name",
        ),
        (
            "/metrics/1/name".to_owned(),
            json!(""),
            "bad-name",
            "metrics[1].name",
        ),
        (
            "/metrics/1/name".to_owned(),
            json!("errors"),
            "duplicate-metric",
            "metrics[1].name",
        ),
        (
            "/metrics/1/query".to_owned(),
            json!(null),
            "missing-field",
            "metrics[1].query",
        ),
        (
            "/metrics/1/query".to_owned(),
            json!([]),
            "wrong-type",
            "metrics[1].query",
        ),
        (
            "/metrics/1/query".to_owned(),
            json!({}),
            "missing-field",
            "metrics[1].query.type",
        ),
        (
            "/metrics/1/groups".to_owned(),
            json!(null),
            "missing-field",
            "metrics[1].groups",
        ),
        (
            "/metrics/1/groups".to_owned(),
            json!(["latency", 7]),
            "wrong-type",
            "metrics[1].groups[1]",
        ),
        (at("direction"), json!(null), "wrong-type", "direction"),
        (at("critical"), json!("true"), "wrong-type", "critical"),
        (
            at("effectSize/allowedIncrease"),
            json!("1.1"),
            "wrong-type",
            "effectSize.allowedIncrease",
        ),
        (
            at("effectSize/allowedIncrease"),
            json!(null),
            "wrong-type",
            "effectSize.allowedIncrease",
        ),
        (
            at("outliers/outlierFactor"),
            json!(0),
            "out-of-range",
            "outliers.outlierFactor",
        ),
        (
            "/templates".to_owned(),
            json!({"a b": 1}),
            "wrong-type",
            "templates[\"a b\"]",
        ),
        (
            "/classifier".to_owned(),
            json!(null),
            "missing-field",
            "classifier",
        ),
        (
            "/classifier/groupWeights/errors".to_owned(),
            json!(-1),
            "out-of-range",
            "classifier.groupWeights.errors",
        ),
        (
            "/classifier/scoreThresholds/pass".to_owned(),
            json!("high"),
            "wrong-type",
            "classifier.scoreThresholds.pass",
        ),
        (
            "/classifier/scoreThresholds".to_owned(),
            json!({"pass": 95}),
            "missing-field",
            "classifier.scoreThresholds.marginal",
        ),
        (
            "/judge/name".to_owned(),
            json!("RemoteJudge-v1.0"),
            "other-judge",
            "judge.name",
        ),
    ];
    for (pointer, value, code, path) in cases {
        let parsed = read_value(&with(&pointer, value.clone()));
        assert_eq!(parsed.config, None, "{pointer} = {value}");
        let first = parsed.diagnostics.first().expect("an error");
        assert_eq!(
            (first.severity, first.code.as_str()),
            (Severity::Error, code),
            "{first}"
        );
        assert!(first.path.ends_with(path), "{first}");
        if pointer.starts_with(canary) {
            let full = format!("metrics[0].analysisConfigurations.canary.{path}");
            assert_eq!(first.path, full);
        }
        assert!(first.help.is_some() && !first.message.is_empty());
        let refused = serde_json::from_value::<CanaryConfig>(with(&pointer, value));
        assert!(
            refused
                .expect_err("serde refuses it too")
                .to_string()
                .contains(path)
        );
    }
}

#[test]
fn what_is_odd_is_said_and_read_as_kayenta_reads_it() {
    let canary = "/metrics/0/analysisConfigurations/canary";
    let at = |field: &str| format!("{canary}/{field}");
    let cases = [
        (at("direction"), json!("Increase"), "unknown-word"),
        (at("effectSize/alowedIncrease"), json!(2), "unknown-field"),
        (
            "/metrics/0/analysisConfigurations/baseline".to_owned(),
            json!({}),
            "unknown-field",
        ),
        (
            "/metrics/0/extensions".to_owned(),
            json!({}),
            "unknown-field",
        ),
        ("/colour".to_owned(), json!("green"), "unknown-field"),
        (
            "/judge/judgeConfigurations/alpha".to_owned(),
            json!(0.1),
            "unknown-field",
        ),
        ("/judge/name".to_owned(), json!("dredd-v1.0"), "other-judge"),
        ("/judge".to_owned(), json!(null), "other-judge"),
        (
            at("effectSize/criticalIncrease"),
            json!(1.5),
            "out-of-range",
        ),
        (at("critical"), json!(false), "no-effect"),
        (
            "/metrics/1/groups".to_owned(),
            json!(["errors"]),
            "no-effect",
        ),
        (
            "/classifier/groupWeights/latency".to_owned(),
            json!(30),
            "weights",
        ),
        (
            "/classifier/groupWeights/latency".to_owned(),
            json!(80),
            "weights",
        ),
        (
            "/classifier/scoreThresholds/pass".to_owned(),
            json!(50),
            "out-of-range",
        ),
        (
            "/classifier/scoreThresholds/pass".to_owned(),
            json!(101),
            "out-of-range",
        ),
    ];
    for (pointer, value, code) in cases {
        let config = with(&pointer, value);
        let problem = only(&config);
        assert_eq!(
            (problem.severity, problem.code.as_str()),
            (Severity::Warning, code),
            "{problem}"
        );
        assert!(read_value(&config).config.is_some(), "{problem}");
    }
    let config = read_value(&with(&at("direction"), json!("Increase")))
        .config
        .expect("a config");
    assert_eq!(config.metrics[0].analysis.direction, Direction::Either);
    let near = only(&with(&at("effectSize/alowedIncrease"), json!(2)));
    assert!(
        near.help
            .is_some_and(|help| help.contains("`allowedIncrease`"))
    );
}

//! Reading configs: upstream's samples, what is wrong with a config, and what is odd.

mod problems;

use super::*;
use serde_json::json;
use sluice_model::Diagnostic;

/// A config without a fault, to be spoilt.
fn sound() -> Value {
    json!({
        "name": "checkout",
        "judge": {"name": "NetflixACAJudge-v1.0", "judgeConfigurations": {}},
        "metrics": [{
            "name": "errors",
            "query": {"type": "prometheus", "metricName": "errors", "anything": [1, 2]},
            "groups": ["errors"],
            "analysisConfigurations": {"canary": {
                "direction": "increase",
                "nanStrategy": "replace",
                "critical": true,
                "mustHaveData": true,
                "muted": false,
                "effectSize": {"measure": "cles", "allowedIncrease": 0.6, "criticalIncrease": 0.9},
                "outliers": {"strategy": "remove", "outlierFactor": 2}
            }},
            "scopeName": "default"
        }, {
            "name": "latency",
            "query": {"type": "datadog"},
            "groups": ["latency"]
        }],
        "templates": {"by-scope": "scope=${scope}"},
        "classifier": {
            "groupWeights": {"errors": 60, "latency": "40"},
            "scoreThresholds": {"pass": 95, "marginal": "75"}
        }
    })
}

/// The config with the value at a JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = sound();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer below the root");
    match config.pointer_mut(parent).expect("the parent") {
        Value::Object(fields) => {
            fields.insert(field.to_owned(), value);
        }
        Value::Array(items) => items[field.parse::<usize>().expect("an index")] = value,
        other => panic!("{other} has no fields"),
    }
    config
}

fn only(config: &Value) -> Diagnostic {
    let Parsed { diagnostics, .. } = read_value(config);
    let [diagnostic] = diagnostics.as_slice() else {
        panic!("{diagnostics:#?}")
    };
    diagnostic.clone()
}

#[test]
fn a_sound_config_is_read_without_a_word() {
    let Parsed {
        config,
        diagnostics,
    } = read_value(&sound());
    assert_eq!(diagnostics, []);
    let config = config.expect("a config");
    let [errors, latency] = config.metrics.as_slice() else {
        panic!("two metrics")
    };
    assert_eq!(errors.analysis.direction, Direction::Increase);
    assert_eq!(errors.analysis.nan_strategy, NanStrategy::Replace);
    assert!(errors.analysis.critical && errors.analysis.must_have_data && !errors.analysis.muted);
    assert_eq!(
        errors.analysis.effect_size.allowed(),
        Bounds {
            decrease: 0.5,
            increase: 0.6
        }
    );
    assert_eq!(
        errors.analysis.effect_size.critical(),
        Bounds {
            decrease: 0.5,
            increase: 0.9
        }
    );
    let remove = Outliers {
        strategy: OutlierStrategy::Remove,
        factor: 2.0,
    };
    assert_eq!(errors.analysis.outliers, remove);
    assert_eq!(errors.query["anything"], json!([1, 2]));
    assert_eq!(latency.analysis, Analysis::default());
    assert_eq!(
        latency.analysis.effect_size.allowed(),
        Bounds {
            decrease: 1.0,
            increase: 1.0
        }
    );
    assert_eq!(config.classifier.group_weights["latency"], 40.0);
    let thresholds = Thresholds {
        pass: 95.0,
        marginal: 75.0,
    };
    assert_eq!(config.classifier.score_thresholds, Some(thresholds));
}

#[test]
fn what_is_written_reads_the_same_again() {
    let config = read_value(&sound()).config.expect("a config");
    let written = serde_json::to_value(&config).expect("a config is JSON");
    assert_eq!(
        read_value(&written),
        Parsed {
            config: Some(config.clone()),
            diagnostics: vec![]
        }
    );
    let read: CanaryConfig = serde_json::from_value(written).expect("serde reads it too");
    assert_eq!(read, config);
}

#[test]
fn fields_in_which_kayenta_keeps_books_are_passed_over() {
    let parsed = read_value(&with("/createdTimestamp", json!(1_700_000_000_000_u64)));
    assert_eq!(parsed.diagnostics, []);
}

#[test]
fn all_errors_are_said_at_once_and_before_the_warnings() {
    let mut config = with("/metrics/1/name", json!(7));
    config["colour"] = json!("green");
    config["classifier"]["groupWeights"]["errors"] = json!("heavy");
    config["metrics"][0]["query"] = json!(null);
    let diagnostics = read_value(&config).diagnostics;
    let codes: Vec<_> = diagnostics
        .iter()
        .map(|problem| problem.code.as_str())
        .collect();
    assert_eq!(&codes[..2], ["missing-field", "wrong-type"]);
    assert!(codes[2..].contains(&"unknown-field"));
}

#[test]
fn no_input_makes_a_report_without_end() {
    let mut config = sound();
    for index in 0..5_000 {
        config[format!("field-{index}")] = json!(index);
    }
    config["metrics"][0]["critical-and-long"] = json!("x".repeat(100_000));
    let diagnostics = read_value(&config).diagnostics;
    assert_eq!(diagnostics.len(), 101);
    assert!(
        diagnostics
            .last()
            .is_some_and(|last| last.message.contains("more problems"))
    );
    let long = with(
        "/metrics/0/analysisConfigurations/canary/direction",
        json!("x".repeat(9_999)),
    );
    assert!(only(&long).message.len() < 300);
}

#[test]
fn a_text_that_is_not_json_has_a_place() {
    let text = "{\n  \"name\": \"größe\" oops\n}";
    let Parsed {
        config: None,
        diagnostics,
    } = read("canary.json", text)
    else {
        panic!("a config of what is no JSON")
    };
    let place = diagnostics[0].place.clone().expect("a place");
    assert_eq!(
        (place.file.as_str(), place.line, place.column),
        ("canary.json", 2, 19)
    );
    assert_eq!(diagnostics[0].code, "not-json");
    for text in ["", "[]", "null", "{", "\u{feff}{}", &"[".repeat(1_000)] {
        assert!(read("canary.json", text).config.is_none(), "{text}");
    }
}

#[test]
fn a_metric_is_laid_out_with_every_default() {
    let mut config = sound();
    config["metrics"][1]["groups"] = json!(["latency", "errors"]);
    config["classifier"]["groupWeights"] = json!({"errors": 60});
    let config = read_value(&config).config.expect("a config");
    let views = metrics(&config);
    let [errors, latency] = views.as_slice() else {
        panic!("two metrics")
    };
    assert_eq!((errors.source, errors.share), ("prometheus", 30.0));
    assert_eq!(
        errors.critical,
        Some(Bounds {
            decrease: 0.5,
            increase: 0.9
        })
    );
    assert_eq!(errors.outlier_factor, Some(2.0));
    assert_eq!((latency.source, latency.share), ("datadog", 70.0));
    assert_eq!(latency.critical, None);
    assert_eq!(
        latency.allowed,
        Bounds {
            decrease: 1.0,
            increase: 1.0
        }
    );
    assert_eq!(
        (latency.outlier_factor, latency.must_have_data),
        (None, false)
    );
}

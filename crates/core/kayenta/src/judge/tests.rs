//! The judge as its caller sees it: what it takes, what it refuses, and the JSON that it answers.

use super::*;
use crate::config::read;
use serde_json::{Value, json};

fn muted() -> CanaryConfig {
    read("canary.json", include_str!("../../testdata/muted.json"))
        .config
        .expect("a config")
}

fn series(name: &str, baseline: &[f64], canary: &[f64]) -> MetricSamples {
    MetricSamples {
        name: name.to_owned(),
        baseline: baseline.to_vec(),
        canary: canary.to_vec(),
        ..MetricSamples::default()
    }
}

const LOW: [f64; 6] = [1.0, 2.0, 3.0, 5.0, 6.0, 7.0];
const HIGH: [f64; 5] = [10.0, 20.0, 30.0, 40.0, 50.0];

#[test]
fn a_result_has_the_shape_of_kayentas() {
    let samples = [
        series("Failing metric", &[0.0; 6], &HIGH),
        series(
            "Successful metric",
            &[1.0, 2.0, 3.0, f64::NAN, 5.0, 6.0, 7.0],
            &HIGH,
        ),
    ];
    let result = judge(&muted(), None, &samples).expect("samples fit the config");
    let found = serde_json::to_value(&result).expect("a result is JSON");
    // As upstream's judge answers it (see `conformance`), without reasons and `id`, which are free.
    let stats = |count: u32, mean: f64, min: f64, std: f64, max: f64| json!({"stats": {"count": count, "mean": mean, "min": min, "std": std, "max": max}});
    let canary = stats(5, 30.0, 10.0, 15.811388300841896, 50.0);
    let wanted = json!({
        "judgeName": "NetflixACAJudge-v1.0",
        "results": [
            {
                "name": "Failing metric",
                "tags": {},
                "classification": "High",
                "groups": ["pod-group"],
                "experimentMetadata": canary,
                "controlMetadata": stats(6, 0.0, 0.0, 0.0, 0.0),
                "resultMetadata": {"ratio": "NaN"},
                "critical": true,
                "muted": true
            },
            {
                "name": "Successful metric",
                "tags": {},
                "classification": "Pass",
                "groups": ["pod-group"],
                "experimentMetadata": canary,
                "controlMetadata": stats(6, 4.0, 1.0, 2.3664319132398464, 7.0),
                "resultMetadata": {"ratio": 7.5},
                "critical": false,
                "muted": false
            }
        ],
        "groupScores": [
            {"name": "pod-group", "score": 100.0, "classification": "", "classificationReason": ""}
        ],
        "score": {"score": 100.0, "classification": "Pass", "classificationReason": ""}
    });
    assert_within(&wanted, &found, "");
    let again: JudgeResult = serde_json::from_value(found.clone()).expect("a result is read");
    assert_eq!(
        serde_json::to_value(&again).expect("a result is JSON"),
        found
    );
}

/// All that is in `wanted` is in `found`, which may have more.
fn assert_within(wanted: &Value, found: &Value, path: &str) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (field, value) in wanted {
                let found = found.get(field).unwrap_or(&Value::Null);
                assert_within(value, found, &format!("{path}.{field}"));
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            assert_eq!(wanted.len(), found.len(), "{path}");
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                assert_within(wanted, found, &format!("{path}[{index}]"));
            }
        }
        _ => assert_eq!(wanted, found, "{path}"),
    }
}

#[test]
fn samples_that_the_config_knows_nothing_of_are_refused() {
    let stray = judge(&muted(), None, &[series("latency", &LOW, &LOW)]).expect_err("refused");
    let said = stray.to_string();
    assert!(
        said.contains("`latency`") && said.contains("Failing metric"),
        "{said}"
    );
}

#[test]
fn thresholds_are_the_requests_or_the_configs_or_missing() {
    let mut config = muted();
    config.metrics.remove(0);
    config.metrics.push(config.metrics[0].clone());
    config.metrics[1].name = "other".to_owned();
    config.metrics[0].analysis.critical = false;
    let samples = [
        series("Successful metric", &LOW, &HIGH),
        series("other", &LOW, &LOW),
    ];
    let outcome = |config: &CanaryConfig, thresholds| {
        judge(config, thresholds, &samples).map(|result| result.score.classification)
    };
    config.metrics[0].analysis.outliers = Default::default();
    let wide: Vec<f64> = LOW.iter().map(|sample| sample + 100.0).collect();
    let samples_apart = [series("Successful metric", &LOW, &wide), samples[1].clone()];
    let half = judge(&config, None, &samples_apart).expect("judged");
    assert_eq!(
        (half.score.score, half.score.classification),
        (50.0, Outcome::Marginal)
    );
    let strict = Some(Thresholds {
        pass: 90.0,
        marginal: 60.0,
    });
    let strict = judge(&config, strict, &samples_apart).expect("judged");
    assert_eq!(strict.score.classification, Outcome::Fail);
    config.classifier.score_thresholds = None;
    let missing = outcome(&config, None).expect_err("refused");
    assert_eq!(missing, JudgeError::NoThresholds);
    assert_eq!(
        outcome(
            &config,
            Some(Thresholds {
                pass: 0.0,
                marginal: 0.0
            })
        ),
        Ok(Outcome::Pass)
    );
}

#[test]
fn a_metric_without_samples_has_no_data_and_a_critical_one_fails() {
    let samples = [series("Failing metric", &LOW, &LOW)];
    let result = judge(&muted(), None, &samples).expect("judged");
    let successful = &result.results[1];
    assert_eq!(successful.classification, Classification::Nodata);
    assert!(successful.critical);
    assert_eq!(
        (result.score.score, result.score.classification),
        (0.0, Outcome::Fail)
    );
    assert!(
        result
            .score
            .classification_reason
            .contains("`Successful metric`")
    );
}

#[test]
fn half_of_the_metrics_without_data_fail_the_canary() {
    let mut config = muted();
    for metric in &mut config.metrics {
        metric.analysis.critical = false;
        metric.analysis.muted = false;
    }
    let samples = [series("Failing metric", &LOW, &LOW)];
    let result = judge(&config, None, &samples).expect("judged");
    assert_eq!(result.group_scores[0].score, 100.0);
    assert_eq!(result.score.score, 0.0);
    assert!(
        result
            .score
            .classification_reason
            .contains("1 of 2 metrics"),
        "{:?}",
        result.score
    );
}

#[test]
fn each_series_of_a_metric_counts_by_itself() {
    let mut config = muted();
    config.metrics.remove(0);
    config.metrics[0].analysis.critical = false;
    let tagged = |zone: &str, canary: &[f64]| MetricSamples {
        tags: [("zone".to_owned(), zone.to_owned())].into(),
        ..series("Successful metric", &LOW, canary)
    };
    let far: Vec<f64> = LOW.iter().map(|sample| sample + 100.0).collect();
    let samples = [tagged("a", &LOW), tagged("b", &far), tagged("c", &LOW)];
    let result = judge(&config, None, &samples).expect("judged");
    let zones: Vec<&str> = result
        .results
        .iter()
        .map(|metric| metric.tags["zone"].as_str())
        .collect();
    assert_eq!(zones, ["a", "b", "c"]);
    assert_eq!(result.score.score, 66.67);
    assert_eq!(result.group_scores[0].counts[&Classification::High], 1);
}

#[test]
fn padding_makes_nothing_reported_a_row_of_zeros() {
    // MetricSetMixerServiceSpec.groovy:218–249: four points are expected, none came.
    let padded = series("errors", &[], &[]).padded(4);
    assert!(
        padded
            .baseline
            .iter()
            .chain(&padded.canary)
            .all(|sample| sample.is_nan())
    );
    assert_eq!((padded.baseline.len(), padded.canary.len()), (4, 4));
    assert_eq!(series("errors", &LOW, &[]).padded(2).baseline, LOW);
    let mut config = muted();
    config.metrics.remove(0);
    config.metrics[0].analysis.nan_strategy = crate::config::NanStrategy::Replace;
    let silent = series("Successful metric", &[], &HIGH);
    let verdict =
        |series| judge(&config, None, &[series]).expect("judged").results[0].classification;
    assert_eq!(verdict(silent.clone()), Classification::Pass);
    assert_eq!(verdict(silent.padded(5)), Classification::High);
}

#[test]
fn an_infinite_sample_is_an_error_and_counts_nowhere() {
    let mut config = muted();
    config.metrics[0].analysis.muted = false;
    let samples = [
        series("Failing metric", &LOW, &[1.0, f64::INFINITY]),
        series("Successful metric", &LOW, &LOW),
    ];
    let result = judge(&config, None, &samples).expect("judged");
    assert_eq!(result.results[0].classification, Classification::Error);
    assert!(result.results[0].result_metadata.is_none());
    assert_eq!(result.score.score, 100.0);
    let written = serde_json::to_string(&result).expect("a result is JSON");
    assert!(written.contains("\"max\":\"Infinity\""), "{written}");
}

#[test]
fn samples_keep_what_is_missing_in_json() {
    let samples = series(
        "errors",
        &[1.5, f64::NAN],
        &[f64::INFINITY, f64::NEG_INFINITY],
    );
    let written = serde_json::to_value(&samples).expect("samples are JSON");
    assert_eq!(written["baseline"], json!([1.5, "NaN"]));
    assert_eq!(written["canary"], json!(["Infinity", "-Infinity"]));
    let read: MetricSamples = serde_json::from_value(written).expect("samples are read");
    assert!(read.baseline[1].is_nan() && read.canary == samples.canary);
    let odd = serde_json::from_value::<MetricSamples>(json!({
        "name": "errors", "baseline": ["much"], "canary": []
    }));
    assert!(odd.expect_err("refused").to_string().contains("`much`"));
}

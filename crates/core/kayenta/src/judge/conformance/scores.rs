//! Scores of whole configs, of upstream's `ScorerSuite`, and of its integration tests.

use super::{numbers, rows};
use crate::config::{Classifier, Thresholds, read, read_value};
use crate::judge::scorer::score;
use crate::judge::{Classification, MetricResult, MetricSamples, Outcome, judge};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct JudgedRow {
    config: serde_json::Value,
    samples: Vec<SamplesRow>,
    score: String,
    outcome: Outcome,
    groups: BTreeMap<String, String>,
    metrics: Vec<MetricRow>,
}

#[derive(Deserialize)]
struct SamplesRow {
    name: String,
    baseline: String,
    canary: String,
}

#[derive(Deserialize)]
struct MetricRow {
    classification: Classification,
    critical: bool,
    ratio: String,
}

#[test]
fn whole_configs_score_as_upstream_scores_them() {
    let rows: Vec<JudgedRow> = rows(include_str!("../../../testdata/judged.jsonl"));
    assert_eq!(rows.len(), 70);
    for (index, row) in rows.into_iter().enumerate() {
        let config = read_value(&row.config)
            .config
            .expect("a config that upstream takes");
        let samples: Vec<MetricSamples> = row
            .samples
            .into_iter()
            .map(|series| MetricSamples {
                name: series.name,
                baseline: numbers(&series.baseline),
                canary: numbers(&series.canary),
                ..MetricSamples::default()
            })
            .collect();
        let found = judge(&config, None, &samples).expect("samples fit the config");
        assert_eq!(found.score.score.to_string(), row.score, "row {index}");
        assert_eq!(found.score.classification, row.outcome, "row {index}");
        let groups: BTreeMap<String, f64> = found
            .group_scores
            .into_iter()
            .map(|group| (group.name, group.score))
            .collect();
        let wanted: BTreeMap<String, f64> = row
            .groups
            .into_iter()
            .map(|(name, score)| (name, score.parse().expect("a number")))
            .collect();
        assert_eq!(groups, wanted, "row {index}");
        assert_eq!(found.results.len(), row.metrics.len());
        for (metric, wanted) in found.results.iter().zip(&row.metrics) {
            assert_eq!(
                metric.classification, wanted.classification,
                "row {index} {metric:?}"
            );
            assert_eq!(metric.critical, wanted.critical, "row {index} {metric:?}");
            let evidence = metric.result_metadata.as_ref().expect("nothing failed");
            let ratio: f64 = wanted.ratio.parse().expect("a number");
            // Upstream's ratio has the noise in it where there was any.
            let noisy = evidence.test.is_some_and(|test| test.spread);
            let within = if noisy { 1e-3 } else { 0.0 };
            let same = (evidence.ratio - ratio).abs() <= within * ratio.abs()
                || evidence.ratio.is_nan() && ratio.is_nan();
            assert!(same, "row {index}: {} for {ratio}", evidence.ratio);
        }
    }
}

fn result(classification: Classification, critical: bool, group: &str) -> MetricResult {
    MetricResult {
        name: format!("{classification:?}"),
        id: None,
        tags: BTreeMap::new(),
        classification,
        classification_reason: None,
        groups: vec![group.to_owned()],
        experiment_metadata: Default::default(),
        control_metadata: Default::default(),
        result_metadata: None,
        critical,
        muted: false,
    }
}

#[test]
fn scorer_suite() {
    use Classification::{High, Low, Nodata, Pass};
    type Metric = (Classification, bool, &'static str);
    type Case<'a> = (u32, &'a [(&'static str, f64)], &'a [Metric], f64);
    // Line of ScorerSuite.scala, weights, metrics, score.
    let cases: [Case<'_>; 13] = [
        (28, &[], &[(Pass, false, "g")], 100.0),
        (42, &[], &[(High, false, "g")], 0.0),
        (56, &[], &[(Nodata, false, "g")], 0.0),
        (
            75,
            &[],
            &[(Pass, false, "g"), (Pass, false, "g"), (Nodata, false, "h")],
            100.0,
        ),
        (107, &[], &[(Pass, false, "g"), (High, false, "g")], 50.0),
        (
            127,
            &[],
            &[(Pass, false, "g"), (High, false, "g"), (Low, false, "g")],
            33.33,
        ),
        (
            153,
            &[("1", 75.0), ("2", 25.0)],
            &[(Pass, false, "1"), (Pass, false, "1"), (High, false, "2")],
            75.0,
        ),
        (
            179,
            &[("1", 50.0), ("2", 50.0)],
            &[(Pass, false, "1"), (High, false, "1"), (High, false, "2")],
            25.0,
        ),
        (
            205,
            &[("1", 50.0), ("2", 50.0)],
            &[(Pass, false, "1"), (Nodata, false, "1"), (High, false, "2")],
            50.0,
        ),
        (231, &[], &[(Pass, false, "g"), (High, true, "g")], 0.0),
        (252, &[], &[(Low, false, "g"), (Pass, true, "g")], 50.0),
        (274, &[], &[(Pass, false, "g"), (Nodata, true, "g")], 0.0),
        (
            295,
            &[("1", 15.0), ("2", 85.0)],
            &[
                (High, false, "1"),
                (Low, false, "1"),
                (Pass, false, "1"),
                (High, false, "2"),
            ],
            5.0,
        ),
    ];
    for (line, weights, metrics, wanted) in cases {
        let results: Vec<MetricResult> = metrics
            .iter()
            .map(|metric| result(metric.0, metric.1, metric.2))
            .collect();
        let group_weights = weights
            .iter()
            .map(|(name, weight)| ((*name).to_owned(), *weight))
            .collect();
        let classifier = Classifier {
            group_weights,
            score_thresholds: None,
        };
        let thresholds = Thresholds {
            pass: 75.0,
            marginal: 50.0,
        };
        let (groups, score) = score(&results, &classifier, thresholds);
        assert_eq!(score.score, wanted, "ScorerSuite.scala:{line}");
        let scores: Vec<f64> = groups.iter().map(|group| group.score).collect();
        match line {
            56 => assert_eq!(scores, [0.0], "a group without data"),
            75 => assert_eq!(scores, [100.0, 0.0], "one group passes, one has no data"),
            _ => {}
        }
    }
}

/// The ranges that upstream's integration tests draw from, and what they expect
/// (kayenta-integration-tests/src/test/resources/application-cases.yml, and
/// PrometheusStandaloneCanaryAnalysisTest.java:30, 52 and 74; the two for Graphite draw from the same).
#[test]
fn integration_tests() {
    let cpu = include_str!("../../../testdata/cpu.json");
    let muted = include_str!("../../../testdata/muted.json");
    type Series<'a> = (&'a str, [f64; 2], [f64; 2], Classification);
    type Case<'a> = (&'a str, &'a [Series<'a>], f64, Outcome);
    let cases: [Case<'_>; 3] = [
        (
            cpu,
            &[(
                "CPU usage for service",
                [40.0, 45.0],
                [39.0, 46.0],
                Classification::Pass,
            )],
            100.0,
            Outcome::Pass,
        ),
        (
            cpu,
            &[(
                "CPU usage for service",
                [10.0, 20.0],
                [20.0, 23.0],
                Classification::High,
            )],
            0.0,
            Outcome::Fail,
        ),
        (
            muted,
            &[
                (
                    "Failing metric",
                    [40.0, 45.0],
                    [1000.0, 1000.0],
                    Classification::High,
                ),
                (
                    "Successful metric",
                    [40.0, 45.0],
                    [40.0, 45.0],
                    Classification::Pass,
                ),
            ],
            100.0,
            Outcome::Pass,
        ),
    ];
    let mut random = fastrand::Rng::with_seed(74);
    let mut draw = |[low, high]: [f64; 2]| -> Vec<f64> {
        (0..60).map(|_| low + (high - low) * random.f64()).collect()
    };
    for (config, series, score, outcome) in cases {
        let parsed = read("canary.json", config);
        assert_eq!(
            parsed.diagnostics,
            [],
            "upstream's samples are read without a word"
        );
        let config = parsed.config.expect("a config");
        let samples: Vec<MetricSamples> = series
            .iter()
            .map(|(name, baseline, canary, _)| MetricSamples {
                name: (*name).to_owned(),
                baseline: draw(*baseline),
                canary: draw(*canary),
                ..MetricSamples::default()
            })
            .collect();
        let found = judge(&config, None, &samples).expect("samples fit the config");
        assert_eq!(found.score.score, score);
        assert_eq!(found.score.classification, outcome);
        for (metric, (name, .., classification)) in found.results.iter().zip(series) {
            assert_eq!(
                (metric.name.as_str(), metric.classification),
                (*name, *classification)
            );
        }
    }
}

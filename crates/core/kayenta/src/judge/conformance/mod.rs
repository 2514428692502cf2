//! Upstream's own test suites, and its classes run on further input, held against this judge.
//!
//! Sources are at spinnaker/kayenta a69573be: `ClassifierSuite.scala`, `ScorerSuite.scala` and the like below
//! kayenta-judge/src/test, `MannWhitneySuite.scala` below kayenta-mannwhitney/src/test. Rows of `testdata/`
//! with the source `run`, and all of `judged.jsonl`, are what `MannWhitney` and `NetflixACAJudge` of that
//! commit answered, compiled with Scala 2.12.12 and commons-math 3.6.1 as it pins them. Samples there are texts:
//! numbers in them are read to the last digit.

mod scores;

use super::classifier::{Rule, classify};
use super::{Classification, Confidence, Incomparable, shift};
use crate::config::{Analysis, Direction, EffectMeasure, EffectSize, NanStrategy};
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn rows<T: DeserializeOwned>(text: &str) -> Vec<T> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a row of test data"))
        .collect()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect()
}

/// The judge's own quantile where it is asked for, as the last digit counts there.
fn confidence(level: f64) -> Confidence {
    if level == Confidence::JUDGE.level() {
        Confidence::JUDGE
    } else {
        Confidence::of(level)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntervalRow {
    source: String,
    confidence: f64,
    lower: String,
    upper: String,
    estimate: String,
    #[serde(default)]
    within: f64,
    #[serde(default)]
    estimate_within: f64,
    x: String,
    y: String,
}

#[test]
fn intervals_are_upstreams() {
    let rows: Vec<IntervalRow> = rows(include_str!("../../../testdata/intervals.jsonl"));
    assert_eq!(
        rows.iter()
            .filter(|row| row.source.starts_with("MannWhitneySuite"))
            .count(),
        5
    );
    assert_eq!(rows.len(), 89);
    for row in &rows {
        let found = shift(
            &numbers(&row.x),
            &numbers(&row.y),
            confidence(row.confidence),
        );
        if row.lower == "error" {
            assert_eq!(found, Err(Incomparable::AllTied), "{} {}", row.x, row.y);
            continue;
        }
        let found = found.expect("comparable");
        let pairs = [
            (found.lower, &row.lower, row.within),
            (found.upper, &row.upper, row.within),
            (found.estimate, &row.estimate, row.estimate_within),
        ];
        for (found, wanted, within) in pairs {
            let wanted: f64 = wanted.parse().expect("a number");
            let off = (found - wanted).abs();
            assert!(
                off <= within * wanted.abs().max(1.0),
                "{}: {found} for {wanted}",
                row.source
            );
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClassifierRow {
    source: String,
    tolerance: f64,
    confidence: f64,
    /// Decrease, increase.
    allowed: [f64; 2],
    critical_bounds: [f64; 2],
    measure: EffectMeasure,
    direction: Direction,
    nan: NanStrategy,
    critical: bool,
    expected: Expected,
    canary: String,
    baseline: String,
}

/// What the suite asserts; not all of it everywhere.
#[derive(Deserialize)]
struct Expected {
    classification: Option<Classification>,
    critical: Option<bool>,
    ratio: Option<String>,
    #[serde(default)]
    reason: bool,
}

#[test]
fn classifier_suite() {
    let rows: Vec<ClassifierRow> = rows(include_str!("../../../testdata/classifier.jsonl"));
    assert_eq!(rows.len(), 34);
    for row in &rows {
        let analysis = Analysis {
            direction: row.direction,
            nan_strategy: row.nan,
            critical: row.critical,
            effect_size: EffectSize {
                measure: row.measure,
                allowed_decrease: Some(row.allowed[0]),
                allowed_increase: Some(row.allowed[1]),
                critical_decrease: Some(row.critical_bounds[0]),
                critical_increase: Some(row.critical_bounds[1]),
            },
            ..Analysis::default()
        };
        let rule = Rule {
            tolerance: row.tolerance,
            confidence: confidence(row.confidence),
        };
        let (baseline, canary) = (numbers(&row.baseline), numbers(&row.canary));
        let found = classify("metric", &baseline, &canary, &analysis, rule);
        let source = &row.source;
        if let Some(wanted) = row.expected.classification {
            assert_eq!(found.classification, wanted, "{source}");
        }
        if let Some(wanted) = row.expected.critical {
            assert_eq!(found.critical, wanted, "{source}");
        }
        if let Some(wanted) = &row.expected.ratio {
            let ratio = found.evidence.expect("compared").ratio;
            let wanted: f64 = wanted.parse().expect("a number");
            assert!(
                ratio == wanted || ratio.is_nan() && wanted.is_nan(),
                "{source}: {ratio}"
            );
        }
        assert!(!row.expected.reason || found.reason.is_some(), "{source}");
    }
}

//! From judged metrics to one score: as WeightedSumScorer.scala and ThresholdScoreClassifier.scala do.

use super::result::{Classification, GroupScore, MetricResult, Outcome, Score};
use crate::config::{Classifier, Thresholds};
use crate::order::as_grouped;
use std::collections::BTreeMap;

/// From this share of metrics without data on, in percent, the score is 0 (WeightedSumScorer.scala:27).
const NODATA_PERCENT: f64 = 50.0;

/// The score of the metrics that are not muted, and of each group.
pub(crate) fn score(
    results: &[MetricResult],
    classifier: &Classifier,
    thresholds: Thresholds,
) -> (Vec<GroupScore>, Score) {
    let counted: Vec<&MetricResult> = results.iter().filter(|result| !result.muted).collect();
    let mut groups = group_scores(&counted, classifier);
    let (score, reason) = match failure(&counted) {
        Some(reason) => (0.0, reason),
        None => (summary(&groups), String::new()),
    };
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    let classification = if score >= thresholds.pass {
        Outcome::Pass
    } else if score >= thresholds.marginal {
        Outcome::Marginal
    } else {
        Outcome::Fail
    };
    (
        groups,
        Score {
            score,
            classification,
            classification_reason: reason,
        },
    )
}

/// Why the score is 0 whatever the groups say.
fn failure(results: &[&MetricResult]) -> Option<String> {
    let critical = results
        .iter()
        .find(|result| result.critical && result.classification != Classification::Pass);
    if let Some(result) = critical {
        let because = result
            .classification_reason
            .as_deref()
            .unwrap_or(&result.name);
        return Some(format!("a critical metric failed: {because}"));
    }
    let without = results
        .iter()
        .filter(|result| result.classification == Classification::Nodata)
        .count();
    // Not a number, and so no failure, without any metric.
    let percent = without as f64 / results.len() as f64 * 100.0;
    (percent >= NODATA_PERCENT).then(|| {
        format!(
            "{without} of {} metrics have no data: {NODATA_PERCENT} % or more fail the canary",
            results.len()
        )
    })
}

/// The groups, in the order in which they are added up.
fn group_scores(results: &[&MetricResult], classifier: &Classifier) -> Vec<GroupScore> {
    let mut members: BTreeMap<&str, BTreeMap<Classification, usize>> = BTreeMap::new();
    let mut seen = Vec::new();
    for result in results {
        for group in &result.groups {
            if !members.contains_key(group.as_str()) {
                seen.push(group.as_str());
            }
            let counts = members.entry(group).or_default();
            *counts.entry(result.classification).or_default() += 1;
        }
    }
    let weights = classifier.weights_of(&members.keys().copied().collect());
    as_grouped(seen)
        .into_iter()
        .map(|name| {
            let counts = members.remove(name).unwrap_or_default();
            let count = |wanted| counts.get(&wanted).copied().unwrap_or(0);
            let passed = count(Classification::Pass);
            let total = passed
                + count(Classification::High)
                + count(Classification::Low)
                + count(Classification::NodataFailMetric);
            let no_data = total == 0;
            GroupScore {
                name: name.to_owned(),
                score: if no_data {
                    0.0
                } else {
                    passed as f64 / total as f64 * 100.0
                },
                classification: String::new(),
                classification_reason: String::new(),
                weight: weights.get(name).copied().unwrap_or_default(),
                no_data,
                counts,
            }
        })
        .collect()
}

/// The weighted sum, to two decimals. A group without data counts as if all of it had passed.
fn summary(groups: &[GroupScore]) -> f64 {
    // From plain zero on, and not from the negative one that an empty `sum` is.
    let sum = groups.iter().fold(0.0, |sum, group| {
        let score = if group.no_data { 100.0 } else { group.score };
        sum + score * (group.weight / 100.0)
    });
    to_cents(sum)
}

/// To two decimals, a half away from zero, judged by the shortest decimal text of the number as Java's
/// `BigDecimal` does: 0.285 becomes 0.29, though the number is a little less.
fn to_cents(value: f64) -> f64 {
    let text = value.abs().to_string();
    let Some((whole, decimals)) = text.split_once('.') else {
        return value;
    };
    let mut digits = decimals.bytes().chain(std::iter::repeat(b'0'));
    let mut cents = whole.parse::<f64>().unwrap_or(f64::INFINITY) * 100.0;
    let mut digit = || f64::from(digits.next().unwrap_or(b'0') - b'0');
    cents += digit() * 10.0 + digit();
    if digit() >= 5.0 {
        cents += 1.0;
    }
    (cents / 100.0).copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_rounded_by_their_decimal_text() {
        let cases = [
            (0.0, 0.0),
            (100.0, 100.0),
            (33.333_333_333_333_33, 33.33),
            (66.666_666_666_666_66, 66.67),
            (99.995, 100.0),
            // The nearest number to each is below the half.
            (0.285, 0.29),
            (83.335, 83.34),
            (83.334_999_999_999_98, 83.33),
            (5e-7, 0.0),
            (-0.285, -0.29),
            (123_456.785, 123_456.79),
            (1e300, 1e300),
        ];
        for (value, wanted) in cases {
            assert_eq!(to_cents(value), wanted, "{value}");
        }
        assert!(to_cents(f64::NAN).is_nan());
        assert_eq!(to_cents(f64::INFINITY), f64::INFINITY);
    }
}

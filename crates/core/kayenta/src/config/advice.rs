//! What is odd about a config though Kayenta takes it: weights that no score can follow from, bounds that
//! cannot be reached, fields without effect. Warnings only.

use super::object::{Problems, shortened};
use super::{CanaryConfig, EffectMeasure, MetricConfig};
use std::collections::BTreeSet;

/// A difference of weights from 100 that is rounding and not a mistake.
const WEIGHT_SLACK: f64 = 0.01;

/// Says what is odd.
pub(crate) fn advise(config: &CanaryConfig, problems: &Problems) {
    for (index, metric) in config.metrics.iter().enumerate() {
        advise_metric(metric, &format!("metrics[{index}]"), problems);
    }
    advise_weights(config, problems);
    advise_thresholds(config, problems);
}

fn advise_metric(metric: &MetricConfig, path: &str, problems: &Problems) {
    let analysis = &metric.analysis;
    let canary = format!("{path}.analysisConfigurations.canary");
    if metric.groups.is_empty() && !analysis.critical {
        problems.warning(
            "no-effect",
            &format!("{path}.groups"),
            "the metric is in no group, and counts in no score".to_owned(),
            "name its groups, or mark it as critical",
        );
    }
    let size = &analysis.effect_size;
    let bounds = [
        ("allowedIncrease", size.allowed_increase),
        ("allowedDecrease", size.allowed_decrease),
        ("criticalIncrease", size.critical_increase),
        ("criticalDecrease", size.critical_decrease),
    ];
    for (field, bound) in bounds {
        let Some(bound) = bound else { continue };
        let path = format!("{canary}.effectSize.{field}");
        if size.measure == EffectMeasure::Cles && !(0.0..=1.0).contains(&bound) {
            problems.warning(
                "out-of-range",
                &path,
                format!("{bound} is no probability, which `cles` measures by"),
                "say 0 to 1, or measure by `meanRatio`",
            );
        }
        // A bound at which every difference counts, 1 or 0.5, is what leaving it out means.
        let none = if size.measure == EffectMeasure::Cles {
            0.5
        } else {
            1.0
        };
        if field.starts_with("critical") && !analysis.critical && bound != none {
            problems.warning(
                "no-effect",
                &path,
                "the metric is not critical, so that its critical bounds are not asked".to_owned(),
                "set `critical: true`, or leave the bound out",
            );
        }
    }
}

fn advise_weights(config: &CanaryConfig, problems: &Problems) {
    let weights = &config.classifier.group_weights;
    let path = "classifier.groupWeights";
    let groups: BTreeSet<&str> = config
        .metrics
        .iter()
        .filter(|metric| !metric.analysis.muted)
        .flat_map(|metric| metric.groups.iter().map(String::as_str))
        .collect();
    let unused: Vec<_> = weights
        .keys()
        .filter(|name| !groups.contains(name.as_str()))
        .collect();
    for group in &unused {
        problems.warning(
            "no-effect",
            path,
            format!(
                "no metric that counts is in the group `{}`: its weight is lost",
                shortened(group)
            ),
            "correct the group's name, or give its weight to other groups",
        );
    }
    let sum: f64 = weights.values().sum();
    let all_weighted = groups.iter().all(|group| weights.contains_key(*group));
    let short = all_weighted && !weights.is_empty() && sum < 100.0 - WEIGHT_SLACK;
    if sum > 100.0 + WEIGHT_SLACK || short {
        problems.warning(
            "weights",
            path,
            format!("the weights add up to {sum}: a canary without a fault gets that score"),
            "let them add up to 100",
        );
    }
}

fn advise_thresholds(config: &CanaryConfig, problems: &Problems) {
    let Some(thresholds) = config.classifier.score_thresholds else {
        return;
    };
    let path = "classifier.scoreThresholds";
    if thresholds.marginal > thresholds.pass {
        problems.warning(
            "out-of-range",
            path,
            format!(
                "`marginal` ({}) is above `pass` ({}): no score is marginal",
                thresholds.marginal, thresholds.pass
            ),
            "let `marginal` be the lower one",
        );
    }
    for (field, threshold) in [("pass", thresholds.pass), ("marginal", thresholds.marginal)] {
        if !(0.0..=100.0).contains(&threshold) {
            problems.warning(
                "out-of-range",
                &format!("{path}.{field}"),
                format!("{threshold} is not within 0 and 100, where scores are"),
                "say a score, 0 to 100",
            );
        }
    }
}

//! One metric: is the canary higher or lower than the baseline, in a direction that matters and by an
//! amount that matters? As MannWhitneyClassifier.scala decides it.

use super::mann_whitney::{Confidence, Incomparable, shift};
use super::noise::{constant, lone_shift, spread};
use super::ranks::sorted;
use super::result::{Classification, Evidence, ShiftTest};
use super::statistics::{SideStatistics, cles, cohens_d, mean_ratio};
use crate::config::{Analysis, Bounds, Direction, EffectMeasure, NanStrategy};

/// How sure, and beyond how much of the estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    /// How much of the estimated shift the whole interval must be beyond.
    pub(crate) tolerance: f64,
    /// Of the interval.
    pub(crate) confidence: Confidence,
}

/// The judge's (NetflixACAJudge.scala:146).
pub(crate) const JUDGE_RULE: Rule = Rule {
    tolerance: 0.25,
    confidence: Confidence::JUDGE,
};

/// What became of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Classified {
    pub(crate) classification: Classification,
    pub(crate) reason: Option<String>,
    /// Whether this alone fails the canary.
    pub(crate) critical: bool,
    /// None if the comparison failed.
    pub(crate) evidence: Option<Evidence>,
}

impl Classified {
    /// Decided without a comparison.
    fn without_test(classification: Classification, reason: Option<String>) -> Self {
        let evidence = Some(Evidence {
            ratio: 1.0,
            test: None,
        });
        Self {
            classification,
            reason,
            critical: false,
            evidence,
        }
    }
}

/// Compares the canary's prepared samples with the baseline's.
pub(crate) fn classify(
    name: &str,
    baseline: &[f64],
    canary: &[f64],
    analysis: &Analysis,
    rule: Rule,
) -> Classified {
    if baseline.is_empty() || canary.is_empty() {
        return without_data(name, baseline.is_empty(), canary.is_empty(), analysis);
    }
    if same_samples(baseline, canary) {
        let reason = "both sides have the same samples".to_owned();
        return Classified::without_test(Classification::Pass, Some(reason));
    }
    let constants = constant(baseline).zip(constant(canary));
    if constants.is_some_and(|(baseline, canary)| baseline == canary) {
        return Classified::without_test(Classification::Pass, None);
    }
    match compare(
        baseline,
        canary,
        constants,
        analysis.effect_size.measure,
        rule,
    ) {
        Ok((ratio, test)) => weigh(name, ratio, test, analysis),
        Err(cause) => Classified {
            classification: Classification::Error,
            reason: Some(format!("`{name}` could not be compared: {cause}")),
            critical: false,
            evidence: None,
        },
    }
}

fn without_data(
    name: &str,
    baseline_empty: bool,
    canary_empty: bool,
    analysis: &Analysis,
) -> Classified {
    if analysis.nan_strategy == NanStrategy::Replace {
        return Classified::without_test(Classification::Pass, None);
    }
    let side = match (baseline_empty, canary_empty) {
        (true, true) => "either side",
        (true, false) => "the baseline",
        (false, _) => "the canary",
    };
    let reason = Some(format!("`{name}` has no data for {side}"));
    if analysis.must_have_data && !analysis.critical {
        Classified::without_test(Classification::NodataFailMetric, reason)
    } else {
        let nodata = Classified::without_test(Classification::Nodata, reason);
        Classified {
            critical: analysis.critical,
            ..nodata
        }
    }
}

/// Whether both have the same samples, in whatever order.
fn same_samples(baseline: &[f64], canary: &[f64]) -> bool {
    sorted(baseline) == sorted(canary)
}

/// The ratio of the means and the comparison.
fn compare(
    baseline: &[f64],
    canary: &[f64],
    constants: Option<(f64, f64)>,
    measure: EffectMeasure,
    rule: Rule,
) -> Result<(f64, ShiftTest), Incomparable> {
    if baseline
        .iter()
        .chain(canary)
        .any(|sample| !sample.is_finite())
    {
        return Err(Incomparable::NotFinite);
    }
    let ratio = mean_ratio(baseline, canary);
    let cohens_d = cohens_d(&SideStatistics::of(baseline), &SideStatistics::of(canary));
    let spread_out = constants.map(|(baseline_value, canary_value)| {
        (
            spread(baseline_value, baseline.len()),
            spread(canary_value, canary.len()),
        )
    });
    let (baseline, canary) = match &spread_out {
        Some((baseline, canary)) => (baseline.as_slice(), canary.as_slice()),
        None => (baseline, canary),
    };
    let shift = match constant(baseline).zip(constant(canary)) {
        Some((baseline, canary)) => lone_shift(baseline, canary)?,
        None => shift(canary, baseline, rule.confidence)?,
    };
    let effect_size = match measure {
        EffectMeasure::MeanRatio => ratio,
        EffectMeasure::Cles => cles(baseline, canary),
    };
    let test = ShiftTest {
        lower: shift.lower,
        upper: shift.upper,
        estimate: shift.estimate,
        tolerance: rule.tolerance,
        confidence: rule.confidence.level(),
        effect_measure: measure,
        effect_size,
        cohens_d,
        spread: spread_out.is_some(),
        coarse: shift.coarse,
    };
    Ok((ratio, test))
}

/// What the comparison means for this metric.
fn weigh(name: &str, ratio: f64, test: ShiftTest, analysis: &Analysis) -> Classified {
    let within = test.tolerance * test.estimate.abs();
    let allowed = analysis.effect_size.allowed();
    let high = analysis.direction != Direction::Decrease
        && test.lower > within
        && at_least(test.effect_size, allowed);
    let low = analysis.direction != Direction::Increase
        && test.upper < -within
        && at_most(test.effect_size, allowed);
    let critical_bounds = analysis.effect_size.critical();
    let (classification, word, beyond) = if high {
        (
            Classification::High,
            "higher",
            at_least(test.effect_size, critical_bounds),
        )
    } else if low {
        (
            Classification::Low,
            "lower",
            at_most(test.effect_size, critical_bounds),
        )
    } else {
        (Classification::Pass, "", false)
    };
    let critical = analysis.critical && beyond;
    let reason = (classification != Classification::Pass).then(|| {
        let mark = if critical {
            ", beyond its critical bounds"
        } else {
            ""
        };
        format!("`{name}` is {word} than the baseline{mark}")
    });
    let evidence = Some(Evidence {
        ratio,
        test: Some(test),
    });
    Classified {
        classification,
        reason,
        critical,
        evidence,
    }
}

/// Whether an effect reaches the upper bound; one without a size always does.
fn at_least(effect_size: f64, bounds: Bounds) -> bool {
    effect_size.is_nan() || effect_size >= bounds.increase
}

/// Whether an effect reaches the lower bound; one without a size always does.
fn at_most(effect_size: f64, bounds: Bounds) -> bool {
    effect_size.is_nan() || effect_size <= bounds.decrease
}

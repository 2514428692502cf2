//! What holds for any samples: sides mirror each other, units and order do not matter, nothing is random,
//! and where upstream draws noise, any draw gives the same answer.

use super::brent::TOLERANCE;
use super::classifier::{Classified, JUDGE_RULE, classify};
use super::mann_whitney::Confidence;
use super::noise::{NOISE_SHARE, constant};
use super::statistics::mean_ratio;
use super::{Classification, MetricSamples, ShiftTest, judge, shift};
use crate::config::{Analysis, EffectMeasure, EffectSize, NanStrategy, read};
use proptest::collection::vec;
use proptest::prelude::*;

fn classified(baseline: &[f64], canary: &[f64]) -> Classified {
    classify("metric", baseline, canary, &Analysis::default(), JUDGE_RULE)
}

fn test_of(classified: &Classified) -> Option<ShiftTest> {
    classified.evidence.as_ref()?.test
}

fn mirrored(classification: Classification) -> Classification {
    match classification {
        Classification::High => Classification::Low,
        Classification::Low => Classification::High,
        other => other,
    }
}

/// The standardised rank sum by counting pairs (H. B. Mann, D. R. Whitney, 1947): slow, and nothing like the
/// judge's own.
fn statistic(baseline: &[f64], canary: &[f64], moved_by: f64, quantile: f64) -> f64 {
    let moved: Vec<f64> = canary.iter().map(|sample| sample - moved_by).collect();
    let pairs = moved
        .iter()
        .flat_map(|one| baseline.iter().map(move |other| one - other));
    let wins: f64 = pairs
        .map(|apart| {
            if apart == 0.0 {
                0.5
            } else {
                f64::from(apart > 0.0)
            }
        })
        .sum();
    let (m, n) = (canary.len() as f64, baseline.len() as f64);
    let above = wins - m * n / 2.0;
    let all = || moved.iter().chain(baseline);
    let ties: f64 = all()
        .map(|one| all().filter(|other| *other == one).count() as f64)
        .map(|equal| equal * equal - 1.0)
        .sum();
    let variance = m * n / 12.0 * (m + n + 1.0 - ties / ((m + n) * (m + n - 1.0)));
    let continuity = if above == 0.0 {
        0.0
    } else {
        above.signum() / 2.0
    };
    (above - continuity) / variance.sqrt() - quantile
}

/// Between which shifts the statistic changes its sign, by trying all at which it can change. It may do so
/// more than once, and be zero over a stretch: the root finder may end anywhere within.
fn crossing(baseline: &[f64], canary: &[f64], quantile: f64) -> (f64, f64) {
    let mut shifts: Vec<f64> = canary
        .iter()
        .flat_map(|one| baseline.iter().map(move |other| one - other))
        .collect();
    shifts.sort_by(f64::total_cmp);
    let between: Vec<f64> = shifts
        .windows(2)
        .map(|pair| (pair[0] + pair[1]) / 2.0)
        .collect();
    shifts.extend(between);
    shifts.sort_by(f64::total_cmp);
    let at = |shift: &f64| statistic(baseline, canary, *shift, quantile);
    let end = shifts.len() - 1;
    let first = shifts
        .iter()
        .position(|shift| at(shift) <= 0.0)
        .unwrap_or(end);
    let last = shifts
        .iter()
        .rposition(|shift| at(shift) >= 0.0)
        .unwrap_or(0);
    // What holds between two of them begins right after the one before.
    (
        shifts[first.min(last).saturating_sub(1)],
        shifts[(first.max(last) + 1).min(end)],
    )
}

/// The classification by trying all shifts; none where the root finder's tolerance, or a stretch of zeros,
/// leaves it open.
fn by_trying(baseline: &[f64], canary: &[f64]) -> Option<Classification> {
    const SLACK: f64 = 3.0 * TOLERANCE;
    let quantile = 2.326_347_874_040_841;
    let lower = crossing(baseline, canary, quantile);
    let upper = crossing(baseline, canary, -quantile);
    let estimate = crossing(baseline, canary, 0.0);
    let within = |estimate: f64| 0.25 * estimate.abs();
    let most = within(estimate.0).max(within(estimate.1)) + SLACK;
    let zero_within = estimate.0 <= 0.0 && estimate.1 >= 0.0;
    let least = if zero_within {
        0.0
    } else {
        within(estimate.0).min(within(estimate.1))
    } - SLACK;
    let ratio = mean_ratio(baseline, canary);
    if (ratio - 1.0).abs() < 1e-9 {
        None
    } else if lower.0 - SLACK > most {
        Some(if ratio > 1.0 {
            Classification::High
        } else {
            Classification::Pass
        })
    } else if upper.1 + SLACK < -most {
        Some(if ratio < 1.0 {
            Classification::Low
        } else {
            Classification::Pass
        })
    } else if lower.1 + SLACK < least && upper.0 - SLACK > -least {
        Some(Classification::Pass)
    } else {
        None
    }
}

/// Samples with and without ties, of a unit that is large beside the root finder's tolerance.
fn side() -> impl Strategy<Value = Vec<f64>> {
    let tied = (1_u32..12).prop_map(f64::from);
    let free = 1.0..20.0;
    prop_oneof![vec(tied, 2..14), vec(free, 2..14)]
}

/// Two sides, some the same thing, some shifted, none constant.
fn sides() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    let shift = prop_oneof![Just(0.0), Just(0.5), Just(3.0), Just(10.0), Just(40.0)];
    let shifted = (side(), side(), shift, any::<bool>()).prop_map(|(one, other, shift, swap)| {
        let other = other.iter().map(|sample| sample + shift).collect();
        if swap { (other, one) } else { (one, other) }
    });
    shifted.prop_filter("a constant side has another way", |(one, other)| {
        constant(one).is_none() && constant(other).is_none()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_verdict_is_that_of_trying_all_shifts_in_any_unit_and_mirrored(
        (baseline, canary) in sides(),
        factor in 1.0..1e6,
    ) {
        let Some(wanted) = by_trying(&baseline, &canary) else { return Ok(()) };
        prop_assert_eq!(classified(&baseline, &canary).classification, wanted);
        prop_assert_eq!(classified(&canary, &baseline).classification, mirrored(wanted));
        let in_unit = |side: &[f64]| side.iter().map(|sample| sample * factor).collect::<Vec<_>>();
        let scaled = classified(&in_unit(&baseline), &in_unit(&canary));
        prop_assert_eq!(scaled.classification, wanted);
    }

    #[test]
    fn interval_and_estimate_are_where_the_statistic_crosses((baseline, canary) in sides()) {
        let found = shift(&canary, &baseline, Confidence::JUDGE).expect("comparable");
        let quantile = 2.326_347_874_040_841;
        let ends = [(found.lower, quantile), (found.upper, -quantile), (found.estimate, 0.0)];
        for (end, quantile) in ends {
            let (least, greatest) = crossing(&baseline, &canary, quantile);
            prop_assert!(
                end >= least - TOLERANCE && end <= greatest + TOLERANCE,
                "{end} for {least} to {greatest}"
            );
        }
    }

    #[test]
    fn the_order_of_samples_does_not_matter(
        (baseline, mixed) in side().prop_flat_map(|side| (Just(side.clone()), Just(side).prop_shuffle())),
        canary in side(),
    ) {
        let (one, other) = (classified(&baseline, &canary), classified(&mixed, &canary));
        prop_assert_eq!(one.classification, other.classification);
        let intervals = [test_of(&one), test_of(&other)]
            .map(|test| test.map(|test| (test.lower, test.upper, test.estimate)));
        prop_assert_eq!(intervals[0], intervals[1], "to the bit");
    }

    #[test]
    fn any_samples_get_an_answer_and_twice_the_same(
        baseline in vec(proptest::num::f64::ANY, 0..12),
        canary in vec(proptest::num::f64::ANY, 0..12),
        replace in any::<bool>(),
    ) {
        let config = read("canary.json", include_str!("../../testdata/cpu.json")).config;
        let mut config = config.expect("a config");
        config.metrics[0].analysis.nan_strategy =
            if replace { NanStrategy::Replace } else { NanStrategy::Remove };
        let name = config.metrics[0].name.clone();
        let samples = [MetricSamples { name, baseline, canary, ..MetricSamples::default() }];
        let written = || {
            let result = judge(&config, None, &samples).expect("the samples fit the config");
            serde_json::to_string(&result).expect("a result is JSON")
        };
        prop_assert_eq!(written(), written());
    }
}

/// Samples as upstream spreads a constant: with Gaussian noise (here by Box and Muller), deviation a share of
/// the value.
fn noisy(value: f64, count: usize, random: &mut fastrand::Rng) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
            let draw = radius * (std::f64::consts::TAU * random.f64()).cos();
            value + draw * value * NOISE_SHARE
        })
        .collect()
}

#[test]
fn any_seed_of_the_noise_gives_the_answer_without_noise() {
    let mut random = fastrand::Rng::with_seed(33);
    let mut met = [0; 3];
    // Two constants, further apart than the noise is wide.
    let values = [
        (10.0, 1.0),
        (1.0, 10.0),
        (0.0, 10.0),
        (10.0, 0.0),
        (1.001, 1.0),
        (-3.0, 2.0),
        (-2.0, -3.0),
        (4e-6, 1e-6),
        (1e9, 1.01e9),
    ];
    for (baseline, canary) in values {
        for (many, few) in [(5, 5), (60, 60), (2, 30), (30, 2), (12, 3)] {
            for measure in [EffectMeasure::MeanRatio, EffectMeasure::Cles] {
                let effect_size = EffectSize {
                    measure,
                    ..EffectSize::default()
                };
                let analysis = Analysis {
                    effect_size,
                    ..Analysis::default()
                };
                let judged = |baseline: &[f64], canary: &[f64]| {
                    classify("metric", baseline, canary, &analysis, JUDGE_RULE)
                };
                let found = judged(&vec![baseline; many], &vec![canary; few]);
                assert!(test_of(&found).is_some_and(|test| test.spread));
                met[found.classification as usize] += 1;
                for _ in 0..20 {
                    let baseline = noisy(baseline, many, &mut random);
                    let canary = noisy(canary, few, &mut random);
                    let drawn = judged(&baseline, &canary);
                    assert_eq!(
                        found.classification, drawn.classification,
                        "{found:?} {drawn:?}"
                    );
                    let ratio = mean_ratio(&baseline, &canary);
                    let own = found.evidence.as_ref().expect("compared").ratio;
                    assert!(ratio.is_nan() && own.is_nan() || (ratio / own - 1.0).abs() < 1e-3);
                }
            }
        }
    }
    assert!(met[Classification::High as usize] > 0 && met[Classification::Low as usize] > 0);
}

#[test]
fn constants_that_are_nearer_than_the_noise_is_wide_pass() {
    // A tenth of the noise's deviation apart: upstream finds them different by 2 seeds in 100.
    for count in [2, 5, 30, 100] {
        let (baseline, canary) = (vec![1e6; count], vec![1e6 + 1.0; count]);
        let found = classified(&baseline, &canary);
        assert_eq!(found.classification, Classification::Pass, "{found:?}");
    }
}

#[test]
fn a_ratio_at_its_bound_has_reached_it() {
    let effect_size = EffectSize {
        allowed_increase: Some(10.0),
        ..EffectSize::default()
    };
    let analysis = Analysis {
        effect_size,
        ..Analysis::default()
    };
    let found = classify("metric", &[1.0; 7], &[10.0; 7], &analysis, JUDGE_RULE);
    assert_eq!(found.classification, Classification::High);
}

#[test]
fn lone_values_are_compared_only_where_upstreams_rounding_lets_them() {
    let cases = [
        (&[5.0][..], &[8.0][..], Classification::Error),
        (&[8.0], &[5.0], Classification::Error),
        (&[5.0], &[8000.0], Classification::High),
        (&[5.0], &[-8000.0], Classification::Low),
        (&[8000.0], &[5.0], Classification::Error),
        (&[0.0, 0.0], &[7.0], Classification::Error),
        (&[7.0], &[0.0, 0.0], Classification::Error),
        (&[7.0, 7.0], &[0.0, 0.0], Classification::Low),
    ];
    for (baseline, canary, wanted) in cases {
        let found = classified(baseline, canary);
        assert_eq!(
            found.classification, wanted,
            "{baseline:?} {canary:?} {found:?}"
        );
    }
}

#[test]
fn ten_thousand_points_a_side_are_no_trouble() {
    let mut random = fastrand::Rng::with_seed(10);
    let mut draw = |shift: f64| {
        (0..10_000)
            .map(|_| random.f64() + shift)
            .collect::<Vec<_>>()
    };
    let (baseline, canary) = (draw(10.0), draw(10.5));
    let found = classified(&baseline, &canary);
    assert_eq!(found.classification, Classification::High);
    let estimate = test_of(&found).expect("compared").estimate;
    assert!((estimate - 0.5).abs() < 0.02, "{estimate}");
}

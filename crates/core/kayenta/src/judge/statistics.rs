//! What a series amounts to, and sizes of an effect: the figures of upstream's `DescriptiveStatistics`
//! and `EffectSizes`, in the order of arithmetic of commons-math underneath, so that a ratio that
//! is just at its threshold falls on the same side.

use super::ranks::{rank_sum, sorted};
use serde::{Deserialize, Serialize};

/// A side's samples in five figures, after what is missing and what lies outside was dealt with. All
/// zero without samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideStatistics {
    /// The least sample.
    #[serde(with = "super::number")]
    pub min: f64,
    /// The greatest.
    #[serde(with = "super::number")]
    pub max: f64,
    /// The arithmetic mean.
    #[serde(with = "super::number")]
    pub mean: f64,
    /// The standard deviation, with n − 1.
    #[serde(with = "super::number")]
    pub std: f64,
    /// How many.
    pub count: usize,
}

impl SideStatistics {
    pub(crate) fn of(samples: &[f64]) -> Self {
        let Some(first) = samples.first() else {
            return Self::default();
        };
        Self {
            min: samples
                .iter()
                .fold(*first, |least, sample| least.min(*sample)),
            max: samples
                .iter()
                .fold(*first, |greatest, sample| greatest.max(*sample)),
            mean: mean(samples),
            std: variance(samples).sqrt(),
            count: samples.len(),
        }
    }
}

/// The mean with one correcting pass over what rounding left; NaN without samples.
fn mean(samples: &[f64]) -> f64 {
    let count = samples.len() as f64;
    let rough = samples.iter().sum::<f64>() / count;
    let left: f64 = samples.iter().map(|sample| sample - rough).sum();
    rough + left / count
}

/// The variance with n − 1, in two passes; 0 for a single sample.
fn variance(samples: &[f64]) -> f64 {
    if samples.len() < 2 {
        return 0.0;
    }
    let mean = mean(samples);
    let (mut squares, mut left) = (0.0, 0.0);
    for sample in samples {
        let deviation = sample - mean;
        squares += deviation * deviation;
        left += deviation;
    }
    let count = samples.len() as f64;
    (squares - left * left / count) / (count - 1.0)
}

/// The value below which `percent` (0 to 100) of the samples lie, interpolated as R's type 7 does
/// (R. J. Hyndman, Y. Fan, *Sample quantiles in statistical packages*, 1996); NaN without samples.
pub(crate) fn percentile(samples: &[f64], percent: f64) -> f64 {
    let sorted = sorted(samples);
    let (Some(least), Some(greatest)) = (sorted.first(), sorted.last()) else {
        return f64::NAN;
    };
    // Counted from 1, as in the paper.
    let position = 1.0 + (sorted.len() - 1) as f64 * (percent / 100.0);
    let below = position.floor();
    if below < 1.0 {
        return *least;
    }
    // The cast is in range: 1 <= below, and what is beyond the last sample finds none.
    match sorted.get(below as usize - 1..=below as usize) {
        Some(&[low, high]) => low + (position - below) * (high - low),
        _ => *greatest,
    }
}

/// The canary's mean over the baseline's; NaN if either is zero.
pub(crate) fn mean_ratio(baseline: &[f64], canary: &[f64]) -> f64 {
    let (baseline, canary) = (mean(baseline), mean(canary));
    if baseline == 0.0 || canary == 0.0 {
        f64::NAN
    } else {
        canary / baseline
    }
}

/// The common language effect size: in which share of all pairs the canary's sample is the greater, a
/// tie counting half (A. Vargha, H. D. Delaney, *A critique and improvement of the CL common language
/// effect size statistics of McGraw and Wong*, 2000, eq. 14).
pub(crate) fn cles(baseline: &[f64], canary: &[f64]) -> f64 {
    let (m, n) = (canary.len() as f64, baseline.len() as f64);
    (2.0 * rank_sum(canary, baseline) - m * (m + 1.0)) / (2.0 * n * m)
}

/// Cohen's d: how far the means are apart in units of the pooled standard deviation, without a sign
/// (J. Cohen, *Statistical power analysis for the behavioral sciences*, 1988, eq. 2.5.1). The verdict does
/// not use it. NaN or infinite if neither side varies.
pub(crate) fn cohens_d(baseline: &SideStatistics, canary: &SideStatistics) -> f64 {
    let squares = |side: &SideStatistics| (side.count as f64 - 1.0) * side.std * side.std;
    let freedom = (baseline.count + canary.count) as f64 - 2.0;
    let pooled = ((squares(canary) + squares(baseline)) / freedom).sqrt();
    (canary.mean - baseline.mean).abs() / pooled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, wanted: f64, within: f64) -> bool {
        (found - wanted).abs() <= within
    }

    #[test]
    fn summaries() {
        // StatisticSuite.scala:26, 33, 44.
        let one = SideStatistics::of(&[4.0]);
        assert_eq!(
            one,
            SideStatistics {
                min: 4.0,
                max: 4.0,
                mean: 4.0,
                std: 0.0,
                count: 1
            }
        );
        let six = SideStatistics::of(&[1.0, 1.0, 1.0, 10.0, 10.0, 10.0]);
        assert_eq!((six.min, six.max, six.mean, six.count), (1.0, 10.0, 5.5, 6));
        assert!(near(six.std, 4.9295, 1e-4), "{}", six.std);
        assert_eq!(SideStatistics::of(&[]), SideStatistics::default());
    }

    #[test]
    fn percentiles() {
        // StatisticSuite.scala:51, 58, 63, 71, 76.
        let halves: Vec<f64> = (0..8).map(|half| f64::from(half) / 2.0).collect();
        let ten: Vec<f64> = (0..10).map(f64::from).collect();
        let nist = [
            95.1772, 95.1567, 95.1937, 95.1959, 95.1442, 95.0610, 95.1591, 95.1195, 95.1772,
            95.0925, 95.1990, 95.1682,
        ];
        let many: Vec<f64> = include_str!("../../testdata/percentile.txt")
            .split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert_eq!(many.len(), 49);
        let cases: [(&[f64], f64, f64, f64); 9] = [
            (&halves, 5.0, 0.175, 1e-4),
            (&halves, 50.0, 1.75, 0.0),
            (&halves, 100.0, 3.5, 0.0),
            (&ten, 50.0, 4.5, 0.0),
            (&nist, 90.0, 95.19568, 0.0),
            (&[1.0], 100.0, 1.0, 0.0),
            (&many, 25.0, 0.0, 0.0),
            (&many, 75.0, 0.0416, 1e-4),
            (&ten, 0.0, 0.0, 0.0),
        ];
        for (samples, percent, wanted, within) in cases {
            let found = percentile(samples, percent);
            assert!(
                near(found, wanted, within),
                "{percent} %: {found} for {wanted}"
            );
        }
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn ratios_of_means() {
        // StatisticSuite.scala:95 and 106, 120, 131, 142.
        let five = |value: f64| [value; 5];
        assert_eq!(mean_ratio(&five(1.0), &five(1.0)), 1.0);
        assert_eq!(mean_ratio(&five(1.0), &five(10.0)), 10.0);
        assert_eq!(mean_ratio(&five(100.0), &five(10.0)), 0.1);
        assert!(mean_ratio(&five(0.0), &five(10.0)).is_nan());
        assert!(mean_ratio(&five(10.0), &five(0.0)).is_nan());
    }

    #[test]
    fn distances_in_deviations() {
        // StatisticSuite.scala:153.
        let canary = SideStatistics::of(&[5.0, 5.0, 5.0, 10.0, 10.0, 10.0]);
        let baseline = SideStatistics::of(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        assert!(near(cohens_d(&baseline, &canary), 3.03821, 1e-5));
    }

    #[test]
    fn shares_of_pairs() {
        // StatisticSuite.scala:164, 175, 192, 217.
        let same = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(cles(&same, &same), 0.5);
        let rows: Vec<Vec<f64>> = include_str!("../../testdata/cles.txt")
            .lines()
            .map(|line| {
                line.split_whitespace()
                    .map(|number| number.parse().expect("a number"))
                    .collect()
            })
            .collect();
        let [apart, below, high, high_baseline, low, low_baseline] = rows.as_slice() else {
            panic!("three pairs of samples")
        };
        assert_eq!(cles(below, apart), 0.0);
        assert!(near(cles(high_baseline, high), 0.771, 1e-3));
        assert_eq!(cles(low_baseline, low), 0.12);
    }
}

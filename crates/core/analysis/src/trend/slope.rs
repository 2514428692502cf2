//! The Theil–Sen slope with its lower confidence bound, over one or several unbroken series.
//!
//! Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968), eq. 2.6 and
//! 3.4: the slope is the median of the slopes of all pairs; its bounds are order statistics of the
//! same slopes, by the normal approximation of Kendall's statistic with variance n(n−1)(2n+5)/18. A
//! series that starts again (a replica that was restarted) is a stratum of its own: pairs are taken
//! within strata only and the variances add up (Hirsch, Slack & Smith, "Techniques of trend analysis for
//! monthly water quality data", Water Resources Research 18 (1982), eq. 6 to 10). No correction for ties:
//! ties make the bound too cautious, never too bold.
//!
//! The variance is that of independent points. Those of a gauge remember a little: from [`MEMORY_POINTS_MIN`]
//! points on, where that can be estimated, the variance is multiplied by (1+ρ)/(1−ρ), ρ being the
//! autocorrelation of neighbours around the slope (Yue & Wang, "The Mann-Kendall test modified by effective
//! sample size", Water Resources Management 18 (2004), eq. 7 and 11, for a memory of one step).
//!
//! This is a test for a number of points that is fixed before one looks; `looks` says when it may be asked.

use super::looks::quantile_above;
use sluice_model::analysis::Slope;

/// One point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SlopePoint {
    /// Points of the same stratum are compared with each other.
    pub(super) stratum: u32,
    /// In seconds.
    pub(super) at_s: f64,
    /// What was measured; finite.
    pub(super) value: f64,
}

/// Level at which growth counts as likely, though not as proven.
pub const LIKELY_LEVEL: f64 = 0.1;

/// Points from which on the autocorrelation is estimated: with fewer, the estimate is mostly chance.
pub const MEMORY_POINTS_MIN: usize = 20;
/// Largest autocorrelation that is corrected for; beyond it there is next to nothing to be told.
const MEMORY_MAX: f64 = 0.9;

/// The slope of `points` with the lower bound that lies above the truth with probability `level`; `None` without a pair of points at different times.
pub(super) fn theil_sen(points: &[SlopePoint], level: f64) -> Option<Slope> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (index, later) in points.iter().enumerate() {
        for earlier in &points[..index] {
            let apart = later.at_s - earlier.at_s;
            if later.stratum == earlier.stratum && apart > 0.0 {
                slopes.push((later.value - earlier.value) / apart);
            }
        }
    }
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let middle = slopes.len() / 2;
    let per_second = if slopes.len() % 2 == 1 {
        slopes[middle]
    } else {
        (slopes[middle - 1] + slopes[middle]) / 2.0
    };
    let memory = memory(points, per_second);
    let deviation = (variance(points) * (1.0 + memory) / (1.0 - memory)).sqrt();
    let bound = |level: f64| {
        let rank = (slopes.len() as f64 - quantile_above(level) * deviation) / 2.0;
        (rank >= 0.0).then(|| slopes[(rank as usize).min(slopes.len() - 1)])
    };
    Some(Slope {
        per_second,
        lower_bound: bound(level),
        likely_bound: bound(LIKELY_LEVEL),
    })
}

/// Variance of Kendall's statistic without a trend, summed over the strata.
fn variance(points: &[SlopePoint]) -> f64 {
    let mut sizes = std::collections::BTreeMap::<u32, f64>::new();
    for point in points {
        *sizes.entry(point.stratum).or_default() += 1.0;
    }
    sizes
        .values()
        .map(|n| n * (n - 1.0) * (2.0 * n + 5.0) / 18.0)
        .sum()
}

/// Autocorrelation of neighbours around the slope, from 0 to [`MEMORY_MAX`]; 0 when it cannot be estimated.
fn memory(points: &[SlopePoint], per_second: f64) -> f64 {
    if points.len() < MEMORY_POINTS_MIN {
        return 0.0;
    }
    let level = |point: &SlopePoint| point.value - per_second * point.at_s;
    let mut strata = std::collections::BTreeMap::<u32, (f64, f64)>::new();
    for point in points {
        let (sum, count) = strata.entry(point.stratum).or_default();
        *sum += level(point);
        *count += 1.0;
    }
    let residual = |point: &SlopePoint| {
        let (sum, count) = strata.get(&point.stratum).copied().unwrap_or((0.0, 1.0));
        level(point) - sum / count
    };
    let squares: f64 = points.iter().map(|point| residual(point).powi(2)).sum();
    let products: f64 = points
        .windows(2)
        .filter(|pair| pair[0].stratum == pair[1].stratum)
        .map(|pair| residual(&pair[0]) * residual(&pair[1]))
        .sum();
    if squares > 0.0 {
        (products / squares).clamp(0.0, MEMORY_MAX)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(stratum: u32, values: &[f64]) -> Vec<SlopePoint> {
        values
            .iter()
            .enumerate()
            .map(|(index, value)| SlopePoint {
                stratum,
                at_s: index as f64,
                value: *value,
            })
            .collect()
    }

    /// Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods" (2014), example 9.3: the slope is
    /// a median of pairwise slopes, so one wild point does not move it.
    #[test]
    fn one_wild_point_does_not_move_the_slope() {
        let mut values: Vec<f64> = (0..11).map(|index| 2.0 * f64::from(index)).collect();
        values[5] = 1e9;
        let slope = theil_sen(&series(0, &values), 0.02).expect("pairs");
        assert_eq!(slope.per_second, 2.0);
    }

    /// stats.md §4 (4): the bound is the sorted slope at (N − z√(n(n−1)(2n+5)/18))/2. For n = 5 and the
    /// slopes of 1, 2, 4, 8, 16 (N = 10, variance 50/3) that is rank 3.3 at
    /// z = 0.825, level 0.2047.
    #[test]
    fn the_bound_is_an_order_statistic_of_the_slopes() {
        let points = series(0, &[1.0, 2.0, 4.0, 8.0, 16.0]);
        // The slopes in order: 1, 1.5, 2, 7/3, 3, 3.75, 4, 14/3, 6, 8.
        let slope = theil_sen(&points, 0.2047).expect("pairs");
        assert_eq!(slope.lower_bound, Some(7.0 / 3.0));
        assert_eq!(slope.per_second, (3.0 + 3.75) / 2.0);
        let out_of_reach = theil_sen(&points, 0.001).expect("pairs");
        assert_eq!(out_of_reach.lower_bound, None);
    }

    /// Noise that remembers makes the bound more cautious; noise that alternates does not make it bolder.
    #[test]
    fn memory_widens_the_bound() {
        let drift = |step: usize| (0..24).map(move |at| f64::from(at) + wave(at, step));
        fn wave(at: i32, step: usize) -> f64 {
            if (at as usize / step).is_multiple_of(2) {
                6.0
            } else {
                -6.0
            }
        }
        let bound = |step: usize| {
            let values: Vec<f64> = drift(step).collect();
            theil_sen(&series(0, &values), 0.01).and_then(|slope| slope.lower_bound)
        };
        let (alternating, remembering) = (bound(1).expect("some"), bound(4).expect("some"));
        assert!(alternating > 0.0, "{alternating}");
        assert!(
            remembering < alternating - 0.3,
            "{remembering}, {alternating}"
        );
    }

    #[test]
    fn series_that_start_again_are_not_compared_with_each_other() {
        let mut points = series(0, &[0.0, 1.0, 2.0, 3.0]);
        points.extend(series(1, &[-100.0, -99.0, -98.0, -97.0]));
        let slope = theil_sen(&points, 0.5).expect("pairs");
        assert_eq!(slope.per_second, 1.0);
        assert_eq!(theil_sen(&series(0, &[7.0]), 0.5), None);
    }
}

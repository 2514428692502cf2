//! Confidence sequences of quantiles: between which of the observations, counted from the smallest,
//! the true quantile lies.
//!
//! Nothing is assumed of the distribution; ties are allowed, so that latencies counted in buckets
//! are as good as any.

use super::{BadInput, BetaBinomial, Sides, Tuning, between, bound, positive, stitching};
use sluice_model::Histogram;
use sluice_model::counters::BUCKETS;

/// Observations at which the interval for display is tightest; see `TUNED_AT` of the difference of
/// error ratios.
const TUNED_AT: f64 = 1_000.0;

/// Between which observations a quantile lies, counted from 1 for the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranks {
    /// The quantile is not below this observation; `None` if nothing is known of how low it is.
    pub low: Option<u64>,
    /// The quantile is not above this observation; `None` if nothing is known of how high it is.
    pub high: Option<u64>,
}

/// The confidence sequence of one quantile of independent observations, as ranks: at all times
/// together it holds the true one with probability 1 − `alpha` (arXiv 1906.09712, Theorem 1, with
/// the beta-binomial mixture). It is tightest around `tuned_at` observations.
///
/// # Errors
/// A quantile that is not within (0, 1), an error rate of a half or more, a time to tune for that
/// is not above 0.
pub fn quantile_ranks(
    quantile: f64,
    observations: u64,
    alpha: f64,
    tuned_at: f64,
) -> Result<Ranks, BadInput> {
    let p = checked(quantile)?;
    let tuned_at = positive("the number of observations to tune for", tuned_at)?;
    let count = observations as f64;
    let spread = p * (1.0 - p);
    let tuning = Tuning::new(spread * tuned_at, alpha)?;
    let ups = BetaBinomial::new(tuning, p, 1.0 - p, Sides::Two)?;
    let downs = BetaBinomial::new(tuning, 1.0 - p, p, Sides::Two)?;
    Ok(ranks(
        p,
        count,
        bound(&downs, spread * count, alpha)?,
        bound(&ups, spread * count, alpha)?,
    ))
}

/// The confidence sequences of all quantiles together, of which this is one: all of them hold at
/// all times with probability 1 − `alpha` (arXiv 1906.09712, Theorem 3). Wider than
/// [`quantile_ranks`], and free to be asked for any number of quantiles.
///
/// # Errors
/// A quantile that is not within (0, 1), an error rate that is none, a time to tune for below 1.
pub fn all_quantile_ranks(
    quantile: f64,
    observations: u64,
    alpha: f64,
    tuned_at: f64,
) -> Result<Ranks, BadInput> {
    let p = checked(quantile)?;
    let count = observations as f64;
    let radius = |p: f64| stitching::double_stitching(p, count.max(1.0), alpha, tuned_at);
    Ok(ranks(p, count, Some(radius(1.0 - p)?), Some(radius(p)?)))
}

/// Below the true quantile lie fewer than np + `above` observations, and at or below it more than
/// np − `below`.
fn ranks(p: f64, count: f64, below: Option<f64>, above: Option<f64>) -> Ranks {
    let low = below
        .map(|below| (count * p - below).floor() + 1.0)
        .filter(|rank| (1.0..=count).contains(rank));
    let high = above
        .map(|above| (count * p + above).ceil().max(1.0))
        .filter(|rank| *rank <= count);
    Ranks {
        low: low.map(|rank| rank as u64),
        high: high.map(|rank| rank as u64),
    }
}

/// Where a latency quantile lies, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyInterval {
    /// It is not below this.
    pub low_micros: u64,
    /// It is not above this; `None` while there are too few observations to say, or where the
    /// histogram ends.
    pub high_micros: Option<u64>,
}

/// The confidence sequence of a latency quantile from counted latencies: at all times together it
/// holds the true one with probability 1 − `alpha`. The ends are those of the buckets, lower and
/// upper, so that what counting in buckets hides is part of the interval.
///
/// An upper end for p99 takes some hundred times as many observations as for the median.
///
/// # Errors
/// A quantile that is not within (0, 1), or an error rate of a half or more.
pub fn quantile_interval(
    latency: &Histogram,
    quantile: f64,
    alpha: f64,
) -> Result<LatencyInterval, BadInput> {
    let total = latency.total();
    let ranks = quantile_ranks(quantile, total, alpha, TUNED_AT)?;
    // The bucket of an observation; half a rank keeps away from rounding at either end.
    let bucket_of = |rank: u64| {
        let share = (rank as f64 - 0.5) / total as f64;
        latency.quantile(share).map(Histogram::bucket_of)
    };
    let low = ranks.low.and_then(bucket_of);
    let high = ranks.high.and_then(bucket_of);
    Ok(LatencyInterval {
        low_micros: low
            .and_then(|bucket| bucket.checked_sub(1))
            .map_or(0, |before| Histogram::bucket_max(before) + 1),
        high_micros: high
            .filter(|bucket| *bucket < BUCKETS - 1)
            .map(Histogram::bucket_max),
    })
}

fn checked(quantile: f64) -> Result<f64, BadInput> {
    between("the quantile", "above 0 and below 1", 0.0, quantile, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_take_more_observations_than_the_middle() {
        let of = |quantile, observations| {
            quantile_ranks(quantile, observations, 0.05, 1_000.0).expect("valid")
        };
        let none = Ranks {
            low: None,
            high: None,
        };
        assert_eq!(of(0.5, 0), none);
        assert_eq!(of(0.5, 3), none);
        // By symmetry of the median.
        let Ranks { low, high } = of(0.5, 1_000);
        let (low, high) = (low.expect("a low end"), high.expect("a high end"));
        assert_eq!(low + high, 1_001);
        assert!((430..480).contains(&low), "{low}");
        // Before some 400 observations not even their largest is surely above p99; for all
        // quantiles together it takes one to two thousand (stats.md §2b).
        let all =
            |observations| all_quantile_ranks(0.99, observations, 0.05, 1_000.0).expect("valid");
        assert!(of(0.99, 300).high.is_none() && of(0.99, 300).low.is_some());
        assert!(of(0.99, 500).high.is_some());
        assert!(all(1_000).high.is_none() && all(2_000).high.is_some());
        // Far more observations, far closer ranks; and one quantile alone is closer than all of
        // them together.
        let (one, all) = (of(0.99, 1_000_000), all(1_000_000));
        let width = |ranks: Ranks| ranks.high.expect("high") - ranks.low.expect("low");
        assert!(width(one) < 1_000, "{one:?}");
        assert!(width(one) < width(all), "{one:?} {all:?}");
    }

    #[test]
    fn latencies_lie_within_their_buckets() {
        let mut latency = Histogram::default();
        let nothing = quantile_interval(&latency, 0.99, 0.05).expect("valid");
        assert_eq!((nothing.low_micros, nothing.high_micros), (0, None));
        (0..100_000).for_each(|_| latency.record(5_000));
        let bucket = Histogram::bucket_of(5_000);
        let interval = quantile_interval(&latency, 0.99, 0.05).expect("valid");
        assert_eq!(interval.low_micros, Histogram::bucket_max(bucket - 1) + 1);
        assert_eq!(interval.high_micros, Some(Histogram::bucket_max(bucket)));
        // Beyond the histogram's range there is no upper end.
        (0..100_000).for_each(|_| latency.record(u64::MAX));
        let interval = quantile_interval(&latency, 0.9, 0.05).expect("valid");
        assert_eq!(interval.high_micros, None);
        assert!(interval.low_micros > 100_000_000);
        assert!(quantile_interval(&latency, 1.0, 0.05).is_err());
    }

    /// Looked at every fifty requests, it loses sight of the true quantile in fewer runs than stated.
    #[test]
    fn it_holds_at_all_times_together() {
        let (alpha, runs) = (0.1, 100u64);
        // Uniform up to 100 ms.
        let truth = 90_000;
        let lost = (0..runs)
            .filter(|seed| {
                let mut random = fastrand::Rng::with_seed(*seed);
                let mut latency = Histogram::default();
                (0..60).any(|_| {
                    (0..50).for_each(|_| latency.record(random.u64(0..100_000)));
                    let interval = quantile_interval(&latency, 0.9, alpha).expect("valid");
                    interval.low_micros > truth
                        || interval.high_micros.is_some_and(|high| high < truth)
                })
            })
            .count();
        assert!(lost <= 10, "{lost} of {runs}");
    }
}

//! Two constant series: where upstream draws random numbers, and this does not.
//!
//! When each side consists of one value repeated, moving one side by the difference ties every sample
//! with every other, and there is no interval. Kayenta then adds Gaussian noise to each side, with a
//! deviation of 0.00001 of the side's value and an unseeded generator (MannWhitneyClassifier.scala:41–66), so
//! that judging twice can give two answers.
//!
//! Here the noise is what n draws are on average: the side's i-th sample (of n, from 1) gets the
//! (i − ½)/n quantile of that same normal distribution. What every seed of upstream's gives, this gives
//! too, as for values further apart than the noise; where seeds disagree, as for values that are nearer
//! to each other than the noise is wide, this gives the answer of a middling one, always the same.
//! Two more of upstream's answers depend on the seed, and are settled here:
//! - The ratio of means is that of the values without noise. Upstream's is off by up to some 0.00001, so that
//!   at a bound, as ten against one where tenfold is allowed, it falls on either side.
//! - Where noise cannot tell the samples of either side apart (one sample each, or zeros, whose noise is
//!   zero), what upstream does depends on whether the canary's value, less the difference, rounds to the
//!   baseline's: then all is tied and the comparison fails. It does for every seed if either value is zero
//!   or they are within a factor of two, for nearly every one if the baseline's is by far the larger; and
//!   for almost none if the canary's is by far the larger, where the interval is the difference itself.
//!   Between, more seeds than not change their mind about where the canary's is three times the baseline's,
//!   and so does [`lone_shift`].

use super::mann_whitney::{Incomparable, Shift, normal_quantile};

/// Standard deviation of the noise, as a share of the side's value (MannWhitneyClassifier.scala:63).
pub(crate) const NOISE_SHARE: f64 = 1e-5;

/// The value that all samples have, if they have one.
pub(crate) fn constant(samples: &[f64]) -> Option<f64> {
    let (first, rest) = samples.split_first()?;
    rest.iter().all(|sample| sample == first).then_some(*first)
}

/// `count` samples around `value`, spread as normal noise is on average.
pub(crate) fn spread(value: f64, count: usize) -> Vec<f64> {
    let deviation = value * NOISE_SHARE;
    (0..count)
        .map(|index| value + deviation * normal_quantile((index as f64 + 0.5) / count as f64))
        .collect()
}

/// How many times the baseline's value the canary's must be for two lone values to be compared.
const LONE_RATIO_MIN: f64 = 3.0;

/// The shift between two sides that are each one value, noise or not.
pub(crate) fn lone_shift(baseline: f64, canary: f64) -> Result<Shift, Incomparable> {
    if baseline == 0.0 || canary.abs() <= LONE_RATIO_MIN * baseline.abs() {
        return Err(Incomparable::AllTied);
    }
    let apart = canary - baseline;
    Ok(Shift {
        lower: apart,
        upper: apart,
        estimate: apart,
        coarse: false,
    })
}

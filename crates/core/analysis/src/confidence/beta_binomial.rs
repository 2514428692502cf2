//! The beta-binomial mixture: sums of increments that lie between two bounds; and the confidence
//! sequence of a probability made of it.

use super::mixture::HALVINGS;
use super::{BadInput, Interval, Mixture, Sides, Tuning, error_rate, positive, special};

/// The beta-binomial mixture, two-sided (arXiv 1810.08240, Proposition 6) or one-sided (Proposition
/// 7): increments of mean 0 (one-sided: at most 0) between −`below` and `above`. The variance
/// process is `below`·`above` for each of them.
#[derive(Clone, Copy, Debug)]
pub struct BetaBinomial {
    /// The prior's precision, without what the increments' range adds to it.
    precision: f64,
    below: f64,
    above: f64,
    sides: Sides,
    /// ln of the prior's normaliser.
    normalizer: f64,
}

impl BetaBinomial {
    /// Tuned for a time; the increments lie between −`below` and `above`.
    ///
    /// # Errors
    /// Bounds that are not above 0.
    pub fn new(tuning: Tuning, below: f64, above: f64, sides: Sides) -> Result<Self, BadInput> {
        let below = positive("the largest decrement", below)?;
        let above = positive("the largest increment", above)?;
        let product = below * above;
        // As in the reference implementation: a prior tuned for less than one observation stays proper.
        let precision = (tuning.precision(sides) - product).max(1e-3 * product);
        let mut mixture = Self {
            precision,
            below,
            above,
            sides,
            normalizer: 0.0,
        };
        let range = below + above;
        mixture.normalizer =
            mixture.ln_beta(precision / (below * range), precision / (above * range));
        Ok(mixture)
    }

    /// ln of the prior's integral, over the side or sides of it that count.
    fn ln_beta(&self, a: f64, b: f64) -> f64 {
        let whole = special::ln_beta(a, b);
        match self.sides {
            Sides::Two => whole,
            Sides::One => {
                whole + special::ln_beta_lower(a, b, self.above / (self.below + self.above))
            }
        }
    }
}

impl Mixture for BetaBinomial {
    /// Negative infinity, an e-value of 0, for sums that no such increments could give.
    fn log_e(&self, sum: f64, variance: f64) -> f64 {
        let (below, above) = (self.below, self.above);
        let range = below + above;
        // How often, as it were, the increments were at their lower and at their upper end.
        let downs = (variance - below * sum) / (below * range);
        let ups = (variance + above * sum) / (above * range);
        let a = self.precision / (below * range) + downs;
        let b = self.precision / (above * range) + ups;
        if a <= 0.0 || b <= 0.0 {
            return f64::NEG_INFINITY;
        }
        variance / (below * above) * libm::log(range)
            - ups * libm::log(below)
            - downs * libm::log(above)
            + self.ln_beta(a, b)
            - self.normalizer
    }

    fn sum_max(&self, variance: f64) -> f64 {
        variance / self.below
    }
}

/// The confidence sequence of a probability: at all times together it holds the true one with
/// probability 1 − `alpha`, for a stream of independent trials, or of any in which the probability
/// given the past stays the same. It is tightest around `tuned_at` trials, a number that is fixed
/// beforehand.
///
/// Without trials it is the whole of 0 to 1.
///
/// # Errors
/// More successes than trials, an error rate of a half or more, a time to tune for that is not
/// above 0.
pub fn bernoulli_interval(
    successes: u64,
    trials: u64,
    alpha: f64,
    tuned_at: f64,
) -> Result<Interval, BadInput> {
    let line = -libm::log(error_rate(alpha)?);
    let tuned_at = positive("the number of trials to tune for", tuned_at)?;
    Tuning::new(tuned_at, alpha)?;
    if successes > trials {
        return Err(BadInput {
            what: "the number of successes",
            allowed: "at most the number of trials",
            value: successes as f64,
        });
    }
    let mut interval = Interval {
        low: 0.0,
        high: 1.0,
    };
    if trials == 0 {
        return Ok(interval);
    }
    let count = trials as f64;
    let observed = successes as f64 / count;
    // A probability of 0 or 1 is ruled out by a single observation to the contrary.
    let ruled_out = |probability: f64| -> Result<bool, BadInput> {
        if probability <= 0.0 || probability >= 1.0 {
            return Ok(true);
        }
        let (below, above) = (probability, 1.0 - probability);
        let tuning = Tuning::new(below * above * tuned_at, alpha)?;
        let mixture = BetaBinomial::new(tuning, below, above, Sides::Two)?;
        let sum = (observed - probability) * count;
        Ok(mixture.log_e(sum, below * above * count) >= line)
    };
    if successes > 0 {
        interval.low = edge(0.0, observed, &ruled_out)?;
    }
    if successes < trials {
        interval.high = edge(1.0, observed, &ruled_out)?;
    }
    Ok(interval)
}

/// The outermost point between one that is ruled out and one that is not, rounded outwards.
fn edge(
    mut outside: f64,
    mut inside: f64,
    ruled_out: &impl Fn(f64) -> Result<bool, BadInput>,
) -> Result<f64, BadInput> {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(outside, inside);
        if ruled_out(middle)? {
            outside = middle;
        } else {
            inside = middle;
        }
    }
    Ok(outside)
}

#[cfg(test)]
mod tests {
    use super::super::bound;
    use super::*;

    /// gostevehoward/confseq @70b1ef30, test/uniform_boundaries_unittest.cpp, MixtureTest,
    /// "TestTwoSidedBetaBinomialMixture" and "TestOneSidedBetaBinomialMixture".
    #[test]
    fn values_of_confseq() {
        let tuning = Tuning::new(100.0, 0.05).expect("valid");
        for (sides, log_e, limit) in [
            (Sides::Two, -0.694_101_2, 31.4308),
            (Sides::One, -0.071_340_19, 28.41238),
        ] {
            let mixture = BetaBinomial::new(tuning, 0.2, 0.8, sides).expect("valid");
            let computed = mixture.log_e(10.0, 100.0);
            assert!((computed - log_e).abs() < 1e-5, "{sides:?}: {computed}");
            let computed = bound(&mixture, 100.0, 0.05)
                .expect("valid")
                .expect("reached");
            assert!((computed - limit).abs() < 1e-5, "{sides:?}: {computed}");
        }
        // Two observations cannot sum up to more than twice the largest increment; the reference
        // gives that sum for "none".
        let mixture = BetaBinomial::new(tuning, 0.2, 0.8, Sides::One).expect("valid");
        assert_eq!(bound(&mixture, 2.0 * 0.2 * 0.8, 0.05), Ok(None));
        assert!((mixture.sum_max(2.0 * 0.2 * 0.8) - 2.0 * 0.8).abs() < 1e-12);
    }

    /// The same file, BernoulliConfidenceIntervalTest: "TestCI", "LowSuccessCount", "LowTrials",
    /// "LowOptimizedTime", "NoSuccesses" and "AllSuccesses".
    #[test]
    fn intervals_of_confseq() {
        for (successes, trials, tuned_at, low, high) in [
            (700, 1_000, 100.0, 0.651629, 0.745949),
            (15, 50, 50.0, 0.129556, 0.511896),
            (5, 50, 50.0, 0.013021, 0.269264),
            (1, 50, 50.0, 0.0, 0.13489),
            (1, 2, 50.0, 0.0, 1.0),
            (100, 200, 1.0, 0.328923, 0.671076),
            (0, 1, 50.0, 0.0, 1.0),
            (1, 1, 50.0, 0.0, 1.0),
        ] {
            let interval = bernoulli_interval(successes, trials, 0.05, tuned_at).expect("valid");
            let error = (interval.low - low).abs().max((interval.high - high).abs());
            assert!(error < 1e-5, "{successes} of {trials}: {interval:?}");
        }
    }

    #[test]
    fn the_ends_and_many_trials_stay_numbers() {
        let of = |successes, trials| bernoulli_interval(successes, trials, 0.05, 1_000.0);
        let whole = Interval {
            low: 0.0,
            high: 1.0,
        };
        assert_eq!(of(0, 0), Ok(whole));
        let none = of(0, 1_000_000_000).expect("valid");
        assert!(
            none.low == 0.0 && none.high > 0.0 && none.high < 1e-7,
            "{none:?}"
        );
        let all = of(1_000_000_000, 1_000_000_000).expect("valid");
        assert!(all.high == 1.0 && all.low > 1.0 - 1e-7, "{all:?}");
        let half = of(500_000_000, 1_000_000_000).expect("valid");
        assert!(
            half.contains(0.5) && half.high - half.low < 3e-4,
            "{half:?}"
        );
        assert!(of(2, 1).is_err());
        assert!(bernoulli_interval(1, 2, 0.0, 10.0).is_err());
        assert!(bernoulli_interval(1, 2, 0.05, f64::NAN).is_err());
    }
}

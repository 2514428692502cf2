//! Means: asymptotic confidence sequences.
//!
//! These hold as the central limit theorem does: for many observations of a finite variance,
//! whatever the distribution. A heavy tail (a value a thousand times the median, once in a
//! thousand) needs very many; the caller clips such values at a limit that is fixed beforehand, and
//! the mean is then that of the clipped ones.

use super::{BadInput, Interval, error_rate, positive};

/// Number, mean and variance of what was observed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    /// From a number of observations, their sum and the sum of their squares.
    ///
    /// # Errors
    /// Fewer than two observations, or sums that are no numbers, or that no observations have.
    pub fn from_sums(count: u64, sum: f64, sum_of_squares: f64) -> Result<Moments, BadInput> {
        let bad = |what, allowed, value| {
            Err(BadInput {
                what,
                allowed,
                value,
            })
        };
        if count < 2 {
            return bad("the number of observations", "2 or more", count as f64);
        }
        if !sum.is_finite() {
            return bad("the sum", "a number", sum);
        }
        let n = count as f64;
        let scatter = sum_of_squares - sum * sum / n;
        // Rounding may leave a little less than nothing.
        if !scatter.is_finite() || scatter < -1e-9 * sum_of_squares.abs() {
            return bad(
                "the sum of squares",
                "at least the sum squared over the number",
                sum_of_squares,
            );
        }
        Ok(Moments {
            count: n,
            mean: sum / n,
            variance: scatter.max(0.0) / (n - 1.0),
        })
    }

    /// The mean.
    #[must_use]
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// The variance of the mean.
    fn of_mean(&self) -> f64 {
        self.variance / self.count
    }
}

/// The confidence sequence of a mean, tightest around `tuned_at` observations.
///
/// # Errors
/// An error rate that is none, a time to tune for that is not above 0.
pub fn mean_interval(moments: &Moments, alpha: f64, tuned_at: f64) -> Result<Interval, BadInput> {
    around(
        moments.mean,
        moments.of_mean(),
        moments.count,
        alpha,
        tuned_at,
    )
}

/// The confidence sequence of the canary's mean less the baseline's, tightest around `tuned_at`
/// observations on both sides together.
///
/// # Errors
/// As of [`mean_interval`].
pub fn mean_difference(
    canary: &Moments,
    baseline: &Moments,
    alpha: f64,
    tuned_at: f64,
) -> Result<Interval, BadInput> {
    around(
        canary.mean - baseline.mean,
        canary.of_mean() + baseline.of_mean(),
        canary.count + baseline.count,
        alpha,
        tuned_at,
    )
}

/// The confidence sequence of the canary's mean over the baseline's, less 1, by the delta method;
/// tightest around `tuned_at` observations on both sides together.
///
/// # Errors
/// As of [`mean_interval`], and a baseline of mean 0.
pub fn relative_difference(
    canary: &Moments,
    baseline: &Moments,
    alpha: f64,
    tuned_at: f64,
) -> Result<Interval, BadInput> {
    if baseline.mean == 0.0 {
        return Err(BadInput {
            what: "the baseline's mean",
            allowed: "other than 0",
            value: 0.0,
        });
    }
    let ratio = canary.mean / baseline.mean;
    let square = baseline.mean * baseline.mean;
    around(
        ratio - 1.0,
        canary.of_mean() / square + baseline.of_mean() * ratio * ratio / square,
        canary.count + baseline.count,
        alpha,
        tuned_at,
    )
}

/// The interval around an estimate from `count` observations whose variance is estimated as
/// `variance`: the two-sided asymptotic confidence sequence of arXiv 2103.06476 (research/stats.md
/// §2c), with the standard deviation of one observation √(n·variance), and their choice of ρ for
/// the time tuned for.
fn around(
    estimate: f64,
    variance: f64,
    count: f64,
    alpha: f64,
    tuned_at: f64,
) -> Result<Interval, BadInput> {
    let alpha = error_rate(alpha)?;
    let tuned_at = positive("the number of observations to tune for", tuned_at)?;
    let odds = -2.0 * libm::log(alpha);
    let rho_square = (odds + libm::log1p(odds)) / tuned_at;
    let spread = count * rho_square + 1.0;
    let log = libm::log(spread) / 2.0 - libm::log(alpha);
    let half =
        (count * variance).sqrt() * (2.0 * spread / (count * count * rho_square) * log).sqrt();
    Ok(Interval {
        low: estimate - half,
        high: estimate + half,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GrowthBook, packages/stats/tests/frequentist/test_tests.py, sequential two-sided test with
    /// tuning parameter 1000 (research/stats.md, "Numeric anchors"): five decimals.
    #[test]
    fn value_of_growthbook() {
        let baseline = Moments::from_sums(3_000, 1_396.87, 52_377.976_7).expect("valid");
        let canary = Moments::from_sums(3_461, 2_422.7, 134_698.29).expect("valid");
        let interval = relative_difference(&canary, &baseline, 0.05, 1_000.0).expect("valid");
        let uplift = canary.mean() / baseline.mean() - 1.0;
        for (computed, expected) in [
            (uplift, 0.50336),
            (interval.low, -0.55844),
            (interval.high, 1.56516),
        ] {
            assert!((computed - expected).abs() < 5e-6, "{computed} {expected}");
        }
    }

    /// Looked at after each observation from the hundredth on: means of a skewed distribution.
    #[test]
    fn it_holds_at_all_times_together() {
        let (alpha, runs) = (0.1, 300u64);
        let (mut mean_lost, mut difference_lost) = (0, 0);
        for seed in 0..runs {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut sums, mut squares) = ([0.0; 2], [0.0; 2]);
            let (mut mean_held, mut difference_held) = (true, true);
            for count in 1..2_000u64 {
                for side in 0..2 {
                    // Exponential, of mean 1 on one side and 2 on the other.
                    let value = -(1.0 - random.f64()).ln() * (side + 1) as f64;
                    sums[side] += value;
                    squares[side] += value * value;
                }
                if count < 100 {
                    continue;
                }
                let [baseline, canary] = [0, 1].map(|side| {
                    Moments::from_sums(count, sums[side], squares[side]).expect("valid")
                });
                let mean = mean_interval(&canary, alpha, 1_000.0).expect("valid");
                mean_held &= mean.contains(2.0);
                let difference = mean_difference(&canary, &baseline, alpha, 2_000.0);
                difference_held &= difference.expect("valid").contains(1.0);
            }
            mean_lost += u64::from(!mean_held);
            difference_lost += u64::from(!difference_held);
        }
        let most = (alpha * runs as f64) as u64;
        assert!(mean_lost < most, "{mean_lost} of {runs}");
        assert!(difference_lost < most, "{difference_lost} of {runs}");
    }

    #[test]
    fn sums_that_cannot_be_are_refused() {
        for (count, sum, squares) in [
            (1, 1.0, 1.0),
            (10, f64::NAN, 1.0),
            (10, 10.0, f64::INFINITY),
            (10, 100.0, 1.0),
        ] {
            assert!(Moments::from_sums(count, sum, squares).is_err());
        }
        let same = Moments::from_sums(10, 1.0, 0.1).expect("ten times 0.1");
        let interval = mean_interval(&same, 0.05, 10.0).expect("valid");
        assert!(interval.contains(same.mean()) && interval.high.is_finite());
        let none = Moments::from_sums(10, 0.0, 1.0).expect("valid");
        assert!(relative_difference(&same, &none, 0.05, 10.0).is_err());
        assert!(mean_interval(&same, 0.05, 0.0).is_err());
        assert!(mean_interval(&same, 1.5, 10.0).is_err());
    }
}

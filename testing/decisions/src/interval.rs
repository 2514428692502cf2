//! How sure a share is that was counted in independent runs.

use serde::Serialize;
use statrs::function::beta::beta_reg;

/// Probability with which an interval contains the true share, at least.
pub const CONFIDENCE: f64 = 0.95;
/// Halvings of the search for an end: enough for the last bit of a share.
const HALVINGS: u32 = 60;

/// A share of runs with its exact interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Runs in which it happened.
    pub count: u64,
    /// All runs.
    pub of: u64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Share {
    /// The interval of Clopper and Pearson (Biometrika 26, 1934) at [`CONFIDENCE`], two-sided: its ends are
    /// quantiles of Beta(k, n − k + 1) and Beta(k + 1, n − k).
    ///
    /// # Panics
    /// When it happened in more runs than there were.
    #[must_use]
    pub fn of(count: u64, of: u64) -> Self {
        assert!(count <= of, "{count} of {of} runs");
        let tail = (1.0 - CONFIDENCE) / 2.0;
        let (hits, misses) = (count as f64, (of - count) as f64);
        let low = if count == 0 {
            0.0
        } else {
            beta_quantile(hits, misses + 1.0, tail)
        };
        let high = if count == of {
            1.0
        } else {
            beta_quantile(hits + 1.0, misses, 1.0 - tail)
        };
        Self {
            count,
            of,
            low,
            high,
        }
    }

    /// The share itself; 0 of no runs.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.count as f64 / self.of.max(1) as f64
    }
}

/// Where the distribution function of Beta(a, b) reaches `share`, by bisection: it is needed a few
/// hundred times and must not fail at the edges.
fn beta_quantile(a: f64, b: f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if beta_reg(a, b, middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_exact() {
        // The ends solve P(X ≥ k) = 2.5 % and P(X ≤ k) = 2.5 %. For k = 0 and k = n that has a
        // closed form; the others are held against the sums themselves.
        let none_of = |runs: f64| 1.0 - 0.025f64.powf(1.0 / runs);
        for (count, of, low, high) in [
            (0, 10, 0.0, none_of(10.0)),
            (0, 2_000, 0.0, none_of(2_000.0)),
            (10, 10, 1.0 - none_of(10.0), 1.0),
            (0, 0, 0.0, 1.0),
        ] {
            let share = Share::of(count, of);
            assert!((share.low - low).abs() < 1e-9, "{count} of {of}: {share:?}");
            assert!(
                (share.high - high).abs() < 1e-9,
                "{count} of {of}: {share:?}"
            );
        }
        for (count, of) in [(4, 50), (6, 2_000), (20, 2_000), (1_999, 2_000)] {
            let share = Share::of(count, of);
            let below = binomial_below(count, of, share.low);
            let upto = binomial_below(count + 1, of, share.high);
            assert!(
                (1.0 - below - 0.025).abs() < 1e-9,
                "{count} of {of}: {below}"
            );
            assert!((upto - 0.025).abs() < 1e-9, "{count} of {of}: {upto}");
            assert!(share.low < share.value() && share.value() < share.high);
        }
    }

    /// P(X < `count`) of `of` runs with this share, summed up.
    fn binomial_below(count: u64, of: u64, share: f64) -> f64 {
        let mut log_term = of as f64 * (1.0 - share).ln();
        let mut sum = 0.0;
        for number in 0..count {
            sum += log_term.exp();
            log_term +=
                ((of - number) as f64 / (number + 1) as f64).ln() + (share / (1.0 - share)).ln();
        }
        sum
    }
}

//! Mixture martingales: the e-value of a sum, and the boundary that the sum stays below.
//!
//! A sum Sₜ of which exp(λSₜ − ψ(λ)Vₜ) is a (super)martingale for every λ, mixed over λ with a
//! prior, is a martingale again and has a formula. At 1/α it gives a boundary that S crosses at any
//! time with probability α at most (arXiv 1810.08240, §3.2).

use super::{BadInput, between, error_rate, positive};

/// Whether large sums alone, or small ones as well, are evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Sums above 0.
    One,
    /// Sums on either side.
    Two,
}

/// When a mixture should be at its best. It holds at any other time as well, less tightly; it is
/// chosen before the first observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    variance: f64,
    alpha: f64,
}

impl Tuning {
    /// For a boundary of error rate `alpha` (below a half) at the time when the variance process is
    /// `variance`.
    ///
    /// # Errors
    /// A variance that is not above 0, or an error rate out of range.
    pub fn new(variance: f64, alpha: f64) -> Result<Tuning, BadInput> {
        Ok(Tuning {
            variance: positive("the variance to tune for", variance)?,
            alpha: between(
                "the error rate to tune for",
                "above 0 and below 0.5",
                0.0,
                alpha,
                0.5,
            )?,
        })
    }

    /// The prior's precision ρ (arXiv 1810.08240, §3.5, with the approximation of the Lambert
    /// function of its reference implementation); a one-sided mixture is tuned as a two-sided one
    /// of twice the error rate.
    pub(super) fn precision(self, sides: Sides) -> f64 {
        let alpha = match sides {
            Sides::One => 2.0 * self.alpha,
            Sides::Two => self.alpha,
        };
        let odds = -2.0 * libm::log(alpha);
        self.variance / (odds + libm::log1p(odds))
    }
}

/// A mixture of martingales.
pub trait Mixture {
    /// ln of the e-value of a sum whose variance process stands at `variance` (0 and above). Grows
    /// with the sum, for sums above 0.
    fn log_e(&self, sum: f64, variance: f64) -> f64;

    /// The largest sum possible at this variance; infinite for increments without a bound.
    fn sum_max(&self, _variance: f64) -> f64 {
        f64::INFINITY
    }
}

/// The sum at which the e-value reaches 1/`alpha`; `None` if no sum possible at this variance does.
///
/// # Errors
/// A variance below 0, or an error rate that is none.
pub fn bound(mixture: &impl Mixture, variance: f64, alpha: f64) -> Result<Option<f64>, BadInput> {
    let line = -libm::log(error_rate(alpha)?);
    if !(variance >= 0.0 && variance.is_finite()) {
        return Err(BadInput {
            what: "the variance",
            allowed: "0 or above",
            value: variance,
        });
    }
    let below = |sum: f64| mixture.log_e(sum, variance) < line;
    let largest = mixture.sum_max(variance);
    let mut high = if largest.is_finite() {
        largest
    } else {
        // Doubles until it is over the line: at most over the range of the numbers.
        let mut sum = variance.max(1.0);
        while below(sum) && sum < f64::MAX / 2.0 {
            sum *= 2.0;
        }
        sum
    };
    if below(high) {
        return Ok(None);
    }
    let mut low = 0.0;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    // The end that is surely over the line, so that an interval made of it is wide enough.
    Ok(Some(high))
}

/// Halvings of an interval: to the last digits.
pub(super) const HALVINGS: usize = 60;

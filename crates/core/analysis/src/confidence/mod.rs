//! Confidence sequences: intervals and bounds that hold at all times together, and so may be looked
//! at as often as one likes.
//!
//! They are what people are shown beside a decision; decisions themselves are taken by
//! [`crate::sequential`].
//!
//! - For display: [`error_ratio_difference`], [`quantile_interval`], [`mean_interval`],
//!   [`mean_difference`], [`relative_difference`].
//! - For one probability [`bernoulli_interval`], for quantiles of any distribution
//!   [`quantile_ranks`] and [`all_quantile_ranks`]; [`log_e_quantiles_differ`] and
//!   [`log_e_quantile_worse`] compare two sides.
//! - For one probability when the number of trials was fixed before: [`binomial_interval`], [`beta_quantile`].
//! - What they are made of: the [`Mixture`]s and the boundaries of [`stitching`] and [`empirical`],
//!   each for sums whose increments are of a kind (bounded, sub-exponential, Poisson …).
//!
//! Formulas are those of Howard, Ramdas, McAuliffe & Sekhon (arXiv 1810.08240) and Howard & Ramdas
//! (arXiv 1906.09712), with the values of their reference implementation as tests; the intervals
//! for means are those of Waudby-Smith et al. (arXiv 2103.06476).

mod asymptotic;
mod beta_binomial;
mod binomial;
mod difference;
pub mod empirical;
mod gamma;
mod mixture;
mod normal;
mod quantile;
mod quantile_test;
mod special;
pub mod stitching;

pub use asymptotic::{Moments, mean_difference, mean_interval, relative_difference};
pub use beta_binomial::{BetaBinomial, bernoulli_interval};
pub use binomial::{beta_quantile, binomial_interval};
pub use difference::error_ratio_difference;
pub use gamma::{GammaExponential, GammaPoisson};
pub use mixture::{Mixture, Sides, Tuning, bound};
pub use normal::Normal;
pub use quantile::{LatencyInterval, Ranks, all_quantile_ranks, quantile_interval, quantile_ranks};
pub use quantile_test::{Distribution, log_e_quantile_worse, log_e_quantiles_differ};

use thiserror::Error;

/// An interval, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end, not below the lower one.
    pub high: f64,
}

impl Interval {
    /// Whether a value lies within.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// A value that none of this can be computed for.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("{what} is {allowed}, not {value}")]
pub struct BadInput {
    /// Which value.
    pub what: &'static str,
    /// What it may be.
    pub allowed: &'static str,
    /// What it was.
    pub value: f64,
}

/// The value, if it lies strictly between two others.
fn between(
    what: &'static str,
    allowed: &'static str,
    low: f64,
    value: f64,
    high: f64,
) -> Result<f64, BadInput> {
    if value > low && value < high {
        Ok(value)
    } else {
        Err(BadInput {
            what,
            allowed,
            value,
        })
    }
}

/// An error rate: within (0, 1).
fn error_rate(alpha: f64) -> Result<f64, BadInput> {
    between("the error rate", "above 0 and below 1", 0.0, alpha, 1.0)
}

/// A finite number above 0.
fn positive(what: &'static str, value: f64) -> Result<f64, BadInput> {
    between(what, "a number above 0", 0.0, value, f64::INFINITY)
}

//! What is tested: how much worse than the baseline the canary may be.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The canary's event probability is at most `ratio` times the baseline's plus `margin`, at every
/// moment; both may drift together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hypothesis {
    /// Factor on the baseline's probability, from [`Hypothesis::RATIO_MIN`] to
    /// [`Hypothesis::RATIO_MAX`].
    pub ratio: f64,
    /// What is added to it, 0 to below 1.
    pub margin: f64,
}

/// Which way evidence is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Evidence that the canary is worse than the hypothesis allows: grounds for going back.
    Worse,
    /// Evidence that it is better than that limit: grounds for going on. The test is the reverse one,
    /// of "the canary's probability is at least `ratio` times the baseline's plus `margin`".
    NotWorse,
}

/// A hypothesis that cannot be tested.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum BadHypothesis {
    /// The factor is not usable.
    #[error("the ratio allowed of the baseline is a factor from {min} to {max}, not {0}", min = Hypothesis::RATIO_MIN, max = Hypothesis::RATIO_MAX)]
    Ratio(f64),
    /// The margin is not usable.
    #[error("the margin above the baseline is a share of the requests from 0 to below 1, not {0}")]
    Margin(f64),
}

impl Hypothesis {
    /// Smallest factor: a millionth, far below any use, and far from the limits of the arithmetic.
    pub const RATIO_MIN: f64 = 1e-6;
    /// Largest factor, likewise.
    pub const RATIO_MAX: f64 = 1e6;

    /// The hypothesis itself, if it can be tested.
    ///
    /// # Errors
    /// A ratio or a margin out of range, or not a number.
    pub fn checked(self) -> Result<Hypothesis, BadHypothesis> {
        if !(Self::RATIO_MIN..=Self::RATIO_MAX).contains(&self.ratio) {
            return Err(BadHypothesis::Ratio(self.ratio));
        }
        if !(0.0..1.0).contains(&self.margin) {
            return Err(BadHypothesis::Margin(self.margin));
        }
        Ok(self)
    }

    /// The largest canary probability that the hypothesis allows beside this baseline.
    #[must_use]
    pub fn limit(&self, baseline: f64) -> f64 {
        self.ratio * baseline + self.margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_tested_is_refused() {
        for (ratio, margin, usable) in [
            (1.0, 0.0, true),
            (1.5, 0.001, true),
            (1e6, 0.999, true),
            (0.0, 0.0, false),
            (-1.0, 0.0, false),
            (f64::NAN, 0.0, false),
            (f64::INFINITY, 0.0, false),
            (1.0, 1.0, false),
            (1.0, -0.001, false),
            (1.0, f64::NAN, false),
        ] {
            let hypothesis = Hypothesis { ratio, margin };
            assert_eq!(hypothesis.checked().is_ok(), usable, "{ratio} {margin}");
        }
    }
}

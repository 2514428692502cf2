//! Shares of traffic.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A share of traffic from 0 to 100 %, held in basis points (1/100 of a percent) so that sums are
/// exact. On the wire it is a percentage: `5`, `0.5`, `100`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "f64", into = "f64")]
pub struct Weight(u16);

impl Weight {
    /// No traffic.
    pub const ZERO: Weight = Weight(0);
    /// All traffic.
    pub const FULL: Weight = Weight(10_000);

    /// A weight from basis points; `None` above 10,000.
    #[must_use]
    pub const fn from_basis_points(basis_points: u16) -> Option<Weight> {
        if basis_points <= 10_000 {
            Some(Weight(basis_points))
        } else {
            None
        }
    }

    /// A weight from a percentage, rounded to a basis point.
    ///
    /// # Errors
    /// A sentence when the number is not within 0 to 100.
    pub fn from_percent(percent: f64) -> Result<Weight, String> {
        if (0.0..=100.0).contains(&percent) {
            Ok(Weight((percent * 100.0).round() as u16))
        } else {
            Err(format!(
                "a weight is a percentage from 0 to 100, not {percent}"
            ))
        }
    }

    /// The share `part / whole`, rounded down; full when `whole` is zero or `part` exceeds it.
    #[must_use]
    pub fn ratio(part: u32, whole: u32) -> Weight {
        if part >= whole {
            return Weight::FULL;
        }
        Weight((u64::from(part) * 10_000 / u64::from(whole)) as u16)
    }

    /// In basis points, 0 to 10,000.
    #[must_use]
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// As a percentage, 0 to 100.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// What is left of 100 %.
    #[must_use]
    pub const fn rest(self) -> Weight {
        Weight(10_000 - self.0)
    }

    /// How many of `whole` replicas this share needs, rounded up.
    #[must_use]
    pub fn of_replicas(self, whole: u32) -> u32 {
        u32::try_from((u64::from(whole) * u64::from(self.0)).div_ceil(10_000)).unwrap_or(whole)
    }
}

impl TryFrom<f64> for Weight {
    type Error = String;
    fn try_from(percent: f64) -> Result<Self, String> {
        Weight::from_percent(percent)
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> f64 {
        weight.percent()
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_exact_and_bounded() {
        assert_eq!(Weight::from_percent(0.5).map(Weight::basis_points), Ok(50));
        assert!(Weight::from_percent(100.01).is_err());
        assert!(Weight::from_percent(f64::NAN).is_err());
        assert_eq!(Weight::ratio(1, 3).basis_points(), 3_333);
        assert_eq!(Weight::ratio(0, 0), Weight::FULL);
        assert_eq!(Weight::from_percent(5.0).map(|w| w.of_replicas(10)), Ok(1));
        assert_eq!(Weight::from_percent(25.0).map(|w| w.of_replicas(10)), Ok(3));
        assert_eq!(Weight::ZERO.of_replicas(10), 0);
    }
}

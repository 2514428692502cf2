//! The normal mixture: sums of sub-Gaussian increments.

use super::{Mixture, Sides, Tuning, special};

/// The normal mixture, one-sided (arXiv 1810.08240, Proposition 5) or two-sided (Proposition 4).
/// The variance process is the sum of the increments' variance proxies.
#[derive(Clone, Copy, Debug)]
pub struct Normal {
    precision: f64,
    sides: Sides,
}

impl Normal {
    /// Tuned for a time.
    #[must_use]
    pub fn new(tuning: Tuning, sides: Sides) -> Normal {
        Normal {
            precision: tuning.precision(sides),
            sides,
        }
    }
}

impl Mixture for Normal {
    fn log_e(&self, sum: f64, variance: f64) -> f64 {
        let spread = variance + self.precision;
        let two_sided = libm::log(self.precision / spread) / 2.0 + sum * sum / (2.0 * spread);
        match self.sides {
            Sides::Two => two_sided,
            Sides::One => {
                two_sided + std::f64::consts::LN_2 + special::ln_normal_cdf(sum / spread.sqrt())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bound;
    use super::*;

    /// gostevehoward/confseq @70b1ef30, test/uniform_boundaries_unittest.cpp, MixtureTest,
    /// "TestTwoSidedNormalMixture" and "TestOneSidedNormalMixture".
    #[test]
    fn values_of_confseq() {
        let tuning = Tuning::new(100.0, 0.05).expect("valid");
        assert!((tuning.precision(Sides::Two) - 12.60056).abs() < 1e-5);
        for (sides, log_e, limit) in [
            (Sides::Two, -0.651_005_2, 30.35209),
            (Sides::One, -0.065_023_91, 27.66071),
        ] {
            let mixture = Normal::new(tuning, sides);
            assert!(
                (mixture.log_e(10.0, 100.0) - log_e).abs() < 1e-5,
                "{sides:?}"
            );
            let computed = bound(&mixture, 100.0, 0.05)
                .expect("valid")
                .expect("reached");
            assert!((computed - limit).abs() < 1e-5, "{sides:?}: {computed}");
        }
    }

    #[test]
    fn the_two_sided_boundary_has_a_formula() {
        // stats.md §2c: √((V+ρ)(ln(1+V/ρ) + 2 ln(1/α))).
        let tuning = Tuning::new(50.0, 0.01).expect("valid");
        let rho = tuning.precision(Sides::Two);
        for variance in [0.0, 1.0, 50.0, 1e6] {
            let expected =
                ((variance + rho) * ((1.0 + variance / rho).ln() + 2.0 * 100f64.ln())).sqrt();
            let mixture = Normal::new(tuning, Sides::Two);
            let computed = bound(&mixture, variance, 0.01)
                .expect("valid")
                .expect("reached");
            assert!(
                (computed / expected - 1.0).abs() < 1e-9,
                "{computed} {expected}"
            );
        }
    }

    #[test]
    fn a_sum_far_below_is_a_small_number_and_not_none() {
        let mixture = Normal::new(Tuning::new(100.0, 0.05).expect("valid"), Sides::One);
        let log_e = mixture.log_e(-1e6, 100.0);
        assert!(log_e.is_finite() && log_e < -1.0, "{log_e}");
        assert!(Tuning::new(0.0, 0.05).is_err() && Tuning::new(1.0, 0.5).is_err());
        assert!(bound(&mixture, f64::NAN, 0.05).is_err() && bound(&mixture, 1.0, 1.0).is_err());
    }
}

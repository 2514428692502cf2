//! The gamma mixtures: sums of sub-exponential increments, and of centred Poisson counts.

use super::{BadInput, Mixture, Sides, Tuning, positive, special};

/// The gamma-exponential mixture, one-sided (arXiv 1810.08240, Proposition 8): increments that are
/// sub-exponential with a scale, such as centred waiting times, or anything bounded from above with
/// its empirical variance.
#[derive(Clone, Copy, Debug)]
pub struct GammaExponential {
    precision: f64,
    scale: f64,
    constant: f64,
}

impl GammaExponential {
    /// Tuned for a time; `scale` is c, the increments' bound.
    ///
    /// # Errors
    /// A scale that is not above 0.
    pub fn new(tuning: Tuning, scale: f64) -> Result<GammaExponential, BadInput> {
        let scale = positive("the scale", scale)?;
        let precision = tuning.precision(Sides::One);
        let shape = precision / (scale * scale);
        let (lower, _) = special::ln_gamma_parts(shape, shape);
        Ok(GammaExponential {
            precision,
            scale,
            constant: shape * libm::log(shape) - libm::lgamma(shape) - lower,
        })
    }
}

impl Mixture for GammaExponential {
    /// Negative infinity, an e-value of 0, for sums below −(v + ρ)/c.
    fn log_e(&self, sum: f64, variance: f64) -> f64 {
        let square = self.scale * self.scale;
        let drift = (self.scale * sum + variance) / square;
        let at = drift + self.precision / square;
        if at <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let shape = (variance + self.precision) / square;
        let (lower, _) = special::ln_gamma_parts(shape, at);
        self.constant + libm::lgamma(shape) + lower - shape * libm::log(at) + drift
    }
}

/// The gamma-Poisson mixture, one-sided (arXiv 1810.08240, Proposition 9): counts of a Poisson
/// process less their expectation, with jumps of size `scale`.
#[derive(Clone, Copy, Debug)]
pub struct GammaPoisson {
    precision: f64,
    scale: f64,
    constant: f64,
}

impl GammaPoisson {
    /// Tuned for a time; `scale` is c, the size of a jump.
    ///
    /// # Errors
    /// A scale that is not above 0.
    pub fn new(tuning: Tuning, scale: f64) -> Result<GammaPoisson, BadInput> {
        let scale = positive("the scale", scale)?;
        let precision = tuning.precision(Sides::One);
        let shape = precision / (scale * scale);
        let (_, upper) = special::ln_gamma_parts(shape, shape);
        Ok(GammaPoisson {
            precision,
            scale,
            constant: shape * libm::log(shape) - libm::lgamma(shape) - upper,
        })
    }
}

impl Mixture for GammaPoisson {
    /// Negative infinity, an e-value of 0, for sums that no counts could give: below −(v + ρ)/c.
    fn log_e(&self, sum: f64, variance: f64) -> f64 {
        let square = self.scale * self.scale;
        let rate = (variance + self.precision) / square;
        let shape = sum / self.scale + rate;
        if shape <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let (_, upper) = special::ln_gamma_parts(shape, rate);
        self.constant + libm::lgamma(shape) + upper - shape * libm::log(rate) + variance / square
    }
}

#[cfg(test)]
mod tests {
    use super::super::bound;
    use super::*;

    fn tuning() -> Tuning {
        Tuning::new(100.0, 0.05).expect("valid")
    }

    fn check(name: &str, mixture: &impl Mixture, log_e: f64, limit: f64) {
        let computed = mixture.log_e(10.0, 100.0);
        assert!((computed - log_e).abs() < 1e-5, "{name}: {computed}");
        let computed = bound(mixture, 100.0, 0.05)
            .expect("valid")
            .expect("reached");
        assert!((computed - limit).abs() < 1e-5, "{name}: {computed}");
    }

    /// gostevehoward/confseq @70b1ef30, test/uniform_boundaries_unittest.cpp, MixtureTest,
    /// "TestGammaExponentialMixture" and "TestGammaPoissonMixture".
    #[test]
    fn values_of_confseq() {
        let exponential = GammaExponential::new(tuning(), 2.0).expect("valid");
        check("exponential", &exponential, -0.249_016_5, 33.02017);
        let poisson = GammaPoisson::new(tuning(), 2.0).expect("valid");
        check("Poisson", &poisson, -0.069_912_19, 30.1949);
    }

    /// Both become the normal mixture as the increments become small beside the sum.
    #[test]
    fn small_increments_are_normal() {
        let normal = super::super::Normal::new(tuning(), Sides::One);
        let exponential = GammaExponential::new(tuning(), 0.001).expect("valid");
        let poisson = GammaPoisson::new(tuning(), 0.001).expect("valid");
        for sum in [-5.0, 0.0, 10.0, 40.0] {
            let expected = normal.log_e(sum, 100.0);
            for computed in [exponential.log_e(sum, 100.0), poisson.log_e(sum, 100.0)] {
                assert!(
                    (computed - expected).abs() < 0.01,
                    "{sum}: {computed} {expected}"
                );
            }
        }
    }

    #[test]
    fn sums_out_of_reach_are_an_e_value_of_nothing() {
        let exponential = GammaExponential::new(tuning(), 2.0).expect("valid");
        let poisson = GammaPoisson::new(tuning(), 2.0).expect("valid");
        assert_eq!(exponential.log_e(-1e9, 100.0), f64::NEG_INFINITY);
        assert_eq!(poisson.log_e(-1e9, 100.0), f64::NEG_INFINITY);
        for sum in [-50.0, 0.0, 1e3, 1e6] {
            assert!(exponential.log_e(sum, 100.0).is_finite(), "{sum}");
            assert!(poisson.log_e(sum, 100.0).is_finite(), "{sum}");
        }
        assert!(GammaPoisson::new(tuning(), 0.0).is_err());
        assert!(GammaExponential::new(tuning(), f64::NAN).is_err());
    }
}

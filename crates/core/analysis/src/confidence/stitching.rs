//! Boundaries stitched together over time: they grow as √(v ln ln v), the slowest that holds for ever.

use super::{BadInput, between, error_rate, positive, special};

/// Polynomial stitching: time is cut into epochs that grow by the factor η, and epoch k gets the
/// share k⁻ˢ of the error rate. The values are those of the reference implementation.
const EPOCH: f64 = 2.0;
const SHARE: f64 = 1.4;

/// How finely quantiles are stitched: the distance of the quantiles' logits at the time tuned for.
const FINENESS: f64 = 0.5;

/// The boundary that a sum stays below at all times with probability 1 − `alpha`, given its
/// variance process (arXiv 1810.08240, Theorem 1 and the example after it): sub-gamma with scale
/// `c`, of any sign. It is tightest near `variance_min`, below which it stays at its value there.
///
/// # Errors
/// A variance below 0, a smallest variance that is not above 0, an error rate that is none, a scale
/// that is no number.
pub fn poly_stitching(
    variance: f64,
    alpha: f64,
    variance_min: f64,
    c: f64,
) -> Result<f64, BadInput> {
    let alpha = error_rate(alpha)?;
    let variance_min = positive("the smallest variance", variance_min)?;
    let c = between("the scale", "a number", f64::NEG_INFINITY, c, f64::INFINITY)?;
    if !(variance >= 0.0 && variance.is_finite()) {
        return Err(BadInput {
            what: "the variance",
            allowed: "0 or above",
            value: variance,
        });
    }
    let at = variance.max(variance_min);
    let ell = SHARE * libm::log(libm::log(EPOCH * at / variance_min))
        + libm::log(special::zeta(SHARE) / libm::pow(libm::log(EPOCH), SHARE))
        - libm::log(alpha);
    Ok(stitched(at, c * ell, ell))
}

/// How far above `quantile`·t the number of observations below the true quantile is at most, at all
/// times and for all quantiles together, with probability 1 − `alpha` (arXiv 1906.09712, Theorem 3:
/// "double stitching", over time and over quantiles). For how far below, ask for 1 − `quantile`. It
/// is tightest near `tuned_at` observations.
///
/// # Errors
/// A quantile that is not within (0, 1), an error rate that is none, times below 1.
pub fn double_stitching(
    quantile: f64,
    observations: f64,
    alpha: f64,
    tuned_at: f64,
) -> Result<f64, BadInput> {
    let p = between("the quantile", "above 0 and below 1", 0.0, quantile, 1.0)?;
    let alpha = error_rate(alpha)?;
    for value in [observations, tuned_at] {
        if !(value >= 1.0 && value.is_finite()) {
            return Err(BadInput {
                what: "the number of observations",
                allowed: "1 or more",
                value,
            });
        }
    }
    let time = observations.max(tuned_at);
    let logit = libm::log(p / (1.0 - p));
    // The largest variance among the quantiles that share p's stitch.
    let r = if p >= 0.5 {
        p
    } else {
        let step = 2.0 * FINENESS * (tuned_at * EPOCH / time).sqrt();
        (1.0 / (1.0 + libm::exp(-logit - step))).min(0.5)
    };
    let variance = r * (1.0 - r);
    let stitch = (time / tuned_at).sqrt() * logit.abs() / (2.0 * FINENESS) + 1.0;
    let zeta = special::zeta(SHARE);
    let ell = SHARE * libm::log(libm::log(EPOCH * time / tuned_at))
        + SHARE * libm::log(stitch)
        + libm::log(2.0 * zeta * (2.0 * zeta + 1.0) / (alpha * libm::pow(libm::log(EPOCH), SHARE)));
    let skew = (1.0 - 2.0 * p) / 3.0;
    Ok(FINENESS * (EPOCH * time * variance / tuned_at).sqrt()
        + stitched(variance * time, skew * ell, ell))
}

/// √(k₁²·v·ℓ + (k₂·cℓ)²) + k₂·cℓ, the form that both share.
fn stitched(variance: f64, c_ell: f64, ell: f64) -> f64 {
    let fourth = EPOCH.sqrt().sqrt();
    let k1 = (fourth + 1.0 / fourth) / std::f64::consts::SQRT_2;
    let k2 = (EPOCH.sqrt() + 1.0) / 2.0;
    let shift = k2 * c_ell;
    (k1 * k1 * variance * ell + shift * shift).sqrt() + shift
}

#[cfg(test)]
mod tests {
    use super::*;

    /// gostevehoward/confseq @70b1ef30, test/uniform_boundaries_unittest.cpp: PolyStitchingTest
    /// "BasicTest" and "NegativeC", and DoubleStitchingTest "TestBound".
    #[test]
    fn values_of_confseq() {
        for (c, expected) in [(3.0, 64.48755), (-1.0, 28.99389)] {
            let computed = poly_stitching(100.0, 0.05, 10.0, c).expect("valid");
            assert!((computed - expected).abs() < 1e-5, "c = {c}: {computed}");
        }
        for (quantile, expected) in [(0.5, 68.62803), (0.9, 43.72119), (0.1, 59.96521)] {
            let computed = double_stitching(quantile, 1_000.0, 0.05, 100.0).expect("valid");
            assert!((computed - expected).abs() < 1e-5, "{quantile}: {computed}");
        }
    }

    /// research/stats.md §2b: radius in quantile space for p99 at α = 0.05, tuned at a quarter of
    /// the time.
    #[test]
    fn the_radius_at_the_tail() {
        for (observations, expected) in [(1e3, 0.0116), (1e4, 0.0044), (1e5, 0.0015)] {
            let bound = double_stitching(0.99, observations, 0.05, observations / 4.0);
            let radius = bound.expect("valid") / observations;
            assert!((radius - expected).abs() < 1e-4, "{observations}: {radius}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(poly_stitching(-1.0, 0.05, 10.0, 1.0).is_err());
        assert!(poly_stitching(1.0, 0.05, 0.0, 1.0).is_err());
        assert!(poly_stitching(1.0, 0.05, 1.0, f64::NAN).is_err());
        assert!(double_stitching(1.0, 10.0, 0.05, 10.0).is_err());
        assert!(double_stitching(0.5, 0.0, 0.05, 10.0).is_err());
        assert!(double_stitching(0.5, f64::NAN, 0.05, 10.0).is_err());
    }
}

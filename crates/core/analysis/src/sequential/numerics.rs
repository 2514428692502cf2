//! Sums of exponentials, in logarithms.
//!
//! `libm` computes them in Rust, so that a recorded decision is recomputed to the same bit on
//! another machine; the system's library differs between its versions and between processors.

/// Terms smaller than the largest by this much are nothing beside it: e⁻⁴⁵ is 3e-20, a ten-thousandth of what the sum can
/// tell apart.
const NEGLIGIBLE: f64 = -45.0;

/// ln Σ exp(value), without overflow; negative infinity for no values.
pub(super) fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let apart = values.iter().map(|value| value - largest);
    // What is no number must not get lost.
    let counts = apart.filter(|it| *it > NEGLIGIBLE || it.is_nan());
    let sum: f64 = counts.map(libm::exp).sum();
    largest + libm::log(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_large_nor_missing_values_overflow() {
        let two = [1e6, 1e6];
        assert!((log_sum_exp(&two) - (1e6 + 2f64.ln())).abs() < 1e-9);
        assert_eq!(log_sum_exp(&[-1e9, 0.0]), 0.0);
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        let many = [0.0; 24].map(|_| -45.1);
        assert_eq!(log_sum_exp(&[&[0.0][..], &many].concat()), 0.0);
        assert!(log_sum_exp(&[f64::NAN, 1.0]).is_nan());
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY, 1.0]), 1.0);
    }
}

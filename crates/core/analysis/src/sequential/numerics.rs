//! Sums of exponentials, in logarithms.
//!
//! `libm` computes them in Rust, so that a recorded decision is recomputed to the same bit on
//! another machine; the system's library differs between its versions and between processors.

/// ln Σ exp(value), without overflow; negative infinity for no values.
pub(super) fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let sum: f64 = values.iter().map(|value| libm::exp(value - largest)).sum();
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
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY, 1.0]), 1.0);
    }
}

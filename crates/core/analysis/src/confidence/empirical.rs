//! How far an empirical distribution is from the true one, at all times and everywhere.

use super::{BadInput, between, error_rate};

/// The radius of a band around the empirical distribution function of independent observations that
/// holds the true one, from `time_min` observations on and everywhere, with probability 1 − `alpha`
/// (arXiv 1906.09712, Theorem 2): A·√((ln(1 + ln(t/t_min)) + C)/t). Its leading constant A may be
/// anything above 1/√2; 0.85 is the paper's. C follows from A and α.
///
/// `None` before `time_min`: nothing is said then.
///
/// # Errors
/// Times below 1, an error rate that is none, a leading constant out of range (10 is far beyond any
/// use).
pub fn distribution_radius(
    time: f64,
    alpha: f64,
    time_min: f64,
    leading: f64,
) -> Result<Option<f64>, BadInput> {
    let alpha = error_rate(alpha)?;
    let leading = between(
        "the leading constant",
        "above 1/√2 and below 10",
        std::f64::consts::FRAC_1_SQRT_2,
        leading,
        10.0,
    )?;
    for value in [time, time_min] {
        if !(value >= 1.0 && value.is_finite()) {
            return Err(BadInput {
                what: "the number of observations",
                allowed: "1 or more",
                value,
            });
        }
    }
    if time < time_min {
        return Ok(None);
    }
    let constant = constant(alpha, leading);
    let iterated = libm::log1p(libm::log(time / time_min));
    Ok(Some(leading * ((iterated + constant) / time).sqrt()))
}

/// The smallest C at which the error rate is α, for the best spacing of epochs.
fn constant(alpha: f64, leading: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while least_error(high, leading) > alpha && high < CONSTANT_MAX {
        high *= 2.0;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if least_error(middle, leading) > alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Far above the C of any error rate that a number can hold, and where the search for it ends.
const CONSTANT_MAX: f64 = 1e6;
const HALVINGS: usize = 60;

/// The least error rate for C over the spacings η, by golden section: it falls from no limit at η =
/// 1 to a minimum, and rises without limit towards the largest η for which there is a bound.
fn least_error(constant: f64, leading: f64) -> f64 {
    let slack = |eta: f64| leading - (eta / 2.0).sqrt() - (2.0 * (eta - 1.0) / constant).sqrt();
    let (mut low, mut high) = (1.0, 2.0 * leading * leading);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if slack(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (mut low, mut high) = (1.0, low);
    for _ in 0..HALVINGS {
        let step = GOLDEN * (high - low);
        if error(constant, leading, high - step) < error(constant, leading, low + step) {
            high = low + step;
        } else {
            low = high - step;
        }
    }
    error(constant, leading, f64::midpoint(low, high))
}

/// The error rate for C and η: 4e^(−γ²C)·(1 + 1/((γ² − 1) ln η)), with
/// γ² = (2/η)(A − √(2(η − 1)/C))².
fn error(constant: f64, leading: f64, eta: f64) -> f64 {
    let root = leading - (2.0 * (eta - 1.0) / constant).sqrt();
    let gamma_square = 2.0 / eta * root * root;
    if root <= 0.0 || gamma_square <= 1.0 || eta <= 1.0 {
        return f64::INFINITY;
    }
    4.0 * libm::exp(-gamma_square * constant)
        * (1.0 + 1.0 / ((gamma_square - 1.0) * libm::log(eta)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// gostevehoward/confseq @70b1ef30, test/uniform_boundaries_unittest.cpp,
    /// EmpiricalProcessLILTest "TestBound".
    #[test]
    fn value_of_confseq() {
        let radius = distribution_radius(1_000.0, 0.05, 100.0, 0.85).expect("valid");
        let radius = radius.expect("late enough");
        assert!((radius - 0.082_047_69).abs() < 1e-6, "{radius}");
    }

    /// research/stats.md §2b: C is 8.12 at α = 0.05, a little below the paper's closed form.
    #[test]
    fn the_constant_is_near_the_closed_form() {
        let computed = constant(0.05, 0.85);
        assert!((computed - 8.12).abs() < 0.01, "{computed}");
        for alpha in [0.5, 0.01, 1e-6, 1e-12] {
            let closed_form = 0.8 * (1_612.0f64 / alpha).ln();
            let computed = constant(alpha, 0.85);
            assert!(
                computed <= closed_form * 1.001,
                "{alpha}: {computed} {closed_form}"
            );
        }
    }

    #[test]
    fn nothing_is_said_before_its_time() {
        assert_eq!(distribution_radius(99.0, 0.05, 100.0, 0.85), Ok(None));
        assert!(distribution_radius(99.0, 0.05, 100.0, 0.7).is_err());
        assert!(distribution_radius(0.0, 0.05, 100.0, 0.85).is_err());
        assert!(distribution_radius(10.0, 0.0, 1.0, 0.85).is_err());
    }
}

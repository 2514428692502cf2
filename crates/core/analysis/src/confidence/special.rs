//! Logarithms of special functions.
//!
//! Only logarithms are of use here: the values themselves fall below the smallest number as soon as
//! there is evidence. The library in the workspace, `statrs`, gives values and not logarithms, and
//! stops its continued fraction of the incomplete beta function after 140 terms, too few above some
//! ten thousand observations; in its range the tests hold these functions against it.

/// Most terms of a series or a continued fraction. Some times the square root of the largest
/// argument is needed, so this is enough to 10¹⁰ observations.
const TERMS_MAX: u32 = 1_000_000;

/// A factor that differs from 1 by less ends a continued fraction.
const CONVERGED: f64 = 1e-16;

/// Stands in for a denominator of 0 (Lentz's method).
const TINY: f64 = 1e-300;

/// ln B(a, b), for a and b above 0.
pub(super) fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

/// ln I_x(a, b), the regularized lower incomplete beta function, for a and b above 0 and x in (0, 1].
pub(super) fn ln_beta_lower(a: f64, b: f64, x: f64) -> f64 {
    if x >= 1.0 {
        return 0.0;
    }
    // The fraction converges quickly on one side of the mean; the other side is the rest of 1.
    if x < (a + 1.0) / (a + b + 2.0) {
        ln_beta_fraction(a, b, x)
    } else {
        ln_one_minus_exp(ln_beta_fraction(b, a, 1.0 - x))
    }
}

/// The continued fraction of I_x(a, b): DLMF 8.17.22, by Lentz's method.
fn ln_beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for term in 1..=TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for step in [even, odd] {
            d = 1.0 / nonzero(1.0 + step * d);
            c = nonzero(1.0 + step / c);
            factor = c * d;
            value *= factor;
        }
        if (factor - 1.0).abs() < CONVERGED {
            break;
        }
    }
    a * libm::log(x) + b * libm::log1p(-x) - ln_beta(a, b) - libm::log(a) + libm::log(value)
}

/// ln P(a, x) and ln Q(a, x), the regularized lower and upper incomplete gamma functions, for a and
/// x above 0.
pub(super) fn ln_gamma_parts(a: f64, x: f64) -> (f64, f64) {
    let ln_scale = a * libm::log(x) - x - libm::lgamma(a);
    if x < a + 1.0 {
        // DLMF 8.7.1.
        let mut term = 1.0 / a;
        let mut sum = term;
        for n in 1..=TERMS_MAX {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < sum * CONVERGED {
                break;
            }
        }
        let lower = (ln_scale + libm::log(sum)).min(0.0);
        (lower, ln_one_minus_exp(lower))
    } else {
        // DLMF 8.9.2, two terms taken together, by Lentz's method.
        let mut b = x + 1.0 - a;
        let mut c = 1.0 / TINY;
        let mut d = 1.0 / nonzero(b);
        let mut value = d;
        for n in 1..=TERMS_MAX {
            let n = f64::from(n);
            let step = -n * (n - a);
            b += 2.0;
            d = 1.0 / nonzero(b + step * d);
            c = nonzero(b + step / c);
            let factor = c * d;
            value *= factor;
            if (factor - 1.0).abs() < CONVERGED {
                break;
            }
        }
        let upper = (ln_scale + libm::log(value)).min(0.0);
        (ln_one_minus_exp(upper), upper)
    }
}

/// ln Φ(x), the standard normal distribution function.
pub(super) fn ln_normal_cdf(x: f64) -> f64 {
    if x > 0.0 {
        return libm::log1p(-libm::erfc(x / std::f64::consts::SQRT_2) / 2.0);
    }
    if x > -30.0 {
        return libm::log(libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0);
    }
    // DLMF 7.12.1: three terms leave less than 1e-7 of the logarithm's last digits here.
    let inverse = 1.0 / (x * x);
    let tail = -inverse + 3.0 * inverse * inverse - 15.0 * inverse * inverse * inverse;
    -x * x / 2.0 - libm::log(-x) - LN_SQRT_TWO_PI + libm::log1p(tail)
}

/// ln √(2π).
const LN_SQRT_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// Riemann's ζ(s), for s above 1: the first terms, and the rest by Euler and Maclaurin.
pub(super) fn zeta(s: f64) -> f64 {
    const FIRST: u32 = 64;
    let first: f64 = (1..FIRST).map(|n| libm::pow(f64::from(n), -s)).sum();
    let n = f64::from(FIRST);
    let last = libm::pow(n, -s);
    let corrections =
        last / 2.0 + s * last / (12.0 * n) - s * (s + 1.0) * (s + 2.0) * last / (720.0 * n * n * n);
    first + n * last / (s - 1.0) + corrections
}

/// ln(1 − eˣ), for x up to 0; negative infinity at 0.
fn ln_one_minus_exp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 {
        libm::log(-libm::expm1(x))
    } else {
        libm::log1p(-libm::exp(x))
    }
}

fn nonzero(value: f64) -> f64 {
    if value.abs() < TINY { TINY } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::function::{beta, erf, gamma};

    fn close(name: &str, value: f64, expected: f64) {
        let error = (value - expected).abs();
        assert!(
            error < 1e-11 * expected.abs().max(1.0),
            "{name}: {value} {expected}"
        );
    }

    #[test]
    fn values_agree_with_the_library_where_it_has_any() {
        for a in [0.3, 1.0, 2.5, 17.0, 120.0] {
            for b in [0.2, 1.0, 3.5, 90.0] {
                for x in [0.001, 0.1, 0.5, 0.9, 0.999] {
                    let value = ln_beta_lower(a, b, x).exp();
                    close(&format!("I {a} {b} {x}"), value, beta::beta_reg(a, b, x));
                }
            }
            for x in [0.01, 0.5, 1.0, 10.0, 100.0, 200.0] {
                let (lower, upper) = ln_gamma_parts(a, x);
                close(&format!("P {a} {x}"), lower.exp(), gamma::gamma_lr(a, x));
                close(&format!("Q {a} {x}"), upper.exp(), gamma::gamma_ur(a, x));
            }
        }
        for x in [-8.0, -3.0, -0.5, 0.0, 0.5, 3.0] {
            let expected = erf::erfc(-x / 2f64.sqrt()) / 2.0;
            close(&format!("Φ {x}"), ln_normal_cdf(x).exp(), expected);
        }
        close("ζ(2)", zeta(2.0), std::f64::consts::PI.powi(2) / 6.0);
        close("ζ(4)", zeta(4.0), std::f64::consts::PI.powi(4) / 90.0);
    }

    /// Where values vanish or the library's fraction is cut short, identities take its place.
    #[test]
    fn logarithms_stay_exact_far_out_and_for_many_observations() {
        // I_x(a, 1) = xᵃ, and I_x(1, b) = 1 − (1−x)ᵇ.
        close("power", ln_beta_lower(1e6, 1.0, 0.1), 1e6 * 0.1f64.ln());
        close(
            "rest",
            ln_beta_lower(1.0, 1e6, 1e-7),
            (-(1e6 * (-1e-7f64).ln_1p()).exp_m1()).ln(),
        );
        // The middle of a symmetric one is a half, however many.
        for many in [10.0, 1e4, 1e6, 1e8] {
            let half = ln_beta_lower(many, many, 0.5);
            assert!((half - 0.5f64.ln()).abs() < 1e-6, "{many}: {half}");
            // P(a, a) → 1/2 + 1/(3√(2πa)).
            let expected = 0.5 + 1.0 / (3.0 * (2.0 * std::f64::consts::PI * many).sqrt());
            let (lower, upper) = ln_gamma_parts(many, many);
            assert!(
                (lower.exp() - expected).abs() < 1e-3 / many.sqrt(),
                "{many}"
            );
            assert!((lower.exp() + upper.exp() - 1.0).abs() < 1e-12, "{many}");
        }
        // Q(1, x) = e⁻ˣ, and P(a, x) → xᵃ/Γ(a+1) for small x.
        close("upper tail", ln_gamma_parts(1.0, 5_000.0).1, -5_000.0);
        let (lower, _) = ln_gamma_parts(500.0, 1e-3);
        assert!((lower - (500.0 * 1e-3f64.ln() - libm::lgamma(501.0))).abs() < 0.01);
        // Both forms of the normal tail meet.
        let (left, right) = (ln_normal_cdf(-30.0 - 1e-9), ln_normal_cdf(-30.0 + 1e-9));
        assert!((left - right).abs() < 1e-6, "{left} {right}");
        assert!(ln_normal_cdf(-1e6) > -6e11 && ln_normal_cdf(40.0) == 0.0);
    }
}

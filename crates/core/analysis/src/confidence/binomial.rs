//! A probability from a fixed number of trials: looked at once, and not while they come in.

use super::special::ln_beta_lower;
use super::{BadInput, Interval, error_rate, positive};

/// Halvings of the interval in which a quantile is sought: to the last bit of a number near 1, to 1e-24 near 0.
const HALVINGS: usize = 80;

/// The quantile `p` of the beta distribution with parameters a and b above 0, for p within 0 and 1.
///
/// # Errors
/// Parameters that are not above 0, a `p` that is no probability between 0 and 1.
pub fn beta_quantile(a: f64, b: f64, p: f64) -> Result<f64, BadInput> {
    let (a, b) = (positive("a", a)?, positive("b", b)?);
    let wanted = libm::log(error_rate(p)?);
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if middle <= 0.0 || ln_beta_lower(a, b, middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(0.5 * (low + high))
}

/// The interval of Clopper & Pearson (Biometrika 26:404, 1934): it holds the probability of an event that
/// happened `count` times in `trials` with a probability of at least 1 − α. Both may be fractions, for trials that
/// resemble each other and count less than one each.
///
/// # Errors
/// A count that is negative or above the trials, no trials, an α that is no probability between 0 and 1.
pub fn binomial_interval(count: f64, trials: f64, alpha: f64) -> Result<Interval, BadInput> {
    let trials = positive("trials", trials)?;
    let rest = trials - count;
    if !(count >= 0.0 && rest >= 0.0) {
        return Err(BadInput {
            what: "the number of events",
            allowed: "from 0 to that of the trials",
            value: count,
        });
    }
    let tail = error_rate(alpha)? / 2.0;
    let low = if count > 0.0 {
        beta_quantile(count, rest + 1.0, tail)?
    } else {
        0.0
    };
    let high = if rest > 0.0 {
        beta_quantile(count + 1.0, rest, 1.0 - tail)?
    } else {
        1.0
    };
    Ok(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe 1998 (Statistics in Medicine 17:857), table I, method 5.
    #[test]
    fn the_interval_is_that_of_clopper_and_pearson() {
        for (count, trials, low, high) in [
            (81.0, 263.0, 0.2527, 0.3676),
            (15.0, 148.0, 0.0578, 0.1617),
            (0.0, 20.0, 0.0, 0.1684),
            (1.0, 29.0, 0.0009, 0.1776),
        ] {
            let found = binomial_interval(count, trials, 0.05).expect("an interval");
            assert!(
                (found.low - low).abs() < 1e-4,
                "{count}/{trials}: {found:?}"
            );
            assert!(
                (found.high - high).abs() < 1e-4,
                "{count}/{trials}: {found:?}"
            );
        }
        let all = binomial_interval(20.0, 20.0, 0.05).expect("an interval");
        assert!((all.low - (1.0 - 0.1684)).abs() < 1e-4 && all.high == 1.0);
    }

    /// Wilks 1941 (Annals of Mathematical Statistics 12:91): the largest of 299 values bounds 99 % of the
    /// distribution with a confidence of 95 %, and that of 298 does not.
    #[test]
    fn the_number_of_wilks() {
        let beyond = |n: f64| beta_quantile(1.0, n, 0.95).expect("a quantile");
        assert!(beyond(299.0) <= 0.01 && beyond(298.0) > 0.01);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (count, trials, alpha) in [
            (-1.0, 10.0, 0.05),
            (11.0, 10.0, 0.05),
            (0.0, 0.0, 0.05),
            (f64::NAN, 10.0, 0.05),
            (1.0, 10.0, 0.0),
        ] {
            assert!(binomial_interval(count, trials, alpha).is_err());
        }
        assert!(beta_quantile(0.0, 1.0, 0.5).is_err());
    }
}

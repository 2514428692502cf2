//! How sure a share is that was counted.
//!
//! Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
//! Biometrika 26 (1934): exact, and if anything too wide.

/// The probability that the interval misses the true share, on each side.
const MISSED: f64 = 0.025;
/// Halvings: to a billionth.
const HALVINGS: usize = 30;

/// The 95 % interval of a share of which `hits` among `all` were seen. From 0 to 1 when there is nothing.
#[must_use]
pub fn interval(hits: u64, all: u64) -> (f64, f64) {
    let low = if hits == 0 {
        0.0
    } else {
        // At the lower end as many as were seen, or more, are improbable.
        crossing(|share| 1.0 - at_most(hits - 1, all, share) > MISSED)
    };
    let high = if hits >= all {
        1.0
    } else {
        crossing(|share| at_most(hits, all, share) < MISSED)
    };
    (low, high)
}

/// Where a condition that holds for large shares begins to hold.
fn crossing(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// The probability of at most `hits` among `all`.
fn at_most(hits: u64, all: u64, share: f64) -> f64 {
    let n = all as f64;
    let (log, rest) = (libm::log(share), libm::log1p(-share));
    let of = |k: u64| {
        let k = k as f64;
        let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
        libm::exp(ways + k * log + (n - k) * rest)
    };
    (0..=hits).map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of three for nothing seen; the others are tabulated values of the Clopper–Pearson interval.
    #[test]
    fn the_interval_is_the_known_one() {
        for (hits, all, low, high) in [
            (0, 2_000, 0.0, 0.001_842_8),
            (1, 10, 0.002_528_6, 0.445_016_1),
            (5, 100, 0.016_431_9, 0.112_834_9),
            (10, 10, 0.691_502_8, 1.0),
        ] {
            let (seen_low, seen_high) = interval(hits, all);
            assert!(
                (seen_low - low).abs() < 1e-6 && (seen_high - high).abs() < 1e-6,
                "{hits} of {all}: {seen_low} to {seen_high}"
            );
        }
        assert_eq!(interval(0, 0), (0.0, 1.0));
    }
}

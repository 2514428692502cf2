//! How far apart two error ratios are, for display.

use super::{BadInput, Interval, bernoulli_interval};

/// Requests on one side at which the interval is tightest: few, because what was tuned for later is
/// wide early, while a thousand times as many requests make it but a quarter wider than it could be.
const TUNED_AT: f64 = 1_000.0;

/// The confidence sequence of the canary's error ratio less the baseline's; each side is (events,
/// requests). At all times together it holds the true difference with probability 1 − `alpha`, as
/// long as both ratios stay what they are.
///
/// Each side gets half of the error rate, and the ends are combined: [L_c − U_b, U_c − L_b]. Where
/// both sides drift together the decision of [`crate::sequential`] still holds, and this interval
/// shows the means so far.
///
/// # Errors
/// More events than requests, or an error rate that is not within 0 to 1.
pub fn error_ratio_difference(
    canary: (u64, u64),
    baseline: (u64, u64),
    alpha: f64,
) -> Result<Interval, BadInput> {
    let canary = bernoulli_interval(canary.0, canary.1, alpha / 2.0, TUNED_AT)?;
    let baseline = bernoulli_interval(baseline.0, baseline.1, alpha / 2.0, TUNED_AT)?;
    Ok(Interval {
        low: canary.low - baseline.high,
        high: canary.high - baseline.low,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_narrows_around_the_difference() {
        let mut width = f64::INFINITY;
        for thousands in [0, 1, 10, 100, 1_000, 10_000] {
            let requests = thousands * 1_000;
            let of = |per_mille: u64| (requests * per_mille / 1_000, requests);
            let interval = error_ratio_difference(of(10), of(1), 0.05).expect("valid");
            assert!(interval.contains(0.009), "{requests}: {interval:?}");
            assert!(interval.high - interval.low < width || requests == 0);
            width = interval.high - interval.low;
            if requests >= 10_000 {
                assert!(interval.low > 0.0, "{requests}: {interval:?}");
            }
        }
        assert!(width < 0.0005, "{width}");
        let nothing = error_ratio_difference((0, 0), (0, 0), 0.05).expect("valid");
        assert_eq!((nothing.low, nothing.high), (-1.0, 1.0));
    }

    /// Looked at after each hundred requests, it loses sight of the truth in fewer runs than stated.
    #[test]
    fn it_holds_at_all_times_together() {
        let alpha = 0.1;
        let lost = (0..60u64)
            .filter(|seed| {
                let mut random = fastrand::Rng::with_seed(*seed);
                let (mut canary, mut baseline) = ((0, 0), (0, 0));
                (0..100).any(|_| {
                    for _ in 0..100 {
                        canary.0 += u64::from(random.f64() < 0.3);
                        baseline.0 += u64::from(random.f64() < 0.2);
                    }
                    canary.1 += 100;
                    baseline.1 += 100;
                    let interval = error_ratio_difference(canary, baseline, alpha);
                    !interval.expect("valid").contains(0.1)
                })
            })
            .count();
        assert!(lost <= 6, "{lost} of 60");
    }
}

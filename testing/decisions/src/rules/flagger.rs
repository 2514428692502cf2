//! Flagger's rule with the settings of its usual example: every minute, five failed checks.
//!
//! Source: fluxcd/flagger at 15bd6ad5, `pkg/controller/scheduler.go` and `scheduler_metrics.go`. A check fails
//! when the success rate is below its minimum or, otherwise, the 99th percentile above its maximum; no
//! data fails too. Failed checks add up over the whole analysis, also when checks in between pass. The
//! rollback happens on the tick after the one that reached the threshold.

use super::{Decision, Rule};
use crate::tick::{Point, Tick};

/// Failed checks that end the analysis (`threshold`).
const FAILED_CHECKS: u32 = 5;
/// Lowest success rate, in percent (`request-success-rate`, `thresholdRange.min`).
const SUCCESS_PERCENT_MIN: f64 = 99.0;
/// Highest 99th percentile, in milliseconds (`request-duration`, `thresholdRange.max`).
const P99_MS_MAX: f64 = 500.0;

pub(super) const DESCRIPTION: &str = "`interval: 1m`, `threshold: 5`, `request-success-rate` at least 99 %, `request-duration` (p99) at most \
     500 ms: a check each minute on that minute's requests to the canary; failed checks add up, and the rollback comes a minute after the fifth. With fewer than a hundred requests a minute, their p99 is the slowest one.";

/// The analysis of one canary.
#[derive(Debug, Default)]
pub struct Flagger {
    failed: u32,
    last: Option<Decision>,
}

impl Rule for Flagger {
    fn look(&mut self, tick: &Tick) -> Option<Decision> {
        let minute = tick.minute?;
        if self.failed >= FAILED_CHECKS {
            return self.last;
        }
        if let Some(failure) = failure(&minute.canary) {
            self.failed += 1;
            self.last = Some(failure);
        }
        None
    }
}

fn failure(canary: &Point) -> Option<Decision> {
    let (Some(errors), Some(p99_ms)) = (canary.error_ratio(), canary.p99_ms) else {
        return Some(Decision::NoData);
    };
    if 100.0 * (1.0 - errors) < SUCCESS_PERCENT_MIN {
        return Some(Decision::Errors);
    }
    // Flagger cuts the value to whole milliseconds before it compares.
    (p99_ms.trunc() > P99_MS_MAX).then_some(Decision::Latency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::{MINUTE_US, Minute};
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand_distr::{Binomial, Distribution};

    fn minute(number: u64, requests: u64, errors: u64, p99_ms: f64) -> Tick {
        let canary = Point {
            requests,
            errors,
            p99_ms: (requests > 0).then_some(p99_ms),
        };
        Tick {
            end_us: number * MINUTE_US,
            minute: Some(Minute {
                canary,
                ..Minute::default()
            }),
            ..Tick::default()
        }
    }

    /// The minute of the rollback, within an hour.
    fn decided(mut minutes: impl FnMut(u64) -> Tick) -> Option<(u64, Decision)> {
        let mut flagger = Flagger::default();
        (1..=60).find_map(|number| Some((number, flagger.look(&minutes(number))?)))
    }

    #[test]
    fn the_rollback_comes_a_minute_after_the_fifth_failed_check() {
        for (name, expected, minutes) in [
            (
                "errors",
                Some((6, Decision::Errors)),
                (|number| minute(number, 1_000, 11, 100.0)) as fn(u64) -> Tick,
            ),
            ("at the limit", None, |number| {
                minute(number, 1_000, 10, 500.9)
            }),
            ("slow", Some((6, Decision::Latency)), |number| {
                minute(number, 1_000, 10, 501.0)
            }),
            ("nothing", Some((6, Decision::NoData)), |number| {
                minute(number, 0, 0, 0.0)
            }),
            (
                "every other minute",
                Some((10, Decision::Errors)),
                |number| minute(number, 1_000, 1_000 * (number % 2), 100.0),
            ),
        ] {
            assert_eq!(decided(minutes), expected, "{name}");
        }
    }

    /// stats_sim/sim3.out, "Flagger fixed 5% weight": the median minute and the share rolled back in an hour.
    #[test]
    fn medians_are_those_of_the_design() {
        let runs = 1_001;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(4);
        for (per_second, errors, median, share) in [
            (20, 0.01, 11, 1.0),
            (20, 0.05, 6, 1.0),
            (20, 0.003, 30, 0.976_25),
            (100, 0.01, 14, 1.0),
            (100, 0.05, 6, 1.0),
            (100, 0.003, u64::MAX, 0.002_25),
            (1_000, 0.01, 12, 1.0),
            (1_000, 0.5, 6, 1.0),
            (1_000, 0.003, u64::MAX, 0.0),
        ] {
            // As there: a check has exactly as many requests as the weight says.
            let requests = per_second * 60 / 20;
            let law = Binomial::new(requests, errors).expect("a probability");
            let mut ends: Vec<u64> = (0..runs)
                .map(|_| {
                    let end =
                        decided(|number| minute(number, requests, law.sample(&mut random), 100.0));
                    end.map_or(u64::MAX, |(number, _)| number)
                })
                .collect();
            ends.sort_unstable();
            let middle = ends[runs / 2];
            assert!(
                middle == median || middle.abs_diff(median) <= 1,
                "{per_second}/s, {errors}: {middle} minutes, not {median}"
            );
            let rolled_back =
                ends.iter().filter(|end| **end < u64::MAX).count() as f64 / runs as f64;
            let error = 4.0 * (share * (1.0 - share) / runs as f64).sqrt() + 0.005;
            assert!(
                (rolled_back - share).abs() < error,
                "{per_second}/s, {errors}: {rolled_back} rolled back, not {share}"
            );
        }
    }
}

//! The textbook test for two proportions, looked at every second, as homemade analyses do.
//!
//! It is made for one look at a number of requests that was chosen before; looked at again and again, its
//! false alarms add up. Canary against baseline, pooled variance, one-sided, all requests since the
//! start. Two metrics share the level in halves (Bonferroni).

use super::{Decision, Rule};
use crate::tick::{Counts, SECOND_US, Tick};
use statrs::function::erf::erfc_inv;

/// The nominal level of one look, all metrics together.
const LEVEL: f64 = 0.01;

/// The normal quantile at which, looked at every second, 1 % of canaries that are no worse are taken back
/// within two million requests: the 99th percentile of the largest z over 2,000 simulated releases at
/// 1,000 requests a second and 5 %, which is 4.97. For 1 % of the traffic it would have to be 7, for 25 % 3.9.
const CALIBRATED: f64 = 5.0;

pub(super) const CALIBRATED_DESCRIPTION: &str = "the same with a line of 5 standard deviations, found by simulation: at 1,000 requests/s and a weight of 5 % it takes back 1 % of the \
     canaries that are no worse within 2 million requests. Other traffic needs another line, which must be known before.";
pub(super) const DESCRIPTION: &str = "two proportions, canary against baseline, one-sided, on all requests since the start, looked at every second: \
     errors and requests above the baseline's frozen p99, each at a nominal 0.5 %.";

/// The test on one canary.
#[derive(Debug)]
pub struct ZTest {
    canary: Counts,
    baseline: Counts,
    /// Whether latencies are tested too.
    latency: bool,
    /// The normal quantile from which on a difference counts.
    critical: f64,
}

impl Default for ZTest {
    fn default() -> Self {
        Self::beyond(quantile(LEVEL / 2.0), true)
    }
}

impl ZTest {
    /// With the line that keeps the bound for one kind of traffic.
    #[must_use]
    pub fn calibrated() -> Self {
        Self::beyond(CALIBRATED, true)
    }

    /// Errors, and with `latency` also requests above the frozen p99: a difference of more standard deviations
    /// than these decides.
    #[must_use]
    pub fn beyond(critical: f64, latency: bool) -> Self {
        Self {
            canary: Counts::default(),
            baseline: Counts::default(),
            latency,
            critical,
        }
    }

    fn differs(&self, bad: fn(&Counts) -> u64) -> bool {
        let (bad_canary, canary) = (bad(&self.canary) as f64, self.canary.requests as f64);
        let (bad_baseline, baseline) = (bad(&self.baseline) as f64, self.baseline.requests as f64);
        if canary == 0.0 || baseline == 0.0 {
            return false;
        }
        let pooled = (bad_canary + bad_baseline) / (canary + baseline);
        let deviation = (pooled * (1.0 - pooled) * (1.0 / canary + 1.0 / baseline)).sqrt();
        bad_canary / canary - bad_baseline / baseline > self.critical * deviation
    }
}

/// The normal quantile of a one-sided level.
fn quantile(level: f64) -> f64 {
    std::f64::consts::SQRT_2 * erfc_inv(2.0 * level)
}

impl Rule for ZTest {
    fn look(&mut self, tick: &Tick) -> Option<Decision> {
        self.canary += tick.canary;
        self.baseline += tick.baseline;
        if !tick.end_us.is_multiple_of(SECOND_US) {
            return None;
        }
        if self.differs(|counts| counts.errors) {
            return Some(Decision::Errors);
        }
        (self.latency && self.differs(|counts| counts.above_p99)).then_some(Decision::Latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Stream, Traffic, seed_of};

    fn decides(canary: (u64, u64), baseline: (u64, u64), end_us: u64) -> bool {
        let side = |(requests, errors)| Counts {
            requests,
            errors,
            ..Counts::default()
        };
        let tick = Tick {
            end_us,
            canary: side(canary),
            baseline: side(baseline),
            ..Tick::default()
        };
        ZTest::beyond(quantile(0.01), false).look(&tick).is_some()
    }

    #[test]
    fn a_difference_of_two_and_a_third_deviations_decides_at_the_next_second() {
        for errors in 0..60 {
            let decided = decides((1_000, errors), (10_000, 115), SECOND_US);
            assert_eq!(decided, z(errors, 115) > 2.326_35, "{errors} errors");
        }
        assert!(!decides((1_000, 100), (10_000, 115), SECOND_US + 1));
        assert!(!decides((0, 0), (10_000, 115), SECOND_US));
        assert!(!decides((1_000, 0), (10_000, 0), SECOND_US));
    }

    /// z of `canary` errors in 1,000 against `baseline` in 10,000, as in stats_sim/sim3.py.
    fn z(canary: u64, baseline: u64) -> f64 {
        let (canary, baseline) = (canary as f64, baseline as f64);
        let pooled = (canary + baseline) / 11_000.0;
        (canary / 1_000.0 - baseline / 10_000.0)
            / (pooled * (1.0 - pooled) * (1.0 / 1_000.0 + 1.0 / 10_000.0)).sqrt()
    }

    /// stats.md §6: looked at every second for 10 minutes at 1,000/s and 5 %, a nominal 1 % becomes 22.6 %,
    /// and a nominal 5 % becomes 42.9 %.
    #[test]
    fn looking_every_second_multiplies_the_false_alarms() {
        let traffic = Traffic {
            per_second: 1_000.0,
            weight: 0.05,
            baseline_errors: 0.001,
            canary_errors: 0.001,
            latency_factor: 1.0,
        };
        let runs = 400;
        for (level, expected) in [(0.01, 0.226), (0.05, 0.4285)] {
            let alarms = (0..runs)
                .filter(|run| {
                    let mut test = ZTest::beyond(quantile(level), false);
                    Stream::new(&traffic, seed_of(5, 0, *run))
                        .take(6_000)
                        .any(|tick| test.look(&tick).is_some())
                })
                .count();
            let share = alarms as f64 / runs as f64;
            // Four standard errors of both simulations: theirs had 2,000 runs.
            let error =
                4.0 * (expected * (1.0 - expected) * (1.0 / runs as f64 + 1.0 / 2_000.0)).sqrt();
            assert!(
                (share - expected).abs() < error,
                "level {level}: {share}, not {expected}"
            );
        }
    }
}

//! Argo Rollouts' rule with the analysis template of its documentation, `success-rate`.
//!
//! Template: argoproj/argo-rollouts, `docs/features/analysis.md`, "Background Analysis": `interval: 5m`,
//! `successCondition: result[0] >= 0.95`, `failureLimit: 3`, no count. Rule: `analysis/analysis.go`, `assessMetricStatus`:
//! the analysis fails when more measurements failed than `failureLimit`, so at the fourth, where the
//! prose of the documentation says three; and when more than four measurements in a row are errors. A query without
//! data is an error, for its result has no first element.
//!
//! The documented query takes the rate between the last two scrapes of the whole service. Here it is the
//! canary's, over the whole five minutes, which is what the example means and is kinder to it.

use super::{Decision, Rule};
use crate::tick::{MINUTE_US, Tick};

/// Time between two measurements; the one at the very start has no data yet.
const INTERVAL_US: u64 = 5 * MINUTE_US;
/// Lowest share of requests that succeed.
const SUCCESS_MIN: f64 = 0.95;
/// Failed measurements that are tolerated.
const FAILURE_LIMIT: u32 = 3;
/// Errors in a row that are tolerated (`DefaultConsecutiveErrorLimit`).
const CONSECUTIVE_ERROR_LIMIT: u32 = 4;

pub(super) const DESCRIPTION: &str = "the documented template `success-rate`: `interval: 5m`, `successCondition: result[0] >= 0.95`, `failureLimit: 3`. \
     By its code the fourth failed measurement ends the analysis. The template has no metric of latency.";

/// The analysis of one canary.
#[derive(Debug, Default)]
pub struct Argo {
    requests: u64,
    errors: u64,
    failed: u32,
    without_data: u32,
}

impl Rule for Argo {
    fn look(&mut self, tick: &Tick) -> Option<Decision> {
        self.requests += tick.canary.requests;
        self.errors += tick.canary.errors;
        if !tick.end_us.is_multiple_of(INTERVAL_US) {
            return None;
        }
        let requests = std::mem::take(&mut self.requests);
        let errors = std::mem::take(&mut self.errors);
        if requests == 0 {
            self.without_data += 1;
            return (self.without_data > CONSECUTIVE_ERROR_LIMIT).then_some(Decision::NoData);
        }
        self.without_data = 0;
        if ((requests - errors) as f64) < SUCCESS_MIN * requests as f64 {
            self.failed += 1;
        }
        (self.failed > FAILURE_LIMIT).then_some(Decision::Errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::Counts;

    /// The minute of the rollback, within two hours, when `minutes` says requests and errors of each.
    fn decided(minutes: impl Fn(u64) -> (u64, u64)) -> Option<(u64, Decision)> {
        let mut argo = Argo::default();
        (1..=120).find_map(|number| {
            let (requests, errors) = minutes(number);
            let canary = Counts {
                requests,
                errors,
                ..Counts::default()
            };
            let tick = Tick {
                end_us: number * MINUTE_US,
                canary,
                ..Tick::default()
            };
            Some((number, argo.look(&tick)?))
        })
    }

    #[test]
    fn the_fourth_failed_measurement_or_the_fifth_empty_one_in_a_row_ends_it() {
        for (name, expected, minutes) in [
            (
                "half of all",
                Some((20, Decision::Errors)),
                (|_| (100, 50)) as fn(u64) -> (u64, u64),
            ),
            ("at the limit", None, |_| (100, 5)),
            (
                "one bad minute in each measurement",
                Some((20, Decision::Errors)),
                |number| (100, if number % 5 == 0 { 26 } else { 0 }),
            ),
            (
                "every other measurement",
                Some((40, Decision::Errors)),
                |number| (100, if (number - 1) / 5 % 2 == 1 { 50 } else { 0 }),
            ),
            ("no requests", Some((25, Decision::NoData)), |_| (0, 0)),
            ("requests now and then", None, |number| {
                (u64::from(number % 25 == 1), 0)
            }),
        ] {
            assert_eq!(decided(minutes), expected, "{name}");
        }
    }
}

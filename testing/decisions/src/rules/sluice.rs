//! Sluice's rule: the sequential analysis of `sluice-analysis` with the defaults of a release, looked at
//! after every tick.
//!
//! Per metric one e-process, carried over changes of the weight; the canary goes back when their weighted
//! mean reaches 1/α. The statistics are in `sluice_analysis::sequential`; here they are fed and read.

use super::evidence::Evidence;
use super::{Decision, Rule};
use crate::tick::{Counts, Tick};
use sluice_analysis::sequential::{Hypothesis, culprits, log_mean};

/// Bound on the probability that a canary that is no worse is ever taken back.
pub const ALPHA: f64 = 0.01;

pub(super) const DESCRIPTION: &str = "sequential analysis at α = 0.01 over the whole release, looked at ten times a second: errors (ratio 1), requests above \
     the baseline's frozen p99 (ratio 1.25) and p50 (ratio 1.05), no margins; errors have half of the weight.";

/// Something bad that a request can be, and how much more often the canary may have it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Allowed rate on the canary as a multiple of the baseline's.
    pub ratio: f64,
    /// Allowed besides, as a share of the requests.
    pub margin: f64,
    /// Its part of the weight, beside those of the metrics that are judged with it.
    pub part: f64,
    /// What it means when this metric decides.
    pub decision: Decision,
    /// How many of a side's requests it is true of.
    pub events: fn(&Counts) -> u64,
}

/// The metrics of a release with nothing configured (stats.md §6); failures have the double part, as in the product.
pub const METRICS: [Metric; 3] = [
    Metric {
        ratio: 1.0,
        margin: 0.0,
        part: 2.0,
        decision: Decision::Errors,
        events: |counts| counts.errors,
    },
    Metric {
        ratio: 1.25,
        margin: 0.0,
        part: 1.0,
        decision: Decision::Latency,
        events: |counts| counts.above_p99,
    },
    Metric {
        ratio: 1.05,
        margin: 0.0,
        part: 1.0,
        decision: Decision::Latency,
        events: |counts| counts.above_p50,
    },
];

/// The comparisons of a document with nothing configured, with their margins (`sluice-native`): failures, answers 4xx, and
/// requests slower than the frozen p99. Recorded requests are judged by them: real sides differ a little in their
/// latencies, with a twentieth of the requests and colder caches. Recordings do not tell answers 4xx; their part of the
/// weight stays without evidence.
pub const SHIPPED: [Metric; 3] = [
    METRICS[0],
    Metric {
        ratio: 1.25,
        margin: 0.005,
        part: 1.0,
        decision: Decision::Errors,
        events: |_| 0,
    },
    Metric {
        ratio: 1.25,
        margin: 0.005,
        part: 1.0,
        decision: Decision::Latency,
        events: |counts| counts.above_p99,
    },
];

/// What [`SHIPPED`] means, for people.
pub(crate) const SHIPPED_DESCRIPTION: &str = "errors (ratio 1), requests slower than the frozen p99 and a millisecond (ratio 1.25 and 0.5 %)";

/// The analysis of one canary.
#[derive(Debug)]
pub struct Sluice {
    metrics: Vec<(Metric, Evidence)>,
}

impl Sluice {
    /// The analysis of these metrics.
    ///
    /// # Panics
    /// When a ratio or a margin cannot be tested, or there is no metric.
    #[must_use]
    pub fn of(metrics: &[Metric]) -> Self {
        let with_evidence = |metric: &Metric| {
            let hypothesis = Hypothesis {
                ratio: metric.ratio,
                margin: metric.margin,
            };
            (*metric, Evidence::new(hypothesis))
        };
        Self {
            metrics: metrics.iter().map(with_evidence).collect(),
        }
    }

    /// ln of the mean of all metrics' e-values, now.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        let whole: f64 = self.metrics.iter().map(|(metric, _)| metric.part).sum();
        let part =
            |(metric, evidence): &(Metric, Evidence)| (metric.part / whole, evidence.log_e());
        log_mean(&self.metrics.iter().map(part).collect::<Vec<_>>())
    }

    fn cause(&self) -> Decision {
        let log_e: Vec<f64> = self
            .metrics
            .iter()
            .map(|(_, evidence)| evidence.log_e())
            .collect();
        let first = culprits(ALPHA, &log_e).first().copied();
        first.map_or(Decision::Evidence, |index| self.metrics[index].0.decision)
    }
}

impl Rule for Sluice {
    fn look(&mut self, tick: &Tick) -> Option<Decision> {
        for (metric, evidence) in &mut self.metrics {
            let events = metric.events;
            evidence.add(
                tick.weight,
                events(&tick.canary),
                events(&tick.baseline),
                tick.requests(),
            );
        }
        let line = -ALPHA.ln();
        // A mean is at most its largest part, and the largest is at hand.
        let may_decide = self
            .metrics
            .iter()
            .any(|(_, evidence)| evidence.log_e() >= line);
        (may_decide && self.log_e() >= line).then(|| self.cause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(weight: f64, canary: Counts, baseline: Counts) -> Tick {
        Tick {
            weight,
            canary,
            baseline,
            ..Tick::default()
        }
    }

    fn errors(requests: u64, errors: u64) -> Counts {
        Counts {
            requests,
            errors,
            ..Counts::default()
        }
    }

    /// The self-vectors of stats.md, "Numeric anchors": the same whether counted in one tick or in many.
    #[test]
    fn evidence_is_that_of_the_design_however_it_is_cut_into_ticks() {
        for (canary, baseline, requests, expected) in
            [(5, 8, 8_000, 5.429_834), (0, 5, 5_000, -1.369_558)]
        {
            for ticks in [1, 40] {
                let mut sluice = Sluice::of(&METRICS[..1]);
                for number in 0..ticks {
                    let share = |all: u64| all * (number + 1) / ticks - all * number / ticks;
                    let (canary, baseline) = (share(canary), share(baseline));
                    let rest = share(requests);
                    sluice.look(&tick(
                        0.05,
                        errors(canary, canary),
                        errors(rest - canary, baseline),
                    ));
                }
                assert!(
                    (sluice.log_e() - expected).abs() < 1e-6,
                    "{}",
                    sluice.log_e()
                );
            }
        }
    }

    #[test]
    fn evidence_is_carried_over_a_change_of_the_weight() {
        let step = |weight| tick(weight, errors(100, 2), errors(1_900, 0));
        let mut one = Sluice::of(&METRICS[..1]);
        one.look(&step(0.05));
        let alone = one.log_e();
        one.look(&step(0.25));
        let mut other = Sluice::of(&METRICS[..1]);
        other.look(&step(0.25));
        assert!(one.log_e() > alone && one.log_e() > other.log_e());
    }

    #[test]
    fn failures_have_half_of_the_weight() {
        let failing = tick(0.05, errors(50, 20), errors(950, 1));
        let (mut all, mut alone) = (Sluice::of(&METRICS), Sluice::of(&METRICS[..1]));
        all.look(&failing);
        alone.look(&failing);
        // The others have no evidence: they add next to nothing.
        let lost = alone.log_e() - all.log_e();
        assert!((lost - 2f64.ln()).abs() < 1e-3, "{lost}");
    }

    #[test]
    fn the_decision_names_what_was_worse() {
        let bad = Counts {
            requests: 50,
            above_p99: 20,
            above_p50: 26,
            ..Counts::default()
        };
        let slow = tick(0.05, bad, errors(950, 1));
        assert_eq!(Sluice::of(&METRICS).look(&slow), Some(Decision::Latency));
        let failing = tick(0.05, errors(50, 20), errors(950, 1));
        assert_eq!(Sluice::of(&METRICS).look(&failing), Some(Decision::Errors));
        let well = tick(0.05, errors(50, 0), errors(950, 1));
        assert_eq!(Sluice::of(&METRICS).look(&well), None);
    }

    #[test]
    fn what_ships_lets_a_little_more_latency_pass_and_finds_much_more() {
        let slow = |canary| Counts {
            requests: 2_000,
            above_p99: canary,
            ..Counts::default()
        };
        let usual = Counts {
            requests: 38_000,
            above_p99: 380,
            ..Counts::default()
        };
        for (canary, found) in [(30, None), (120, Some(Decision::Latency))] {
            let look = Sluice::of(&SHIPPED).look(&tick(0.05, slow(canary), usual));
            assert_eq!(look, found, "{canary}");
        }
    }
}

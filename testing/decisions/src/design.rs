//! Sluice with one metric, held against the figures that its design was chosen by.
//!
//! The design's figures are from simulations of the formulas in NumPy (research/stats.md §6, stats_sim/sim2.out and
//! sim3.out), in total requests at α = 0.01. Another implementation on other streams must come to the same
//! medians within the sampling error of both.

use crate::compare::{Horizon, Outcome, play};
use crate::rules::{Decision, METRICS, Metric, Rule, Sluice};
use crate::stream::{Stream, Traffic};
use crate::summary::quantile;
use serde::Serialize;

/// Requests per second of most simulations, which makes 20 requests a tick: the design's was looked at every 20.
const PER_SECOND: f64 = 200.0;
/// The same where the design's was looked at every 500 requests.
const PER_SECOND_LONG: f64 = 5_000.0;
/// How much the median may differ from the design's, as a share of it.
pub const TOLERANCE: f64 = 0.1;

/// One figure of the design.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What is simulated.
    pub name: &'static str,
    /// The one metric.
    pub metric: Metric,
    /// The traffic.
    pub traffic: Traffic,
    /// Requests after which a run is given up, as there.
    pub requests_max: u64,
    /// The design's median, in total requests.
    pub median: u64,
    /// Its 90th percentile.
    pub p90: u64,
}

/// A figure of the design, and what was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// What was simulated.
    pub name: &'static str,
    /// The design's median, in total requests.
    pub design_median: u64,
    /// The design's 90th percentile.
    pub design_p90: u64,
    /// The measured median; absent when fewer than half of the runs were decided.
    pub median: Option<u64>,
    /// The measured 90th percentile.
    pub p90: Option<u64>,
}

impl Measured {
    /// The measured median as a multiple of the design's.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        Some(self.median? as f64 / self.design_median as f64)
    }

    /// Whether the median is the design's within [`TOLERANCE`].
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.ratio()
            .is_some_and(|ratio| (ratio - 1.0).abs() <= TOLERANCE)
    }
}

/// All figures.
#[must_use]
pub fn figures() -> Vec<Figure> {
    let [errors, p99, p50] = METRICS;
    let with_margin = Metric {
        ratio: 1.5,
        margin: 0.001,
        ..errors
    };
    let failing = |metric, name, weight, canary_errors, requests_max, median, p90| {
        let long = requests_max > 200_000 && weight == 0.05;
        Figure {
            name,
            metric,
            traffic: Traffic {
                per_second: if long { PER_SECOND_LONG } else { PER_SECOND },
                weight,
                baseline_errors: 0.001,
                canary_errors,
                latency_factor: 1.0,
            },
            requests_max,
            median,
            p90,
        }
    };
    let slow = |metric, name, latency_factor, requests_max, median, p90| Figure {
        name,
        metric,
        traffic: Traffic {
            per_second: 500.0,
            weight: 0.05,
            baseline_errors: 0.001,
            canary_errors: 0.001,
            latency_factor,
        },
        requests_max,
        median,
        p90,
    };
    vec![
        failing(
            errors,
            "0.1 → 0.2 % errors, 5 %",
            0.05,
            0.002,
            3_000_000,
            315_000,
            710_150,
        ),
        failing(
            errors,
            "0.1 → 0.3 % errors, 5 %",
            0.05,
            0.003,
            600_000,
            90_750,
            201_550,
        ),
        failing(
            errors,
            "0.1 → 1 % errors, 1 %",
            0.01,
            0.01,
            500_000,
            40_290,
            102_942,
        ),
        failing(
            errors,
            "0.1 → 1 % errors, 5 %",
            0.05,
            0.01,
            100_000,
            8_250,
            20_480,
        ),
        failing(
            errors,
            "0.1 → 1 % errors, 25 %",
            0.25,
            0.01,
            30_000,
            2_360,
            5_522,
        ),
        failing(
            errors,
            "0.1 → 1 % errors, 50 %",
            0.5,
            0.01,
            30_000,
            2_140,
            4_262,
        ),
        failing(
            errors,
            "0.1 → 5 % errors, 5 %",
            0.05,
            0.05,
            30_000,
            800,
            2_182,
        ),
        failing(errors, "0.1 → 50 % errors, 5 %", 0.05, 0.5, 4_000, 80, 160),
        failing(
            with_margin,
            "0.1 → 1 % errors, 5 %, ratio 1.5 + 0.1 %",
            0.05,
            0.01,
            100_000,
            19_410,
            40_438,
        ),
        slow(
            p99,
            "p99 × 1.2 above the frozen p99, 5 %",
            1.2,
            200_000,
            51_375,
            103_520,
        ),
        slow(
            p99,
            "p99 × 1.5 above the frozen p99, 5 %",
            1.5,
            200_000,
            4_175,
            8_470,
        ),
        slow(
            p99,
            "p99 × 2 above the frozen p99, 5 %",
            2.0,
            200_000,
            800,
            1_600,
        ),
        slow(
            p50,
            "p50 × 1.2 above the frozen p50, 5 %",
            1.2,
            100_000,
            17_375,
            35_270,
        ),
        slow(
            p50,
            "p50 × 1.5 above the frozen p50, 5 %",
            1.5,
            100_000,
            3_450,
            7_465,
        ),
        slow(
            p50,
            "p50 × 2 above the frozen p50, 5 %",
            2.0,
            100_000,
            1_525,
            2_805,
        ),
    ]
}

impl Figure {
    /// One run.
    #[must_use]
    pub fn run(&self, seed: u64) -> Outcome {
        let mut rules: Vec<Box<dyn Rule>> = vec![Box::new(Sluice::of(&[self.metric]))];
        let stream = Stream::new(&self.traffic, seed);
        let outcomes = play(stream, Horizon::Requests(self.requests_max), &mut rules);
        outcomes[0]
    }

    /// The figures of many runs.
    #[must_use]
    pub fn measured(&self, runs: &[Outcome]) -> Measured {
        let outcomes: Vec<&Outcome> = runs.iter().collect();
        let requests = |one: &Outcome| match one.decision {
            Some(Decision::Errors | Decision::Latency) => one.requests,
            Some(Decision::Evidence | Decision::NoData) | None => u64::MAX,
        };
        Measured {
            name: self.name,
            design_median: self.median,
            design_p90: self.p90,
            median: quantile(&outcomes, 0.5, requests),
            p90: quantile(&outcomes, 0.9, requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::seed_of;

    /// Few runs, so that it takes seconds: a coarse form of what the program measures with thousands.
    #[test]
    fn medians_are_those_of_the_design() {
        for (number, figure) in figures().iter().enumerate() {
            let runs: Vec<Outcome> = (0..201)
                .map(|run| figure.run(seed_of(6, number as u64, run)))
                .collect();
            let measured = figure.measured(&runs);
            let ratio = measured.ratio().expect("more than half are decided");
            // Sampling error of a median of 201 runs and of the design's 200 to 600, at four deviations; and the
            // design's figures are multiples of 20 requests, of which the smallest has four.
            let slack = if figure.median < 200 { 0.3 } else { 0.4 };
            assert!((ratio - 1.0).abs() < slack, "{}: {ratio}", figure.name);
        }
    }
}

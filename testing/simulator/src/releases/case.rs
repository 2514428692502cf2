//! What is released: how both revisions answer, under which traffic, and by which plan it is judged.

use crate::random::Random;
use crate::traffic::Quality;
use sluice_model::Plan;
use sluice_model::plan::Limit;
use std::f64::consts::TAU;

/// The document of the service: the plan is the one that nobody configured.
const DOCUMENT: &str = "
services:
  shop:
    run: ./shop --port $PORT
    listen: 127.0.0.1:8080
    ready: /healthz
    replicas: 4
";

/// Fewest and most requests per second of an A/A release.
const RATE: (f64, f64) = (50.0, 5_000.0);
/// In a simulated day everything comes round once; it is short, so that a release sees it.
const DAY_MS: f64 = 20.0 * 60_000.0;
/// In this time drifting traffic comes to its end.
const DRIFT_MS: f64 = 10.0 * 60_000.0;
/// Failures never drift beyond this share, so that no limit of the default checks is rightly exceeded.
const ERRORS_MAX: f64 = 0.03;
/// Standard deviation of the logarithm of latencies: the p99 is four times the median.
const SPREAD: f64 = 0.6;

/// Which checks of the plan judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The sequential comparisons alone, whose error rate is stated.
    Comparisons,
    /// All default checks, the limits among them, which have no stated error rate.
    Defaults,
}

impl Judged {
    /// The plan: steps of 5, 25, 50 and 100 %, a minute each.
    ///
    /// # Panics
    /// When the document does not give a plan: a defect of the format or of this file.
    #[must_use]
    pub fn plan(self) -> Plan {
        let parsed = sluice_native::parse("sluice.yaml", DOCUMENT, "/srv");
        let document = parsed.document.expect("the document is valid");
        let service = document.services.into_iter().next();
        let mut plan = service.expect("it has a service").plan;
        if self == Judged::Comparisons {
            for step in &mut plan.steps {
                step.checks
                    .retain(|check| matches!(check.limit, Limit::NotWorse(_)));
            }
        }
        plan
    }
}

/// How traffic and troubles go on with time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Course {
    /// All stays as it is.
    Constant,
    /// Both end at these multiples of what they were.
    Drifting {
        /// Of the traffic.
        traffic: f64,
        /// Of the share of failures, on both sides.
        trouble: f64,
    },
    /// Both come and go with the time of the day, which begins at this part of it.
    Daily {
        /// From 0 to 1.
        phase: f64,
    },
}

impl Course {
    /// What traffic and troubles are multiplied by at a time.
    #[must_use]
    pub fn at(self, now_ms: i64) -> (f64, f64) {
        let now = now_ms as f64;
        match self {
            Course::Constant => (1.0, 1.0),
            Course::Drifting { traffic, trouble } => {
                let part = (now / DRIFT_MS).min(1.0);
                (1.0 + (traffic - 1.0) * part, 1.0 + (trouble - 1.0) * part)
            }
            Course::Daily { phase } => {
                let wave = libm::sin(TAU * (now / DAY_MS + phase));
                (1.0 + 0.6 * wave, 1.0 + 0.5 * wave)
            }
        }
    }
}

/// A revision that is worse, beside a stable one with 0.1 % of failures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bad {
    /// For people.
    pub name: &'static str,
    /// Requests per second.
    pub rate: f64,
    /// The canary's share of failures.
    pub errors: f64,
    /// What its latencies are multiplied by.
    pub slower: u64,
}

impl Bad {
    /// What is measured: failures of three sizes, and twice the latency, under little and under much traffic.
    pub const ALL: [Bad; 8] = [
        Bad::of("1 % errors", 100.0, 0.01, 1),
        Bad::of("2 % errors", 100.0, 0.02, 1),
        Bad::of("5 % errors", 100.0, 0.05, 1),
        Bad::of("p99 × 2", 100.0, 0.001, 2),
        Bad::of("1 % errors", 1_000.0, 0.01, 1),
        Bad::of("2 % errors", 1_000.0, 0.02, 1),
        Bad::of("5 % errors", 1_000.0, 0.05, 1),
        Bad::of("p99 × 2", 1_000.0, 0.001, 2),
    ];

    const fn of(name: &'static str, rate: f64, errors: f64, slower: u64) -> Bad {
        Bad {
            name,
            rate,
            errors,
            slower,
        }
    }
}

/// A release to be played.
#[derive(Clone, Debug)]
pub struct Case {
    /// The plan.
    pub plan: Plan,
    /// Requests per second, before the course is applied.
    pub rate: f64,
    /// How traffic and troubles go on.
    pub course: Course,
    /// How the stable revision answers.
    pub stable: Quality,
    /// How the new one does.
    pub canary: Quality,
    /// Between two looks.
    pub tick_ms: i64,
}

impl Case {
    /// An A/A release of a seed.
    #[must_use]
    pub fn good(seed: u64, judged: Judged) -> Case {
        let mut random = Random::new(seed).fork(1);
        let rate = RATE.0 * libm::pow(RATE.1 / RATE.0, random.unit());
        let errors = random.pick(&[0.001, 0.005, 0.02]);
        let course = match random.below(3) {
            0 => Course::Constant,
            1 => Course::Drifting {
                traffic: random.pick(&[0.5, 2.0]),
                trouble: random.pick(&[0.3, (ERRORS_MAX / errors).min(3.0)]),
            },
            _ => Course::Daily {
                phase: random.unit(),
            },
        };
        let quality = Quality {
            errors,
            client_errors: random.pick(&[0.0, 0.01, 0.05]),
            latency_ms: random.pick(&[5, 20, 100]),
            latency_spread: SPREAD,
            ..Quality::default()
        };
        Case {
            plan: judged.plan(),
            rate,
            course,
            stable: quality,
            canary: quality,
            tick_ms: random.pick(&[250, 500, 1_000]),
        }
    }

    /// A release that is worse.
    #[must_use]
    pub fn bad(bad: Bad, judged: Judged) -> Case {
        let stable = Quality {
            errors: 0.001,
            client_errors: 0.01,
            latency_ms: 20,
            latency_spread: SPREAD,
            ..Quality::default()
        };
        Case {
            plan: judged.plan(),
            rate: bad.rate,
            course: Course::Constant,
            stable,
            canary: Quality {
                errors: bad.errors,
                latency_ms: stable.latency_ms * bad.slower,
                ..stable
            },
            tick_ms: 250,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::plan::Exposure;

    #[test]
    fn the_plan_is_the_preset_with_its_three_comparisons() {
        let plan = Judged::Comparisons.plan();
        let steps: Vec<(f64, Vec<&str>)> = plan
            .steps
            .iter()
            .filter_map(|step| match &step.exposure {
                Exposure::Split { weight, .. } => {
                    let names = step.checks.iter().map(|check| check.name.as_str());
                    Some((weight.percent(), names.collect()))
                }
                _ => None,
            })
            .collect();
        let compared = vec!["errors", "client-errors", "latency-p99"];
        assert_eq!(
            steps,
            [
                (5.0, compared.clone()),
                (25.0, compared.clone()),
                (50.0, compared),
                (100.0, vec![])
            ]
        );
        let limits = |judged: Judged| judged.plan().steps[0].checks.len();
        assert!(limits(Judged::Defaults) > limits(Judged::Comparisons));
    }

    #[test]
    fn a_course_begins_where_it_is_and_stays_above_nothing() {
        let drifting = Course::Drifting {
            traffic: 0.5,
            trouble: 3.0,
        };
        assert_eq!(drifting.at(0), (1.0, 1.0));
        assert_eq!(drifting.at(3_600_000), (0.5, 3.0));
        for minute in 0..100 {
            let (traffic, trouble) = Course::Daily { phase: 0.3 }.at(minute * 60_000);
            assert!(traffic > 0.3 && trouble > 0.4, "{traffic} {trouble}");
        }
    }
}

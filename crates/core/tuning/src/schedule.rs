//! A plan as its checks see it: how long each step lasts, at which weight, and when it is looked.

use sluice_forecast::{Course, Latency, Traffic, outlook};
use sluice_model::plan::{Check, Exposure, Limit};
use sluice_model::{Histogram, Plan};
use std::collections::BTreeMap;
use std::time::Duration;

/// A step waits for its comparisons; beyond so many of its bakes it is taken for one that a person decides.
const BAKES_MAX: u64 = 4;
/// The default window of a check: the longest bake, within these.
const WINDOW_MIN: u64 = 60;
const WINDOW_MAX: u64 = 3_600;
/// It is looked each second, and later less often: a look tells nothing new when so small a part of the window,
/// or of the step, has passed since the last.
const LOOKS_PER_WINDOW: u64 = 60;
const LOOKS_PER_STEP: u64 = 20;

/// A step with traffic by weight.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phase {
    /// The new side's share of the requests; above 0, at most 1.
    pub(crate) weight: f64,
    /// How long it lasts, in seconds; at least 1.
    pub(crate) seconds: u64,
    /// Its bake, in seconds.
    pub(crate) bake: u64,
    /// Seconds since it began at which it is looked, rising; the last is its end.
    pub(crate) looks: Vec<u64>,
    pub(crate) checks: Vec<Check>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) phases: Vec<Phase>,
    /// The window of a check for which the document gives none, in seconds.
    pub(crate) window: u64,
}

impl Schedule {
    /// Of a plan; how long its steps wait for comparisons follows from the traffic, where that is known.
    pub(crate) fn of(plan: &Plan, traffic: Option<Traffic>) -> Schedule {
        let waits: BTreeMap<String, u64> = traffic
            .and_then(|traffic| Course::new(plan, traffic, Some(FOR_EVER)).ok())
            .map(|course| outlook(&course).steps)
            .unwrap_or_default()
            .into_iter()
            .map(|step| (step.name, step.time.map_or(u64::MAX, |time| time.as_secs())))
            .collect();
        let bakes = plan.steps.iter().map(|step| step.bake.as_secs());
        let window = bakes.max().unwrap_or(0).clamp(WINDOW_MIN, WINDOW_MAX);
        let phases = plan.steps.iter().filter_map(|step| {
            let Exposure::Split { weight, .. } = &step.exposure else {
                return None;
            };
            let bake = step.bake.as_secs();
            let weight = weight.percent() / 100.0;
            let waits = waits.get(&step.name).copied().unwrap_or(0);
            let most = bake.saturating_mul(BAKES_MAX).max(window);
            let seconds = if weight < 1.0 {
                waits.clamp(bake.max(1), most)
            } else {
                bake
            };
            (weight > 0.0 && seconds > 0).then(|| Phase {
                weight,
                seconds,
                bake,
                looks: looks(seconds, bake, window),
                checks: step.checks.iter().chain(&plan.checks).cloned().collect(),
            })
        });
        Schedule {
            phases: phases.collect(),
            window,
        }
    }

    /// Its length in minutes, rounded up.
    pub(crate) fn minutes(&self) -> usize {
        let seconds: u64 = self.phases.iter().map(|phase| phase.seconds).sum();
        usize::try_from(seconds.div_ceil(60)).unwrap_or(usize::MAX)
    }

    /// The thresholds of all steps, each once.
    pub(crate) fn thresholds(&self) -> Vec<Check> {
        self.checks(|limit| !matches!(limit, Limit::NotWorse(_)))
    }

    /// The comparisons of all steps, each once.
    pub(crate) fn comparisons(&self) -> Vec<Check> {
        self.checks(|limit| matches!(limit, Limit::NotWorse(_)))
    }

    fn checks(&self, is_wanted: fn(&Limit) -> bool) -> Vec<Check> {
        let mut all: Vec<Check> = Vec::new();
        for check in self.phases.iter().flat_map(|phase| &phase.checks) {
            if is_wanted(&check.limit) && !all.iter().any(|known| known.name == check.name) {
                all.push(check.clone());
            }
        }
        all
    }
}

/// Longer than any plan; a simulation needs an end.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

fn looks(seconds: u64, bake: u64, window: u64) -> Vec<u64> {
    let mut looks = Vec::new();
    let mut now = 0;
    while now < seconds {
        let span = (now / LOOKS_PER_STEP).min(window / LOOKS_PER_WINDOW).max(1);
        let next = (now + span).min(seconds);
        now = if now < bake { next.min(bake) } else { next };
        looks.push(now);
    }
    looks
}

/// The traffic of a service as a simulation takes it: its rate, and how its minutes went on average.
pub(crate) fn traffic(
    rate: f64,
    requests: u64,
    failed: u64,
    refused: u64,
    latency: &Histogram,
) -> Option<Traffic> {
    let share = |part: u64| part as f64 / requests.max(1) as f64;
    let median_micros = (latency.quantile(0.5)? as f64).max(1.0);
    let p99_micros = (latency.quantile(0.99)? as f64).max(median_micros * LATENCY_SPREAD_MIN);
    Traffic {
        rate,
        errors: share(failed),
        client_errors: share(refused),
        latency: Latency {
            median_micros,
            p99_micros,
        },
    }
    .checked()
    .ok()
}

/// The p99 of latencies that are all in one bucket, as a multiple of their median.
const LATENCY_SPREAD_MIN: f64 = 1.01;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_each_second_at_first_and_hit_the_bake_and_the_end() {
        let short = looks(60, 60, 60);
        assert_eq!(short, (1..=60).collect::<Vec<u64>>());
        let long = looks(7_205, 7_200, 3_600);
        assert_eq!(long[..30], (1..=30).collect::<Vec<u64>>()[..]);
        assert!(long.len() < 250, "{}", long.len());
        assert!(long.contains(&7_200) && long.last() == Some(&7_205));
        assert!(long.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

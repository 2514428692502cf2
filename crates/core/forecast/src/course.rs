//! A plan as traffic sees it: for each step the weight, the bake, and the checks that counting requests can
//! judge. What is left out (hooks, gates, matches, copies, processes) stands in [`Course::notes`].

use crate::notes::Notes;
use crate::release::{BadTraffic, Release, Traffic};
use crate::signal::{Signal, Signals};
use sluice_analysis::{BEYOND_MIN, REMEMBERED, SLACK_MICROS};
use sluice_model::plan::{CanarySize, Check, Exposure, Limit, Metric, NotWorse, OnTrouble, Step};
use sluice_model::{CheckName, Histogram, Plan, Weight};
use std::time::Duration;

/// How long a run is followed when the plan has no deadline: so many times its bakes, and this at least.
const HORIZON_BAKES: u32 = 4;
const HORIZON_MIN: Duration = Duration::from_secs(3_600);

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    pub(crate) traffic: Traffic,
    pub(crate) phases: Vec<Phase>,
    pub(crate) signals: Signals,
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) baseline: Vec<f64>,
    horizon: Duration,
    has_deadline: bool,
    notes: Vec<String>,
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// The new side's share of the traffic, 0 to 1.
    pub(crate) weight: f64,
    /// Time before its traffic flows, in milliseconds.
    pub(crate) prepare: u64,
    /// Shortest time of its traffic, in milliseconds.
    pub(crate) bake: u64,
    /// The comparisons that are judged in it, by their place.
    pub(crate) compared: Vec<usize>,
    pub(crate) thresholds: Vec<Threshold>,
}

/// A threshold that can be judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    pub(crate) check: Check,
    /// The event that is counted; none for the rate of requests.
    pub(crate) signal: Option<usize>,
}

/// A comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) name: CheckName,
    pub(crate) limit: NotWorse,
    pub(crate) signal: usize,
    pub(crate) samples_min: u64,
    pub(crate) on_fail: OnTrouble,
    /// Stable requests in the rollout that go by before it is known what is slow.
    pub(crate) to_learn: u64,
}

impl Course {
    /// The plan's course under this traffic, followed for at most `horizon`, or for the plan's deadline, or
    /// for four times its bakes and an hour at least.
    ///
    /// # Errors
    /// Traffic that cannot be.
    pub fn new(
        plan: &Plan,
        traffic: Traffic,
        horizon: Option<Duration>,
    ) -> Result<Course, BadTraffic> {
        let traffic = traffic.checked()?;
        let mut notes = Notes::default();
        notes.of_plan(plan);
        let judged: Vec<Vec<&Check>> = plan
            .steps
            .iter()
            .map(|step| {
                let all = step.checks.iter().chain(&plan.checks);
                all.filter(|check| notes.takes(step, check)).collect()
            })
            .collect();
        let of_check = |check: &&Check| signal_of(check, &traffic);
        let signals = Signals::new(judged.iter().flatten().filter_map(of_check));
        let comparisons = comparisons(judged.iter().flatten().copied(), &signals, &traffic);
        let mut replicas = 0;
        let phases: Vec<Phase> = plan
            .steps
            .iter()
            .zip(&judged)
            .map(|(step, checks)| {
                let needed = replicas_of(plan, step);
                let grows = needed > replicas;
                replicas = needed;
                notes.of_step(step);
                Phase {
                    name: step.name.clone(),
                    weight: weight_of(step).percent() / 100.0,
                    prepare: if grows {
                        millis(plan.min_ready * batches(plan, step))
                    } else {
                        0
                    },
                    bake: millis(step.bake),
                    compared: comparisons
                        .iter()
                        .enumerate()
                        .filter(|(_, it)| checks.iter().any(|check| is_that(check, it)))
                        .map(|(at, _)| at)
                        .collect(),
                    thresholds: thresholds(checks, &signals, &traffic),
                }
            })
            .collect();
        let bakes: Duration = plan.steps.iter().map(|step| step.bake).sum();
        let followed = bakes.saturating_mul(HORIZON_BAKES).max(HORIZON_MIN);
        let is_shorter = |deadline: &Duration| horizon.is_none_or(|horizon| *deadline <= horizon);
        let deadline = plan.deadline.filter(is_shorter);
        Ok(Course {
            baseline: signals.rates(&traffic, Release::AsGood),
            traffic,
            phases,
            signals,
            comparisons,
            horizon: deadline.or(horizon).unwrap_or(followed),
            has_deadline: deadline.is_some(),
            notes: notes.into_sentences(),
        })
    }

    /// How long a run is followed.
    #[must_use]
    pub fn horizon(&self) -> Duration {
        self.horizon
    }

    /// Whether that is the plan's own deadline.
    #[must_use]
    pub fn has_deadline(&self) -> bool {
        self.has_deadline
    }

    /// What the simulation leaves out of this plan, a sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(crate) fn horizon_millis(&self) -> u64 {
        millis(self.horizon)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn weight_of(step: &Step) -> Weight {
    match &step.exposure {
        Exposure::Split { weight, .. } => *weight,
        Exposure::Rolling { .. } | Exposure::Recreate => Weight::FULL,
    }
}

/// Replicas of the new side in a step.
fn replicas_of(plan: &Plan, step: &Step) -> u32 {
    let Exposure::Split { weight, canary, .. } = &step.exposure else {
        return plan.replicas;
    };
    let least = weight.of_replicas(plan.replicas).max(1);
    match canary {
        CanarySize::ByWeight => least,
        CanarySize::Full => plan.replicas,
        CanarySize::Count(count) => (*count).max(least),
    }
}

/// How many times in a row new replicas have to become available.
fn batches(plan: &Plan, step: &Step) -> u32 {
    match &step.exposure {
        Exposure::Rolling {
            max_surge,
            max_unavailable,
        } => plan
            .replicas
            .div_ceil(max_surge.saturating_add(*max_unavailable).max(1))
            .max(1),
        Exposure::Split { .. } | Exposure::Recreate => 1,
    }
}

/// The event that a check counts.
fn signal_of(check: &Check, traffic: &Traffic) -> Option<Signal> {
    match (check.metric, &check.limit) {
        (Metric::ErrorRatio, _) => Some(Signal::Failed),
        (Metric::ClientErrorRatio, _) => Some(Signal::ClientError),
        (Metric::TimeoutRatio, _) => Some(Signal::TimedOut),
        (Metric::Latency(quantile), Limit::NotWorse(_)) => {
            let usual = traffic.latency.quantile(quantile) as u64;
            let bucket = Histogram::bucket_of(usual);
            let seen = Histogram::bucket_max(bucket).saturating_add(SLACK_MICROS);
            let line = Histogram::bucket_max(Histogram::bucket_of(seen));
            Some(Signal::SlowerThan(line))
        }
        (Metric::Latency(_), Limit::Max(millis)) => {
            Some(Signal::SlowerThan((millis * 1_000.0).max(1.0) as u64))
        }
        _ => None,
    }
}

fn comparisons<'c>(
    checks: impl Iterator<Item = &'c Check>,
    signals: &Signals,
    traffic: &Traffic,
) -> Vec<Comparison> {
    let mut all: Vec<Comparison> = Vec::new();
    for check in checks {
        let (&Limit::NotWorse(limit), Some(signal)) = (
            &check.limit,
            signal_of(check, traffic).and_then(|signal| signals.place(signal)),
        ) else {
            continue;
        };
        if all.iter().any(|known| known.name == check.name) {
            continue;
        }
        all.push(Comparison {
            name: check.name.clone(),
            limit,
            signal,
            samples_min: check.samples_min,
            on_fail: check.on_fail,
            to_learn: to_learn(check.metric, traffic),
        });
    }
    all
}

fn is_that(check: &Check, comparison: &Comparison) -> bool {
    matches!(check.limit, Limit::NotWorse(_)) && check.name == comparison.name
}

/// What is slow is known from the time before, unless too few came then.
fn to_learn(metric: Metric, traffic: &Traffic) -> u64 {
    let Metric::Latency(quantile) = metric else {
        return 0;
    };
    let beyond = 1.0 - quantile;
    if traffic.rate * REMEMBERED.as_secs_f64() * beyond >= BEYOND_MIN {
        0
    } else {
        (BEYOND_MIN / beyond).ceil() as u64
    }
}

fn thresholds(checks: &[&Check], signals: &Signals, traffic: &Traffic) -> Vec<Threshold> {
    checks
        .iter()
        .filter(|check| !matches!(check.limit, Limit::NotWorse(_)))
        .map(|check| Threshold {
            check: (*check).clone(),
            signal: signal_of(check, traffic).and_then(|signal| signals.place(signal)),
        })
        .collect()
}

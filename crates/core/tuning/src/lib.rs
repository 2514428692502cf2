//! Limits of checks, from what was recorded of a service.
//!
//! A [`Tuning`] takes the minutes that were recorded while nothing was the matter, and replays rollouts by the service's
//! own plan at each time of them, with a new side that is exactly as good as the stable one: its requests are the
//! history's own, dealt out by chance. Whatever raises an alarm then raises a false one. [`Findings`] has how often each
//! check of the plan did, limits that keep a given rate of false alarms, with the interval that so much history allows to
//! state, and the margins at which the comparisons are decided in time.
//!
//! A rollout is replayed from minutes that followed each other, as a whole: requests of one minute, or of neighbouring
//! ones, go together (a daily course, a burst, a slow dependency), and drawing minutes or requests one by one would take
//! them for independent. What the history does not have, nobody can tell from it.
//!
//! Pure: chance comes in through [`Chance`], and who wants replays on many threads, calls from them.

mod comparing;
mod draw;
mod findings;
mod history;
mod limits;
mod margins;
mod measure;
mod replay;
mod schedule;
mod worst;

pub use findings::{Findings, Judged, Proposal};
pub use history::Coverage;
pub use limits::Rate;
pub use margins::Margin;
pub use replay::Replay;
pub use worst::METRICS;

use findings::Evidence;
use history::History;
use schedule::{Phase, Schedule};
use sluice_analysis::window::{Usage, value_of};
use sluice_forecast::Traffic;
use sluice_model::plan::{Exposure, Metric};
use sluice_model::routes::Assignment;
use sluice_model::{Histogram, Minute, Plan, SideCounters};
use std::ops::Range;
use thiserror::Error;

/// Where the draws come from: a seeded generator, so that the same seed gives the same figures.
pub trait Chance {
    /// How many of `trials` happen, each with a probability above 0 and below 1.
    fn binomial(&mut self, trials: u64, probability: f64) -> u64;
    /// A number below `bound`, which is above 0; each as likely.
    fn below(&mut self, bound: u64) -> u64;
}

/// Why there is nothing to tune.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum Untunable {
    /// No check sees requests that chance assigned.
    #[error("no step of the plan gives a share of the traffic to the new revision for a time")]
    NoSplit,
    /// Not even one rollout fits in.
    #[error(
        "the longest recorded time without a rollout or a missing replica is shorter than one rollout of the plan, {minutes} minutes; {recorded} minutes are recorded"
    )]
    TooShort {
        /// Minutes of a rollout.
        minutes: usize,
        /// Minutes of the history that can be used.
        recorded: u64,
    },
    /// Nobody asked for the service.
    #[error("the recorded minutes have no requests")]
    NoRequests,
    /// No probability.
    #[error("{0} is not a rate of false alarms: it must be above 0 and at most 0.5")]
    Target(f64),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Tuning {
    plan: Plan,
    history: History,
    schedule: Schedule,
    windows: Vec<Range<usize>>,
    target: f64,
    traffic: Option<Traffic>,
}

impl Tuning {
    /// Of a plan, on the minutes of its service, for a rate of false alarms per rollout.
    ///
    /// # Errors
    /// A plan without a split of the traffic, a history that has no rollout's length or no requests, a target that is no
    /// rate.
    pub fn new(plan: &Plan, minutes: Vec<Minute>, target: f64) -> Result<Tuning, Untunable> {
        if !(target > 0.0 && target <= 0.5) {
            return Err(Untunable::Target(target));
        }
        let history = History::of(minutes);
        let traffic = traffic_of(&history);
        let schedule = Schedule::of(plan, traffic);
        if schedule.phases.is_empty() {
            return Err(Untunable::NoSplit);
        }
        let windows = history.windows(schedule.minutes());
        if windows.is_empty() {
            return Err(Untunable::TooShort {
                minutes: schedule.minutes(),
                recorded: history.coverage.minutes,
            });
        }
        if history.coverage.requests == 0 {
            return Err(Untunable::NoRequests);
        }
        Ok(Tuning {
            plan: plan.clone(),
            history,
            schedule,
            windows,
            target,
            traffic,
        })
    }

    /// How many rollouts there are to replay; at least one.
    #[must_use]
    pub fn rollouts(&self) -> usize {
        self.windows.len()
    }

    /// Replays one of them, from 0; nothing when there is none of this number.
    #[must_use]
    pub fn replay(&self, number: usize, chance: &mut impl Chance) -> Option<Replay> {
        let window = self.windows.get(number)?.clone();
        Some(replay::replay(
            &self.schedule,
            &self.history,
            window,
            chance,
        ))
    }

    /// What follows from the replays of all rollouts, in their order.
    #[must_use]
    pub fn conclude(&self, replays: &[Replay]) -> Findings {
        let begin = |window: &Range<usize>| self.history.minutes[window.start].at;
        let first = self.windows.first().map(begin).unwrap_or_default();
        let starts: Vec<f64> = self
            .windows
            .iter()
            .map(|window| begin(window).since(first).as_secs_f64() / 86_400.0)
            .collect();
        let comparisons = self.schedule.comparisons();
        let margins = self
            .traffic
            .map(|traffic| margins::margins(&self.plan, &comparisons, traffic));
        findings::conclude(Evidence {
            coverage: self.history.coverage,
            replays,
            starts: &starts,
            rollout_minutes: self.schedule.minutes(),
            target: self.target,
            thresholds: &self.schedule.thresholds(),
            comparisons: &comparisons,
            margins: margins.unwrap_or_default(),
            usual: METRICS.iter().map(|metric| self.usual(*metric)).collect(),
            notes: self.notes(),
        })
    }

    /// The value of a metric in the median minute.
    fn usual(&self, metric: Metric) -> Option<f64> {
        let value = |minute: &Minute| {
            let usage = Usage {
                cpu_cores: minute.cpu_cores.unwrap_or(f64::NAN),
                memory_bytes: minute.memory_bytes.unwrap_or(0),
                ..Usage::default()
            };
            let usage = minute.cpu_cores.map(|_| &usage);
            let counted = SideCounters {
                requests: minute.requests,
                classes: minute.classes,
                timeouts: minute.timeouts,
                latency: minute.latency.clone(),
                ..SideCounters::default()
            };
            value_of(metric, &counted, usage, minute.span).value
        };
        let mut values: Vec<f64> = self.history.minutes.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.plan.assignment != Assignment::PerRequest {
            notes.push(
                "users who stay on their side make the sides differ by who they are; here each request is assigned by itself"
                    .to_owned(),
            );
        }
        let is_split = |exposure: &Exposure| matches!(exposure, Exposure::Split { .. });
        if !self.plan.steps.iter().all(|step| is_split(&step.exposure)) {
            notes.push("steps that replace replicas in place are left out".to_owned());
        }
        let all = self.schedule.thresholds();
        let left_out: Vec<&str> = all
            .iter()
            .filter(|check| !limits::is_replayed(check))
            .map(|check| check.name.as_str())
            .collect();
        if !left_out.is_empty() {
            notes.push(format!(
                "checks that remember or ask other servers, and conditions, are not replayed: {}",
                left_out.join(", ")
            ));
        }
        notes.extend(self.too_few());
        notes.push(
            "CPU and memory: a side is taken to need what the whole service needed; a request's own cost is not known"
                .to_owned(),
        );
        notes
    }

    /// Limits for whose windows too few requests come: a step waits for them, and they judge nothing.
    fn too_few(&self) -> Vec<String> {
        let rate = self.history.coverage.rate_median;
        let come =
            |phase: &Phase, window: u64| rate * phase.weight * window.min(phase.seconds) as f64;
        let mut notes = Vec::new();
        for check in self.schedule.thresholds() {
            let waits = |phase: &&Phase| {
                phase.checks.iter().any(|it| it.name == check.name)
                    && come(phase, check.window.as_secs()) < check.samples_min as f64
            };
            if let Some(phase) = self.schedule.phases.iter().find(waits) {
                notes.push(format!(
                    "`{}` needs {} requests, and about {:.0} come within its window at {} %: the step waits, and the check is not judged there",
                    check.name,
                    check.samples_min,
                    come(phase, check.window.as_secs()),
                    phase.weight * 100.0
                ));
            }
        }
        let window = self.schedule.window;
        let short = |phase: &&Phase| come(phase, window) < worst::SAMPLES_MIN as f64;
        if let Some(phase) = self.schedule.phases.iter().find(short) {
            notes.push(format!(
                "limits that are proposed need {} requests within {window}s, and about {:.0} come at {} %; give them a longer `window` and the steps longer bakes, or a smaller `samplesMin`",
                worst::SAMPLES_MIN,
                come(phase, window),
                phase.weight * 100.0
            ));
        }
        notes
    }
}

fn traffic_of(history: &History) -> Option<Traffic> {
    let mut latency = Histogram::default();
    let (mut failed, mut refused) = (0, 0);
    for minute in &history.minutes {
        latency.merge(&minute.latency);
        failed += minute.classes[4];
        refused += minute.classes[3];
    }
    let coverage = history.coverage;
    schedule::traffic(
        coverage.rate_median,
        coverage.requests,
        failed,
        refused,
        &latency,
    )
}

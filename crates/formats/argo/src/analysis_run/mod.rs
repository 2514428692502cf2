//! What an AnalysisRun needs next: which metrics are measured, what their measurements mean, and when it ends.
//!
//! `decide` looks at the run as it is stored and at what was measured since, and gives the next status and
//! the complete list of what should be under way now. Whoever measures starts what is on the list and not
//! under way, drops what is under way and not on it, and stores the status before it acts on it. A call
//! that a crash cut off is on the list again.
//!
//! A measurement that takes longer than a call, a Job's, is in the status while it runs, and has no
//! deadline here: calls have the timeout of who makes them, Jobs their own. It ends by itself, or because
//! the run does.
//!
//! `record` counts measurements, `judge` says what a metric's counts mean, `assess` what the metrics mean for
//! the run, `schedule` what is due and when, `keep` what is kept.

mod assess;
mod judge;
mod keep;
mod record;
mod schedule;

use crate::api::{
    AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement, Metric, MetricResult, Time,
};
use crate::arguments::{
    Resolution, Secrets, dry_run_metrics, resolve_metrics, retained_measurements,
};
use crate::event::Event;
use crate::validation::validate_metrics;
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Everything that a decision may know.
#[derive(Clone, Debug)]
pub struct RunInput<'a> {
    /// The run as it is stored.
    pub run: &'a AnalysisRun,
    /// The secrets that its arguments refer to. While one cannot be read for now, nothing is decided.
    pub secrets: &'a Secrets,
    /// What was measured since the status was stored. An unfinished measurement may be told as looked at
    /// again at any time, as when its Job ends before it is due.
    pub measured: &'a [Measured],
    /// Now.
    pub now: Timestamp,
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The metric.
    pub metric: String,
    /// What was done.
    pub work: Work,
    /// What came of it. Unfinished ones are looked at again: when they say so, or after 10 s.
    pub measurement: Measurement,
    /// What the provider notes about the metric, as the query with its arguments.
    pub metadata: BTreeMap<String, String>,
}

/// What is to be done for a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A measurement is begun.
    Start,
    /// An unfinished one is looked at again.
    Resume,
    /// An unfinished one is ended.
    Terminate,
}

/// Something that should be under way.
#[derive(Clone, PartialEq)]
pub struct Task {
    /// The metric with all values in place, secrets included: not to be stored or printed.
    pub metric: Metric,
    /// What is to be done.
    pub work: Work,
    /// The unfinished measurement; `None` when one is begun.
    pub measurement: Option<Measurement>,
}

impl fmt::Debug for Task {
    /// Without what the secrets are in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("metric", &self.metric.name)
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}

/// What follows for a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunDecision {
    /// The next status.
    pub status: AnalysisRunStatus,
    /// All that should be under way.
    pub tasks: Vec<Task>,
    /// Measurements that are no longer kept: their Jobs can go, once the status is stored.
    pub collect: Vec<Measurement>,
    /// Events, in their order.
    pub events: Vec<Event>,
    /// When to decide again if nothing happens before.
    pub wake_at: Option<Timestamp>,
    /// When the run may be deleted.
    pub delete_at: Option<Timestamp>,
}

/// What follows for a run now.
#[must_use]
pub fn decide(input: &RunInput<'_>) -> RunDecision {
    let run = input.run;
    if run.metadata.is_deleting() {
        return RunDecision {
            status: run.status.clone(),
            ..RunDecision::default()
        };
    }
    if run.status.phase.is_completed() {
        let delete_at = keep::delete_at(run);
        return RunDecision {
            status: run.status.clone(),
            wake_at: delete_at.filter(|at| *at > input.now),
            delete_at,
            ..RunDecision::default()
        };
    }
    match Plan::of(input) {
        Ok(plan) => follow(&plan),
        Err(message) => refuse(input, message),
    }
}

/// A run whose spec is sound.
struct Plan<'a> {
    input: &'a RunInput<'a>,
    /// The metrics with their arguments, but without secrets.
    metrics: Vec<Metric>,
    dry_run: BTreeSet<String>,
    retained: BTreeMap<String, usize>,
}

impl<'a> Plan<'a> {
    fn of(input: &'a RunInput<'a>) -> Result<Self, String> {
        let spec = &input.run.spec;
        let metrics = resolve_metrics(&spec.metrics, &spec.args, Resolution::WithoutSecrets)
            .map_err(|error| unresolved(&error.0))?;
        let invalid = |cause: String| format!("Analysis spec invalid: {cause}");
        if metrics.is_empty() {
            return Err(invalid("no metrics specified".to_owned()));
        }
        if let Some(problem) = validate_metrics(&metrics, "metrics").first() {
            return Err(invalid(problem.to_string()));
        }
        let dry_run = dry_run_metrics(&spec.dry_run, &metrics).map_err(|error| invalid(error.0))?;
        let retained = retained_measurements(&spec.measurement_retention, &metrics)
            .map_err(|error| invalid(error.0))?;
        Ok(Plan {
            input,
            metrics,
            dry_run,
            retained,
        })
    }

    fn now(&self) -> Timestamp {
        self.input.now
    }

    /// Whether the run is about to end: because it was told to, or because a metric went wrong.
    fn is_terminating(&self, status: &AnalysisRunStatus) -> bool {
        self.input.run.spec.terminate
            || status.metric_results.iter().any(|result| {
                !result.dry_run
                    && matches!(
                        result.phase,
                        AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive
                    )
            })
    }
}

fn unresolved(cause: &str) -> String {
    format!("Unable to resolve metric arguments: {cause}")
}

fn follow(plan: &Plan<'_>) -> RunDecision {
    let mut decision = RunDecision {
        status: plan.input.run.status.clone(),
        ..RunDecision::default()
    };
    decision.status.started_at.get_or_insert(stored(plan.now()));
    for measured in plan.input.measured {
        record::record(plan, &mut decision.status, measured);
    }
    assess::assess(plan, &mut decision);
    decision.collect = keep::trim(plan, &mut decision.status);
    if decision.status.phase.is_completed() {
        let run = AnalysisRun {
            status: decision.status.clone(),
            ..plan.input.run.clone()
        };
        decision.delete_at = keep::delete_at(&run);
        decision.wake_at = decision.delete_at;
        return decision;
    }
    let due = schedule::due(plan, &decision.status);
    if !due.is_empty() {
        match schedule::tasks(plan, due) {
            Ok(tasks) => decision.tasks = tasks,
            Err(message) => return refuse(plan.input, message),
        }
    }
    decision.wake_at = schedule::wake_at(plan, &decision.status);
    decision
}

/// Ends a run that cannot go on: its spec makes no sense, or a secret is not there.
fn refuse(input: &RunInput<'_>, message: String) -> RunDecision {
    let mut status = input.run.status.clone();
    status.phase = AnalysisPhase::Error;
    status.message = message;
    status.completed_at = Some(stored(input.now));
    let run = AnalysisRun {
        status: status.clone(),
        ..input.run.clone()
    };
    let delete_at = keep::delete_at(&run);
    RunDecision {
        events: vec![assess::completed(&status.phase)],
        status,
        wake_at: delete_at,
        delete_at,
        ..RunDecision::default()
    }
}

/// A moment as it is stored: in whole seconds.
fn stored(moment: Timestamp) -> Time {
    Time(Timestamp(moment.0.div_euclid(1_000) * 1_000))
}

/// What is known of a metric.
fn result<'s>(status: &'s AnalysisRunStatus, metric: &str) -> Option<&'s MetricResult> {
    status
        .metric_results
        .iter()
        .find(|result| result.name == metric)
}

/// The newest measurement when it is not finished.
fn unfinished(result: &MetricResult) -> Option<&Measurement> {
    result
        .measurements
        .last()
        .filter(|last| last.finished_at.is_none())
}

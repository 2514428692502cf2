//! What is wrong with a Rollout although each of its fields is well-formed.
//!
//! Errors are what Argo's controller calls an invalid spec, rule by rule; warnings are Sluice's own, and
//! keep nothing from being rolled out but [plugins](NOT_RUN). `pods` judges selector and pod template, `blue_green` and `canary`
//! the strategies, `routing` the routers, `steps` each step; `metrics` judges analysis templates, `references`
//! the objects that a Rollout names.
//! Pod templates are judged as far as a ReplicaSet with them makes no sense; the rest is for the API
//! server, which refuses the ReplicaSet. `crd` has the rules that an API server checks itself.

mod blue_green;
mod canary;
mod metrics;
mod pods;
mod references;
mod routing;
mod steps;

use crate::api::Rollout;
use sluice_model::diagnostic::{Diagnostic, Severity};
use std::fmt;

pub use metrics::{validate_conditions, validate_metrics};
pub use references::validate_references;

/// Rules about what a controller with the plugin rolls out, and Sluice's does not: without it no traffic would move, or no
/// step would end.
pub const NOT_RUN: [&str; 2] = ["router-plugin", "step-plugin"];

/// Something that is wrong, or risky.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Errors are not rolled out.
    pub severity: Severity,
    /// Stable name of the rule, as `one-strategy`.
    pub rule: &'static str,
    /// Where, as `spec.strategy.canary.steps[2].setWeight`.
    pub path: String,
    /// What is wrong.
    pub cause: String,
    /// What to do about it.
    pub next_step: String,
}

impl fmt::Display for Problem {
    /// `path: cause; next step`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.cause, self.next_step)
    }
}

impl From<Problem> for Diagnostic {
    fn from(problem: Problem) -> Self {
        Diagnostic {
            severity: problem.severity,
            code: problem.rule.to_owned(),
            path: problem.path,
            place: None,
            message: problem.cause,
            help: Some(problem.next_step),
        }
    }
}

/// All that is wrong with a Rollout, in the order of its fields' rules. Its template is the one that it
/// has itself: with a workload reference, the reference stands for selector and template.
#[must_use]
pub fn validate(rollout: &Rollout) -> Vec<Problem> {
    let mut found = Problems::default();
    spec(rollout, &mut found);
    strategy(rollout, &mut found);
    found.0
}

fn spec(rollout: &Rollout, found: &mut Problems) {
    let spec = &rollout.spec;
    for (field, number) in [
        ("replicas", spec.replicas()),
        ("minReadySeconds", spec.min_ready_seconds),
        ("revisionHistoryLimit", spec.revision_history_limit()),
        ("progressDeadlineSeconds", spec.progress_deadline_seconds()),
    ] {
        if number < 0 {
            found.error(
                "not-negative",
                format!("spec.{field}"),
                format!("{number} is below 0"),
                "write 0 or more",
            );
        }
    }
    pods::selector(spec, found);
    pods::template(spec, found);
    pods::workload_ref(spec, found);
    let deadline = spec.progress_deadline_seconds();
    if deadline <= spec.min_ready_seconds {
        found.error(
            "progress-deadline",
            "spec.progressDeadlineSeconds",
            format!(
                "pods count as available after {} s (minReadySeconds), and the deadline is {deadline} s",
                spec.min_ready_seconds
            ),
            "write a deadline that is greater than minReadySeconds",
        );
    }
}

fn strategy(rollout: &Rollout, found: &mut Problems) {
    let strategy = &rollout.spec.strategy;
    match (&strategy.blue_green, &strategy.canary) {
        (None, None) => found.error(
            "one-strategy",
            "spec.strategy",
            "no strategy is named",
            "write spec.strategy.canary or spec.strategy.blueGreen",
        ),
        (Some(_), Some(_)) => found.error(
            "one-strategy",
            "spec.strategy",
            "both canary and blueGreen are named",
            "keep one of them",
        ),
        (Some(blue_green), None) => blue_green::check(&rollout.spec, blue_green, found),
        (None, Some(canary)) => canary::check(canary, found),
    }
}

/// Problems as they are found.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn error(
        &mut self,
        rule: &'static str,
        path: impl Into<String>,
        cause: impl Into<String>,
        next_step: impl Into<String>,
    ) {
        self.add(Severity::Error, rule, path.into(), cause, next_step);
    }

    fn warning(
        &mut self,
        rule: &'static str,
        path: impl Into<String>,
        cause: impl Into<String>,
        next_step: impl Into<String>,
    ) {
        self.add(Severity::Warning, rule, path.into(), cause, next_step);
    }

    fn add(
        &mut self,
        severity: Severity,
        rule: &'static str,
        path: String,
        cause: impl Into<String>,
        next_step: impl Into<String>,
    ) {
        self.0.push(Problem {
            severity,
            rule,
            path,
            cause: cause.into(),
            next_step: next_step.into(),
        });
    }
}

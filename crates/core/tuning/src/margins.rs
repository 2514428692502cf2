//! The margins at which the comparisons of a plan are decided within its bakes, at the traffic that there was.
//!
//! How many requests a comparison needs is computed by `sluice-forecast`, from `sluice_analysis::sequential`.

use serde::Serialize;
use sluice_forecast::{Course, Traffic, outlook};
use sluice_model::plan::{Check, Limit, Metric, NotWorse};
use sluice_model::{CheckName, Plan, millis};
use std::time::Duration;

/// Accepting more than half of the requests is no comparison.
const MARGIN_MAX: f64 = 0.5;
/// Halvings of the interval in which a margin is sought.
const HALVINGS: usize = 20;

/// A comparison, and what it would need.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Margin {
    /// Its name.
    pub check: CheckName,
    /// What is compared.
    pub metric: Metric,
    /// What the plan says.
    pub limit: NotWorse,
    /// The longest time that a step is expected to wait for it beyond its bake, for a release as good as the stable one;
    /// absent when no number of requests suffices.
    #[serde(with = "millis::option")]
    pub waits: Option<Duration>,
    /// The least accepted margin at which no step waits; absent when the plan's own suffices already, or none does.
    pub accept_margin: Option<f64>,
}

/// The margins of a plan's comparisons.
pub(crate) fn margins(plan: &Plan, comparisons: &[Check], traffic: Traffic) -> Vec<Margin> {
    comparisons
        .iter()
        .filter_map(|check| {
            let Limit::NotWorse(limit) = check.limit else {
                return None;
            };
            let waits = |limit: NotWorse| waits(&alone(plan, &check.name, limit), traffic);
            let at_present = waits(limit);
            let accept_margin = if at_present == Some(Duration::ZERO) {
                None
            } else {
                least(limit, |limit| waits(limit) == Some(Duration::ZERO))
            };
            Some(Margin {
                check: check.name.clone(),
                metric: check.metric,
                limit,
                waits: at_present,
                accept_margin,
            })
        })
        .collect()
}

/// The plan with this comparison as its only check.
fn alone(plan: &Plan, name: &CheckName, limit: NotWorse) -> Plan {
    let mut plan = plan.clone();
    let steps = plan.steps.iter_mut().map(|step| &mut step.checks);
    for checks in steps.chain([&mut plan.checks]) {
        checks.retain(|check| check.name == *name);
        for check in checks {
            check.limit = Limit::NotWorse(limit);
        }
    }
    plan
}

/// How long a step waits beyond its bake, at most; `None` without an end.
fn waits(plan: &Plan, traffic: Traffic) -> Option<Duration> {
    let course = Course::new(plan, traffic, None).ok()?;
    let steps = outlook(&course).steps;
    let judged = steps.into_iter().filter(|step| step.slowest.is_some());
    judged
        .map(|step| step.time.map(|time| time.saturating_sub(step.bake)))
        .try_fold(Duration::ZERO, |most, waits| Some(most.max(waits?)))
}

/// The least accepted margin that suffices, rounded up to a tenth of a percent.
fn least(limit: NotWorse, suffices: impl Fn(NotWorse) -> bool) -> Option<f64> {
    let with = |accept_margin| NotWorse {
        accept_margin,
        ..limit
    };
    if !suffices(with(MARGIN_MAX)) {
        return None;
    }
    let (mut short, mut enough) = (limit.accept_margin, MARGIN_MAX);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (short + enough);
        if suffices(with(middle)) {
            enough = middle;
        } else {
            short = middle;
        }
    }
    let rounded = (enough * 1_000.0).ceil() / 1_000.0;
    Some(if suffices(with(rounded)) {
        rounded
    } else {
        rounded + 0.001
    })
}

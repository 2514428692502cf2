//! Goals: what users shall do, as checks. How they are counted is the proxy's business, and what the counts say the
//! analysis's.

use super::checks::{self, Draft, SAMPLES_MIN_ABSOLUTE};
use super::matches::of_request;
use super::remembering::stands_alone;
use crate::notes::{NodeId, Notes};
use crate::reading::Located;
use crate::shape::{CheckFields, MatchFields};
use sluice_model::Weight;
use sluice_model::plan::{Check, Exposure, GOALS_MAX, GoalLimit, Limit, Metric, Step, goals_of};
use sluice_model::routes::{Assignment, RequestMatch};
use std::collections::BTreeSet;
use std::time::Duration;

/// Bound on the probability that the interval of any goal of a release ever misses the truth.
const ALPHA: f64 = 0.05;

/// Reads `goal`.
pub(super) fn read(
    notes: &Notes,
    node: NodeId,
    goal: &Located<MatchFields>,
    fields: &CheckFields,
) -> Option<Draft> {
    if !stands_alone(notes, "goal", fields) {
        return None;
    }
    if let Some(window) = &fields.window {
        notes.error(
            window.node,
            "conflict",
            "`window` has no meaning here: a goal counts since the users are shared",
            "leave it out",
        );
    }
    if fields.name.is_none() {
        notes.error(
            node,
            "missing-field",
            "the goal has no name",
            "add `name`, as in `name: ordered`",
        );
        return None;
    }
    let conditions = goal.value.as_ref()?;
    if let Some(user) = &conditions.user {
        notes.error(
            user.node,
            "not-applicable",
            "a goal is what users do, whoever they are",
            "use `path`, `header` or `cookie`",
        );
        return None;
    }
    let all = of_request(notes, conditions);
    if all.is_empty() {
        notes.error(
            goal.node,
            "empty-match",
            "the goal has no condition",
            "add `path`, as in `goal: {path: {exact: /order}}`",
        );
        return None;
    }
    Some(Draft {
        check: Check {
            name: checks::name(notes, fields, "goal")?,
            metric: Metric::Goal,
            limit: Limit::Goal(GoalLimit {
                when: RequestMatch { all },
                alpha: ALPHA,
            }),
            window: Duration::ZERO,
            samples_min: checks::samples_min(notes, fields, SAMPLES_MIN_ABSOLUTE),
            on_fail: checks::on_fail(fields),
        },
        query: None,
        node: Some(node),
        window_given: true,
        for_copies: false,
    })
}

/// Shares the error rate among the goals of a release, and notes what keeps them from being counted.
pub(crate) fn share_out(
    notes: &Notes,
    at: NodeId,
    (assignment, tcp): (&Assignment, bool),
    steps: &mut [Step],
) {
    let mut names = Vec::new();
    for step in steps.iter() {
        for check in &step.checks {
            if matches!(check.limit, Limit::Goal(_)) && !names.contains(&check.name) {
                names.push(check.name.clone());
            }
        }
    }
    if names.is_empty() {
        return;
    }
    if tcp {
        notes.error(
            at,
            "not-applicable",
            "goals are requests, and this service has plain connections",
            "remove them, or set `protocol: http`",
        );
    }
    if names.len() > GOALS_MAX {
        notes.error(
            at,
            "too-many",
            format!("the release has {} goals", names.len()),
            format!("keep {GOALS_MAX} of them"),
        );
    }
    let counted = goals_of(steps.iter().flat_map(|step| &step.checks));
    let counted: Vec<RequestMatch> = counted.into_iter().map(|(_, when)| when.clone()).collect();
    let changes = steps
        .iter()
        .flat_map(|step| &step.checks)
        .any(|check| matches!(&check.limit, Limit::Goal(limit) if !counted.contains(&limit.when)));
    if changes && names.len() <= GOALS_MAX {
        notes.error(
            at,
            "conflict",
            "a goal is not the same in all steps",
            "give it once, in the release's `checks`, or give the other one another `name`",
        );
    }
    if *assignment == Assignment::PerRequest {
        notes.warning(
            at,
            "goals-without-sticky",
            "without `sticky` nobody stays on a side: requests are counted instead of users",
            "add `sticky: {cookie: side}` (or a header) to the service",
        );
    }
    // Each weight has an interval of its own, of the users who come then.
    let weights: BTreeSet<Weight> = steps
        .iter()
        .filter(|step| step.checks.iter().any(|check| names.contains(&check.name)))
        .filter_map(|step| match step.exposure {
            Exposure::Split { weight, .. } => Some(weight).filter(|it| *it < Weight::FULL),
            Exposure::Rolling { .. } | Exposure::Recreate => None,
        })
        .collect();
    let alpha = ALPHA / (names.len() * weights.len().max(1)) as f64;
    for check in steps.iter_mut().flat_map(|step| &mut step.checks) {
        if let Limit::Goal(limit) = &mut check.limit {
            limit.alpha = alpha;
        }
    }
}

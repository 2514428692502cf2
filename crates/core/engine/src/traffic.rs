//! The desired state that follows from where a rollout stands: replicas and routes.
//!
//! Nothing is decided here; the same status and world always give the same desired state.

use crate::in_place;
use crate::turn::Turn;
use sluice_model::plan::{CanarySize, Exposure, Plan};
use sluice_model::routes::{MatchRoute, MirrorRoute};
use sluice_model::status::{Rollout, RolloutState, Stage};
use sluice_model::{Desired, RevisionNumber, Routes, Weight};
use std::collections::BTreeMap;

/// Replicas that the new revision needs before (or, when it replaces in place, at the end of) a step.
pub(crate) fn replicas_needed(plan: &Plan, exposure: &Exposure) -> u32 {
    let full = plan.replicas.max(1);
    let Exposure::Split { weight, canary, .. } = exposure else {
        return full;
    };
    let for_weight = weight.of_replicas(full).max(1);
    match canary {
        CanarySize::ByWeight => for_weight,
        CanarySize::Full => full,
        CanarySize::Count(count) => (*count).max(for_weight),
    }
}

/// The complete desired state.
pub(crate) fn desired(turn: &Turn<'_>) -> Desired {
    let (mut replicas, weights) = if in_place::must_hold(turn) {
        in_place::held(turn)
    } else {
        match turn.rollout() {
            Some(rollout) => while_running(turn, rollout),
            None => while_idle(turn),
        }
    };
    for (revision, kept) in &turn.status.kept {
        let wanted = replicas.entry(*revision).or_insert(0);
        *wanted = (*wanted).max(kept.replicas);
    }
    replicas.retain(|_, count| *count > 0);
    Desired {
        replicas,
        routes: routes(turn, weights),
    }
}

/// The desired state while nothing can be stored: the routes of the status, and no replica leaves
/// that may serve.
pub(crate) fn standing(turn: &Turn<'_>) -> Desired {
    let mut replicas = desired(turn).replicas;
    let routes = turn.status.routes.clone();
    for (revision, weight) in &routes.weights {
        if *weight > Weight::ZERO {
            replicas.entry(*revision).or_insert(1);
        }
    }
    for (revision, wanted) in &mut replicas {
        *wanted = turn.counts(*revision).running.max(*wanted);
    }
    Desired { replicas, routes }
}

pub(crate) type Shares = BTreeMap<RevisionNumber, Weight>;
pub(crate) type Replicas = BTreeMap<RevisionNumber, u32>;

fn while_idle(turn: &Turn<'_>) -> (Replicas, Shares) {
    let Some(stable) = turn.status.stable else {
        return (Replicas::new(), Shares::new());
    };
    match &turn.status.restoring {
        Some(restoring) => in_place::restoring(turn, stable, restoring),
        None => (
            Replicas::from([(stable, turn.status.stable_replicas)]),
            Shares::from([(stable, Weight::FULL)]),
        ),
    }
}

fn while_running(turn: &Turn<'_>, rollout: &Rollout) -> (Replicas, Shares) {
    let target = rollout.target;
    let Some(stable) = turn.status.stable else {
        let full = turn.plan.replicas.max(1);
        return (
            Replicas::from([(target, full)]),
            Shares::from([(target, Weight::FULL)]),
        );
    };
    let RolloutState::Stepping { step, .. } = &rollout.state else {
        return while_idle(turn);
    };
    let step = turn.step(*step);
    match &step.exposure {
        Exposure::Rolling {
            max_surge,
            max_unavailable,
        } if in_place::replaces_now(turn, rollout) => {
            in_place::rolling(turn, stable, target, *max_surge, *max_unavailable)
        }
        Exposure::Recreate if in_place::replaces_now(turn, rollout) => {
            in_place::recreate(turn, target)
        }
        exposure => side_by_side(turn, rollout, stable, exposure),
    }
}

/// The stable side keeps its capacity; the canary has what its traffic, and the step that it prepares
/// for, need.
fn side_by_side(
    turn: &Turn<'_>,
    rollout: &Rollout,
    stable: RevisionNumber,
    exposure: &Exposure,
) -> (Replicas, Shares) {
    let (mut replicas, mut shares) = while_idle(turn);
    let target = rollout.target;
    let flowing = flowing(turn, rollout);
    let prepared = matches!(exposure, Exposure::Split { .. }).then_some(exposure);
    let needed = prepared
        .into_iter()
        .chain(&flowing)
        .map(|exposure| replicas_needed(turn.plan, exposure));
    if let Some(needed) = needed.max() {
        let wanted = replicas.entry(target).or_insert(0);
        *wanted = (*wanted).max(needed);
    }
    if let Some(Exposure::Split { weight, .. }) = flowing
        && (turn.status.restoring.is_none() || weight == Weight::FULL)
    {
        shares = Shares::from([(stable, weight.rest()), (target, weight)]);
    }
    (replicas, shares)
}

/// The exposure whose traffic flows now: the step's own once its traffic began, before that the one
/// of the step it follows.
pub(crate) fn flowing(turn: &Turn<'_>, rollout: &Rollout) -> Option<Exposure> {
    let RolloutState::Stepping { step, stage } = &rollout.state else {
        return None;
    };
    match stage {
        Stage::Baking { .. } | Stage::After { .. } | Stage::Gate { .. } => {
            Some(turn.step(*step).exposure.clone())
        }
        Stage::Scaling { .. } | Stage::Before { .. } => {
            let earlier = rollout.traffic_step?;
            turn.plan
                .steps
                .get(earlier as usize)
                .map(|step| step.exposure.clone())
        }
    }
}

fn routes(turn: &Turn<'_>, weights: Shares) -> Routes {
    let before = &turn.status.routes;
    let mut routes = Routes {
        canary: None,
        matches: Vec::new(),
        mirror: None,
        preview: turn.status.stable,
        goals: Vec::new(),
        assignment: before.assignment.clone(),
        salt: before.salt,
        segment: before.segment,
        weights,
    };
    if let Some(rollout) = turn.rollout() {
        routes.salt = rollout.id;
        if turn.status.stable.is_some() {
            routes.canary = Some(rollout.target);
            let goals = turn.plan.goals().into_iter();
            routes.goals = goals.map(|(_, when)| when.clone()).collect();
        }
        if !matches!(rollout.state, RolloutState::Starting { .. }) {
            routes.assignment = turn.plan.assignment.clone();
        }
        extras(turn, rollout, &mut routes);
    }
    if routes.weights != before.weights {
        routes.segment += 1;
    }
    routes
}

/// Matches, mirror and preview of the step.
fn extras(turn: &Turn<'_>, rollout: &Rollout, routes: &mut Routes) {
    let revision = rollout.target;
    if turn.status.stable.is_none() {
        routes.preview = Some(revision);
        return;
    }
    let mut previews = false;
    if let Some(Exposure::Split {
        matches,
        mirror,
        preview,
        ..
    }) = flowing(turn, rollout)
    {
        let to_target = |when| MatchRoute { when, revision };
        routes.matches = matches.into_iter().map(to_target).collect();
        routes.mirror = mirror.map(|mirror| MirrorRoute { mirror, revision });
        previews = preview;
    }
    if let RolloutState::Stepping { step, stage } = &rollout.state
        && !matches!(stage, Stage::Scaling { .. })
        && let Exposure::Split { preview: true, .. } = turn.step(*step).exposure
    {
        previews = true;
    }
    if previews {
        routes.preview = Some(revision);
    }
}

//! The desired state that follows from where a rollout stands: replicas and routes.
//!
//! Nothing is decided here; the same status and world always give the same desired state.

use crate::turn::Turn;
use sluice_model::plan::{CanarySize, Exposure, Plan};
use sluice_model::routes::{MatchRoute, MirrorRoute};
use sluice_model::status::{Restoring, Rollout, RolloutState, Stage};
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
    let (replicas, weights) = match turn.rollout() {
        Some(rollout) => while_running(turn, rollout),
        None => while_idle(turn),
    };
    let mut replicas = replicas;
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

type Shares = BTreeMap<RevisionNumber, Weight>;
type Replicas = BTreeMap<RevisionNumber, u32>;

fn while_idle(turn: &Turn<'_>) -> (Replicas, Shares) {
    let Some(stable) = turn.status.stable else {
        return (Replicas::new(), Shares::new());
    };
    match &turn.status.restoring {
        Some(restoring) => while_restoring(turn, stable, restoring),
        None => (
            Replicas::from([(stable, turn.status.stable_replicas)]),
            Shares::from([(stable, Weight::FULL)]),
        ),
    }
}

/// The stable side gets its capacity back; the traffic follows the replicas.
fn while_restoring(
    turn: &Turn<'_>,
    stable: RevisionNumber,
    restoring: &Restoring,
) -> (Replicas, Shares) {
    let full = turn.status.stable_replicas;
    let other = turn.counts(restoring.from);
    if restoring.exclusive {
        let other_gone = other.running + other.stopping == 0;
        let stable_count = if other_gone {
            full
        } else {
            turn.counts(stable).running.min(full)
        };
        return (
            Replicas::from([(stable, stable_count)]),
            Shares::from([(stable, Weight::FULL)]),
        );
    }
    let available = turn.counts(stable).available.min(full);
    let share = match (available, other.ready) {
        (_, 0) => Weight::FULL,
        (0, _) => Weight::ZERO,
        _ => Weight::ratio(available, full),
    };
    let mut shares = Shares::from([(stable, share)]);
    if share != Weight::FULL {
        shares.insert(restoring.from, share.rest());
    }
    let replicas = Replicas::from([(stable, full), (restoring.from, restoring.replicas)]);
    (replicas, shares)
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
    let RolloutState::Stepping { step, stage } = &rollout.state else {
        return while_idle(turn);
    };
    let exposure = &turn.step(*step).exposure.clone();
    let moves_traffic = !matches!(stage, Stage::Before { .. });
    match exposure {
        Exposure::Split { .. } => {
            let (mut replicas, mut shares) = match &turn.status.restoring {
                Some(restoring) if restoring.from != target => {
                    while_restoring(turn, stable, restoring)
                }
                _ => while_idle_of(turn, stable),
            };
            let flowing = flowing(turn, rollout);
            let for_traffic = flowing
                .as_ref()
                .map_or(0, |exposure| replicas_needed(turn.plan, exposure));
            replicas.insert(
                target,
                replicas_needed(turn.plan, exposure).max(for_traffic),
            );
            if let Some(Exposure::Split { weight, .. }) = flowing
                && (turn.status.restoring.is_none() || weight == Weight::FULL)
            {
                shares = Shares::from([(stable, weight.rest()), (target, weight)]);
            }
            (replicas, shares)
        }
        Exposure::Rolling {
            max_surge,
            max_unavailable,
        } if moves_traffic => rolling(turn, stable, target, *max_surge, *max_unavailable),
        Exposure::Recreate if moves_traffic => {
            let old = turn.counts(stable);
            let old_gone = old.running + old.stopping == 0 || turn.counts(target).running > 0;
            let count = if old_gone {
                turn.plan.replicas.max(1)
            } else {
                0
            };
            (
                Replicas::from([(target, count)]),
                Shares::from([(target, Weight::FULL)]),
            )
        }
        Exposure::Rolling { .. } | Exposure::Recreate => while_idle(turn),
    }
}

fn while_idle_of(turn: &Turn<'_>, stable: RevisionNumber) -> (Replicas, Shares) {
    (
        Replicas::from([(stable, turn.status.stable_replicas)]),
        Shares::from([(stable, Weight::FULL)]),
    )
}

/// Replica by replica: new ones start while the total stays within the surge, old ones leave while
/// enough are available; both sides' traffic is in proportion to their available replicas.
fn rolling(
    turn: &Turn<'_>,
    stable: RevisionNumber,
    target: RevisionNumber,
    max_surge: u32,
    max_unavailable: u32,
) -> (Replicas, Shares) {
    let full = turn.plan.replicas.max(1);
    let max_surge = if max_surge == 0 && max_unavailable == 0 {
        1
    } else {
        max_surge
    };
    let (old, new) = (turn.counts(stable), turn.counts(target));
    let others: u32 = turn
        .observation
        .replicas
        .iter()
        .filter(|(revision, _)| **revision != target && !turn.status.kept.contains_key(revision))
        .map(|(_, counts)| counts.running)
        .sum();
    let new_wanted = full
        .saturating_add(max_surge)
        .saturating_sub(others)
        .max(new.running)
        .min(full);
    let old_wanted = full
        .saturating_sub(max_unavailable)
        .saturating_sub(new.available)
        .min(turn.status.stable_replicas);
    let old_serving = old.ready.min(old_wanted);
    let new_serving = new.available.min(new_wanted);
    let new_share = if old_serving + new_serving == 0 {
        if old_wanted > 0 {
            Weight::ZERO
        } else {
            Weight::FULL
        }
    } else {
        Weight::ratio(new_serving, old_serving + new_serving)
    };
    (
        Replicas::from([(stable, old_wanted), (target, new_wanted)]),
        Shares::from([(stable, new_share.rest()), (target, new_share)]),
    )
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
        assignment: before.assignment.clone(),
        salt: before.salt,
        segment: before.segment,
        weights,
    };
    if let Some(rollout) = turn.rollout() {
        routes.salt = rollout.id;
        if turn.status.stable.is_some() {
            routes.canary = Some(rollout.target);
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

//! Capacity and traffic while replicas are replaced in place: rolling, recreate, and the way back.
//!
//! Here, unlike in `traffic`, the desired state follows from the replicas that were seen: each turn
//! takes the next replacement that the bounds allow. While the replicas are not known (right after a
//! start) nothing is replaced.

use crate::traffic::{Replicas, Shares};
use crate::turn::Turn;
use sluice_model::plan::Exposure;
use sluice_model::status::{Restoring, Rollout, RolloutState, Stage};
use sluice_model::{RevisionNumber, Weight};

/// Whether the desired state follows from replicas that are not known yet.
pub(crate) fn must_hold(turn: &Turn<'_>) -> bool {
    let replacing = turn
        .rollout()
        .is_some_and(|rollout| replaces_now(turn, rollout));
    !turn.observation.settled
        && turn.status.stable.is_some()
        && (turn.status.restoring.is_some() || replacing)
}

/// Whether the running rollout is in the part of a step that replaces replicas.
pub(crate) fn replaces_now(turn: &Turn<'_>, rollout: &Rollout) -> bool {
    match &rollout.state {
        RolloutState::Stepping {
            stage: Stage::Before { .. },
            ..
        } => false,
        RolloutState::Stepping { step, .. } => {
            !matches!(turn.step(*step).exposure, Exposure::Split { .. })
        }
        _ => false,
    }
}

/// What is there stays, and the traffic stays where it is.
pub(crate) fn held(turn: &Turn<'_>) -> (Replicas, Shares) {
    let weights = turn.status.routes.weights.clone();
    let serving = weights
        .iter()
        .filter(|(_, weight)| **weight > Weight::ZERO)
        .map(|(revision, _)| (*revision, 1));
    let mut replicas: Replicas = serving.collect();
    for (revision, counts) in &turn.observation.replicas {
        let wanted = replicas.entry(*revision).or_insert(0);
        *wanted = counts.running.max(*wanted);
    }
    (replicas, weights)
}

/// The stable side gets its capacity back; the traffic follows the replicas. The other revision keeps
/// what it still has until then.
pub(crate) fn restoring(
    turn: &Turn<'_>,
    stable: RevisionNumber,
    restoring: &Restoring,
) -> (Replicas, Shares) {
    let full = turn.status.stable_replicas;
    if restoring.exclusive {
        let count = if others_are_gone(turn, stable) {
            full
        } else {
            turn.counts(stable).running.min(full)
        };
        return (Replicas::from([(stable, count)]), all_to(stable, count));
    }
    let other = turn.counts(restoring.from);
    let ready = turn.counts(stable).ready.min(full);
    let computed = match (ready, other.ready) {
        (_, 0) => Weight::ZERO,
        (0, _) => Weight::FULL,
        _ => Weight::ratio(ready, full).rest(),
    };
    // A revision that was taken back never gets more than it had.
    let present = turn.status.routes.weights.get(&restoring.from);
    let share = computed.min(present.copied().unwrap_or_default());
    let mut shares = Shares::from([(stable, share.rest())]);
    if share > Weight::ZERO {
        shares.insert(restoring.from, share);
    }
    let kept = restoring.replicas.max(other.running);
    (
        Replicas::from([(stable, full), (restoring.from, kept)]),
        shares,
    )
}

/// All traffic to a revision, or none at all while it shall have no replica.
fn all_to(revision: RevisionNumber, replicas: u32) -> Shares {
    if replicas == 0 {
        Shares::new()
    } else {
        Shares::from([(revision, Weight::FULL)])
    }
}

/// Whether no replica of any revision but this one is left.
fn others_are_gone(turn: &Turn<'_>, revision: RevisionNumber) -> bool {
    let mut others = turn.observation.replicas.iter();
    others.all(|(other, counts)| *other == revision || counts.running + counts.stopping == 0)
}

/// The old side first leaves, then the new one comes.
pub(crate) fn recreate(turn: &Turn<'_>, target: RevisionNumber) -> (Replicas, Shares) {
    let may_start = others_are_gone(turn, target) || turn.counts(target).running > 0;
    let count = if may_start {
        turn.plan.replicas.max(1)
    } else {
        0
    };
    (Replicas::from([(target, count)]), all_to(target, count))
}

/// Replica by replica: new ones start while the total stays within the surge, old ones leave while
/// enough are available; both sides' traffic is in proportion to their available replicas. When the
/// two revisions differ in size, a share of the new side stands for the same share of the old one.
pub(crate) fn rolling(
    turn: &Turn<'_>,
    stable: RevisionNumber,
    target: RevisionNumber,
    max_surge: u32,
    max_unavailable: u32,
) -> (Replicas, Shares) {
    let full = turn.plan.replicas.max(1);
    let old_full = turn.status.stable_replicas.max(1);
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
        .max(old_full)
        .saturating_add(max_surge)
        .saturating_sub(others)
        .max(new.running)
        .min(full);
    let missing = full
        .saturating_sub(max_unavailable)
        .saturating_sub(new.available);
    let old_wanted = (u64::from(old_full) * u64::from(missing)).div_ceil(u64::from(full));
    let old_wanted = u32::try_from(old_wanted).unwrap_or(old_full);
    let (old_serving, new_serving) = (old.ready.min(old_wanted), new.available.min(new_wanted));
    let shares = match (old_serving + new_serving, old_wanted, new_wanted) {
        (0, 0, wanted) => all_to(target, wanted),
        (0, wanted, _) => all_to(stable, wanted),
        (serving, _, _) => {
            let new_share = Weight::ratio(new_serving, serving);
            Shares::from([(stable, new_share.rest()), (target, new_share)])
        }
    };
    (
        Replicas::from([(stable, old_wanted), (target, new_wanted)]),
        shares,
    )
}

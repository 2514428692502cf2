//! Pods that are replaced because somebody asked for a restart.

use super::turn::Turn;
use super::world::{Pod, World};
use super::write::Write;
use crate::api::Rollout;
use crate::workload::MoveBounds;
use sluice_model::time::Timestamp;
use std::time::Duration;

/// After which time a restart goes on if nothing happens: a disruption budget says nothing when it allows
/// more.
const RETRY: Duration = Duration::from_secs(30);

/// After which time the newest pod is what it will be, as long as its ReplicaSet's counts say nothing else.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

fn is_due(rollout: &Rollout, now: Timestamp) -> bool {
    rollout
        .spec
        .restart_at
        .is_some_and(|at| rollout.status.restarted_at != Some(at) && now > at.0)
}

/// Whether a decision needs the Rollout's pods.
#[must_use]
pub fn needs_pods(rollout: &Rollout, now: Timestamp) -> bool {
    is_due(rollout, now)
}

/// Evicts the pods that are older than the restart, at most as many at a time as may be unavailable, and at
/// least one. True where some are evicted in this turn: counts that were read before say nothing then. Where disruption
/// budgets protect all of them, the rollout goes on, and a restart waits; a way back would wait with it.
pub(super) fn run(turn: &mut Turn<'_>) -> bool {
    let rollout = turn.rollout;
    let Some(at) = rollout.spec.restart_at else {
        return false;
    };
    if !is_due(rollout, turn.now) {
        if turn.now <= at.0 {
            turn.wake(at.0.shifted(1));
        }
        return false;
    }
    let older = in_order(turn, at.0);
    if older.is_empty() {
        turn.next.restarted_at = Some(at);
        return false;
    }
    let evicted: Vec<String> = older
        .into_iter()
        .take(usize::try_from(allowed(turn)).unwrap_or(0))
        .collect();
    if evicted.is_empty() {
        wake_when_available(turn);
        return false;
    }
    let now = turn.now;
    turn.wake(now.after(RETRY));
    if turn.world.evictions_refused {
        return false;
    }
    turn.write(Write::EvictPods(evicted));
    true
}

/// The pods to replace: stable's, then the new revision's, then older ones'.
fn in_order(turn: &Turn<'_>, at: Timestamp) -> Vec<String> {
    let rank = |replica_set: &str| {
        let is =
            |set: Option<usize>| set.is_some_and(|at| turn.sets[at].metadata.name == replica_set);
        match () {
            () if is(turn.stable) => 0,
            () if is(turn.new) => 1,
            () => 2,
        }
    };
    let World { pods, .. } = turn.world;
    let mut older: Vec<_> = pods
        .iter()
        .filter(|pod| pod.created_at < at && !pod.deleting)
        .map(|pod| (rank(&pod.replica_set), pod.created_at, pod.name.clone()))
        .collect();
    older.sort();
    older.into_iter().map(|(_, _, name)| name).collect()
}

/// When a pod counts as available; `None` while it is not ready, and when it is being deleted.
fn available_at(turn: &Turn<'_>, pod: &Pod) -> Option<Timestamp> {
    let seconds = u64::try_from(turn.rollout.spec.min_ready_seconds).unwrap_or(0);
    let since = pod.ready_since.filter(|_| !pod.deleting)?;
    Some(since.after(Duration::from_secs(seconds)))
}

/// Comes back when the next ready pod counts as available. Those that get ready later change their ReplicaSet's
/// counts, and these ask for a look; but a pod that goes while another comes may leave the counts as they are.
fn wake_when_available(turn: &mut Turn<'_>) {
    let pods = &turn.world.pods;
    let times = pods.iter().filter_map(|pod| available_at(turn, pod));
    let next = times.filter(|at| *at > turn.now).min();
    let moves = |pod: &Pod| pod.deleting || turn.now < pod.created_at.after(SETTLED_AFTER);
    let retry = pods.iter().any(moves).then(|| turn.now.after(RETRY));
    for at in next.into_iter().chain(retry) {
        turn.wake(at);
    }
}

fn allowed(turn: &Turn<'_>) -> i32 {
    let replicas = turn.replicas();
    let available = turn.world.pods.iter().filter(|pod| {
        let at = available_at(turn, pod);
        at.is_some_and(|at| at <= turn.now)
    });
    let available = i32::try_from(available.count()).unwrap_or(i32::MAX);
    let bounds = MoveBounds::of(&turn.rollout.spec.strategy, replicas);
    let at_once = bounds.unavailable.max(1);
    // At a weight that does not divide evenly there may be more pods than replicas.
    let pods = turn.sum(|set| set.desired()).max(replicas);
    available - (pods - at_once)
}

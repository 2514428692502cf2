//! The pods of the workload that a Rollout takes over from.

use super::turn::Turn;
use super::write::Write;

/// With `scaleDown: progressively` the workload gives up pods as the Rollout's first revision gets ready.
pub(super) fn follow(turn: &mut Turn<'_>, before: i32, count: i32) {
    let is_asked = turn
        .rollout
        .spec
        .workload_ref
        .as_ref()
        .is_some_and(|reference| reference.scale_down == "progressively");
    let is_first = turn.new_set().is_some_and(|set| set.revision() == 1);
    let Some(present) = turn
        .world
        .workload
        .as_ref()
        .and_then(|workload| workload.replicas)
        .filter(|_| is_asked && is_first)
    else {
        return;
    };
    let ready = turn.rollout.status.ready_replicas;
    let wanted = if turn.rollout.status.phase == "Healthy" {
        0
    } else if ready > 0 || before > count {
        (turn.replicas() - ready).max(0)
    } else {
        return;
    };
    if wanted != present {
        turn.write(Write::ScaleWorkload(wanted));
    }
}

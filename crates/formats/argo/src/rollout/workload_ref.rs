//! The workload that a Rollout refers to: its template, and the pods that the Rollout takes over.

use super::turn::Turn;
use super::world::ReplicaSet;
use super::write::Write;
use crate::api::{LabelSelector, POD_TEMPLATE_HASH_LABEL, Rollout};
use crate::template::{without_anti_affinity, without_ephemeral};

/// Puts what the current revision runs into a Rollout whose workload is gone. It says nothing of what to roll out, but a
/// rollout can go back with it.
pub fn with_current_template(rollout: &mut Rollout, sets: &[ReplicaSet]) {
    let hash = &rollout.status.current_pod_hash;
    let Some(set) = sets
        .iter()
        .find(|set| set.hash() == hash && !hash.is_empty())
    else {
        return;
    };
    let mut added = set.ephemeral();
    let hash_label = (POD_TEMPLATE_HASH_LABEL.to_owned(), hash.clone());
    added.labels.extend([hash_label]);
    let live = without_ephemeral(&set.spec.template, &added);
    rollout.spec.template = without_anti_affinity(&live);
    rollout.spec.selector.get_or_insert_with(|| {
        let mut selector: LabelSelector = set.spec.selector.clone();
        selector.match_labels.remove(POD_TEMPLATE_HASH_LABEL);
        selector
    });
}

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

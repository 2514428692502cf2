//! Whether the new revision becomes stable, and what follows when it does.

use super::analyses;
use super::services;
use super::turn::Turn;
use super::write::Write;
use crate::workload::is_progress_reached;

/// Why the new revision becomes stable now; `None` in the middle of an update.
pub(super) fn due(turn: &Turn<'_>) -> Option<String> {
    if turn.stable.is_none() {
        return Some("Initial deploy".to_owned());
    }
    if turn.strategy().is_some() {
        of_canary(turn)
    } else {
        of_blue_green(turn)
    }
}

fn of_canary(turn: &Turn<'_>) -> Option<String> {
    let canary = turn.strategy()?;
    let set = turn.new_set()?;
    let new = set.pods();
    let replicas = turn.replicas();
    let threshold = canary.replica_progress_threshold.as_ref();
    let has_pods = new.available >= replicas || is_progress_reached(threshold, Some(new), replicas);
    if turn.is_aborted() || !set.is_counted() || !has_pods {
        return None;
    }
    if turn.rollout.status.promote_full {
        return Some("Full promotion requested".to_owned());
    }
    if let Some(reason) = fast_rollback(turn) {
        return Some(reason.to_owned());
    }
    if turn.lacks_analysis {
        return None;
    }
    let steps = turn.steps();
    let index = turn.rollout.status.current_step_index.unwrap_or(0);
    (steps == 0 || index == steps).then(|| format!("Completed all {steps} canary steps"))
}

fn of_blue_green(turn: &Turn<'_>) -> Option<String> {
    let blue_green = turn.rollout.spec.strategy.blue_green.as_ref()?;
    let active = services::hash_of(turn, &blue_green.active_service);
    if active.is_empty() {
        // An earlier revision that is stable keeps its pods until the Service leads to the new one.
        return turn
            .other_stable()
            .is_none()
            .then(|| "Initial deploy".to_owned());
    }
    if active != turn.new_hash() {
        return None;
    }
    if turn.rollout.status.promote_full {
        return Some("Full promotion requested".to_owned());
    }
    if let Some(reason) = fast_rollback(turn) {
        return Some(reason.to_owned());
    }
    if turn.is_aborted() {
        return None;
    }
    if !analyses::is_post_done(turn) {
        return None;
    }
    Some("Completed blue-green update".to_owned())
}

/// Whether another revision than the new one is stable, and has pods that serve.
pub(super) fn has_serving_stable(turn: &Turn<'_>) -> bool {
    let stable = turn.other_stable().map(|at| &turn.sets[at]);
    stable.is_some_and(|set| set.pods().staying() > 0)
}

/// Whether what is wanted was there before, and how: stable itself, or an older revision.
fn is_rollback(turn: &Turn<'_>) -> bool {
    let (Some(new), Some(stable)) = (turn.new_set(), turn.stable_set()) else {
        return false;
    };
    turn.rollout.status.stable_rs == new.hash() || new.age() < stable.age()
}

/// Whether the new revision goes back without steps, and why: it is stable itself, within the rollback
/// window, or with blue-green still has its pods. Also true, as "Fast rollback", of one that is promoted.
pub(super) fn fast_rollback(turn: &Turn<'_>) -> Option<&'static str> {
    if !is_rollback(turn) {
        return None;
    }
    if within_window(turn) {
        return Some("Rollback within window");
    }
    let is_warm = turn.new_is_warm && turn.rollout.spec.strategy.blue_green.is_some();
    let is_stable = turn.rollout.status.stable_rs == turn.new_hash();
    (is_warm || is_stable).then_some("Fast rollback")
}

/// Whether a rollback is under way, for the duration: of which kind.
pub(super) fn rollback_kind(turn: &Turn<'_>) -> Option<&'static str> {
    if !is_rollback(turn) {
        return None;
    }
    Some(match fast_rollback(turn) {
        Some(_) => "FastRolledBack",
        None => "RolledBack",
    })
}

/// Whether the new revision is an older one, and fewer revisions than the window lie between it and stable.
pub(super) fn within_window(turn: &Turn<'_>) -> bool {
    let (Some(new), Some(stable)) = (turn.new_set(), turn.stable_set()) else {
        return false;
    };
    let window = turn
        .rollout
        .spec
        .rollback_window
        .as_ref()
        .map_or(0, |window| window.revisions);
    let (from, to) = (new.age(), stable.age());
    if window <= 0 || from >= to {
        return false;
    }
    let between = turn
        .sets
        .iter()
        .filter(|set| from < set.age() && set.age() < to)
        .count();
    i32::try_from(between).is_ok_and(|between| between < window)
}

/// The new revision becomes stable.
pub(super) fn promote(turn: &mut Turn<'_>, reason: &str) {
    turn.pauses.clear();
    turn.pauses.remove_abort();
    turn.next.promote_full = false;
    turn.next.blue_green.scale_up_preview_check_point = false;
    if turn.strategy().is_some() {
        let steps = turn.steps();
        turn.next.current_step_index = (steps > 0).then_some(steps);
    }
    let revision = turn.revision();
    if turn.next.stable_rs != turn.next.current_pod_hash {
        take_turns(turn);
        let full = turn.rollout.status.promote_full;
        if let Some(duration) = &mut turn.next.duration
            && duration.completion_status.is_none()
        {
            let status = if full { "FastPromoted" } else { "Promoted" };
            duration.completion_status = Some(status.to_owned());
        }
        turn.next.stable_rs = turn.next.current_pod_hash.clone();
        let message = format!(
            "Rollout completed update to revision {revision} ({}): {reason}",
            turn.next.current_pod_hash
        );
        turn.event("RolloutCompleted", message);
    }
    scale_workload(turn, revision);
}

/// With ping-pong the canary's Service is stable's from now on.
fn take_turns(turn: &mut Turn<'_>) {
    let has_turns = turn
        .strategy()
        .is_some_and(|canary| canary.ping_pong.is_some());
    if has_turns {
        let was_ping = turn.rollout.status.canary.stable_ping_pong == "ping";
        let now = if was_ping { "pong" } else { "ping" };
        turn.next.canary.stable_ping_pong = now.to_owned();
    }
}

/// The workload that the Rollout takes over from loses its pods once the first revision is healthy.
fn scale_workload(turn: &mut Turn<'_>, revision: i64) {
    let asks = turn
        .rollout
        .spec
        .workload_ref
        .as_ref()
        .is_some_and(|reference| reference.scale_down == "onsuccess");
    let has_pods = turn
        .world
        .workload
        .as_ref()
        .is_some_and(|workload| workload.replicas.is_some_and(|replicas| replicas > 0));
    if asks && has_pods && revision == 1 && turn.rollout.status.phase == "Healthy" {
        turn.write(Write::ScaleWorkload(0));
    }
}

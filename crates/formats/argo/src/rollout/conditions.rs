//! The conditions of a Rollout.

use super::promotion;
use super::turn::Turn;
use super::world::ReplicaSet;
use crate::api::{POD_TEMPLATE_HASH_LABEL, Rollout, RolloutCondition, RolloutStatus, Time};
use std::time::Duration;

/// A condition that is about to be set.
pub(super) struct Condition(RolloutCondition);

impl Condition {
    pub(super) fn new(kind: &str, status: &str, reason: &str) -> Self {
        Condition(RolloutCondition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            ..RolloutCondition::default()
        })
    }

    pub(super) fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    pub(super) fn at(mut self, now: Time) -> Self {
        self.0.last_update_time = now;
        self.0.last_transition_time = now;
        self
    }
}

/// The condition of a kind.
pub(super) fn get<'a>(status: &'a RolloutStatus, kind: &str) -> Option<&'a RolloutCondition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.kind == kind)
}

/// Sets a condition. One with the same status and reason stays as it is; true when it changed.
pub(super) fn set(conditions: &mut Vec<RolloutCondition>, condition: Condition) -> bool {
    let Condition(mut condition) = condition;
    let before = conditions
        .iter()
        .find(|before| before.kind == condition.kind);
    if let Some(before) = before.filter(|before| before.status == condition.status) {
        if before.reason == condition.reason {
            return false;
        }
        condition.last_transition_time = before.last_transition_time;
    }
    remove(conditions, &condition.kind.clone());
    conditions.push(condition);
    true
}

/// Removes the condition of a kind.
pub(super) fn remove(conditions: &mut Vec<RolloutCondition>, kind: &str) {
    conditions.retain(|condition| condition.kind != kind);
}

/// Whether stable is what is wanted.
pub(super) fn is_completed(status: &RolloutStatus) -> bool {
    !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash
}

/// Whether all pods are new, available and behind the right Services, and nothing is left to do.
fn is_healthy(rollout: &Rollout, next: &RolloutStatus) -> bool {
    let replicas = rollout.spec.replicas();
    let strategy = &rollout.spec.strategy;
    if let Some(blue_green) = &strategy.blue_green {
        let leads = |selector: &str| selector == next.current_pod_hash;
        let preview = &next.blue_green.preview_selector;
        if !leads(&next.blue_green.active_selector)
            || !(blue_green.preview_service.is_empty() || leads(preview))
        {
            return false;
        }
    }
    if let Some(canary) = &strategy.canary {
        let steps = i32::try_from(canary.steps.len()).unwrap_or(i32::MAX);
        let all_steps = steps == 0 || next.current_step_index.is_none_or(|index| index == steps);
        if !all_steps || !is_completed(next) || next.replicas != replicas {
            return false;
        }
    }
    let generation = rollout.metadata.generation.unwrap_or(0).to_string();
    next.updated_replicas == replicas
        && next.available_replicas == replicas
        && rollout.status.observed_generation == generation
}

/// Whether something got on since the last status.
fn is_progressing(rollout: &Rollout, next: &RolloutStatus) -> bool {
    let before = &rollout.status;
    let strategy = &rollout.spec.strategy;
    let switched = strategy.blue_green.is_some()
        && (before.blue_green.active_selector != next.blue_green.active_selector
            || before.blue_green.preview_selector != next.blue_green.preview_selector);
    let index_moved = match (before.current_step_index, next.current_step_index) {
        (Some(before), Some(next)) => before != next,
        _ => false,
    };
    let stepped = strategy.canary.is_some()
        && (before.stable_rs != next.stable_rs
            || index_moved
            || before.current_step_hash != next.current_step_hash);
    let old = |status: &RolloutStatus| status.replicas - status.updated_replicas;
    next.updated_replicas != before.updated_replicas
        || old(next) < old(before)
        || next.ready_replicas > before.ready_replicas
        || next.available_replicas > before.available_replicas
        || switched
        || stepped
}

/// Whether the deadline for progress has passed.
fn is_timed_out(turn: &Turn<'_>, status: &RolloutStatus) -> bool {
    let Some(condition) = get(status, "Progressing") else {
        return false;
    };
    match condition.reason.as_str() {
        "RolloutAborted" | "RolloutPaused" => false,
        "ProgressDeadlineExceeded" => true,
        _ => turn.now > deadline(turn.rollout, condition.last_update_time),
    }
}

fn deadline(rollout: &Rollout, from: Time) -> sluice_model::time::Timestamp {
    let seconds = u64::try_from(rollout.spec.progress_deadline_seconds()).unwrap_or(0);
    from.0.after(Duration::from_secs(seconds))
}

/// Whether the present step may take as long as it likes.
fn waits_on_purpose(turn: &Turn<'_>) -> bool {
    let at_step = crate::workload::current_step(turn.rollout).is_some_and(|(_, step)| {
        step.experiment.is_some() || step.analysis.is_some() || step.pause.is_some()
    });
    let paused =
        get(&turn.rollout.status, "Paused").is_some_and(|condition| condition.status == "True");
    at_step || paused
}

/// Whether old ReplicaSets still keep their pods for a while. One that an abort left without pods may keep its deadline.
fn waits_for_old_pods(turn: &Turn<'_>) -> bool {
    turn.others().iter().any(|at| {
        let set = &turn.sets[*at];
        set.desired() > 0 && !set.deadline_text().is_empty()
    })
}

/// Aborts a rollout that got nowhere for too long, where the Rollout asks for it. One that is promoted
/// already is not aborted: there is nothing to go back to. Nor is a rollback within its window, which goes on whoever
/// aborts it: it would be aborted again and again.
pub(super) fn abort_at_deadline(turn: &mut Turn<'_>) {
    if !turn.rollout.spec.progress_deadline_abort
        || turn.is_aborted()
        || promotion::within_window(turn)
        || is_completed(&turn.next)
        || is_progressing(turn.rollout, &turn.next)
        || waits_on_purpose(turn)
        || waits_for_old_pods(turn)
        || !is_timed_out(turn, &turn.rollout.status)
    {
        return;
    }
    let message = timed_out(turn);
    turn.pauses.abort(message.clone());
    // A full promotion goes on whoever aborts it: with the deadline it ends.
    turn.next.promote_full = false;
    turn.warning("RolloutAborted", message);
}

fn timed_out(turn: &Turn<'_>) -> String {
    match turn.new_set() {
        Some(set) => format!(
            "ReplicaSet \"{}\" has timed out progressing.",
            set.metadata.name
        ),
        None => format!(
            "Rollout \"{}\" has timed out progressing.",
            turn.rollout.metadata.name
        ),
    }
}

/// Puts all conditions into the next status, which has everything else already.
pub(super) fn write(turn: &mut Turn<'_>) {
    let now = turn.time();
    let became_unhealthy = healthy(turn, now);
    if turn.is_aborted() {
        aborted(turn, now);
    } else {
        progressing(turn, now, became_unhealthy);
    }
    available(turn, now);
    replica_failure(turn);
    selector_overlap(turn, now);
    completed(turn, now);
}

/// True when it was healthy and is no longer.
fn healthy(turn: &mut Turn<'_>, now: Time) -> bool {
    let paused = !turn.next.pause_conditions.is_empty() || turn.rollout.spec.paused;
    let condition = if !paused && is_healthy(turn.rollout, &turn.next) {
        Condition::new("Healthy", "True", "RolloutHealthy").message("Rollout is healthy")
    } else if get(&turn.rollout.status, "Healthy").is_some() {
        Condition::new("Healthy", "False", "RolloutHealthy").message("Rollout is not healthy")
    } else {
        return false;
    };
    let unhealthy = condition.0.status == "False";
    set(&mut turn.next.conditions, condition.at(now)) && unhealthy
}

fn aborted(turn: &mut Turn<'_>, now: Time) {
    let mut message = format!("Rollout aborted update to revision {}", turn.revision());
    if !turn.pauses.abort_message.is_empty() {
        message = format!("{message}: {}", turn.pauses.abort_message);
    }
    let condition = Condition::new("Progressing", "False", "RolloutAborted")
        .message(message.clone())
        .at(now);
    if set(&mut turn.next.conditions, condition) {
        turn.warning("RolloutAborted", message);
    }
}

fn progressing(turn: &mut Turn<'_>, now: Time, became_unhealthy: bool) {
    let name = turn
        .new_set()
        .map_or_else(String::new, |set| set.metadata.name.clone());
    let before = get(&turn.rollout.status, "Progressing").cloned();
    let paused = !turn.next.pause_conditions.is_empty() || turn.rollout.spec.paused;
    // One that is paused before it is stable says so here, whatever its pods.
    let is_held = paused && !is_completed(&turn.next);
    if !is_held && is_healthy(turn.rollout, &turn.next) {
        let condition = Condition::new("Progressing", "True", "NewReplicaSetAvailable")
            .message(format!(
                "ReplicaSet \"{name}\" has successfully progressed."
            ))
            .at(now);
        set(&mut turn.next.conditions, condition);
    } else if is_progressing(turn.rollout, &turn.next) || became_unhealthy {
        let condition = if is_completed(&turn.next) && became_unhealthy {
            Condition::new("Progressing", "True", "ReplicaSetNotAvailable")
                .message("Rollout does not have minimum availability")
        } else {
            Condition::new("Progressing", "True", "ReplicaSetUpdated")
                .message(format!("ReplicaSet \"{name}\" is progressing."))
        };
        let mut condition = condition.at(now);
        // Each progress moves the time of the update, from which the deadline counts.
        if let Some(before) = before.filter(|before| before.status == "True") {
            condition.0.last_transition_time = before.last_transition_time;
        }
        remove(&mut turn.next.conditions, "Progressing");
        turn.next.conditions.push(condition.0);
    } else if !waits_on_purpose(turn) && !waits_for_old_pods(turn) && is_timed_out(turn, &turn.next)
    {
        let condition = Condition::new("Progressing", "False", "ProgressDeadlineExceeded")
            .message(timed_out(turn))
            .at(now);
        if set(&mut turn.next.conditions, condition) {
            tell_stuck(turn);
        }
    }
}

/// Says what did not get on, and where to look: the condition has the words that Argo's clients know.
fn tell_stuck(turn: &mut Turn<'_>) {
    let Some(set) = turn.new_set() else { return };
    let pods = set.pods();
    let images = set.spec.template.images().join(", ");
    let message = format!(
        "{} Of {} pods {} are available after {} s; their images are {images}. Look at them with `kubectl describe pods --namespace {} --selector {POD_TEMPLATE_HASH_LABEL}={}`.",
        timed_out(turn),
        pods.desired,
        pods.available,
        turn.rollout.spec.progress_deadline_seconds(),
        turn.rollout.metadata.namespace,
        set.hash(),
    );
    turn.warning("ProgressDeadlineExceeded", message);
}

fn available(turn: &mut Turn<'_>, now: Time) {
    let replicas = turn.replicas();
    let is_available = if turn.rollout.spec.strategy.blue_green.is_some() {
        let active = &turn.next.blue_green.active_selector;
        let mut sets = turn.sets.iter();
        sets.find(|set| !active.is_empty() && set.hash() == active)
            .is_some_and(|set| is_saturated(set, replicas))
    } else {
        turn.sum(|set| set.status.available_replicas) >= replicas
    };
    let condition = if is_available {
        Condition::new("Available", "True", "AvailableReason")
            .message("Rollout has minimum availability")
    } else {
        Condition::new("Available", "False", "AvailableReason")
            .message("Rollout does not have minimum availability")
    };
    set(&mut turn.next.conditions, condition.at(now));
}

/// Whether a ReplicaSet has all pods of the Rollout, and was meant to.
pub(super) fn is_saturated(set: &ReplicaSet, replicas: i32) -> bool {
    set.desired() == replicas
        && set.desired_annotation() == Some(replicas)
        && set.status.available_replicas == replicas
}

/// What keeps pods from being created, the new revision's first.
fn replica_failure(turn: &mut Turn<'_>) {
    let failure = turn
        .new_set()
        .into_iter()
        .chain(&turn.sets)
        .find_map(|set| {
            let mut conditions = set.status.conditions.iter();
            let failure = conditions.find(|condition| condition.kind == "ReplicaFailure")?;
            Some((set.metadata.name.clone(), failure.clone()))
        });
    let Some((name, failure)) = failure else {
        remove(&mut turn.next.conditions, "ReplicaFailure");
        return;
    };
    let condition = Condition(RolloutCondition {
        kind: failure.kind,
        status: failure.status,
        last_update_time: failure.last_transition_time,
        last_transition_time: failure.last_transition_time,
        reason: failure.reason.clone(),
        message: failure.message.clone(),
    });
    if set(&mut turn.next.conditions, condition) {
        let message = format!(
            "ReplicaSet \"{name}\" cannot create pods: {}. It goes on by itself once that is no longer so.",
            failure.message.trim_end_matches('.')
        );
        turn.warning(&failure.reason, message);
    }
}

/// Says when labels do not tell this Rollout's pods from another one's. Argo rolls such Rollouts out, and so they are
/// not refused.
fn selector_overlap(turn: &mut Turn<'_>, now: Time) {
    const KIND: &str = "SelectorOverlap";
    let rivals = turn.world.rivals.join(", ");
    if rivals.is_empty() {
        remove(&mut turn.next.conditions, KIND);
        return;
    }
    let message = format!(
        "spec.selector: it matches pods of other Rollouts, or theirs match its own: {rivals}; give each Rollout a label of its own"
    );
    let is_known = get(&turn.next, KIND).is_some_and(|known| known.message == message);
    if is_known {
        return;
    }
    remove(&mut turn.next.conditions, KIND);
    let condition = Condition::new(KIND, "True", KIND).message(message.clone());
    set(&mut turn.next.conditions, condition.at(now));
    turn.warning(KIND, message);
}

fn completed(turn: &mut Turn<'_>, now: Time) {
    let is_completed = is_completed(&turn.next);
    let status = if is_completed { "True" } else { "False" };
    let condition = Condition::new("Completed", status, "RolloutCompleted")
        .message("RolloutCompleted")
        .at(now);
    if set(&mut turn.next.conditions, condition) && !is_completed {
        let message = format!(
            "Rollout not completed, started update to revision {} ({})",
            turn.revision(),
            turn.next.current_pod_hash
        );
        turn.event("RolloutNotCompleted", message);
    }
}

/// Comes back when the deadline for progress is due.
pub(super) fn wake_at_deadline(turn: &mut Turn<'_>) {
    let status = &turn.rollout.status;
    let Some(condition) = get(&turn.next, "Progressing") else {
        return;
    };
    let paused = !turn.next.pause_conditions.is_empty() || turn.rollout.spec.paused;
    if is_healthy(turn.rollout, &turn.next)
        || condition.reason == "ProgressDeadlineExceeded"
        || paused
        || status.abort
        || waits_on_purpose(turn)
    {
        return;
    }
    let at = deadline(turn.rollout, condition.last_update_time).after(Duration::from_secs(1));
    // One that has passed waits for old pods, which have a time of their own.
    if at > turn.now {
        turn.wake(at);
    }
}

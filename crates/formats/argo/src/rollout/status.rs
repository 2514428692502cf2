//! The parts of the status that all strategies share.

use super::turn::Turn;
use super::write::Write;
use super::{conditions, duration, phase};
use crate::api::LabelSelector;

/// Counts, hash and what is carried over.
pub(super) fn base(turn: &mut Turn<'_>) {
    let before = &turn.rollout.status;
    let new = turn.new_set();
    let hash = new.map_or_else(String::new, |set| set.hash().to_owned());
    turn.next.conditions = before.conditions.clone();
    conditions::remove(&mut turn.next.conditions, "InvalidSpec");
    turn.next.current_pod_hash = hash;
    count_pods(turn);
    turn.next.collision_count = before.collision_count;
    turn.next.promote_full = before.promote_full;
}

/// How many pods there are, how many of them are of the revision that the status calls current, and how many are ready.
pub(super) fn count_pods(turn: &mut Turn<'_>) {
    let current = &turn.next.current_pod_hash;
    let current = turn.sets.iter().find(|set| set.hash() == current);
    turn.next.updated_replicas = current.map_or(0, |set| set.status.replicas);
    turn.next.replicas = turn.sum(|set| set.status.replicas);
    turn.next.ready_replicas = turn.sum(|set| set.status.ready_replicas);
}

/// A new update begins: nothing of the last one counts any more.
pub(super) fn reset(turn: &mut Turn<'_>) {
    turn.pauses.clear();
    turn.pauses.remove_abort();
    turn.next.restarted_at = turn.rollout.spec.restart_at;
    turn.next.promote_full = false;
    turn.next.blue_green = Default::default();
    turn.next.canary.current_step_analysis_run_status = None;
    turn.next.canary.current_background_analysis_run_status = None;
    turn.next.canary.step_plugin_statuses = Vec::new();
    turn.next.current_step_index = (turn.steps() > 0).then_some(0);
}

/// Whether the template is another one than when the status was written.
pub(super) fn is_new_template(turn: &Turn<'_>) -> bool {
    let noted = &turn.rollout.status.current_pod_hash;
    !noted.is_empty() && *noted != turn.new_hash()
}

/// The last part: pauses, conditions, phase and duration; then it is written, if anything changed.
pub(super) fn persist(turn: &mut Turn<'_>) {
    let rollout = turn.rollout;
    turn.next.observed_generation = rollout.metadata.generation.unwrap_or(0).to_string();
    turn.next.workload_observed_generation = match &turn.world.workload {
        Some(workload) => workload.generation.to_string(),
        None if rollout.spec.workload_ref.is_some() => {
            rollout.status.workload_observed_generation.clone()
        }
        None => String::new(),
    };
    conditions::abort_at_deadline(turn);
    let now = turn.time();
    let before = &rollout.status;
    turn.pauses.write(before, now, &mut turn.next);
    conditions::write(turn);
    let (phase, message) = phase::of(&rollout.spec, &turn.next);
    turn.next.phase = phase.to_owned();
    turn.next.message = message;
    duration::write(turn);
    if turn.next != *before {
        let next = turn.next.clone();
        turn.write(Write::Status(Box::new(next)));
        tell(turn);
    }
    duration::tell(turn);
    conditions::wake_at_deadline(turn);
}

/// Events about pauses.
fn tell(turn: &mut Turn<'_>) {
    let was_paused = !turn.rollout.status.pause_conditions.is_empty();
    let reason = turn
        .next
        .pause_conditions
        .first()
        .map(|pause| pause.reason.clone());
    match reason {
        Some(reason) if !was_paused => {
            turn.event("RolloutPaused", format!("Rollout is paused ({reason})"));
        }
        None if was_paused && turn.next.aborted_at.is_none() => {
            turn.event("RolloutResumed", "Rollout is resumed");
        }
        _ => {}
    }
}

/// A selector as text, as `kubectl` writes it and an API server reads it.
#[must_use]
pub fn selector_text(selector: &LabelSelector) -> String {
    let mut parts: Vec<String> = selector
        .match_labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    for expression in &selector.match_expressions {
        let key = &expression.key;
        let values = {
            let mut values = expression.values.clone();
            values.sort();
            values.join(",")
        };
        parts.push(match expression.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.clone(),
        });
    }
    parts.sort();
    parts.join(",")
}

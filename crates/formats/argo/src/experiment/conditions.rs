//! How an Experiment's state is told in its conditions.

use super::{Turn, phase};
use crate::api::{AnalysisPhase, ExperimentCondition, ExperimentStatus};

const PROGRESSING: &str = "Progressing";
const INVALID_SPEC: &str = "InvalidSpec";

/// Says that the Experiment makes no sense; all else stays as it is.
pub(super) fn refuse(turn: &mut Turn<'_>, problem: String) {
    let known = turn.status.conditions.iter();
    let mut same = known.filter(|one| one.kind == INVALID_SPEC && one.message == problem);
    if same.next().is_some() {
        return;
    }
    turn.status
        .conditions
        .retain(|one| one.kind != INVALID_SPEC);
    let condition = new(turn, INVALID_SPEC, "True", "InvalidSpec", problem);
    turn.status.conditions.push(condition);
}

/// Says whether it gets on, runs, or is done.
pub(super) fn update(turn: &mut Turn<'_>) {
    turn.status
        .conditions
        .retain(|one| one.kind != INVALID_SPEC);
    let experiment = turn.experiment();
    let name = &experiment.metadata.name;
    let ends_at = phase::ends_at(experiment, &experiment.status);
    let is_over = ends_at.is_some_and(|ends_at| ends_at <= turn.now);
    if turn.status.phase == AnalysisPhase::Successful {
        let message = format!("Experiment \"{name}\" has successfully ran and completed.");
        set(turn, "False", "ExperimentCompleted", message, false);
    } else if has_progressed(&experiment.status, &turn.status) {
        let message = format!("Experiment \"{name}\" is progressing.");
        set(turn, "True", "ReplicaSetUpdated", message, true);
    } else if experiment.status.available_at.is_some() && !is_over {
        let message = format!("Experiment \"{name}\" is running.");
        set(turn, "True", "NewReplicaSetAvailable", message, false);
    }
}

/// Whether any number of pods changed.
fn has_progressed(before: &ExperimentStatus, now: &ExperimentStatus) -> bool {
    before.template_statuses.len() < now.template_statuses.len()
        || before.template_statuses.iter().any(|old| {
            let new = now
                .template_statuses
                .iter()
                .find(|new| new.name == old.name);
            new.is_some_and(|new| {
                (old.replicas, old.ready_replicas, old.available_replicas)
                    != (new.replicas, new.ready_replicas, new.available_replicas)
            })
        })
}

/// Sets the condition on progress. One with the same status and reason stays, unless each time counts.
fn set(turn: &mut Turn<'_>, status: &str, reason: &str, message: String, each_time: bool) {
    let mut known = turn.status.conditions.iter();
    let before = known.find(|one| one.kind == PROGRESSING).cloned();
    let mut condition = new(turn, PROGRESSING, status, reason, message);
    if let Some(before) = before.filter(|before| before.status == condition.status) {
        if before.reason == condition.reason && !each_time {
            return;
        }
        condition.last_transition_time = before.last_transition_time;
    }
    turn.status.conditions.retain(|one| one.kind != PROGRESSING);
    turn.status.conditions.push(condition);
}

fn new(
    turn: &Turn<'_>,
    kind: &str,
    status: &str,
    reason: &str,
    message: String,
) -> ExperimentCondition {
    ExperimentCondition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        last_update_time: turn.time(),
        last_transition_time: turn.time(),
        reason: reason.to_owned(),
        message,
    }
}

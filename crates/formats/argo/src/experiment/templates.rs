//! The versions of an Experiment: their pods, and where each stands.

use super::world::{ExperimentWrite, Refusal, Refused};
use super::{Turn, phase, replica_sets, services};
use crate::api::{Experiment, ExperimentStatus, TemplateSpec, TemplateStatus};
use crate::event::Event;
use crate::rollout::ReplicaSet;
use sluice_model::time::Timestamp;

/// Seconds without progress that a version has, where the Experiment names none.
const DEFAULT_PROGRESS_DEADLINE_SECONDS: i32 = 600;
/// Seconds for which pods stay after the end, where the Experiment names none.
const DEFAULT_SCALE_DOWN_DELAY_SECONDS: i32 = 30;

/// Seconds without progress that a version has.
pub(super) fn progress_deadline_seconds(experiment: &Experiment) -> i32 {
    let written = experiment.spec.progress_deadline_seconds;
    written.unwrap_or(DEFAULT_PROGRESS_DEADLINE_SECONDS)
}

/// Where a version stands.
pub(super) fn status_of<'s>(
    status: &'s ExperimentStatus,
    name: &str,
) -> Option<&'s TemplateStatus> {
    status.template_statuses.iter().find(|one| one.name == name)
}

/// Whether nothing more comes for a version.
pub(super) fn is_completed(status: &TemplateStatus) -> bool {
    matches!(status.status.as_str(), "Successful" | "Failed" | "Error")
}

/// Pods that a version should have.
pub(super) fn desired(
    experiment: &Experiment,
    status: &ExperimentStatus,
    template: &TemplateSpec,
) -> i32 {
    let has_ended = status_of(status, &template.name).is_some_and(is_completed);
    if has_ended || phase::is_terminating(experiment, status) {
        return 0;
    }
    template.replicas.unwrap_or(1)
}

/// Creates, scales and judges one version.
pub(super) fn look_after(turn: &mut Turn<'_>, template: &TemplateSpec) {
    let experiment = turn.experiment();
    let before = status_of(&experiment.status, &template.name)
        .cloned()
        .unwrap_or_default();
    let mut status = TemplateStatus {
        name: template.name.clone(),
        ..before.clone()
    };
    let desired = desired(experiment, &experiment.status, template);
    let sets = turn.world.replica_sets.iter();
    let set = sets
        .filter(|set| replica_sets::template_name(set) == template.name)
        .min_by_key(|set| &set.metadata.name);
    match set {
        Some(set) => {
            services::look_after(turn, template, set, desired, &mut status);
            scale(turn, set, desired, &mut status);
        }
        None if desired > 0 => create(turn, template, &mut status),
        None => {}
    }
    count(turn, set, &mut status);
    if !is_completed(&status) {
        judge(turn, template, desired, &mut status);
    }
    if before.status != status.status {
        let mut message = format!(
            "Template '{}' transitioned from {} -> {}",
            template.name, before.status, status.status
        );
        if !status.message.is_empty() {
            message.push_str(": ");
            message.push_str(&status.message);
        }
        let is_bad = matches!(status.status.as_str(), "Failed" | "Error");
        turn.event(is_bad, format!("Template{}", status.status), message);
    }
    let statuses = &mut turn.status.template_statuses;
    match statuses.iter_mut().find(|one| one.name == template.name) {
        Some(one) => *one = status,
        None => statuses.push(status),
    }
}

fn create(turn: &mut Turn<'_>, template: &TemplateSpec, status: &mut TemplateStatus) {
    let experiment = turn.experiment();
    let name = replica_sets::replica_set_name(experiment, template);
    if turn.world.taken_replica_sets.contains(&name) {
        // Argo's controller tries for ever: another hash does not change the name.
        fail(
            status,
            format!(
                "Failed to create ReplicaSet for template '{}': '{name}' exists and is not this experiment's",
                template.name
            ),
        );
        return;
    }
    if turn
        .refusal(&template.name, &[Refused::CreateReplicaSet])
        .is_some()
    {
        return;
    }
    let hash = match replica_sets::hash(experiment, template, status.collision_count) {
        Ok(hash) => hash,
        Err(misfit) => {
            let (path, name) = (&misfit.path, &template.name);
            fail(
                status,
                format!("Failed to create ReplicaSet for template '{name}': {path}: {misfit}"),
            );
            return;
        }
    };
    let object = replica_sets::object(experiment, template, &hash);
    turn.write(ExperimentWrite::CreateReplicaSet {
        template: template.name.clone(),
        object,
    });
    let now = turn.time();
    status.last_transition_time.get_or_insert(now);
}

/// Brings the ReplicaSet to the number of pods. Down only after the delay.
fn scale(turn: &mut Turn<'_>, set: &ReplicaSet, desired: i32, status: &mut TemplateStatus) {
    if set.desired() == desired {
        return;
    }
    let template = replica_sets::template_name(set);
    if desired == 0 && is_delayed(turn, set) {
        return;
    }
    if turn
        .refusal(template, &[Refused::ScaleReplicaSet])
        .is_some()
    {
        return;
    }
    turn.write(ExperimentWrite::ScaleReplicaSet {
        template: template.to_owned(),
        name: set.metadata.name.clone(),
        from: set.desired(),
        to: desired,
    });
    let direction = if set.desired() < desired {
        "up"
    } else {
        "down"
    };
    turn.write(ExperimentWrite::Event(Event {
        warning: false,
        reason: "ScalingReplicaSet".to_owned(),
        message: format!(
            "Scaled {direction} ReplicaSet {} from {} to {desired}",
            set.metadata.name,
            set.desired()
        ),
    }));
    status.last_transition_time = Some(turn.time());
}

/// Whether pods stay for now; writes until when.
fn is_delayed(turn: &mut Turn<'_>, set: &ReplicaSet) -> bool {
    let written = turn.experiment().spec.scale_down_delay_seconds;
    let seconds = written.unwrap_or(DEFAULT_SCALE_DOWN_DELAY_SECONDS);
    if seconds <= 0 {
        if set.deadline().is_some() {
            turn.write(ExperimentWrite::SetDeadline {
                name: set.metadata.name.clone(),
                deadline: None,
            });
        }
        return false;
    }
    let deadline = set.deadline().unwrap_or_else(|| {
        let deadline = turn.time().0.shifted(i64::from(seconds) * 1_000);
        turn.write(ExperimentWrite::SetDeadline {
            name: set.metadata.name.clone(),
            deadline: Some(deadline),
        });
        deadline
    });
    if deadline <= turn.now {
        return false;
    }
    turn.wake(Some(deadline));
    true
}

/// The numbers of pods. Any change is progress.
fn count(turn: &Turn<'_>, set: Option<&ReplicaSet>, status: &mut TemplateStatus) {
    let numbers = |set: &ReplicaSet| {
        let status = &set.status;
        (
            status.replicas,
            status.ready_replicas,
            status.available_replicas,
        )
    };
    let (existing, ready, available) = set.map_or((0, 0, 0), numbers);
    let now = (existing, existing, ready, available);
    let before = (
        status.replicas,
        status.updated_replicas,
        status.ready_replicas,
        status.available_replicas,
    );
    if before != now {
        status.last_transition_time = Some(turn.time());
    }
    (
        status.replicas,
        status.updated_replicas,
        status.ready_replicas,
        status.available_replicas,
    ) = now;
}

fn judge(turn: &Turn<'_>, template: &TemplateSpec, desired: i32, status: &mut TemplateStatus) {
    let all = [
        Refused::CreateReplicaSet,
        Refused::ScaleReplicaSet,
        Refused::CreateService,
        Refused::DeleteService,
    ];
    if let Some(refusal) = turn.refusal(&template.name, &all) {
        fail(status, refused(template, refusal));
        return;
    }
    let experiment = turn.experiment();
    let is_available = desired == status.available_replicas;
    let code = if turn.is_terminating {
        "Successful"
    } else if is_available {
        let ends_at = phase::ends_at(experiment, &experiment.status);
        if ends_at.is_some_and(|ends_at| ends_at <= turn.now) {
            "Successful"
        } else {
            "Running"
        }
    } else if deadline(experiment, status).is_some_and(|deadline| deadline <= turn.now) {
        status.message = format!(
            "Template '{}' exceeded its progressDeadlineSeconds ({})",
            template.name,
            progress_deadline_seconds(experiment)
        );
        "Failed"
    } else {
        "Progressing"
    };
    code.clone_into(&mut status.status);
}

/// Until when a version has to get on.
pub(super) fn deadline(experiment: &Experiment, status: &TemplateStatus) -> Option<Timestamp> {
    let seconds = i64::from(progress_deadline_seconds(experiment));
    let since = status.last_transition_time?;
    Some(since.0.shifted(seconds.saturating_mul(1_000)))
}

fn refused(template: &TemplateSpec, refusal: &Refusal) -> String {
    let (name, cause) = (&template.name, &refusal.cause);
    match refusal.what {
        Refused::CreateReplicaSet => {
            format!("Failed to create ReplicaSet for template '{name}': {cause}")
        }
        Refused::ScaleReplicaSet => {
            format!("Unable to scale ReplicaSet for template '{name}': {cause}")
        }
        Refused::DeleteService => {
            format!("Failed to delete Service for template '{name}': {cause}")
        }
        _ => format!("Failed to create Service for template '{name}': {cause}"),
    }
}

fn fail(status: &mut TemplateStatus, message: String) {
    "Error".clone_into(&mut status.status);
    status.message = message;
}

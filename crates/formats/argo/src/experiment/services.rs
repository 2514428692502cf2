//! The Service of a version.

use super::world::{ExperimentWrite, Refused};
use super::{Turn, replica_sets};
use crate::api::{Experiment, TemplateSpec, TemplateStatus};
use crate::rollout::ReplicaSet;

/// The name of a version's Service: the one that it asks for, or that of its ReplicaSet.
#[must_use]
pub fn service_name(experiment: &Experiment, template: &TemplateSpec) -> String {
    match &template.service {
        Some(service) if !service.name.is_empty() => service.name.clone(),
        _ => replica_sets::replica_set_name(experiment, template),
    }
}

/// Sees that the Service is there while pods are wanted, and goes when none is available any more.
pub(super) fn look_after(
    turn: &mut Turn<'_>,
    template: &TemplateSpec,
    set: &ReplicaSet,
    desired: i32,
    status: &mut TemplateStatus,
) {
    let name = service_name(turn.experiment(), template);
    let is_wanted = template.service.is_some() && desired > 0;
    let may_stay = template.service.is_some() && set.status.available_replicas > 0;
    let services = turn.world.services.iter();
    let own: Vec<String> = services
        .filter(|service| service.template == template.name)
        .map(|service| service.name.clone())
        .collect();
    for other in &own {
        if *other != name || !(is_wanted || may_stay) {
            turn.write(ExperimentWrite::DeleteService {
                template: template.name.clone(),
                name: other.clone(),
            });
            status.service_name.clear();
            status.pod_template_hash.clear();
        }
    }
    if !is_wanted {
        return;
    }
    let is_there = own.contains(&name);
    if !is_there {
        let object = replica_sets::service(turn.experiment(), template, &set.metadata.labels);
        let Some(object) = object else { return };
        if turn
            .refusal(&template.name, &[Refused::CreateService])
            .is_some()
        {
            return;
        }
        turn.write(ExperimentWrite::CreateService {
            template: template.name.clone(),
            object,
        });
    }
    status.service_name = name;
    set.hash().clone_into(&mut status.pod_template_hash);
}

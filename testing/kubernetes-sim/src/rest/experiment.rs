//! An Experiment at rest: it has ended, and nothing of it is left.

use super::{Broken, is_owned_by};
use crate::world::World;
use serde_json::Value;
use sluice_argo::api::Experiment;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{REPLICA_SET, SERVICE};

pub(super) fn broken(world: &World, key: &Key, object: &Value) -> Option<Broken> {
    let experiment: Experiment = match serde_json::from_value(object.clone()) {
        Ok(experiment) => experiment,
        Err(cause) => return Some(("an Experiment stays readable", cause.to_string())),
    };
    let phase = &experiment.status.phase;
    if !phase.is_completed() {
        let seen = format!("{}: {}", phase.as_str(), experiment.status.message);
        return Some(("an Experiment ends", seen));
    }
    let is_good = phase.as_str() == "Successful";
    if !is_good && experiment.status.message.is_empty() {
        return Some((
            "an Experiment says why it failed",
            phase.as_str().to_owned(),
        ));
    }
    let uid = experiment.metadata.uid.as_str();
    let mut sets = world.store.of_kind(REPLICA_SET);
    let left = sets.find(|(set, object)| {
        set.namespace == key.namespace
            && is_owned_by(object, uid)
            && object["spec"]["replicas"].as_i64().unwrap_or(1) != 0
    });
    const PROMISE: &str = "an Experiment that has ended leaves nothing";
    if let Some((set, object)) = left {
        let seen = format!("{} has {} pods", set.name, object["spec"]["replicas"]);
        return Some((PROMISE, seen));
    }
    let mut services = world.store.of_kind(SERVICE);
    let service = services.find(|(_, object)| is_owned_by(object, uid))?;
    Some((PROMISE, format!("the Service {}", service.0.name)))
}

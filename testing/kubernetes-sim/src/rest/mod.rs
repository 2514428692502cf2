//! What must be when nothing goes wrong any more and nobody asks for anything: everything is where it is going
//! to stay, each status tells the truth, and says why.
//!
//! `rollout` is about one Rollout, `experiment` about one Experiment; those who are to be told of a Rollout are in
//! `recipients`.

mod experiment;
mod rollout;

use crate::recipients;
use crate::world::World;
use serde_json::Value;
use sluice_argo::api::Rollout;
use sluice_kubernetes::resource::EXPERIMENT;

/// A promise that is broken, and what was seen instead.
pub(crate) type Broken = (&'static str, String);

/// What is broken, if anything is.
pub(crate) fn broken(world: &World) -> Option<Broken> {
    let of_rollouts = world.apps.iter().find_map(|app| {
        let object = world.store.get(&app.rollout())?;
        let rollout: Rollout = match serde_json::from_value(object.clone()) {
            Ok(rollout) => rollout,
            Err(cause) => return Some(("a Rollout stays readable", cause.to_string())),
        };
        let (promise, seen) = rollout::broken(world, *app, &rollout)
            .or_else(|| recipients::untold(world, *app, object))?;
        Some((promise, format!("{}: {seen}", app.rollout())))
    });
    of_rollouts.or_else(|| {
        let mut experiments = world.store.of_kind(EXPERIMENT);
        experiments.find_map(|(key, object)| {
            let (promise, seen) = experiment::broken(world, key, object)?;
            Some((promise, format!("{key}: {seen}")))
        })
    })
}

fn is_owned_by(object: &Value, uid: &str) -> bool {
    object["metadata"]["ownerReferences"][0]["uid"] == uid
}

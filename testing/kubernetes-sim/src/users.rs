//! What users of the cluster ask for: as `kubectl` and its plugin write it.

use crate::cluster::{Image, Quality};
use crate::manifests::{key, pick, rollout_key, steps};
use crate::weather::Fault;
use crate::world::World;
use serde_json::{Value, json};
use sluice_argo::api::Time;
use sluice_kubernetes::resource::{ANALYSIS_TEMPLATE, Resource, SECRET, SERVICE};

/// Most images of a run.
const IMAGES_MAX: usize = 7;

/// A new image: mostly a good one.
pub(crate) fn new_image(world: &mut World) -> String {
    let number = world.cluster.images.len() + 1;
    let name = format!("web:{number}");
    let is_broken = number > 1 && world.chance(Fault::BrokenImages, 150);
    let low = world.random.i64(300..=6_000);
    let high = low + world.random.i64(0..=8_000);
    let quality = match world.random.u8(..100) {
        _ if number == 1 => Quality::Good,
        0..70 => Quality::Good,
        70..90 => Quality::Bad,
        _ => Quality::Vague,
    };
    let image = Image {
        ready_ms: (!is_broken).then_some((low, high)),
        quality,
    };
    world.cluster.images.insert(name.clone(), image);
    name
}

/// Somebody asks for something.
pub(crate) fn ask(world: &mut World) {
    let Some(rollout) = world.store.get(&rollout_key()).cloned() else {
        return;
    };
    let spec = |world: &mut World, patch: Value| {
        world.edit(&rollout_key(), None, json!({"spec": patch}));
    };
    let status = |world: &mut World, patch: Value| {
        world.edit(&rollout_key(), Some("status"), json!({"status": patch}));
    };
    let is_canary = rollout["spec"]["strategy"]["canary"].is_object();
    match world.random.u8(..100) {
        0..34 => update(world),
        34..50 => promote(world, &rollout),
        50..57 => status(world, json!({"promoteFull": true})),
        57..66 => status(world, json!({"abort": true})),
        66..74 => status(world, json!({"abort": false})),
        74..78 => spec(world, json!({"paused": true})),
        78..84 => spec(world, json!({"paused": false})),
        84..93 => {
            let replicas = world.random.i32(0..=9);
            spec(world, json!({"replicas": replicas}));
        }
        93..97 if is_canary => {
            let is_routed = rollout["spec"]["strategy"]["canary"]["trafficRouting"].is_object();
            let steps = steps(&mut world.random, is_routed);
            spec(world, json!({"strategy": {"canary": {"steps": steps}}}));
        }
        _ => {
            let now = crate::clock::now();
            spec(world, json!({"restartAt": Time(now).to_string()}));
        }
    }
}

/// Another image: a new one, or one that was there before.
pub(crate) fn update(world: &mut World) {
    let known: Vec<String> = world.cluster.images.keys().cloned().collect();
    let image = if known.len() < IMAGES_MAX && world.random.u8(..100) < 65 {
        new_image(world)
    } else {
        known[world.random.usize(..known.len())].clone()
    };
    let template = json!({"spec": {"containers": [{"name": "web", "image": image}]}});
    world.edit(
        &rollout_key(),
        None,
        json!({"spec": {"template": template}}),
    );
}

/// `kubectl argo rollouts promote`: a pause ends, or a step is skipped.
fn promote(world: &mut World, rollout: &Value) {
    let (spec, status) = (&rollout["spec"], &rollout["status"]);
    let pauses = status["pauseConditions"].as_array().map_or(0, Vec::len);
    if spec["paused"] == true {
        world.edit(&rollout_key(), None, json!({"spec": {"paused": false}}));
    }
    if pauses > 0 {
        let patch = json!({"status": {"pauseConditions": null}});
        return world.edit(&rollout_key(), Some("status"), patch);
    }
    let steps = spec["strategy"]["canary"]["steps"]
        .as_array()
        .map_or(0, Vec::len);
    let index = status["currentStepIndex"].as_u64().unwrap_or(0);
    if (index as usize) < steps {
        let patch = json!({"status": {"pauseConditions": null, "currentStepIndex": index + 1}});
        world.edit(&rollout_key(), Some("status"), patch);
    }
}

/// An object that was deleted by mistake, and comes back.
pub(crate) struct Missing {
    pub(crate) back_at: i64,
    resource: Resource,
    object: Value,
}

/// Deletes something that the Rollout names.
pub(crate) fn delete_something(world: &mut World, now_ms: i64) -> Option<Missing> {
    let (resource, name) = match world.random.u8(..8) {
        0 => (SERVICE, "active"),
        1 => (SERVICE, "preview"),
        2 => (SERVICE, "stable"),
        3 => (SERVICE, "canary"),
        4 => (SECRET, "metrics"),
        _ => (
            ANALYSIS_TEMPLATE,
            pick(&mut world.random, &["measured", "by-job", "with-secret"]),
        ),
    };
    let object = world.delete(&key(resource.clone(), name))?;
    let back_at = now_ms + world.random.i64(500..=40_000);
    Some(Missing {
        back_at,
        resource,
        object,
    })
}

impl Missing {
    /// It is created again, as somebody's manifest has it.
    pub(crate) fn restore(mut self, world: &mut World) {
        if let Some(selector) = self
            .object
            .pointer_mut("/spec/selector")
            .and_then(Value::as_object_mut)
        {
            selector.remove(sluice_argo::api::POD_TEMPLATE_HASH_LABEL);
        }
        if let Some(metadata) = self.object["metadata"].as_object_mut() {
            metadata.remove("annotations");
        }
        world.apply(&self.resource, crate::manifests::NAMESPACE, &self.object);
    }
}

//! What users of the cluster ask for: as `kubectl`, its plugin and an autoscaler write it.

use crate::app::App;
use crate::cluster::{Image, Quality};
use crate::manifests::{
    SERVICES, TEMPLATES, container, destination_rule, ingress, pick, steps, virtual_service,
};
use crate::weather::Fault;
use crate::world::World;
use serde_json::{Value, json};
use sluice_argo::api::Time;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{
    ANALYSIS_TEMPLATE, DEPLOYMENT, EXPERIMENT, Resource, SECRET, SERVICE,
};

/// Most images of an app.
const IMAGES_MAX: usize = 7;
/// The most and fewest pods that an autoscaler asks for.
const AUTOSCALED: (i64, i64) = (1, 9);

/// A new image of an app: mostly a good one.
pub(crate) fn new_image(world: &mut World, app: App) -> String {
    let number = images(world, app).len() + 1;
    let name = format!("{}:{number}", app.image());
    let is_broken = number > 1 && world.chance(Fault::BrokenImages, 150);
    let low = world.random.i64(300..=6_000);
    let high = low + world.random.i64(0..=8_000);
    let quality = match world.random.u8(..100) {
        _ if number == 1 => Quality::Good,
        0..68 => Quality::Good,
        68..86 => Quality::Bad,
        86..94 => Quality::Vague,
        _ => Quality::Silent,
    };
    let image = Image {
        ready_ms: (!is_broken).then_some((low, high)),
        quality,
    };
    world.cluster.images.insert(name.clone(), image);
    name
}

fn images(world: &World, app: App) -> Vec<String> {
    let prefix = format!("{}:", app.image());
    let all = world.cluster.images.keys();
    all.filter(|name| name.starts_with(&prefix))
        .cloned()
        .collect()
}

/// Somebody asks for something.
pub(crate) fn ask(world: &mut World) {
    let app = any_app(world);
    let Some(rollout) = world.store.get(&app.rollout()).cloned() else {
        return;
    };
    let spec = |world: &mut World, patch: Value| {
        world.edit(&app.rollout(), None, json!({"spec": patch}));
    };
    let status = |world: &mut World, patch: Value| {
        world.edit(&app.rollout(), Some("status"), json!({"status": patch}));
    };
    let canary = &rollout["spec"]["strategy"]["canary"];
    match world.random.u8(..100) {
        0..34 => update(world, app),
        34..50 => promote(world, app, &rollout),
        50..57 => status(world, json!({"promoteFull": true})),
        57..66 => status(world, json!({"abort": true})),
        66..74 => status(world, json!({"abort": false})),
        74..78 => spec(world, json!({"paused": true})),
        78..84 => spec(world, json!({"paused": false})),
        84..91 => {
            let replicas = world.random.i32(0..=9);
            spec(world, json!({"replicas": replicas}));
        }
        91..93 => end_experiment(world),
        93..97 if canary.is_object() => {
            let steps = steps(&mut world.random, canary);
            spec(world, json!({"strategy": {"canary": {"steps": steps}}}));
        }
        _ => {
            let now = crate::clock::now();
            spec(world, json!({"restartAt": Time(now).to_string()}));
        }
    }
}

/// One of the run's Rollouts.
pub(crate) fn any_app(world: &mut World) -> App {
    world.apps[world.random.usize(..world.apps.len())]
}

/// Another image: a new one, or one that was there before. Where the Rollout refers to a Deployment, it is that
/// one's.
pub(crate) fn update(world: &mut World, app: App) {
    let known = images(world, app);
    let image = if known.len() < IMAGES_MAX && world.random.u8(..100) < 65 {
        new_image(world, app)
    } else {
        known[world.random.usize(..known.len())].clone()
    };
    let rollout = world.store.get(&app.rollout());
    let has_workload = rollout.is_some_and(|rollout| !rollout["spec"]["workloadRef"].is_null());
    let key = if has_workload {
        app.workload()
    } else {
        app.rollout()
    };
    let template = json!({"spec": {"containers": [container(&image)]}});
    world.edit(&key, None, json!({"spec": {"template": template}}));
}

/// `kubectl argo rollouts promote`: a pause ends, or a step is skipped.
fn promote(world: &mut World, app: App, rollout: &Value) {
    let (spec, status) = (&rollout["spec"], &rollout["status"]);
    let pauses = status["pauseConditions"].as_array().map_or(0, Vec::len);
    if spec["paused"] == true {
        world.edit(&app.rollout(), None, json!({"spec": {"paused": false}}));
    }
    if pauses > 0 {
        let patch = json!({"status": {"pauseConditions": null}});
        return world.edit(&app.rollout(), Some("status"), patch);
    }
    let steps = spec["strategy"]["canary"]["steps"]
        .as_array()
        .map_or(0, Vec::len);
    let index = status["currentStepIndex"].as_u64().unwrap_or(0);
    if (index as usize) < steps {
        let patch = json!({"status": {"pauseConditions": null, "currentStepIndex": index + 1}});
        world.edit(&app.rollout(), Some("status"), patch);
    }
}

/// Somebody ends an Experiment, or deletes it.
fn end_experiment(world: &mut World) {
    let all = world.store.of_kind(EXPERIMENT);
    let own = all.filter(|(_, object)| object["metadata"]["ownerReferences"].is_null());
    let Some(key) = own.map(|(key, _)| key.clone()).next() else {
        return;
    };
    if world.random.bool() {
        world.edit(&key, None, json!({"spec": {"terminate": true}}));
    } else {
        world.delete(&key);
    }
}

/// An autoscaler looks at an app: it writes another number of pods by way of `/scale`, unless it counts none.
pub(crate) fn autoscale(world: &mut World, app: App) {
    let Some(rollout) = world.store.get(&app.rollout()) else {
        return;
    };
    let counted = rollout["status"]["HPAReplicas"].as_i64().unwrap_or(0);
    let present = rollout["spec"]["replicas"].as_i64().unwrap_or(1);
    if counted == 0 || present == 0 || world.random.bool() {
        return;
    }
    let wanted = (counted + world.random.i64(-2..=2)).clamp(AUTOSCALED.0, AUTOSCALED.1);
    let patch = json!({"spec": {"replicas": wanted}});
    world.edit(&app.rollout(), Some("scale"), patch);
}

/// An object that was deleted by mistake, and comes back.
pub(crate) struct Missing {
    pub(crate) back_at: i64,
    key: Key,
    /// What it is made of then, where its manifest is not what it was last.
    last: Option<Value>,
}

/// Deletes something that a Rollout names.
pub(crate) fn delete_something(world: &mut World, now_ms: i64) -> Option<Missing> {
    let app = any_app(world);
    let (resource, name): (Resource, String) = match world.random.u8(..10) {
        0..3 => (SERVICE, app.named(pick(&mut world.random, &SERVICES))),
        3 => (DEPLOYMENT, app.workload().name),
        4 => (SECRET, "metrics".to_owned()),
        5 => (virtual_service(), app.name.to_owned()),
        6 => (ingress(), app.name.to_owned()),
        7 => (destination_rule(), app.name.to_owned()),
        _ => {
            let name = pick(&mut world.random, &TEMPLATES);
            (ANALYSIS_TEMPLATE, name.to_owned())
        }
    };
    let key = app.key(resource, &name);
    let mut deleted = world.delete(&key)?;
    let back_at = now_ms + world.random.i64(500..=40_000);
    let last = (key.resource == DEPLOYMENT).then(|| {
        deleted["metadata"] = json!({"name": key.name});
        deleted
    });
    Some(Missing { back_at, key, last })
}

impl Missing {
    /// It is created again, as somebody's manifest has it.
    pub(crate) fn restore(self, world: &mut World) {
        let manifest = world.manifests.get(&self.key).cloned();
        if let Some(object) = self.last.or(manifest) {
            world.apply(&self.key, &object);
        }
    }
}

//! The objects that a run begins with: Rollouts with strategies that chance chose, and what they name.

mod analysis;
mod experiments;
mod routers;
mod strategy;

use crate::app::{APPS, App};
use crate::recipients;
use fastrand::Rng;
use serde_json::{Value, json};
use sluice_argo::api::API_VERSION;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{
    ANALYSIS_TEMPLATE, DEPLOYMENT, EXPERIMENT, ROLLOUT, Resource, SECRET, SERVICE,
};

pub(crate) use analysis::{TEMPLATES, metric_of};
pub(crate) use routers::{Destination, destination_rule, ingress, split, virtual_service};
pub(crate) use strategy::steps;

/// The roles of an app's Services.
pub(crate) const SERVICES: [&str; 6] = ["active", "preview", "stable", "canary", "ping", "pong"];
/// The label that an app's pods have, whoever else has it too.
const LABEL: &str = "app";

/// What is drawn for a run.
pub(crate) struct Manifests {
    pub(crate) apps: Vec<App>,
    /// Apps whose number of pods an autoscaler chooses.
    pub(crate) autoscaled: Vec<App>,
    /// All objects, in the order in which they are created.
    pub(crate) objects: Vec<(Key, Value)>,
}

impl Manifests {
    fn add(&mut self, app: App, resource: Resource, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.objects.push((app.key(resource, name), object));
    }

    /// Somebody is notified of all Rollouts.
    pub(crate) fn notify(&mut self) {
        for (key, object) in &mut self.objects {
            if key.resource == ROLLOUT {
                recipients::subscribe(object);
            }
        }
        self.objects.splice(..0, recipients::configuration());
    }
}

/// Draws the Rollouts of a run with what they name.
pub(crate) fn draw(random: &mut Rng) -> Manifests {
    let count = pick(random, &[1, 1, 2, 2, 3]);
    // Two Rollouts whose selectors match each other's pods.
    let shares_label = random.u8(..100) < 30;
    let mut drawn = Manifests {
        apps: APPS[..count].to_vec(),
        autoscaled: Vec::new(),
        objects: Vec::new(),
    };
    for app in APPS.into_iter().take(count) {
        let is_first = !drawn
            .objects
            .iter()
            .any(|(key, _)| key.namespace == app.namespace);
        if is_first {
            drawn.add(app, SECRET, secret());
            for name in TEMPLATES {
                drawn.add(app, ANALYSIS_TEMPLATE, analysis::template(random, name));
            }
        }
        let label = if shares_label { "shared" } else { app.name };
        add_app(random, &mut drawn, app, label);
    }
    if random.u8(..100) < 25 {
        drawn.add(APPS[0], EXPERIMENT, experiments::standalone(random));
    }
    drawn
}

fn add_app(random: &mut Rng, drawn: &mut Manifests, app: App, label: &str) {
    for role in SERVICES {
        drawn.add(app, SERVICE, service(&app.named(role), label));
    }
    let strategy = strategy::draw(random, app);
    for (resource, object) in routers::objects(app, &strategy) {
        drawn.add(app, resource, object);
    }
    let mut spec = json!({
        "replicas": random.i32(1..=8),
        "minReadySeconds": pick(random, &[0, 0, 2, 8]),
        "revisionHistoryLimit": random.i32(0..=3),
        "progressDeadlineSeconds": pick(random, &[45, 90, 150]),
        "progressDeadlineAbort": random.u8(..100) < 40,
        "strategy": strategy,
    });
    if random.u8(..100) < 20 {
        spec["rollbackWindow"] = json!({"revisions": random.i32(1..=2)});
    }
    let (selector, template) = pods(app, label);
    if random.u8(..100) < 15 {
        let scale_down = pick(random, &["never", "onsuccess", "progressively"]);
        spec["workloadRef"] = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": app.workload().name,
            "scaleDown": scale_down,
        });
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": app.workload().name},
            "spec": {"replicas": spec["replicas"], "selector": selector, "template": template},
        });
        drawn.add(app, DEPLOYMENT, object);
    } else {
        spec["selector"] = selector;
        spec["template"] = template;
    }
    if random.u8(..100) < 20 {
        drawn.autoscaled.push(app);
    }
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "metadata": {"name": app.name, "annotations": {"owner": "ada"}},
        "spec": spec,
    });
    drawn.add(app, ROLLOUT, object);
}

/// Selector and template of an app's pods.
pub(crate) fn pods(app: App, label: &str) -> (Value, Value) {
    let image = format!("{}:1", app.image());
    let selector = json!({"matchLabels": {LABEL: label}});
    let template = json!({
        "metadata": {"labels": {LABEL: label}},
        "spec": {"containers": [container(&image)]},
    });
    (selector, template)
}

/// A pod's container with an image.
pub(crate) fn container(image: &str) -> Value {
    json!({"name": "main", "image": image, "ports": [{"containerPort": 8080}]})
}

pub(crate) fn pick<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

pub(crate) fn service(name: &str, label: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {LABEL: label}, "ports": [{"port": 80}]},
    })
}

pub(crate) fn secret() -> Value {
    // "token", as a Secret has it.
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "metrics"},
        "data": {"token": "dG9rZW4="},
    })
}

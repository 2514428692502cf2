//! The ReplicaSets of an Experiment as objects.

use super::services;
use super::world::{EXPERIMENT_NAME, TEMPLATE_NAME};
use crate::api::{API_VERSION, Experiment, POD_TEMPLATE_HASH_LABEL, TemplateSpec};
use crate::rollout::ReplicaSet;
use crate::template::{Misfit, template_hash};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The name of a version's ReplicaSet.
#[must_use]
pub fn replica_set_name(experiment: &Experiment, template: &TemplateSpec) -> String {
    format!("{}-{}", experiment.metadata.name, template.name)
}

/// The version that a ReplicaSet is for; empty when nothing says so.
pub(super) fn template_name(set: &ReplicaSet) -> &str {
    let name = set.metadata.annotations.get(TEMPLATE_NAME);
    name.map_or("", String::as_str)
}

/// The annotations by which an object is found again.
pub(super) fn annotations(experiment: &Experiment, template: &TemplateSpec) -> Value {
    json!({
        EXPERIMENT_NAME: experiment.metadata.name,
        TEMPLATE_NAME: template.name,
    })
}

/// The reference to the Experiment as the owner.
pub(super) fn owner(experiment: &Experiment) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "Experiment",
        "name": experiment.metadata.name,
        "uid": experiment.metadata.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// The hash for a version's pods. It is theirs alone: pods like those of a Rollout's revision, or of another
/// version, with its hash would get that one's requests (Argo's issue 380).
pub(super) fn hash(
    experiment: &Experiment,
    template: &TemplateSpec,
    collisions: Option<i32>,
) -> Result<String, Misfit> {
    let mut told_apart = template.template.clone();
    let metadata = object_in(&mut told_apart.0, "metadata");
    let place = format!("{}/{}", experiment.metadata.uid, template.name);
    object_in(metadata, "annotations").insert(TEMPLATE_NAME.to_owned(), json!(place));
    template_hash(&told_apart, collisions)
}

/// The object in a field; whatever else is there gives way to an empty one.
fn object_in<'m>(map: &'m mut Map<String, Value>, field: &str) -> &'m mut Map<String, Value> {
    let value = map.entry(field).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was just made one")
}

/// A version's ReplicaSet, with no pods yet: it gets them when it is there, and its Service with it.
pub(super) fn object(experiment: &Experiment, template: &TemplateSpec, hash: &str) -> Value {
    let mut labels: BTreeMap<String, String> = template.template.labels();
    labels.insert(POD_TEMPLATE_HASH_LABEL.to_owned(), hash.to_owned());
    let mut selector = template.selector.clone().unwrap_or_default();
    selector
        .match_labels
        .insert(POD_TEMPLATE_HASH_LABEL.to_owned(), hash.to_owned());
    let mut pods = template.template.0.clone();
    object_in(&mut pods, "metadata").insert("labels".to_owned(), json!(labels));
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": replica_set_name(experiment, template),
            "namespace": experiment.metadata.namespace,
            "labels": labels,
            "annotations": annotations(experiment, template),
            "ownerReferences": [owner(experiment)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": template.min_ready_seconds,
            "selector": selector,
            "template": pods,
        },
    })
}

/// A version's Service, which leads to the pods of its ReplicaSet; `None` when these have no ports.
pub(super) fn service(
    experiment: &Experiment,
    template: &TemplateSpec,
    labels: &BTreeMap<String, String>,
) -> Option<Value> {
    let ports = ports(template);
    if ports.is_empty() {
        return None;
    }
    Some(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": services::service_name(experiment, template),
            "namespace": experiment.metadata.namespace,
            "annotations": annotations(experiment, template),
            "ownerReferences": [owner(experiment)],
        },
        "spec": {"selector": labels, "ports": ports},
    }))
}

/// The ports of all containers.
fn ports(template: &TemplateSpec) -> Vec<Value> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let containers = list(
        template
            .template
            .spec()
            .and_then(|spec| spec.get("containers")),
    );
    containers
        .iter()
        .flat_map(|container| list(container.get("ports")))
        .filter_map(|port| {
            let number = port.get("containerPort")?.clone();
            let mut wanted = json!({"port": number, "targetPort": number});
            for field in ["protocol", "name"] {
                if let Some(value) = port.get(field).filter(|value| !value.is_null()) {
                    wanted[field] = value.clone();
                }
            }
            Some(wanted)
        })
        .collect()
}

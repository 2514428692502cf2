//! What a controller adds to a ReplicaSet's template, and how it is taken away again: labels and
//! annotations of a role (canary, stable, preview, active), and the rule that keeps revisions apart.

use crate::api::{POD_TEMPLATE_HASH_LABEL, PodTemplate, PodTemplateMetadata};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Metadata with a role's labels and annotations: `wanted` is added, and what `existing` added before
/// and is wanted no more goes. What others added stays.
///
/// Returns labels and annotations.
#[must_use]
pub fn sync_metadata(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    existing: &PodTemplateMetadata,
    wanted: &PodTemplateMetadata,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let sync = |current: &BTreeMap<String, String>,
                existing: &BTreeMap<String, String>,
                wanted: &BTreeMap<String, String>| {
        let mut synced = current.clone();
        synced.retain(|key, _| !existing.contains_key(key) || wanted.contains_key(key));
        synced.extend(wanted.clone());
        synced
    };
    (
        sync(labels, &existing.labels, &wanted.labels),
        sync(annotations, &existing.annotations, &wanted.annotations),
    )
}

/// The template without the labels and annotations that its role added.
#[must_use]
pub fn without_ephemeral(template: &PodTemplate, existing: &PodTemplateMetadata) -> PodTemplate {
    let (labels, annotations) = sync_metadata(
        &template.labels(),
        &template.annotations(),
        existing,
        &PodTemplateMetadata::default(),
    );
    let mut object = template.0.clone();
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    metadata["labels"] = Value::from_iter(labels);
    metadata["annotations"] = Value::from_iter(annotations);
    PodTemplate(object)
}

/// The template without the rules that keep its pods away from another revision's. Only a controller
/// writes rules about the hash label, and so all of them go, whatever the strategy says today.
#[must_use]
pub fn without_anti_affinity(template: &PodTemplate) -> PodTemplate {
    let mut object = Value::Object(template.0.clone());
    let rules = object.pointer_mut("/spec/affinity/podAntiAffinity");
    if let Some(Value::Object(rules)) = rules {
        for list in rules.values_mut().filter_map(Value::as_array_mut) {
            list.retain(|rule| !is_about_hash(rule.get("podAffinityTerm").unwrap_or(rule)));
        }
    }
    match object {
        Value::Object(object) => PodTemplate(object),
        _ => unreachable!("it was made from an object"),
    }
}

fn is_about_hash(term: &Value) -> bool {
    term.pointer("/labelSelector/matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|expression| {
            expression.get("key").and_then(Value::as_str) == Some(POD_TEMPLATE_HASH_LABEL)
        })
}

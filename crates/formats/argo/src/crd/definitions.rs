//! Kubernetes' own definitions of a pod template and of a Job's spec.
//!
//! The data are those of Kubernetes v1.34 (`api/openapi-spec/v3`, Apache-2.0) without descriptions, so
//! that a definition stays small enough for a plain `kubectl apply`. `cargo xtask generate
//! kubernetes-definitions` makes them anew and names where they differ: amounts of resources may be
//! written as fractions, and a volume keeps fields that are not known yet.

use serde_json::{Map, Value};

const TEXT: &str = include_str!("kubernetes-1.34.json");

/// The definitions by name.
pub(super) fn all() -> Map<String, Value> {
    serde_json::from_str(TEXT).expect("the checked-in definitions are JSON")
}

/// Puts each definition in the place of the references to it, from `value` down.
pub(super) fn resolve(value: &mut Value, definitions: &Map<String, Value>) {
    let named = ["$ref", "x-definition"]
        .iter()
        .find_map(|key| value.get(key)?.as_str())
        .and_then(|name| definitions.get(name));
    if let Some(definition) = named {
        let description = value.get("description").cloned();
        *value = definition.clone();
        if let Some(description) = description {
            value["description"] = description;
        }
    }
    match value {
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| resolve(field, definitions)),
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, definitions)),
        _ => {}
    }
}

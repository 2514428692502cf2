//! Arguments whose values come from a Rollout.

use super::ArgumentError;
use crate::api::{AnalysisRunArgument, Argument, Rollout};
use crate::condition::go_float;
use serde_json::Value;
use std::collections::BTreeMap;

/// The arguments with their values: written out, the hash of a ReplicaSet, or a field of the Rollout.
///
/// # Errors
/// When a field's path leads nowhere, or to something that is no single value.
pub fn rollout_arguments(
    arguments: &[AnalysisRunArgument],
    stable_hash: &str,
    latest_hash: &str,
    rollout: &Rollout,
) -> Result<Vec<Argument>, ArgumentError> {
    arguments
        .iter()
        .map(|argument| {
            let from = argument.value_from.as_ref();
            let hash = from.and_then(|from| from.pod_template_hash_value.as_deref());
            let field = from.and_then(|from| from.field_ref.as_ref());
            let value = match (hash, field) {
                (Some("Stable"), _) => stable_hash.to_owned(),
                (Some("Latest"), _) => latest_hash.to_owned(),
                (None, Some(field)) => field_value(rollout, &field.field_path)?,
                _ => argument.value.clone(),
            };
            Ok(Argument {
                name: argument.name.clone(),
                value: Some(value),
                value_from: None,
            })
        })
        .collect()
}

fn field_value(rollout: &Rollout, path: &str) -> Result<String, ArgumentError> {
    if path.starts_with("metadata") {
        return metadata_value(rollout, path);
    }
    let nowhere = || ArgumentError(format!("invalid path {path} in rollout"));
    let tree = serde_json::to_value(rollout).map_err(|_| nowhere())?;
    let mut found = &tree;
    for section in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        found = match found {
            Value::Array(items) => {
                let index: usize = section
                    .parse()
                    .map_err(|_| ArgumentError(format!("invalid index '{section}'")))?;
                items
                    .get(index)
                    .ok_or_else(|| ArgumentError(format!("index {index} out of range")))?
            }
            Value::Object(fields) => fields.get(section).unwrap_or(&Value::Null),
            _ => return Err(nowhere()),
        };
    }
    match found {
        Value::Null => Err(nowhere()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Number(number) => Ok(number.as_f64().map_or(number.to_string(), go_float)),
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) | Value::Object(_) => Err(ArgumentError(format!(
            "path {path} in rollout must terminate in a primitive value"
        ))),
    }
}

/// A field of the metadata, as Kubernetes' downward API names them: `metadata.labels['region']`.
fn metadata_value(rollout: &Rollout, path: &str) -> Result<String, ArgumentError> {
    let metadata = &rollout.metadata;
    let keyed = |field: &str| {
        path.strip_prefix(field)?
            .strip_prefix("['")?
            .strip_suffix("']")
            .map(str::to_owned)
    };
    let of = |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_default();
    if let Some(key) = keyed("metadata.labels") {
        return Ok(of(&metadata.labels, &key));
    }
    if let Some(key) = keyed("metadata.annotations") {
        return Ok(of(&metadata.annotations, &key));
    }
    match path {
        "metadata.name" => Ok(metadata.name.clone()),
        "metadata.namespace" => Ok(metadata.namespace.clone()),
        "metadata.uid" => Ok(metadata.uid.clone()),
        "metadata.labels" => Ok(listed(&metadata.labels)),
        "metadata.annotations" => Ok(listed(&metadata.annotations)),
        _ => Err(ArgumentError(format!("unsupported fieldPath: {path}"))),
    }
}

/// All entries, one a line, as the downward API writes them.
fn listed(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}

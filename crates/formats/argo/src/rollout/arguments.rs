//! Values that a Rollout passes to the arguments of its analyses.

use super::turn::Turn;
use crate::api::{AnalysisRunArgument, Argument, Rollout};
use serde_json::{Value, json};

/// The arguments with their values: given, a revision's hash, or a field of the Rollout.
pub(super) fn resolve(
    turn: &Turn<'_>,
    arguments: &[AnalysisRunArgument],
) -> Result<Vec<Argument>, String> {
    let hash =
        |set: Option<&super::ReplicaSet>| set.map_or_else(String::new, |set| set.hash().to_owned());
    resolve_for(
        turn.rollout,
        &hash(turn.stable_set()),
        &hash(turn.new_set()),
        arguments,
    )
}

/// As [`resolve`], for given hashes.
///
/// # Errors
/// A sentence that names the argument and the field that does not exist.
pub fn resolve_for(
    rollout: &Rollout,
    stable_hash: &str,
    latest_hash: &str,
    arguments: &[AnalysisRunArgument],
) -> Result<Vec<Argument>, String> {
    let object = json!(rollout);
    arguments
        .iter()
        .map(|argument| {
            let from = argument.value_from.as_ref();
            let value = match from.and_then(|from| from.pod_template_hash_value.as_deref()) {
                Some("Stable") => stable_hash.to_owned(),
                Some("Latest") => latest_hash.to_owned(),
                _ => match from.and_then(|from| from.field_ref.as_ref()) {
                    Some(field) => field_of(&object, &field.field_path)
                        .map_err(|cause| format!("argument `{}`: {cause}", argument.name))?,
                    None => argument.value.clone(),
                },
            };
            Ok(Argument {
                name: argument.name.clone(),
                value: Some(value),
                value_from: None,
            })
        })
        .collect()
}

/// A field of an object by its path, as `metadata.labels['region']` or `spec.template.spec.containers[0].image`.
fn field_of(object: &Value, path: &str) -> Result<String, String> {
    let missing = || {
        format!(
            "the Rollout has no field `{path}`; write a path such as `metadata.labels['region']`"
        )
    };
    let mut value = object;
    for part in parts(path) {
        value = match part.parse::<usize>() {
            Ok(index) if value.is_array() => value.get(index),
            _ => value.get(part),
        }
        .ok_or_else(missing)?;
    }
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Null => return Err(missing()),
        other => other.to_string(),
    })
}

fn parts(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for outer in path.split('[') {
        match outer.split_once(']') {
            Some((inner, rest)) => {
                parts.push(inner.trim_matches(['\'', '"']));
                parts.extend(rest.split('.').filter(|part| !part.is_empty()));
            }
            None => parts.extend(outer.split('.').filter(|part| !part.is_empty())),
        }
    }
    parts
}

//! A metric with its arguments' values.

use super::secret::Secrets;
use super::{ArgumentError, fill};
use crate::api::{Argument, Metric};
use serde_json::Value;
use std::collections::BTreeMap;

/// Stands for a secret where only the rules of a metric are looked at.
const SECRET_STAND_IN: &str = "temp-for-secret";

/// What is put in place of an argument that is a secret.
#[derive(Clone, Copy, Debug)]
pub enum Resolution<'a> {
    /// A word of no meaning: to judge a metric's rules, without its secrets.
    WithoutSecrets,
    /// Its value: to measure. What comes of it is not to be kept.
    WithSecrets(&'a Secrets),
}

/// The metrics with the arguments' values in all of their texts.
///
/// # Errors
/// When an argument has no value, used or not; when a text names one that is not there; when a value makes
/// a metric unreadable.
pub fn resolve_metrics(
    metrics: &[Metric],
    arguments: &[Argument],
    resolution: Resolution<'_>,
) -> Result<Vec<Metric>, ArgumentError> {
    let values = values(arguments, resolution)?;
    metrics
        .iter()
        .map(|metric| {
            let mut tree =
                serde_json::to_value(metric).map_err(|error| unreadable(&metric.name, &error))?;
            fill_tree(&mut tree, &values)?;
            serde_json::from_value(tree).map_err(|error| unreadable(&metric.name, &error))
        })
        .collect()
}

fn unreadable(name: &str, error: &serde_json::Error) -> ArgumentError {
    ArgumentError(format!("metric `{name}` with its arguments: {error}"))
}

fn values(
    arguments: &[Argument],
    resolution: Resolution<'_>,
) -> Result<BTreeMap<String, String>, ArgumentError> {
    let mut values = BTreeMap::new();
    for argument in arguments {
        let reference = argument
            .value_from
            .as_ref()
            .and_then(|from| from.secret_key_ref.as_ref());
        let value = match (reference, resolution, &argument.value) {
            (Some(_), Resolution::WithoutSecrets, _) => SECRET_STAND_IN.to_owned(),
            (Some(reference), Resolution::WithSecrets(secrets), _) => {
                secrets.value(reference).map_err(ArgumentError)?.to_owned()
            }
            (None, _, Some(value)) => value.clone(),
            (None, _, None) => {
                return Err(ArgumentError(format!(
                    "argument \"{}\" was not supplied",
                    argument.name
                )));
            }
        };
        values.insert(format!("args.{}", argument.name), value);
    }
    Ok(values)
}

/// Fills every text of a JSON value, the names of fields included.
fn fill_tree(tree: &mut Value, values: &BTreeMap<String, String>) -> Result<(), ArgumentError> {
    match tree {
        Value::String(text) => *text = fill(text, values)?,
        Value::Array(items) => {
            for item in items {
                fill_tree(item, values)?;
            }
        }
        Value::Object(fields) => {
            for (name, mut value) in std::mem::take(fields) {
                fill_tree(&mut value, values)?;
                fields.insert(fill(&name, values)?, value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

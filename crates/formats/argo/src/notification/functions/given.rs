//! What functions are given, read as sprig reads it, and what they give.

use gtmpl_ng::{FuncError, NumberKind, Value};
use std::collections::BTreeMap;

/// What a function gives.
pub(super) type Given = Result<Value, FuncError>;

/// A value of an object as templates have it: whole numbers stay whole.
pub(in crate::notification) fn value_of(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, broken) => broken.unwrap_or(f64::NAN).into(),
        },
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(value_of).collect()),
        serde_json::Value::Object(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), value_of(value)))
                .collect(),
        ),
    }
}

pub(super) fn wrong(cause: impl Into<String>) -> FuncError {
    FuncError::Generic(cause.into())
}

pub(super) fn at(given: &[Value], place: usize) -> Result<&Value, FuncError> {
    given.get(place).ok_or_else(|| {
        wrong(format!(
            "an argument is missing: there are only {}",
            given.len()
        ))
    })
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Nil | Value::NoValue => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn int(value: &Value) -> i64 {
    match value {
        Value::Bool(truth) => i64::from(*truth),
        Value::String(text) => text.trim().parse().unwrap_or(0),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole,
            None => number.as_f64().unwrap_or(0.0) as i64,
        },
        _ => 0,
    }
}

pub(super) fn float(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.trim().parse().unwrap_or(0.0),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole as f64,
            None => number.as_f64().unwrap_or(0.0),
        },
        other => int(other) as f64,
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Nil | Value::NoValue => true,
        Value::Bool(truth) => !truth,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Map(entries) | Value::Object(entries) => entries.is_empty(),
        Value::Number(_) => float(value) == 0.0,
        Value::Function(_) => false,
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil | Value::NoValue => "invalid",
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Map(_) | Value::Object(_) => "map",
        Value::Function(_) => "func",
        Value::Number(number) => match number.kind() {
            NumberKind::Float(_) => "float64",
            _ => "int64",
        },
    }
}

pub(super) fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil | Value::NoValue | Value::Function(_) => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Map(entries) | Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), json(value)))
            .collect(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().into(),
        },
    }
}

pub(super) fn array<'a>(name: &str, given: &'a [Value]) -> Result<&'a [Value], FuncError> {
    match at(given, 0)? {
        Value::Array(items) => Ok(items),
        other => Err(wrong(format!("{name} takes a list, not {}", kind(other)))),
    }
}

/// The entries of a map, by their keys.
pub(super) fn entries<'a>(
    name: &str,
    given: &'a [Value],
) -> Result<BTreeMap<&'a str, &'a Value>, FuncError> {
    match at(given, 0)? {
        Value::Map(entries) | Value::Object(entries) => Ok(entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .collect()),
        other => Err(wrong(format!("{name} takes a map, not {}", kind(other)))),
    }
}

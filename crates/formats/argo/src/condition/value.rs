//! What a measurement yields, and what an expression computes with.

use serde_json::Number;
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// A value of an expression. Whole and broken numbers are told apart, as in Go: `result` from JSON or from
/// Prometheus has broken ones only.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number; arithmetic wraps around.
    Int(i64),
    /// A number, NaN and infinities included.
    Float(f64),
    /// A text.
    Text(Arc<str>),
    /// A list.
    Array(Arc<[Value]>),
    /// A map from texts.
    Map(Arc<BTreeMap<String, Value>>),
    /// A moment.
    Time(Timestamp),
    /// A span in nanoseconds.
    Duration(i64),
}

impl Value {
    /// The word for the value's type in messages, as `type()` says it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "string",
            Value::Array(_) => "array",
            Value::Map(_) => "map",
            Value::Time(_) => "time",
            Value::Duration(_) => "duration",
        }
    }

    /// Whether a provider returned no data: nothing, or an empty list.
    #[must_use]
    pub fn is_nil_or_empty(&self) -> bool {
        match self {
            Value::Nil => true,
            Value::Array(items) => items.is_empty(),
            _ => false,
        }
    }

    /// How far the value is nested: 0 for a number.
    pub(super) fn height(&self) -> usize {
        match self {
            Value::Array(items) => 1 + items.iter().map(Value::height).max().unwrap_or(0),
            Value::Map(entries) => 1 + entries.values().map(Value::height).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// How many values this one holds, itself included.
    pub(super) fn size(&self) -> u64 {
        match self {
            Value::Array(items) => 1 + items.iter().map(Value::size).sum::<u64>(),
            Value::Map(entries) => 1 + entries.values().map(Value::size).sum::<u64>(),
            Value::Text(text) => 1 + text.len() as u64 / 16,
            _ => 1,
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<Vec<f64>> for Value {
    /// A vector of samples.
    fn from(numbers: Vec<f64>) -> Self {
        Value::Array(numbers.into_iter().map(Value::Float).collect())
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Value::Array(items.into())
    }
}

impl Value {
    /// An object of Kubernetes: its whole numbers stay whole.
    #[must_use]
    pub fn of_object(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Float(as_f64(number)),
            },
            serde_json::Value::Array(items) => {
                Value::Array(items.iter().map(Value::of_object).collect())
            }
            serde_json::Value::Object(entries) => Value::Map(Arc::new(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), Value::of_object(value)))
                    .collect(),
            )),
            other => Value::from(other.clone()),
        }
    }
}

impl From<serde_json::Value> for Value {
    /// JSON's numbers are all broken ones.
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(truth) => Value::Bool(truth),
            serde_json::Value::Number(number) => Value::Float(as_f64(&number)),
            serde_json::Value::String(text) => Value::Text(text.into()),
            serde_json::Value::Array(items) => {
                Value::Array(items.into_iter().map(Value::from).collect())
            }
            serde_json::Value::Object(entries) => Value::Map(Arc::new(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, Value::from(value)))
                    .collect(),
            )),
        }
    }
}

fn as_f64(number: &Number) -> f64 {
    // Without arbitrary precision every JSON number is representable.
    number.as_f64().unwrap_or(f64::NAN)
}

impl fmt::Display for Value {
    /// As Go prints with `%v`: `1e+06`, `[1 2]`, `map[a:1]`, `<nil>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => write!(f, "<nil>"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{}", go_float(*number)),
            Value::Text(text) => write!(f, "{text}"),
            Value::Array(items) => {
                f.write_char('[')?;
                for (at, item) in items.iter().enumerate() {
                    let gap = if at == 0 { "" } else { " " };
                    write!(f, "{gap}{item}")?;
                }
                f.write_char(']')
            }
            Value::Map(entries) => {
                f.write_str("map[")?;
                for (at, (key, value)) in entries.iter().enumerate() {
                    let gap = if at == 0 { "" } else { " " };
                    write!(f, "{gap}{key}:{value}")?;
                }
                f.write_char(']')
            }
            Value::Time(moment) => write!(f, "{moment}"),
            Value::Duration(nanoseconds) => write!(f, "{}s", *nanoseconds as f64 / 1e9),
        }
    }
}

/// A number as Go's `%v` writes it: the shortest digits that read back as the same number, with an
/// exponent below 0.0001 and from 1e+06 on.
#[must_use]
pub fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    // Rust's `e` form has the same shortest digits: `d.ddde-7`.
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let Ok(exponent) = exponent.parse::<i32>() else {
        return scientific;
    };
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{number}")
}

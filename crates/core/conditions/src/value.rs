//! Values, and those that a condition is evaluated with.

use crate::types::Type;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A value. Copies of long ones share their contents.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is not negative.
    Uint(u64),
    /// A floating-point number; one that is not finite counts as no value.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// A span of time in nanoseconds.
    Duration(i64),
    /// Values of one type.
    List(Arc<[Value]>),
    /// Values of one type by key.
    Map(Arc<BTreeMap<Key, Value>>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is not negative.
    Uint(u64),
    /// Text.
    String(Arc<str>),
}

/// Values by variable. A variable without one is not known yet, and whatever depends on it cannot be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    values: BTreeMap<String, Value>,
}

impl Values {
    /// Sets a variable's value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.values.insert(name.into(), value.into());
    }

    /// The same, in a row.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Values {
        self.set(name, value);
        self
    }

    /// A variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

impl Value {
    /// A list of values of one type.
    #[must_use]
    pub fn list(values: impl IntoIterator<Item = Value>) -> Value {
        Value::List(values.into_iter().collect())
    }

    /// A map from texts to texts.
    #[must_use]
    pub fn labels<K: AsRef<str>, V: AsRef<str>>(labels: impl IntoIterator<Item = (K, V)>) -> Value {
        let entry = |(key, value): (K, V)| {
            let key = Key::String(key.as_ref().into());
            (key, Value::String(value.as_ref().into()))
        };
        Value::Map(Arc::new(labels.into_iter().map(entry).collect()))
    }

    /// Whether it is of this type, and everything in it; at most `steps` values are looked at, and it is
    /// not when there are more.
    pub(crate) fn is_of(&self, declared: &Type, steps: &mut u32) -> bool {
        let Some(left) = steps.checked_sub(1) else {
            return false;
        };
        *steps = left;
        match (self, declared) {
            (Value::Bool(_), Type::Bool)
            | (Value::Int(_), Type::Int)
            | (Value::Uint(_), Type::Uint)
            | (Value::Double(_), Type::Double)
            | (Value::String(_), Type::String)
            | (Value::Duration(_), Type::Duration) => true,
            (Value::List(elements), Type::List(kind)) => {
                elements.iter().all(|element| element.is_of(kind, steps))
            }
            (Value::Map(entries), Type::Map(key_kind, kind)) => entries
                .iter()
                .all(|(key, value)| key.is_of(key_kind) && value.is_of(kind, steps)),
            _ => false,
        }
    }

    /// Whether it is finite, and every number in it.
    pub(crate) fn is_finite(&self) -> bool {
        match self {
            Value::Double(value) => value.is_finite(),
            Value::List(elements) => elements.iter().all(Value::is_finite),
            Value::Map(entries) => entries.values().all(Value::is_finite),
            _ => true,
        }
    }

    /// The same as a key; `None` when it cannot be one.
    pub(crate) fn as_key(&self) -> Option<Key> {
        match self {
            Value::Bool(value) => Some(Key::Bool(*value)),
            Value::Int(value) => Some(Key::Int(*value)),
            Value::Uint(value) => Some(Key::Uint(*value)),
            Value::String(value) => Some(Key::String(Arc::clone(value))),
            _ => None,
        }
    }

    /// Its type's name, without what is in it.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Duration(_) => "duration",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        }
    }
}

impl Key {
    fn is_of(&self, declared: &Type) -> bool {
        matches!(
            (self, declared),
            (Key::Bool(_), Type::Bool)
                | (Key::Int(_), Type::Int)
                | (Key::Uint(_), Type::Uint)
                | (Key::String(_), Type::String)
        )
    }

    /// The same as a value.
    pub(crate) fn as_value(&self) -> Value {
        match self {
            Key::Bool(value) => Value::Bool(*value),
            Key::Int(value) => Value::Int(*value),
            Key::Uint(value) => Value::Uint(*value),
            Key::String(value) => Value::String(Arc::clone(value)),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Bool(value) => write!(f, "{value}"),
            Key::Int(value) => write!(f, "{value}"),
            Key::Uint(value) => write!(f, "{value}"),
            Key::String(value) => f.write_str(value),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Uint(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Double(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(value.into())
    }
}

/// Longer spans than a 64-bit count of nanoseconds (292 years) are that long.
impl From<Duration> for Value {
    fn from(span: Duration) -> Value {
        Value::Duration(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
    }
}

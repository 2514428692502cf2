//! Reading and changing objects as data.
//!
//! Numbers are compared by value, so that `100` and `100.0` are the same weight, and a field is only
//! written when it differs: what is right already stays as it is spelled.

use crate::changes::Problem;
use crate::object::ObjectRef;
use serde_json::{Map, Value};

/// Whether two values mean the same.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// Sets a field unless it says the same already.
pub(crate) fn put(fields: &mut Map<String, Value>, key: &str, value: Value) {
    if !fields.get(key).is_some_and(|old| same(old, &value)) {
        fields.insert(key.to_owned(), value);
    }
}

/// The text below these keys; empty when it is absent.
pub(crate) fn text<'a>(value: &'a Value, keys: &[&str]) -> &'a str {
    child(value, keys)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The value below these keys; null counts as absent.
pub(crate) fn child<'a>(value: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    keys.iter()
        .try_fold(value, |value, key| value.get(key))
        .filter(|value| !value.is_null())
}

/// The list at a path, when there is one.
///
/// # Errors
/// It is something else.
pub(crate) fn list<'a>(
    value: &'a Value,
    keys: &[&str],
    object: &ObjectRef,
) -> Result<Option<&'a Vec<Value>>, Problem> {
    child(value, keys)
        .map(|found| {
            found
                .as_array()
                .ok_or_else(|| Problem::malformed(object, keys.join("."), "a list"))
        })
        .transpose()
}

/// The list at a path, to be changed.
///
/// # Errors
/// It is absent, or something else.
pub(crate) fn list_mut<'a>(
    value: &'a mut Value,
    keys: &[&str],
    object: &ObjectRef,
) -> Result<&'a mut Vec<Value>, Problem> {
    keys.iter()
        .try_fold(value, |value, key| value.get_mut(key))
        .and_then(Value::as_array_mut)
        .ok_or_else(|| Problem::malformed(object, keys.join("."), "a list"))
}

/// The fields at a path, made where they are absent.
///
/// # Errors
/// Something on the way has no fields.
pub(crate) fn fields_mut<'a>(
    value: &'a mut Value,
    keys: &[&str],
    object: &ObjectRef,
) -> Result<&'a mut Map<String, Value>, Problem> {
    let mut value = value;
    for (depth, key) in keys.iter().enumerate() {
        let path = || keys[..depth].join(".");
        value = value
            .as_object_mut()
            .ok_or_else(|| Problem::malformed(object, path(), "an object"))?
            .entry(*key)
            .or_insert(Value::Null);
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
    }
    value
        .as_object_mut()
        .ok_or_else(|| Problem::malformed(object, keys.join("."), "an object"))
}

/// An item's fields, to be changed.
///
/// # Errors
/// It has none.
pub(crate) fn item_mut<'a>(
    item: &'a mut Value,
    path: &str,
    object: &ObjectRef,
) -> Result<&'a mut Map<String, Value>, Problem> {
    item.as_object_mut()
        .ok_or_else(|| Problem::malformed(object, path, "an object"))
}

/// The `weight` of a destination. What it means that there is none is the router's: none, or a share.
///
/// # Errors
/// It is no whole number from 0.
pub(crate) fn weight(item: &Value, path: &str, object: &ObjectRef) -> Result<Option<u32>, Problem> {
    let Some(weight) = child(item, &["weight"]) else {
        return Ok(None);
    };
    let whole = weight.as_u64().or_else(|| whole(weight.as_f64()?));
    let weight = whole.and_then(|weight| u32::try_from(weight).ok());
    let malformed =
        || Problem::malformed(object, format!("{path}.weight"), "a whole number from 0");
    weight.map(Some).ok_or_else(malformed)
}

/// A whole number that is spelled with a fraction, as `90.0`.
fn whole(number: f64) -> Option<u64> {
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    fits.then_some(number as u64)
}

/// Sets the `weight` of a destination unless it has it.
///
/// # Errors
/// The destination has no fields, or its weight is no whole number.
pub(crate) fn set_weight(
    item: &mut Value,
    to: u32,
    path: &str,
    object: &ObjectRef,
) -> Result<(), Problem> {
    if weight(item, path, object)? != Some(to) {
        item_mut(item, path, object)?.insert("weight".to_owned(), to.into());
    }
    Ok(())
}

/// An annotation; empty when it is absent.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    text(object, &["metadata", "annotations", key])
}

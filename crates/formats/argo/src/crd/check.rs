//! An object held against its schema, as an API server does it: what it would refuse, and what it would
//! drop without a word.

use crate::api::Time;
use serde_json::{Map, Value};

/// Something that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where, as `spec.strategy.canary.steps[2].setWeight`.
    pub path: String,
    /// What.
    pub kind: FindingKind,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The field is not known, and is dropped. The names are those that are known there.
    Unknown {
        /// Fields that are known in this place.
        known: Vec<String>,
    },
    /// A field is missing.
    Missing,
    /// The value has the wrong type or form.
    Type {
        /// What it should be, as `a whole number`.
        expected: &'static str,
    },
    /// The value is not among those that are possible.
    Choice {
        /// The possible values.
        possible: Vec<String>,
    },
    /// A number, or the number of fields, is too small or too large.
    Bound {
        /// What it should be, as `at least 1`.
        expected: String,
    },
    /// Two items of a list have the same key.
    Duplicate,
}

/// Holds an object against a schema in Kubernetes' form. Its metadata are not looked at.
#[must_use]
pub fn check(schema: &Value, object: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    walk(schema, object, &mut String::new(), &mut findings);
    findings
}

fn walk(schema: &Value, value: &Value, path: &mut String, findings: &mut Vec<Finding>) {
    if let Some(expected) = wrong_type(schema, value) {
        report(path, FindingKind::Type { expected }, findings);
        return;
    }
    if let Some(Value::Array(possible)) = schema.get("enum")
        && !possible.contains(value)
    {
        let possible = possible.iter().map(plain).collect();
        report(path, FindingKind::Choice { possible }, findings);
    }
    bounds(schema, value, path, findings);
    match value {
        Value::Object(fields) => object(schema, fields, path, findings),
        Value::Array(items) => list(schema, items, path, findings),
        _ => {}
    }
}

fn object(
    schema: &Value,
    fields: &Map<String, Value>,
    path: &mut String,
    findings: &mut Vec<Finding>,
) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional = schema.get("additionalProperties");
    let keeps_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields");
    // Kubernetes looks after an object's metadata itself: they have a type and no properties.
    let is_open = keeps_unknown || (properties.is_none() && additional.is_none());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let length = path.len();
        push_field(path, name);
        match (properties.and_then(|known| known.get(name)), additional) {
            (Some(known), _) => walk(known, value, path, findings),
            (None, Some(additional)) => walk(additional, value, path, findings),
            (None, None) if is_open => {}
            (None, None) => {
                let known = properties
                    .into_iter()
                    .flat_map(Map::keys)
                    .cloned()
                    .collect();
                report(path, FindingKind::Unknown { known }, findings);
            }
        }
        path.truncate(length);
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if fields.get(name).is_none_or(Value::is_null) {
            let length = path.len();
            push_field(path, name);
            report(path, FindingKind::Missing, findings);
            path.truncate(length);
        }
    }
}

fn list(schema: &Value, items: &[Value], path: &mut String, findings: &mut Vec<Finding>) {
    let Some(item_schema) = schema.get("items") else {
        return;
    };
    let keys: Vec<&str> = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let key_of = |item: &Value| -> Vec<Value> {
        let default = |key: &str| &item_schema["properties"][key]["default"];
        keys.iter()
            .map(|key| item.get(key).unwrap_or(default(key)).clone())
            .collect()
    };
    for (at, item) in items.iter().enumerate() {
        let length = path.len();
        path.push_str(&format!("[{at}]"));
        walk(item_schema, item, path, findings);
        if !keys.is_empty()
            && items[..at]
                .iter()
                .any(|other| key_of(other) == key_of(item))
        {
            report(path, FindingKind::Duplicate, findings);
        }
        path.truncate(length);
    }
}

/// What the value should be instead, if its type or form is wrong.
fn wrong_type(schema: &Value, value: &Value) -> Option<&'static str> {
    if flag(schema, "x-kubernetes-int-or-string") {
        let fits = value.is_string() || value.as_i64().is_some();
        return (!fits).then_some("a whole number or a text");
    }
    let format = schema.get("format").and_then(Value::as_str);
    match schema.get("type").and_then(Value::as_str)? {
        "object" => (!value.is_object()).then_some("a mapping"),
        "array" => (!value.is_array()).then_some("a list"),
        "boolean" => (!value.is_boolean()).then_some("true or false"),
        "number" => (!value.is_number()).then_some("a number"),
        "integer" => {
            let number = value.as_i64();
            let fits = match format {
                Some("int32") => number.is_some_and(|number| i32::try_from(number).is_ok()),
                _ => number.is_some(),
            };
            (!fits).then_some("a whole number")
        }
        "string" => match value.as_str() {
            None => Some("a text; put it in quotes"),
            Some(text) if format == Some("date-time") && Time::parse(text).is_err() => {
                Some("a time in RFC 3339, as `2026-11-21T08:30:00Z`")
            }
            Some(_) => None,
        },
        _ => None,
    }
}

fn bounds(schema: &Value, value: &Value, path: &str, findings: &mut Vec<Finding>) {
    let bound = |key: &str| schema.get(key).and_then(Value::as_i64);
    let mut refuse = |expected: String| report(path, FindingKind::Bound { expected }, findings);
    if let Some(number) = value.as_i64() {
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            refuse(format!("at least {least}"));
        }
        if let Some(most) = bound("maximum").filter(|most| number > *most) {
            refuse(format!("at most {most}"));
        }
    }
    if let (Some(fields), Some(least)) = (value.as_object(), bound("minProperties"))
        && i64::try_from(fields.len()).is_ok_and(|count| count < least)
    {
        refuse(format!("a mapping with at least {least} field"));
    }
}

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn report(path: &str, kind: FindingKind, findings: &mut Vec<Finding>) {
    findings.push(Finding {
        path: path.to_owned(),
        kind,
    });
}

/// Adds a field's name to a path; a name with a dot goes into brackets, as labels have them.
pub(crate) fn push_field(path: &mut String, name: &str) {
    if name.contains('.') {
        path.push_str(&format!("[{name:?}]"));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

//! From what schemars derives to what Kubernetes calls a structural schema.

use super::definitions;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The key by which a type states the default that an API server fills in. The defaults that schemars
/// derives are those of reading, and are not meant.
const DEFAULT_KEY: &str = "x-default";

/// The structural schema of a type.
pub(super) fn schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::default().for_serialize();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    to_structural(&mut schema);
    definitions::resolve(&mut schema, &definitions::all());
    schema
}

/// Nothing but what Kubernetes knows: no titles, no derived defaults, and absent instead of null.
fn to_structural(schema: &mut Value) {
    let Value::Object(fields) = schema else {
        return;
    };
    for key in ["$schema", "title", "default"] {
        fields.remove(key);
    }
    if let Some(default) = fields.remove(DEFAULT_KEY) {
        fields.insert("default".to_owned(), default);
    }
    drop_null(fields);
    if let Some(description) = fields.get_mut("description") {
        unwrap_lines(description);
    }
    if let Some(Value::Array(required)) = fields.get_mut("required") {
        required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(to_structural);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            to_structural(inner);
        }
    }
}

/// An `Option` is a type or null for schemars.
fn drop_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = fields.get("anyOf") else {
        return;
    };
    let is_null = |choice: &Value| choice.get("type").is_some_and(|name| name == "null");
    if let [Value::Object(inner), null] = choices.as_slice()
        && is_null(null)
    {
        let mut inner = inner.clone();
        fields.remove("anyOf");
        // What the field says goes before what its type says.
        inner.append(fields);
        *fields = inner;
    }
}

/// A description is a paragraph, whatever the width of the source.
fn unwrap_lines(description: &mut Value) {
    if let Value::String(text) = description {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

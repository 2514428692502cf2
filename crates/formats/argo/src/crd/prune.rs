//! An object as an API server keeps it.

use serde_json::Value;

/// Drops what the schema does not know, and fields that are null, as an API server does before it stores
/// an object. What the schema leaves open is kept as it is.
pub fn prune(schema: &Value, object: &mut Value) {
    match object {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let additional = schema.get("additionalProperties");
            let keeps = schema
                .get("x-kubernetes-preserve-unknown-fields")
                .is_some_and(|keeps| *keeps == true);
            if properties.is_none() && additional.is_none() {
                return;
            }
            fields.retain(|name, value| {
                let known = properties.and_then(|properties| properties.get(name));
                match known.or(additional) {
                    Some(inner) => {
                        prune(inner, value);
                        !value.is_null()
                    }
                    None => keeps,
                }
            });
        }
        Value::Array(items) => {
            if let Some(inner) = schema.get("items") {
                items.iter_mut().for_each(|item| prune(inner, item));
            }
        }
        _ => {}
    }
}

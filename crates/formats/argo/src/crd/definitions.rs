//! Kubernetes' own definitions of a pod template and of a Job's spec.
//!
//! The data are those of Kubernetes v1.34.5 (`api/openapi-spec/v3`, Apache-2.0) without descriptions, so
//! that a definition stays small enough for a plain `kubectl apply`. `cargo xtask generate --kubernetes
//! FOLDER` makes them anew, and says where they differ: amounts of resources may be written as fractions,
//! and a volume keeps fields that are not known yet.

use serde_json::{Map, Value};

const TEXT: &str = include_str!("kubernetes-1.34.json");

/// The definitions by name.
pub(super) fn all() -> Map<String, Value> {
    serde_json::from_str(TEXT).expect("the checked-in definitions are JSON")
}

/// Puts each definition in the place of the references to it, from `value` down.
pub(super) fn resolve(value: &mut Value, definitions: &Map<String, Value>) {
    let named = ["$ref", "x-definition"]
        .iter()
        .find_map(|key| value.get(key)?.as_str())
        .and_then(|name| definitions.get(name));
    if let Some(definition) = named {
        let description = value.get("description").cloned();
        *value = definition.clone();
        if let Some(description) = description {
            value["description"] = description;
        }
    }
    match value {
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| resolve(field, definitions)),
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, definitions)),
        _ => {}
    }
}

/// Kubernetes' own definitions.
pub(crate) struct Definitions(Map<String, Value>);

impl Definitions {
    /// Those of Kubernetes 1.34.
    pub(crate) fn new() -> Definitions {
        Definitions(all())
    }

    /// The definition of a pod template.
    pub(crate) fn pod_template(&self) -> Place<'_> {
        Place {
            all: &self.0,
            schema: &self.0["io.k8s.api.core.v1.PodTemplateSpec"],
        }
    }
}

/// The definition of one place in an object.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    all: &'a Map<String, Value>,
    schema: &'a Value,
}

impl<'a> Place<'a> {
    /// The definition of a field, if the field is known here.
    pub(crate) fn field(self, name: &str) -> Option<Place<'a>> {
        let properties = self.schema.get("properties");
        let known = properties.and_then(|properties| properties.get(name));
        let any = self.schema.get("additionalProperties");
        match known.or(any) {
            Some(schema) => Some(self.at(schema)),
            // Anything may be here.
            None if properties.is_none() => Some(self),
            None => None,
        }
    }

    /// The definition of the items of a list.
    pub(crate) fn item(self) -> Place<'a> {
        self.at(self.schema.get("items").unwrap_or(self.schema))
    }

    fn at(self, schema: &'a Value) -> Place<'a> {
        let named = schema.get("$ref").and_then(Value::as_str);
        Place {
            all: self.all,
            schema: named.and_then(|name| self.all.get(name)).unwrap_or(schema),
        }
    }
}

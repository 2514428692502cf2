//! Objects as an API server sends them, read no further than somebody wants to know: most of what a watch tells is
//! what the controller itself wrote just now, and half of many an object says who wrote which field.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An object of which the name and the version are known, and the rest when it is asked for.
#[derive(Clone, Debug)]
pub struct Stored {
    head: Head,
    body: Body,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    namespace: Box<str>,
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    resource_version: Box<str>,
}

#[derive(Clone, Debug)]
enum Body {
    Text(Box<RawValue>),
    Value(Box<Value>),
}

impl Stored {
    /// Its namespace; empty for objects of the whole cluster.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.head.metadata.namespace
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.head.metadata.name
    }

    /// Its version. Kubernetes' are numbers that rise with each write; 0 for anything else.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.head.metadata.resource_version.parse().unwrap_or(0)
    }

    /// All of it, but for `metadata.managedFields`.
    ///
    /// # Errors
    /// When it is no object.
    pub fn read(self) -> Result<Value, serde_json::Error> {
        match self.body {
            Body::Text(text) => serde_json::from_str(text.get()).map(|Lean(object)| object),
            Body::Value(object) => Ok(*object),
        }
    }
}

impl From<Value> for Stored {
    fn from(object: Value) -> Self {
        let text = |field: &str| {
            object["metadata"][field]
                .as_str()
                .unwrap_or_default()
                .into()
        };
        let metadata = Metadata {
            namespace: text("namespace"),
            name: text("name"),
            resource_version: text("resourceVersion"),
        };
        Stored {
            head: Head { metadata },
            body: Body::Value(Box::new(object)),
        }
    }
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let head = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(Stored {
            head,
            body: Body::Text(text),
        })
    }
}

/// An object without `metadata.managedFields`, which is skipped and not built.
#[derive(Debug)]
pub(crate) struct Lean(pub(crate) Value);

impl<'de> Deserialize<'de> for Lean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = deserializer.deserialize_map(Without(Level::Object))?;
        Ok(Lean(Value::Object(object)))
    }
}

/// Reads a map without what is left out at its level.
#[derive(Clone, Copy)]
struct Without(Level);

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Object,
    Metadata,
}

impl<'de> DeserializeSeed<'de> for Without {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Without {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Level::Object => "an object of Kubernetes",
            Level::Metadata => "the metadata of an object",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut map = Map::new();
        while let Some(field) = fields.next_key::<String>()? {
            let value = match (self.0, field.as_str()) {
                (Level::Object, "metadata") => {
                    Value::Object(fields.next_value_seed(Without(Level::Metadata))?)
                }
                (Level::Metadata, "managedFields") => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => fields.next_value()?,
            };
            map.insert(field, value);
        }
        Ok(map)
    }
}

/// An answer of which nothing is read.
#[derive(Debug)]
pub(crate) struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        de::IgnoredAny::deserialize(deserializer).map(|_| Unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = r#"{"kind":"Rollout","metadata":{"managedFields":[{"manager":"kubectl","fieldsV1":{"f:spec":{}}}],"name":"web","labels":{"app":"web"},"resourceVersion":"17","namespace":"shop"},"spec":{"managedFields":[1],"metadata":{"managedFields":2}}}"#;

    #[test]
    fn what_is_read_is_all_but_who_wrote_which_field() {
        let stored: Stored = serde_json::from_str(TEXT).expect("an object");
        let place = (stored.namespace(), stored.name(), stored.version());
        assert_eq!(place, ("shop", "web", 17));
        let mut whole: Value = serde_json::from_str(TEXT).expect("an object");
        let metadata = whole["metadata"].as_object_mut().expect("metadata");
        metadata.remove("managedFields");
        assert_eq!(stored.read().expect("an object"), whole);
    }

    #[test]
    fn what_has_no_metadata_has_no_name_and_no_version() {
        for text in ["{}", r#"{"metadata":{"resourceVersion":"new"}}"#] {
            let stored: Stored = serde_json::from_str(text).expect("an object");
            assert_eq!((stored.name(), stored.version()), ("", 0));
        }
        assert!(serde_json::from_str::<Stored>("[1]").is_err());
        assert!(serde_json::from_str::<Lean>("17").is_err());
    }

    #[test]
    fn an_object_at_hand_is_as_one_that_was_sent() {
        let object = json!({"metadata": {"name": "web", "resourceVersion": "3"}});
        let stored = Stored::from(object.clone());
        assert_eq!((stored.name(), stored.version()), ("web", 3));
        assert_eq!(stored.read().expect("an object"), object);
    }
}

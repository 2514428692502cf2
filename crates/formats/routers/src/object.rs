//! Objects of a cluster: which one, and those that were read.

use crate::changes::Problem;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A kind of object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKind {
    /// API group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Resource, as it stands in paths of the API.
    pub plural: String,
}

impl ObjectKind {
    /// `group/version`.
    #[must_use]
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    pub(crate) fn named(&self, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef {
            kind: self.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// One object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    /// `Ingress shop/checkout`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.kind, self.namespace, self.name)
    }
}

/// The objects that were looked up, also those that are not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects(BTreeMap<ObjectRef, Option<Value>>);

impl Objects {
    /// Adds an object as it was read; `None` when the cluster has none of this name.
    pub fn insert(&mut self, object: ObjectRef, body: Option<Value>) {
        self.0.insert(object, body);
    }

    /// Whether the object was looked up.
    #[must_use]
    pub fn contains(&self, object: &ObjectRef) -> bool {
        self.0.contains_key(object)
    }

    /// The object, when it was looked up and is there.
    #[must_use]
    pub fn get(&self, object: &ObjectRef) -> Option<&Value> {
        self.0.get(object)?.as_ref()
    }

    /// The object, when it is there.
    ///
    /// # Errors
    /// It was not looked up: whether it is there is not known.
    pub(crate) fn look(&self, object: &ObjectRef) -> Result<Option<&Value>, Problem> {
        match self.0.get(object) {
            Some(body) => Ok(body.as_ref()),
            None => Err(Problem::at(
                object,
                "not-read",
                "",
                "it was not looked up".to_owned(),
                "look up what `Router::missing` names, and apply again".to_owned(),
            )),
        }
    }

    /// The object, which must be there.
    ///
    /// # Errors
    /// It is not there, or was not looked up.
    pub(crate) fn need(&self, object: &ObjectRef) -> Result<&Value, Problem> {
        self.look(object)?.ok_or_else(|| {
            Problem::at(
                object,
                "object-not-found",
                "",
                "it does not exist".to_owned(),
                format!(
                    "create it in namespace `{}`, or correct the name",
                    object.namespace
                ),
            )
        })
    }
}

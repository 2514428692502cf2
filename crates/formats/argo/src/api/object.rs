//! What every object has, and the parts of Kubernetes' own API that Argo's objects embed.

use super::scalar::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An object's metadata: the fields that decisions read; the others are kept as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its namespace; empty for objects of the whole cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its identity: another one when it is deleted and created again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Rises with each change of the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Time>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

wire! {
    /// Which pods are meant, by their labels; all conditions must hold.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    LabelSelector {
        optional {
            /// Labels with these values.
            match_labels: BTreeMap<String, String>,
            /// Further conditions on labels.
            #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
            match_expressions: Vec<LabelSelectorRequirement>,
        }
    }

    /// A condition on one label.
    LabelSelectorRequirement {
        required {
            /// The label.
            key: String,
            /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
            operator: String,
        }
        optional {
            /// The values for `In` and `NotIn`; none for the others.
            #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
            values: Vec<String>,
        }
    }
}

impl LabelSelector {
    /// Whether it names no condition, and so would mean all pods.
    #[must_use]
    pub fn is_unconditional(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether labels fulfil all conditions. An unknown operator is fulfilled by none.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let by_value = self
            .match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value));
        by_value
            && self.match_expressions.iter().all(|expression| {
                let value = labels.get(&expression.key);
                match expression.operator.as_str() {
                    "In" => value.is_some_and(|value| expression.values.contains(value)),
                    "NotIn" => value.is_none_or(|value| !expression.values.contains(value)),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

/// A pod template as it was written.
///
/// It is kept as data: what Sluice does not know of a pod's fields it hands on unchanged, whatever the
/// version of Kubernetes. What the fields mean when two templates are compared is `template`'s business.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PodTemplate(pub Map<String, Value>);

impl PodTemplate {
    /// The labels that the pods get.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.texts("labels")
    }

    /// The annotations that the pods get.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.texts("annotations")
    }

    fn texts(&self, field: &str) -> BTreeMap<String, String> {
        self.0
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    /// The images of its containers.
    #[must_use]
    pub fn images(&self) -> Vec<&str> {
        let containers = self.spec().and_then(|spec| spec.get("containers"));
        let containers = containers.and_then(Value::as_array).into_iter().flatten();
        containers
            .filter_map(|container| container.get("image")?.as_str())
            .collect()
    }

    /// The pod's spec; `None` when there is none.
    #[must_use]
    pub fn spec(&self) -> Option<&Map<String, Value>> {
        self.0.get("spec").and_then(Value::as_object)
    }
}

impl JsonSchema for PodTemplate {
    fn schema_name() -> Cow<'static, str> {
        "PodTemplate".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-definition": "io.k8s.api.core.v1.PodTemplateSpec"})
    }
}

/// A Job's spec as it was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobSpec(pub Map<String, Value>);

impl JsonSchema for JobSpec {
    fn schema_name() -> Cow<'static, str> {
        "JobSpec".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-definition": "io.k8s.api.batch.v1.JobSpec"})
    }
}

wire! {
    /// Labels and annotations that something gets besides its own.
    PodTemplateMetadata {
        optional {
            /// Further labels.
            labels: BTreeMap<String, String>,
            /// Further annotations.
            annotations: BTreeMap<String, String>,
        }
    }
}

//! The definitions that an API server needs for Argo's kinds, derived from the types in `api`.
//!
//! `structural` turns what schemars derives into the form that Kubernetes asks for, `definitions` holds
//! Kubernetes' own pod and Job, `rules` adds validations in CEL, and `check` holds an object against a
//! schema as an API server does: what it would refuse, and what it would drop; `prune` drops it.

mod check;
mod definitions;
mod prune;
mod rules;
mod structural;

use crate::api::{
    API_VERSION, AnalysisRunSpec, AnalysisRunStatus, AnalysisTemplateSpec, ExperimentSpec,
    ExperimentStatus, RolloutSpec, RolloutStatus,
};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

pub(crate) use check::push_field;
pub use check::{Finding, FindingKind, check};
pub(crate) use definitions::{Definitions, Place};
pub use prune::prune;

/// One of Argo's kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A workload whose pods are replaced step by step.
    Rollout,
    /// Metrics to measure, of a namespace.
    AnalysisTemplate,
    /// Metrics to measure, of the whole cluster.
    ClusterAnalysisTemplate,
    /// One run of an analysis.
    AnalysisRun,
    /// Several versions side by side.
    Experiment,
}

impl Kind {
    /// All kinds, in the order in which they are printed.
    pub const ALL: [Kind; 5] = [
        Kind::Rollout,
        Kind::AnalysisTemplate,
        Kind::ClusterAnalysisTemplate,
        Kind::AnalysisRun,
        Kind::Experiment,
    ];

    /// The kind's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Rollout => "Rollout",
            Kind::AnalysisTemplate => "AnalysisTemplate",
            Kind::ClusterAnalysisTemplate => "ClusterAnalysisTemplate",
            Kind::AnalysisRun => "AnalysisRun",
            Kind::Experiment => "Experiment",
        }
    }

    /// The kind with this API version and name.
    #[must_use]
    pub fn find(api_version: &str, kind: &str) -> Option<Kind> {
        let is_named = |candidate: &Kind| api_version == API_VERSION && candidate.as_str() == kind;
        Kind::ALL.into_iter().find(is_named)
    }

    fn short_name(self) -> &'static str {
        match self {
            Kind::Rollout => "ro",
            Kind::AnalysisTemplate => "at",
            Kind::ClusterAnalysisTemplate => "cat",
            Kind::AnalysisRun => "ar",
            Kind::Experiment => "exp",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Kind::Rollout => "How the pods of a workload are replaced by new ones.",
            Kind::AnalysisTemplate => "Metrics to measure, and what counts as good.",
            Kind::ClusterAnalysisTemplate => {
                "Metrics to measure, and what counts as good, for all namespaces."
            }
            Kind::AnalysisRun => "One run of an analysis.",
            Kind::Experiment => "Several versions of a workload side by side.",
        }
    }

    /// The columns that `kubectl get` prints: name, type, path, what it is.
    fn columns(self) -> Vec<[&'static str; 4]> {
        let age = [
            "Age",
            "date",
            ".metadata.creationTimestamp",
            "Time since it was created",
        ];
        let phase = ["Status", "string", ".status.phase", "Where it stands"];
        match self {
            Kind::Rollout => vec![
                [
                    "Desired",
                    "integer",
                    ".spec.replicas",
                    "Pods that should be",
                ],
                ["Current", "integer", ".status.replicas", "Pods that are"],
                [
                    "Up-to-date",
                    "integer",
                    ".status.updatedReplicas",
                    "Pods of the template that is rolled out",
                ],
                [
                    "Available",
                    "integer",
                    ".status.availableReplicas",
                    "Pods that have been ready for long enough",
                ],
                age,
            ],
            Kind::AnalysisRun | Kind::Experiment => vec![phase, age],
            Kind::AnalysisTemplate | Kind::ClusterAnalysisTemplate => vec![age],
        }
    }

    /// The schema of the whole object, in the form that Kubernetes asks for.
    #[must_use]
    pub fn schema(self) -> Value {
        let (spec, status) = match self {
            Kind::Rollout => (of::<RolloutSpec>(), Some(of::<RolloutStatus>())),
            Kind::AnalysisTemplate | Kind::ClusterAnalysisTemplate => {
                (of::<AnalysisTemplateSpec>(), None)
            }
            Kind::AnalysisRun => (of::<AnalysisRunSpec>(), Some(of::<AnalysisRunStatus>())),
            Kind::Experiment => (of::<ExperimentSpec>(), Some(of::<ExperimentStatus>())),
        };
        let mut properties = Map::new();
        properties.insert(
            "apiVersion".to_owned(),
            json!({"description": format!("`{API_VERSION}`."), "type": "string"}),
        );
        properties.insert(
            "kind".to_owned(),
            json!({"description": format!("`{}`.", self.as_str()), "type": "string"}),
        );
        properties.insert("metadata".to_owned(), json!({"type": "object"}));
        properties.insert("spec".to_owned(), spec);
        if let Some(status) = status {
            properties.insert("status".to_owned(), status);
        }
        let mut schema = json!({
            "description": self.about(),
            "type": "object",
            "required": ["spec"],
            "properties": properties,
        });
        rules::add(self, &mut schema);
        schema
    }

    /// The CustomResourceDefinition.
    #[must_use]
    pub fn definition(self) -> Value {
        let kind = self.as_str();
        let singular = kind.to_lowercase();
        let plural = format!("{singular}s");
        let columns: Vec<Value> = self
            .columns()
            .into_iter()
            .map(|[name, kind, path, about]| {
                json!({"name": name, "type": kind, "jsonPath": path, "description": about})
            })
            .collect();
        let mut version = json!({
            "name": "v1alpha1",
            "served": true,
            "storage": true,
            "additionalPrinterColumns": columns,
            "schema": {"openAPIV3Schema": self.schema()},
        });
        // The other kinds have none: clients patch their status with the object.
        if self == Kind::Rollout {
            version["subresources"] = json!({
                "status": {},
                "scale": {
                    "specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.HPAReplicas",
                    "labelSelectorPath": ".status.selector",
                },
            });
        }
        let scope = match self {
            Kind::ClusterAnalysisTemplate => "Cluster",
            _ => "Namespaced",
        };
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.argoproj.io")},
            "spec": {
                "group": "argoproj.io",
                "names": {
                    "kind": kind,
                    "listKind": format!("{kind}List"),
                    "plural": plural,
                    "singular": singular,
                    "shortNames": [self.short_name()],
                },
                "scope": scope,
                "versions": [version],
            },
        })
    }
}

fn of<T: JsonSchema>() -> Value {
    structural::schema::<T>()
}

/// The definitions of all kinds as YAML documents, ready for `kubectl apply`.
#[must_use]
pub fn crds() -> String {
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let document = serde_saphyr::to_string(&kind.definition());
            format!("---\n{}", document.expect("data can be written as YAML"))
        })
        .collect()
}

//! A file with Argo's objects, and others beside them: what they are, and everything that is wrong with
//! them, each with its place in the file.

mod notification;
mod tree;

use crate::api::{AnalysisRun, AnalysisTemplate, Experiment, Metric, Rollout};
use crate::crd::{self, Finding, FindingKind, Kind};
use crate::notification::CONFIG_MAP_NAME;
use crate::validation::{
    Problem, validate, validate_conditions, validate_metrics, validate_references,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_model::diagnostic::{Diagnostic, Severity};
use tree::Tree;

/// An object of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A workload.
    Rollout(Box<Rollout>),
    /// Metrics to measure, of a namespace or of the cluster.
    AnalysisTemplate(Box<AnalysisTemplate>),
    /// One run of an analysis.
    AnalysisRun(Box<AnalysisRun>),
    /// Versions side by side.
    Experiment(Box<Experiment>),
    /// Somebody else's, as it is.
    Other(Value),
}

/// What came of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The objects that could be read, in their order.
    pub objects: Vec<Object>,
    /// What is wrong, in the order of the objects.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether any diagnostic is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|found| found.severity == Severity::Error)
    }
}

/// Whether a text says that it has objects of Argo's API, or the ConfigMap of its notifications; it need not be sound. A
/// document of Sluice's own, which has `services`, is none, whatever its texts quote.
#[must_use]
pub fn is_argo(text: &str) -> bool {
    let is_own = |line: &str| line.starts_with("services:");
    let names_config = |line: &str| {
        let line = without_marks(line);
        (line.starts_with("name") || line.starts_with("metadata")) && line.contains(CONFIG_MAP_NAME)
    };
    let names_version = |line: &str| {
        without_marks(line)
            .strip_prefix("apiVersion")
            .is_some_and(|rest| {
                rest.trim_start_matches(['"', '\'', ':', ' ', '\t'])
                    .starts_with("argoproj.io/")
            })
    };
    !text.lines().any(is_own)
        && text
            .lines()
            .any(|line| names_config(line) || names_version(line))
}

/// A line from its first word on, in YAML and JSON.
fn without_marks(line: &str) -> &str {
    line.trim_start_matches(['-', ' ', '\t', '{', '"'])
}

/// Reads a file with Argo's objects. `file_name` is the file as the user named it, for the diagnostics.
///
/// An object whose fields do not fit its definition is not among the objects, unless what does not fit
/// is only unknown.
#[must_use]
pub fn parse(file_name: &str, text: &str) -> Parsed {
    let mut parsed = Parsed {
        objects: Vec::new(),
        diagnostics: Vec::new(),
    };
    let trees = match tree::read(text) {
        Ok(trees) => trees,
        Err((cause, place)) => {
            parsed.diagnostics.push(Diagnostic {
                severity: Severity::Error,
                code: "not-yaml".to_owned(),
                path: String::new(),
                place: place.map(|place| place.in_file(file_name)),
                message: format!("this cannot be read: {cause}"),
                help: Some(
                    "check the indentation, the quotes and the `:` around this line".to_owned(),
                ),
            });
            return parsed;
        }
    };
    let all: Vec<&Value> = trees.iter().map(|tree| &tree.value).collect();
    for tree in &trees {
        let (object, mut found) = object(tree);
        if let Some(Object::Rollout(rollout)) = &object {
            found.extend(validate_references(rollout, &all));
        }
        found.extend(notification::problems(&tree.value, &all));
        parsed.objects.extend(object);
        parsed.diagnostics.extend(found.into_iter().map(|problem| {
            let place = nearest(tree, &problem.path).map(|place| place.in_file(file_name));
            Diagnostic {
                place,
                ..Diagnostic::from(problem)
            }
        }));
    }
    parsed
}

/// The place of a field, or of the nearest field around it.
fn nearest(tree: &Tree, path: &str) -> Option<tree::Place> {
    let mut path = path;
    loop {
        if let Some(place) = tree.places.get(path) {
            return Some(*place);
        }
        if path.is_empty() {
            return None;
        }
        path = &path[..path.rfind(['.', '[']).unwrap_or(0)];
    }
}

fn object(tree: &Tree) -> (Option<Object>, Vec<Problem>) {
    let text = |name: &str| tree.value.get(name).and_then(Value::as_str).unwrap_or("");
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(kind) = Kind::find(api_version, kind) else {
        let mut found = Vec::new();
        if api_version.starts_with("argoproj.io/v1alpha1") {
            found.push(unknown_kind(kind));
        }
        return (Some(Object::Other(tree.value.clone())), found);
    };
    let schema = kind.schema();
    let findings = crd::check(&schema, &tree.value);
    let is_readable = findings.iter().all(|finding| {
        matches!(
            finding.kind,
            FindingKind::Unknown { .. } | FindingKind::Bound { .. } | FindingKind::Duplicate
        )
    });
    let mut found: Vec<Problem> = findings.into_iter().map(problem).collect();
    if !is_readable {
        return (None, found);
    }
    let mut kept = tree.value.clone();
    crd::prune(&schema, &mut kept);
    let object = match kind {
        Kind::Rollout => read(&kept).map(|rollout: Rollout| {
            found.extend(beside_the_schema(validate(&rollout), &found));
            Object::Rollout(Box::new(rollout))
        }),
        Kind::AnalysisTemplate | Kind::ClusterAnalysisTemplate => {
            read(&kept).map(|template: AnalysisTemplate| {
                let spec = &template.spec;
                found.extend(metrics(&spec.metrics, spec.templates.is_empty()));
                Object::AnalysisTemplate(Box::new(template))
            })
        }
        Kind::AnalysisRun => read(&kept).map(|run: AnalysisRun| {
            found.extend(metrics(&run.spec.metrics, true));
            Object::AnalysisRun(Box::new(run))
        }),
        Kind::Experiment => read(&kept).map(|experiment| Object::Experiment(Box::new(experiment))),
    };
    match object {
        Ok(object) => (Some(object), found),
        Err(cause) => {
            found.push(Problem {
                severity: Severity::Error,
                rule: "bad-value",
                path: String::new(),
                cause,
                next_step: "correct the value".to_owned(),
            });
            (None, found)
        }
    }
}

/// What the definition already says is not said twice.
fn beside_the_schema(problems: Vec<Problem>, said: &[Problem]) -> Vec<Problem> {
    problems
        .into_iter()
        .filter(|problem| said.iter().all(|other| other.path != problem.path))
        .collect()
}

fn metrics(metrics: &[Metric], needed: bool) -> Vec<Problem> {
    if metrics.is_empty() && needed {
        return vec![Problem {
            severity: Severity::Error,
            rule: "no-metrics",
            path: "spec.metrics".to_owned(),
            cause: "there is nothing to measure".to_owned(),
            next_step: "write at least one metric".to_owned(),
        }];
    }
    let mut problems = validate_metrics(metrics, "spec.metrics");
    problems.extend(validate_conditions(metrics, "spec.metrics"));
    problems
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

fn unknown_kind(kind: &str) -> Problem {
    let known: Vec<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
    Problem {
        severity: Severity::Error,
        rule: "unknown-kind",
        path: "kind".to_owned(),
        cause: format!("argoproj.io/v1alpha1 of Argo Rollouts has no kind `{kind}`"),
        next_step: format!("write one of {}", known.join(", ")),
    }
}

/// What does not fit the definition, for people.
fn problem(finding: Finding) -> Problem {
    let name = finding.path.rsplit('.').next().unwrap_or_default();
    let (rule, cause, next_step) = match finding.kind {
        FindingKind::Unknown { known } => (
            "unknown-field",
            format!("there is no field `{name}` here; an API server drops it without a word"),
            match closest(name, &known) {
                Some(close) => format!("did you mean `{close}`?"),
                None => "remove it, or look where it belongs".to_owned(),
            },
        ),
        FindingKind::Missing => (
            "missing-field",
            format!("`{name}` is missing"),
            "write it".to_owned(),
        ),
        FindingKind::Type { expected } => (
            "wrong-type",
            format!("`{name}` is something else than {expected}"),
            format!("write {expected}"),
        ),
        FindingKind::Choice { possible } => (
            "unknown-word",
            format!("`{name}` has a value that is not known"),
            format!("write one of {}", possible.join(", ")),
        ),
        FindingKind::Bound { expected } => (
            "out-of-range",
            format!("`{name}` is out of range"),
            format!("write {expected}"),
        ),
        FindingKind::Duplicate => (
            "duplicate-item",
            "another item of this list has the same key".to_owned(),
            "rename or remove one of them".to_owned(),
        ),
    };
    Problem {
        severity: Severity::Error,
        rule,
        path: finding.path,
        cause,
        next_step,
    }
}

/// The known name that is nearest to a word, if one is near enough for a slip of the hand.
fn closest<'a>(word: &str, known: &'a [String]) -> Option<&'a String> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 5)
        .min()
        .map(|(_, name)| name)
}

//! From JSON to a [`CanaryConfig`], with everything that is wrong with it at once.
//!
//! What Kayenta itself fails on, or silently takes for something else, is an error; what it overlooks
//! (unknown fields, words that it does not know) is a warning, and is read as Kayenta reads it, so that a config
//! in use there gets the same score here. Fields in which Kayenta keeps books (`createdTimestamp` and the
//! like) are passed over. The metrics are read in `read_metric`.

use super::advice::advise;
use super::object::{Object, Problems, shortened, wrong_type};
use super::read_metric::metrics;
use super::{CanaryConfig, Classifier, JUDGE_NAME, JudgeConfig, Thresholds};
use serde_json::Value;
use sluice_model::{Diagnostic, Severity, SourcePlace};
use std::collections::BTreeMap;

/// What came of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The config; there if, and only if, no diagnostic is an error.
    pub config: Option<CanaryConfig>,
    /// What is wrong, then what is odd; each in the order of the document, at most about a hundred.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a canary config. `file_name` is the file as the user named it, for the place of a syntax error.
#[must_use]
pub fn read(file_name: &str, text: &str) -> Parsed {
    match serde_json::from_str(text) {
        Ok(value) => read_value(&value),
        Err(error) => Parsed {
            config: None,
            diagnostics: vec![syntax(file_name, text, &error)],
        },
    }
}

/// Reads a canary config that is JSON already, as from a request.
#[must_use]
pub fn read_value(value: &Value) -> Parsed {
    let problems = Problems::default();
    let config =
        Object::new(String::new(), value, &problems).map(|document| config(&document, &problems));
    if let Some(config) = &config {
        advise(config, &problems);
    }
    let diagnostics = problems.into_diagnostics();
    let failed = diagnostics
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    Parsed {
        config: config.filter(|_| !failed),
        diagnostics,
    }
}

fn syntax(file_name: &str, text: &str, error: &serde_json::Error) -> Diagnostic {
    let line_text = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let before = line_text.get(..error.column().saturating_sub(1));
    let column = before.map_or(error.column(), |before| before.chars().count() + 1);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    Diagnostic {
        severity: Severity::Error,
        code: "not-json".to_owned(),
        path: String::new(),
        place: Some(SourcePlace {
            file: file_name.to_owned(),
            line: count(error.line()),
            column: count(column),
            span: None,
        }),
        message: format!("this is not JSON: {error}"),
        help: Some("correct the text at this place".to_owned()),
    }
}

fn config(document: &Object<'_>, problems: &Problems) -> CanaryConfig {
    for books in [
        "createdTimestamp",
        "updatedTimestamp",
        "createdTimestampIso",
        "updatedTimestampIso",
    ] {
        document.get(books);
    }
    let config = CanaryConfig {
        id: document.text("id"),
        name: document.text("name").unwrap_or_default(),
        description: document.text("description"),
        config_version: document.text("configVersion"),
        applications: match document.get("applications") {
            Some(list) => document.texts("applications", list),
            None => Vec::new(),
        },
        judge: judge(document, problems),
        metrics: metrics(document, problems),
        templates: templates(document, problems),
        classifier: classifier(document, problems),
    };
    document.report_unknown();
    config
}

fn judge(document: &Object<'_>, problems: &Problems) -> JudgeConfig {
    let judge = document.object("judge");
    let name = judge
        .as_ref()
        .and_then(|judge| judge.text("name"))
        .filter(|name| !name.is_empty());
    let configurations = judge
        .as_ref()
        .and_then(|judge| judge.object("judgeConfigurations"));
    if let Some(judge) = &judge {
        judge.report_unknown();
    }
    if let Some(configurations) = &configurations {
        // Any setting is unknown to a judge that has none.
        configurations.report_unknown();
    }
    match name.as_deref() {
        Some(JUDGE_NAME) => {}
        // The dummy judge of Kayenta's samples, which answers at random (RandomDummyJudge.scala:33).
        None | Some("dredd-v1.0") => problems.warning(
            "other-judge",
            "judge.name",
            match &name {
                Some(name) => format!("`{name}` is Kayenta's dummy judge, which answers at random"),
                None => "no judge is named".to_owned(),
            },
            &format!("say `{JUDGE_NAME}`, which judges it here in any case"),
        ),
        Some(other) => problems.error(
            "other-judge",
            "judge.name",
            format!("there is no judge `{}` here", shortened(other)),
            &format!("say `{JUDGE_NAME}` if that may judge this canary"),
        ),
    }
    JudgeConfig {
        name: name.unwrap_or_else(|| JUDGE_NAME.to_owned()),
        judge_configurations: configurations
            .map(|all| {
                all.entries()
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect()
            })
            .unwrap_or_default(),
    }
}

fn templates(document: &Object<'_>, problems: &Problems) -> BTreeMap<String, String> {
    let Some(templates) = document.object("templates") else {
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for (name, value) in templates.entries() {
        match value {
            Value::String(text) => {
                read.insert(name.clone(), text.clone());
            }
            other => wrong_type(problems, &templates.path_of(name), "a text", other),
        }
    }
    read
}

fn classifier(document: &Object<'_>, problems: &Problems) -> Classifier {
    let help = "say how much each group counts, as {\"groupWeights\": {\"errors\": 100}}";
    let Some(value) = document.need("classifier", help) else {
        return Classifier::default();
    };
    let Some(object) = Object::new(document.path_of("classifier"), value, problems) else {
        return Classifier::default();
    };
    let mut group_weights = BTreeMap::new();
    if let Some(weights) = object.object("groupWeights") {
        for (group, value) in weights.entries() {
            let path = weights.path_of(group);
            match number_or_text(value) {
                Some(weight) if weight < 0.0 => problems.error(
                    "out-of-range",
                    &path,
                    format!("the weight {weight} is below 0"),
                    "say 0 to 100: the percentage that the group counts",
                ),
                Some(weight) => {
                    group_weights.insert(group.clone(), weight);
                }
                None => wrong_type(problems, &path, "a number", value),
            }
        }
    }
    let score_thresholds = object
        .object("scoreThresholds")
        .and_then(|fields| thresholds(&fields, problems));
    object.report_unknown();
    Classifier {
        group_weights,
        score_thresholds,
    }
}

fn thresholds(object: &Object<'_>, problems: &Problems) -> Option<Thresholds> {
    let read = |field| {
        let value = object.need(field, "say a score, 0 to 100")?;
        let number = number_or_text(value);
        if number.is_none() {
            wrong_type(problems, &object.path_of(field), "a number", value);
        }
        number
    };
    let (pass, marginal) = (read("pass"), read("marginal"));
    object.report_unknown();
    Some(Thresholds {
        pass: pass?,
        marginal: marginal?,
    })
}

/// A finite number, or a text that is one: Spinnaker writes thresholds and weights both ways.
fn number_or_text(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    number.is_finite().then_some(number)
}

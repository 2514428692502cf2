//! The ConfigMap of notifications, and the Secret that belongs to it.

use crate::crd::push_field;
use crate::notification::{CONFIG_MAP_NAME, Config, SECRET_NAME, Source};
use crate::validation::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sluice_model::diagnostic::Severity;

/// What is wrong with an object if it is the ConfigMap. Keys of the Secret are looked for where it is in the file, too.
pub(super) fn problems(object: &Value, all: &[&Value]) -> Vec<Problem> {
    if !is(object, "ConfigMap", CONFIG_MAP_NAME) {
        return Vec::new();
    }
    let namespace = |object: &Value| object["metadata"]["namespace"].as_str().map(str::to_owned);
    let mut others = all.iter();
    let secret = others
        .find(|other| is(other, "Secret", SECRET_NAME) && namespace(other) == namespace(object));
    let stored = secret.map(|secret| as_stored(secret));
    let config = Config::read(Source::default(), Some(object), stored.as_ref());
    let loose_ends = config.loose_ends();
    let found = config.problems.into_iter().chain(loose_ends);
    found
        .filter(|problem| stored.is_some() || !problem.is_secret_missing)
        .map(|problem| {
            let (cause, next_step) = match problem.cause.rsplit_once("; ") {
                Some((cause, next_step)) => (cause.to_owned(), next_step.to_owned()),
                None => (problem.cause, "correct this text".to_owned()),
            };
            let severity = if problem.is_secret_missing {
                Severity::Warning
            } else {
                Severity::Error
            };
            let mut path = "data".to_owned();
            push_field(&mut path, &problem.place);
            Problem {
                severity,
                rule: "notification",
                path,
                cause,
                next_step,
            }
        })
        .collect()
}

fn is(object: &Value, kind: &str, name: &str) -> bool {
    object["apiVersion"] == "v1" && object["kind"] == kind && object["metadata"]["name"] == name
}

/// A Secret as an API server keeps it: `stringData` is among `data`, in Base64.
fn as_stored(secret: &Value) -> Value {
    let entries = |field: &str| secret[field].as_object().into_iter().flatten();
    let mut data: Map<String, Value> = entries("data")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    data.extend(entries("stringData").filter_map(|(key, value)| {
        let encoded = STANDARD.encode(value.as_str()?);
        Some((key.clone(), Value::from(encoded)))
    }));
    Value::from_iter([("data", Value::Object(data))])
}

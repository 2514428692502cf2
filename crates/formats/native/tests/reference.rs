//! The reference for people (`docs/document.md`) and the one for editors (the JSON Schema) agree with
//! the parser.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read golden files"
)]

use serde_json::Value;
use sluice_native::{parse, schema};
use std::path::Path;

const REFERENCE: &str = "../../../docs/document.md";

fn reference() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(REFERENCE)).unwrap()
}

/// The fenced blocks: what follows the three backticks, and the text.
fn blocks(markdown: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn every_example_of_the_reference_is_a_document_without_errors() {
    let blocks = blocks(&reference());
    let mut tried = 0;
    for (info, text) in &blocks {
        let document = match info.as_str() {
            "yaml" => text.clone(),
            // Parts of a document: the fields of a service, or those of a release.
            "yaml service" => service(text),
            "yaml release" => release(text),
            _ => continue,
        };
        let parsed = parse("document.md", &document, "/srv/shop");
        let messages: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
        assert!(
            parsed.document.is_some(),
            "{document}\n{}",
            messages.join("\n")
        );
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} examples");
}

fn indented(spaces: usize, text: &str) -> String {
    text.lines()
        .map(|line| format!("{:spaces$}{line}\n", ""))
        .collect()
}

fn service(fields: &str) -> String {
    let mut document = "services:\n  checkout:\n".to_owned();
    for (name, line) in [
        ("run:", "run: ./checkout\n"),
        ("listen:", "listen: 127.0.0.1:8080\n"),
    ] {
        if !fields.lines().any(|written| written.starts_with(name)) {
            document.push_str(&indented(4, line));
        }
    }
    document + &indented(4, fields)
}

fn release(fields: &str) -> String {
    service(&format!(
        "sticky: {{header: x-user}}\nrelease:\n{}",
        indented(2, fields)
    ))
}

/// Every object schema with its fields, by a path for messages.
fn objects<'a>(
    path: String,
    schema: &'a Value,
    found: &mut Vec<(String, &'a serde_json::Map<String, Value>)>,
) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                found.push((path.clone(), properties));
            }
            for (name, value) in fields {
                objects(format!("{path}.{name}"), value, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                objects(path.clone(), item, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_of_the_schema_is_described_and_none_may_be_null() {
    let schema = schema();
    let mut found = Vec::new();
    objects(String::new(), &schema, &mut found);
    let mut fields = 0;
    for (path, properties) in found {
        for (name, property) in properties {
            let described = property
                .get("description")
                .and_then(Value::as_str)
                .is_some_and(|text| text.len() > 10);
            assert!(described, "{path}.{name} has no description");
            fields += 1;
        }
    }
    assert!(fields > 80, "only {fields} fields");
    assert!(!schema.to_string().contains("null"), "a field may be null");
    assert_eq!(schema["required"], serde_json::json!(["services"]));
}

#[test]
fn every_field_of_the_schema_is_in_the_reference() {
    let text = reference();
    let schema = schema();
    let mut found = Vec::new();
    objects(String::new(), &schema, &mut found);
    for (path, properties) in found {
        for name in properties.keys() {
            assert!(
                text.contains(&format!("`{name}`")),
                "docs/document.md does not mention `{name}` ({path})"
            );
        }
    }
}

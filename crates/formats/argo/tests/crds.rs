//! The definitions, one line per field, so that each change of what an API server is told is seen.
//! Kubernetes' own pod and Job are one line.
//!
//! `UPDATE_GOLDEN=1 cargo test -p sluice-argo --test crds` writes the lines anew.

#![expect(clippy::disallowed_methods, reason = "a test reads its golden files")]

use serde_json::Value;
use sluice_argo::crd::{Kind, crds};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

fn golden(kind: Kind) -> PathBuf {
    let name = format!("{}.txt", kind.as_str().to_lowercase());
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// What stands around the schema, then the schema's fields.
fn outline(kind: Kind) -> String {
    let mut definition = kind.definition();
    let version = &mut definition["spec"]["versions"][0];
    let schema = version["schema"]["openAPIV3Schema"].take();
    let mut text = serde_saphyr::to_string(&definition).expect("YAML");
    text.push('\n');
    fields("", &schema, &mut text);
    text
}

fn fields(path: &str, schema: &Value, text: &mut String) {
    let facts: Vec<String> = schema
        .as_object()
        .expect("a schema")
        .iter()
        .filter(|(key, _)| {
            !["description", "properties", "items", "additionalProperties"].contains(&key.as_str())
        })
        .map(|(key, value)| match key.as_str() {
            "type" | "format" => value.as_str().expect("a word").to_owned(),
            _ => format!("{key}={value}"),
        })
        .collect();
    writeln!(text, "{path}: {}", facts.join(" ")).expect("a String takes everything");
    if path.ends_with("template.spec") || path.ends_with("job.spec") {
        return;
    }
    let properties = schema["properties"].as_object();
    for (name, inner) in properties.into_iter().flatten() {
        fields(&format!("{path}.{name}"), inner, text);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(key) {
            fields(&format!("{path}{mark}"), inner, text);
        }
    }
}

#[test]
fn the_definitions_are_as_they_were() {
    for kind in Kind::ALL {
        let path = golden(kind);
        let text = outline(kind);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).expect("the golden file can be written");
        }
        let expected = fs::read_to_string(&path).expect("the golden file");
        assert!(
            text == expected,
            "{} differs from {}; look at the difference, then UPDATE_GOLDEN=1",
            kind.as_str(),
            path.display()
        );
    }
}

#[test]
fn what_is_printed_is_read_again() {
    let text = crds();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let expected: Vec<Value> = Kind::ALL.into_iter().map(Kind::definition).collect();
    assert_eq!(documents, expected);
}

#[test]
fn each_definition_fits_a_plain_kubectl_apply() {
    // kubectl keeps what was applied in an annotation, and annotations end at 262144 bytes.
    for kind in Kind::ALL {
        let bytes = kind.definition().to_string().len();
        assert!(bytes < 240_000, "{}: {bytes} bytes", kind.as_str());
    }
}

/// Kubernetes refuses a definition that is not structural: each node has a type unless it says that it
/// takes anything, and each default, list key and required field is one that exists.
#[test]
fn each_definition_is_structural() {
    fn visit(path: &str, schema: &Value) {
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true
            || schema["x-kubernetes-int-or-string"] == true;
        assert!(schema["type"].is_string() || open, "{path} has no type");
        for forbidden in [
            "$ref",
            "x-definition",
            "x-default",
            "title",
            "oneOf",
            "allOf",
        ] {
            assert!(schema.get(forbidden).is_none(), "{path} has {forbidden}");
        }
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            assert!(
                schema["properties"].get(name).is_some(),
                "{path} requires {name}"
            );
        }
        let keys = schema["x-kubernetes-list-map-keys"].as_array();
        for key in keys.into_iter().flatten().filter_map(Value::as_str) {
            let item = &schema["items"];
            let required = item["required"]
                .as_array()
                .is_some_and(|names| names.iter().any(|name| name == key));
            let default = item["properties"][key].get("default").is_some();
            assert!(required || default, "{path}: the key {key} may be absent");
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            visit(&format!("{path}.{name}"), inner);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key) {
                visit(&format!("{path}.{key}"), inner);
            }
        }
    }
    for kind in Kind::ALL {
        visit(kind.as_str(), &kind.schema());
    }
}

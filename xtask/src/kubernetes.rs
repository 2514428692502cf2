//! Kubernetes' own definitions of a pod template and of a Job's spec, made from its published OpenAPI.
//!
//! They lie in `crates/formats/argo/src/crd` and go into the CustomResourceDefinitions that `sluice crds`
//! prints. Made anew for another version of Kubernetes, by hand:
//! `cargo xtask generate --kubernetes FOLDER`, where the folder is `api/openapi-spec/v3` of its source.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Where the definitions are written to.
const FILE: &str = "crates/formats/argo/src/crd/kubernetes-1.34.json";
/// The documents that have them.
const SOURCES: [&str; 2] = ["api__v1_openapi.json", "apis__batch__v1_openapi.json"];
/// What is needed; what they refer to comes along.
const ROOTS: [&str; 2] = [
    "io.k8s.api.core.v1.PodTemplateSpec",
    "io.k8s.api.batch.v1.JobSpec",
];
/// What a definition keeps of itself, beside its fields.
const KEPT: [&str; 7] = [
    "type",
    "format",
    "enum",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
];

/// Writes the definitions below `root`, the workspace.
pub(crate) fn generate(root: &Path, folder: &Path) -> Result<()> {
    let mut published = Map::new();
    for source in SOURCES {
        let path = folder.join(source);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let document: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        let schemas = document["components"]["schemas"].as_object();
        published.extend(schemas.context("the document has no schemas")?.clone());
    }
    let mut made = Definitions {
        published,
        all: Map::new(),
    };
    for root in ROOTS {
        made.need(root)?;
    }
    made.default_list_keys()?;
    made.loosen()?;
    let path = root.join(FILE);
    std::fs::write(&path, made.text())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    println!("{FILE} written: {} definitions", made.all.len());
    Ok(())
}

struct Definitions {
    published: Map<String, Value>,
    all: Map<String, Value>,
}

impl Definitions {
    fn need(&mut self, name: &str) -> Result<()> {
        if self.all.contains_key(name) {
            return Ok(());
        }
        let schema = self
            .published
            .get(name)
            .with_context(|| format!("`{name}` is not published"))?
            .clone();
        self.all.insert(name.to_owned(), Value::Null);
        let made = self.convert(&schema)?;
        self.all.insert(name.to_owned(), made);
        Ok(())
    }

    fn convert(&mut self, schema: &Value) -> Result<Value> {
        if let Some(name) = reference(schema) {
            return match name.rsplit('.').next().unwrap_or_default() {
                "Quantity" | "IntOrString" => Ok(json!({
                    "anyOf": [{"type": "integer"}, {"type": "string"}],
                    "x-kubernetes-int-or-string": true,
                })),
                // Of an embedded object's metadata Argo keeps these two.
                "ObjectMeta" => {
                    let texts =
                        json!({"type": "object", "additionalProperties": {"type": "string"}});
                    let properties = json!({"annotations": texts, "labels": texts});
                    Ok(json!({"type": "object", "properties": properties}))
                }
                "Time" => Ok(json!({"type": "string", "format": "date-time"})),
                _ => {
                    self.need(&name)?;
                    Ok(json!({"$ref": name}))
                }
            };
        }
        let mut made = Map::new();
        for key in KEPT {
            if let Some(value) = schema.get(key) {
                made.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            let mut fields = Map::new();
            for (name, field) in properties {
                fields.insert(name.clone(), self.convert(field)?);
            }
            made.insert("properties".to_owned(), Value::Object(fields));
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key) {
                made.insert(key.to_owned(), self.convert(inner)?);
            }
        }
        Ok(Value::Object(made))
    }

    /// A key of a list that may be absent needs a default, or the definition is refused.
    fn default_list_keys(&mut self) -> Result<()> {
        let mut lists = Vec::new();
        for definition in self.all.values() {
            for field in definition["properties"].as_object().into_iter().flatten() {
                if field.1["x-kubernetes-list-type"] == "map" {
                    lists.push(field.1.clone());
                }
            }
        }
        for list in lists {
            let item = list["items"]["$ref"]
                .as_str()
                .context("a list with keys has items without a name")?;
            for key in list["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let key = key.as_str().context("a key is no text")?;
                let published = self.published[item]["properties"][key]["default"].clone();
                let required = self.all[item]["required"].as_array();
                if required.is_some_and(|names| names.iter().any(|name| name == key)) {
                    continue;
                }
                let default = if published.is_null() {
                    json!("")
                } else {
                    published
                };
                self.all[item]["properties"][key]["default"] = default;
            }
        }
        Ok(())
    }

    /// Where Argo's own definitions take more than Kubernetes publishes, so do these.
    fn loosen(&mut self) -> Result<()> {
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        // `cpu: 0.5` is neither a whole number nor a text.
        for name in ["ResourceRequirements", "VolumeResourceRequirements"] {
            let fields = &mut self.named(name)?["properties"];
            fields["limits"] = anything.clone();
            fields["requests"] = anything.clone();
        }
        let size = json!({"x-kubernetes-preserve-unknown-fields": true});
        self.named("EmptyDirVolumeSource")?["properties"]["sizeLimit"] = size;
        // A volume of a newer kind.
        self.named("Volume")?["x-kubernetes-preserve-unknown-fields"] = json!(true);
        for name in ["SecretEnvSource", "ConfigMapEnvSource"] {
            self.named(name)?["x-kubernetes-map-type"] = json!("atomic");
        }
        Ok(())
    }

    fn named(&mut self, name: &str) -> Result<&mut Value> {
        let full = format!("io.k8s.api.core.v1.{name}");
        self.all
            .get_mut(&full)
            .with_context(|| format!("`{full}` is not among the definitions"))
    }

    /// One line for each definition, so that a difference can be read.
    fn text(&self) -> String {
        let mut text = String::from("{\n");
        for (at, (name, definition)) in self.all.iter().enumerate() {
            let end = if at + 1 == self.all.len() { "" } else { "," };
            writeln!(text, "{}:{definition}{end}", json!(name)).expect("a String takes everything");
        }
        text.push_str("}\n");
        text
    }
}

/// The name that a schema refers to.
fn reference(schema: &Value) -> Option<String> {
    let direct = schema
        .get("$ref")
        .or_else(|| schema["allOf"][0].get("$ref"));
    let path = direct?.as_str()?;
    Some(path.rsplit('/').next().unwrap_or(path).to_owned())
}

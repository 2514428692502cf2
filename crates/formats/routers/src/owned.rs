//! Objects that are created for an owner.

use crate::changes::Problem;
use crate::object::ObjectRef;
use crate::split::Owner;
use crate::tree;
use serde_json::{Value, json};

/// Names in Kubernetes have at most this many characters.
const NAME_MAX: usize = 253;

/// Remembers what `kubectl apply` was given; a copy of an object was given nothing.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A new object without a spec.
pub(crate) fn new(object: &ObjectRef, owner: &Owner) -> Value {
    json!({
        "apiVersion": object.kind.api_version(),
        "kind": object.kind.kind,
        "metadata": {
            "name": object.name,
            "namespace": object.namespace,
            "ownerReferences": [owner.reference()],
        },
        "spec": {},
    })
}

/// A new object with the labels, annotations and spec of another one of its kind.
pub(crate) fn copy(of: &Value, object: &ObjectRef, owner: &Owner) -> Value {
    let mut body = new(object, owner);
    for field in ["labels", "annotations"] {
        if let Some(marks) = tree::child(of, &["metadata", field]) {
            body["metadata"][field] = marks.clone();
        }
    }
    let annotations = body.pointer_mut("/metadata/annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    if let Some(spec) = tree::child(of, &["spec"]) {
        body["spec"] = spec.clone();
    }
    body
}

/// Whether the object's controller is the owner.
pub(crate) fn belongs_to(body: &Value, owner: &Owner) -> bool {
    tree::child(body, &["metadata", "ownerReferences"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|reference| reference["controller"] == true && reference["uid"] == owner.uid)
}

/// # Errors
/// The object's controller is not the owner.
pub(crate) fn must_belong(body: &Value, object: &ObjectRef, owner: &Owner) -> Result<(), Problem> {
    if belongs_to(body, owner) {
        return Ok(());
    }
    Err(Problem::at(
        object,
        "not-owned",
        "metadata.ownerReferences",
        format!(
            "it is needed for {} `{}`, which does not own it",
            owner.kind, owner.name
        ),
        "delete it if it is left over, or choose another name".to_owned(),
    ))
}

/// `stem` and `suffix`, with the stem cut so that both fit a name.
pub(crate) fn name_with(stem: &str, suffix: &str) -> String {
    let mut end = stem.len().min(NAME_MAX - suffix.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &stem[..end])
}

//! Amounts that are none, as `memory: lots`: the definitions let them in, and a ReplicaSet with one is refused.
//!
//! Argo's controller stops to read such an object at the first of them, and rolls out what it has read by then: a
//! second container, and even the status, can be lost. Here the amount alone is left out, and a warning says so.

use crate::api::PodTemplate;
use crate::go_json::{self, Misfit};
use serde_json::Value;

/// Containers for debugging, which Kubernetes allows in a pod and in no template.
const EPHEMERAL: &str = "/spec/ephemeralContainers";

/// Takes amounts that are none out of a template; what was taken out, in the order of Kubernetes' fields. With one in a
/// container for debugging, the list of these goes.
pub fn without_odd_amounts(template: &mut PodTemplate) -> Vec<Misfit> {
    let mut left_out = Vec::new();
    while let Err(mut misfit) = go_json::template(&template.0) {
        if misfit.pointer.starts_with(EPHEMERAL) {
            EPHEMERAL.clone_into(&mut misfit.pointer);
        }
        if !misfit.is_amount() || !remove(template, &misfit.pointer) {
            break;
        }
        left_out.push(misfit);
    }
    left_out
}

/// Removes the field that a JSON pointer of several tokens names; false when there is none, as for an item of a list.
fn remove(template: &mut PodTemplate, pointer: &str) -> bool {
    let plain = |token: &str| token.replace("~1", "/").replace("~0", "~");
    let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
    let (first, rest) = match parent.get(1..).unwrap_or_default().split_once('/') {
        Some((first, rest)) => (first, format!("/{rest}")),
        None => (parent.get(1..).unwrap_or_default(), String::new()),
    };
    let top = template.0.get_mut(&plain(first));
    top.and_then(|top| top.pointer_mut(&rest))
        .and_then(Value::as_object_mut)
        .is_some_and(|fields| fields.remove(&plain(field)).is_some())
}

//! Rules of an Ingress: which Services their paths lead to.

use crate::changes::Problem;
use crate::object::ObjectRef;
use crate::tree;
use serde_json::Value;

/// The Service that a path leads to; empty when it leads elsewhere.
pub(crate) fn service(path: &Value) -> &str {
    tree::text(path, &["backend", "service", "name"])
}

/// The paths of a rule.
pub(crate) fn paths(rule: &Value) -> &[Value] {
    tree::child(rule, &["http", "paths"])
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Whether any path of the rule leads to the Service.
pub(crate) fn leads_to(rule: &Value, name: &str) -> bool {
    paths(rule).iter().any(|path| service(path) == name)
}

/// The rules of an Ingress.
///
/// # Errors
/// `spec.rules` is no list, or none of them leads to the Service.
pub(crate) fn rules<'a>(
    ingress: &'a Value,
    object: &ObjectRef,
    name: &str,
) -> Result<&'a [Value], Problem> {
    let rules = tree::list(ingress, &["spec", "rules"], object)?.map_or(&[][..], Vec::as_slice);
    if rules.iter().any(|rule| leads_to(rule, name)) {
        return Ok(rules);
    }
    Err(Problem::at(
        object,
        "no-route",
        "spec.rules",
        format!("no path leads to Service `{name}`"),
        format!("add a path with backend `{name}`, or name another Ingress"),
    ))
}

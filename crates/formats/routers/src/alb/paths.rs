//! Paths of an Ingress that lead to routes by header.
//!
//! They stand before the others, since the first path that fits wins. Argo's controller adds them to every
//! rule; here they are added only to those that lead to the split, so that a header moves no other host's
//! traffic.

use crate::changes::Problem;
use crate::object::ObjectRef;
use crate::split::{Split, Traffic};
use crate::{ingress, tree};
use serde_json::{Value, json};

/// Puts the paths of the routes in force first, in order, and takes away those of other managed routes.
///
/// # Errors
/// `spec.rules` is no list.
pub(super) fn arrange(
    body: &mut Value,
    traffic: &Traffic,
    split: &Split,
    action: &str,
    object: &ObjectRef,
) -> Result<(), Problem> {
    if traffic.managed_routes.is_empty() {
        return Ok(());
    }
    for rule in tree::list_mut(body, &["spec", "rules"], object)? {
        let old = ingress::paths(rule);
        let is_split = ingress::leads_to(rule, action);
        let routes = traffic.managed_routes.iter();
        let in_force = routes.filter(|name| is_split && split.route(name).is_some());
        let first = in_force.map(|name| {
            let existing = old.iter().find(|path| ingress::service(path) == name);
            existing.cloned().unwrap_or_else(|| path(name))
        });
        let is_managed = |name: &str| traffic.managed_routes.iter().any(|one| one == name);
        let others = old
            .iter()
            .filter(|path| !is_managed(ingress::service(path)));
        let new: Vec<Value> = first.chain(others.cloned()).collect();
        if new != old {
            rule["http"]["paths"] = Value::Array(new);
        }
    }
    Ok(())
}

/// The path to an action.
fn path(action: &str) -> Value {
    json!({
        "path": "/*",
        "pathType": "ImplementationSpecific",
        "backend": {"service": {"name": action, "port": {"name": "use-annotation"}}},
    })
}

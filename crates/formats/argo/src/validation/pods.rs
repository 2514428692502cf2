//! Selector, pod template, and the workload that stands for both.

use super::Problems;
use crate::api::{LabelSelector, PodTemplate, RolloutSpec};
use crate::template::template_hash;
use serde_json::Value;
use std::collections::BTreeSet;

/// The workloads that a pod template can be taken from.
const WORKLOAD_KINDS: [&str; 3] = ["Deployment", "ReplicaSet", "PodTemplate"];
/// What may become of the referenced Deployment's pods.
const SCALE_DOWN: [&str; 4] = ["", "never", "onsuccess", "progressively"];

pub(super) fn selector(spec: &RolloutSpec, found: &mut Problems) {
    match &spec.selector {
        None if spec.workload_ref.is_some() => {}
        None => found.error(
            "selector",
            "spec.selector",
            "the selector is missing, and so it is open which pods belong to the Rollout",
            "write the labels of spec.template in spec.selector.matchLabels",
        ),
        Some(selector) => {
            if spec.workload_ref.is_none() && selector.is_unconditional() {
                found.error(
                    "selector",
                    "spec.selector",
                    "an empty selector would mean all pods",
                    "write the labels of spec.template in spec.selector.matchLabels",
                );
            }
            conditions(selector, found);
        }
    }
}

fn conditions(selector: &LabelSelector, found: &mut Problems) {
    for (at, expression) in selector.match_expressions.iter().enumerate() {
        let path = format!("spec.selector.matchExpressions[{at}]");
        if expression.key.is_empty() {
            let cause = "the condition names no label";
            found.error("selector", format!("{path}.key"), cause, "write the label");
        }
        match (expression.operator.as_str(), expression.values.is_empty()) {
            ("In" | "NotIn", true) => found.error(
                "selector",
                format!("{path}.values"),
                format!("`{}` has no values", expression.operator),
                "write at least one value",
            ),
            ("Exists" | "DoesNotExist", false) => found.error(
                "selector",
                format!("{path}.values"),
                format!("`{}` takes no values", expression.operator),
                "remove them, or write `In`",
            ),
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
            (unknown, _) => found.error(
                "selector",
                format!("{path}.operator"),
                format!("`{unknown}` is no operator"),
                "write In, NotIn, Exists or DoesNotExist",
            ),
        }
    }
}

fn is_sound(selector: &LabelSelector) -> bool {
    let mut found = Problems::default();
    conditions(selector, &mut found);
    found.0.is_empty()
}

pub(super) fn workload_ref(spec: &RolloutSpec, found: &mut Problems) {
    let Some(reference) = &spec.workload_ref else {
        return;
    };
    // A controller refuses it ([`crate::rollout::template_beside_workload`]), and validates the Rollout with the
    // workload's template in it: here the two cannot be told apart.
    if !spec.template.labels().is_empty() || !spec.template.annotations().is_empty() {
        found.warning(
            "workload-ref",
            "spec.template",
            "workloadRef already names where the pod template comes from, and this one is not used",
            "remove spec.template or spec.workloadRef",
        );
    }
    if !WORKLOAD_KINDS.contains(&reference.kind.as_str()) {
        found.error(
            "workload-ref",
            "spec.workloadRef.kind",
            format!("a pod template cannot be taken from a `{}`", reference.kind),
            format!("name one of {}", WORKLOAD_KINDS.join(", ")),
        );
    }
    if reference.name.is_empty() {
        found.error(
            "workload-ref",
            "spec.workloadRef.name",
            "the workload has no name",
            "write the name of the workload",
        );
    }
    if !SCALE_DOWN.contains(&reference.scale_down.as_str()) {
        found.warning(
            "workload-ref",
            "spec.workloadRef.scaleDown",
            format!(
                "`{}` is not known, and the Deployment keeps its pods",
                reference.scale_down
            ),
            "write never, onsuccess or progressively",
        );
    }
}

/// What makes a ReplicaSet with this template senseless, whoever creates it.
pub(super) fn template(spec: &RolloutSpec, found: &mut Problems) {
    if spec.workload_ref.is_some() {
        return;
    }
    if let Some(selector) = &spec.selector
        && is_sound(selector)
        && !selector.matches(&spec.template.labels())
    {
        found.error(
            "template-labels",
            "spec.template.metadata.labels",
            "the selector does not match the template's labels, so that no pod would belong to the Rollout",
            "give the template all labels that spec.selector asks for",
        );
    }
    let pod = |field: &str| spec.template.spec().and_then(|pod| pod.get(field));
    if let Some(policy) = pod("restartPolicy").and_then(Value::as_str)
        && policy != "Always"
    {
        found.error(
            "restart-policy",
            "spec.template.spec.restartPolicy",
            format!("a ReplicaSet's pods are always restarted, and `{policy}` says otherwise"),
            "write `Always`, or leave it out",
        );
    }
    if pod("activeDeadlineSeconds").is_some_and(|value| !value.is_null()) {
        found.error(
            "active-deadline",
            "spec.template.spec.activeDeadlineSeconds",
            "a ReplicaSet's pods have no deadline",
            "remove it",
        );
    }
    containers(pod("containers"), found);
    types(&spec.template, found);
}

/// A value whose type is not its field's. Argo's controller cannot read such an object at all.
fn types(template: &PodTemplate, found: &mut Problems) {
    if let Err(misfit) = template_hash(template, None) {
        found.error(
            "template-types",
            format!("spec.template.{}", misfit.path),
            misfit.to_string(),
            format!("write {}", misfit.wanted),
        );
    }
}

fn containers(containers: Option<&Value>, found: &mut Problems) {
    let path = "spec.template.spec.containers";
    let containers = containers.and_then(Value::as_array);
    let Some(containers) = containers.filter(|containers| !containers.is_empty()) else {
        found.error(
            "containers",
            path,
            "a pod needs a container",
            "write at least one, with name and image",
        );
        return;
    };
    let mut names = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        for field in ["name", "image"] {
            let text = container.get(field).and_then(Value::as_str).unwrap_or("");
            if text.is_empty() {
                found.error(
                    "containers",
                    format!("{path}[{at}].{field}"),
                    format!("the container has no {field}"),
                    format!("write its {field}"),
                );
            } else if field == "name" && !names.insert(text) {
                found.error(
                    "containers",
                    format!("{path}[{at}].name"),
                    format!("another container is called `{text}` too"),
                    "give it a name of its own",
                );
            }
        }
    }
}

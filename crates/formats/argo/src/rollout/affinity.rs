//! The rule that keeps pods of the new revision away from nodes with stable ones.

use super::world::ReplicaSet;
use crate::api::{AntiAffinity, POD_TEMPLATE_HASH_LABEL, PodTemplate, Rollout};
use serde_json::{Value, json};

fn wanted(rollout: &Rollout) -> Option<&AntiAffinity> {
    let strategy = &rollout.spec.strategy;
    let of_canary = strategy
        .canary
        .as_ref()
        .and_then(|canary| canary.anti_affinity.as_ref());
    let of_blue_green = strategy
        .blue_green
        .as_ref()
        .and_then(|blue_green| blue_green.anti_affinity.as_ref());
    of_canary.or(of_blue_green).filter(|rule| {
        rule.preferred_during_scheduling_ignored_during_execution
            .is_some()
            || rule
                .required_during_scheduling_ignored_during_execution
                .is_some()
    })
}

/// The template with the rule against the stable revision, when one is wanted and there is another one.
pub(super) fn with_rule(rollout: &Rollout, hash: &str, template: &PodTemplate) -> PodTemplate {
    let stable = &rollout.status.stable_rs;
    let Some(rule) = wanted(rollout).filter(|_| !stable.is_empty() && stable != hash) else {
        return template.clone();
    };
    let term = json!({
        "labelSelector": {"matchExpressions": [
            {"key": POD_TEMPLATE_HASH_LABEL, "operator": "In", "values": [stable]},
        ]},
        "namespaces": [rollout.metadata.namespace],
        "topologyKey": "kubernetes.io/hostname",
    });
    let mut template = Value::Object(template.0.clone());
    let rules = &mut template["spec"]["affinity"]["podAntiAffinity"];
    let (list, entry) = match &rule.preferred_during_scheduling_ignored_during_execution {
        Some(preferred) => (
            "preferredDuringSchedulingIgnoredDuringExecution",
            json!({"weight": preferred.weight, "podAffinityTerm": term}),
        ),
        None => ("requiredDuringSchedulingIgnoredDuringExecution", term),
    };
    match rules[list].as_array_mut() {
        Some(entries) => entries.push(entry),
        None => rules[list] = json!([entry]),
    }
    match template {
        Value::Object(object) => PodTemplate(object),
        _ => unreachable!("it was made from an object"),
    }
}

/// The operation that puts the present stable revision into a ReplicaSet's rule, when it names another one.
pub(super) fn renewed(rollout: &Rollout, set: &ReplicaSet) -> Option<Value> {
    let stable = &rollout.status.stable_rs;
    if stable == set.hash() || wanted(rollout).is_none() {
        return None;
    }
    let rules = Value::Object(set.spec.template.0.clone());
    let rules = rules
        .pointer("/spec/affinity/podAntiAffinity")?
        .as_object()?;
    let named = rules
        .values()
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|rule| {
            let term = rule.get("podAffinityTerm").unwrap_or(rule);
            let expressions = term
                .pointer("/labelSelector/matchExpressions")?
                .as_array()?;
            expressions
                .iter()
                .find(|expression| expression["key"] == POD_TEMPLATE_HASH_LABEL)?
                .pointer("/values/0")?
                .as_str()
        })
        .next()?;
    if named == stable {
        return None;
    }
    let renewed = with_rule(rollout, set.hash(), &rollout.spec.template);
    let affinity = renewed.spec()?.get("affinity").cloned();
    Some(match affinity {
        Some(affinity) => {
            json!({"op": "add", "path": "/spec/template/spec/affinity", "value": affinity})
        }
        None => json!({"op": "remove", "path": "/spec/template/spec/affinity"}),
    })
}

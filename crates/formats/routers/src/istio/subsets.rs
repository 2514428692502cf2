//! The subsets of a DestinationRule: which pods are stable, canary, or an experiment's.

use super::DestinationRule;
use crate::changes::Problem;
use crate::object::{ObjectRef, Objects};
use crate::split::{Marks, Split, Traffic};
use crate::tree;
use serde_json::{Value, json};

const SUBSETS: [&str; 2] = ["spec", "subsets"];

/// A DestinationRule as it is and as it should be, and whether there is more to do after that: the canary's
/// subset only changes `with_canary`.
pub(super) fn change<'a>(
    rule: &DestinationRule,
    traffic: &Traffic,
    split: &Split,
    objects: &'a Objects,
    object: &ObjectRef,
    with_canary: bool,
) -> Result<(&'a Value, Value, bool), Problem> {
    let before = objects.need(object)?;
    let canary = hash(before, &rule.canary_subset, traffic, object)?;
    hash(before, &rule.stable_subset, traffic, object)?;
    let follows = !with_canary && canary != split.canary_hash;
    let mut after = before.clone();
    if let Some(mark) = &traffic.marks.managed_by {
        let annotations = tree::fields_mut(&mut after, &["metadata", "annotations"], object)?;
        tree::put(annotations, mark, traffic.owner.name.as_str().into());
    }
    let label = &traffic.marks.pod_hash_label;
    let subsets = tree::list_mut(&mut after, &SUBSETS, object)?;
    subsets.retain(|subset| {
        let name = tree::text(subset, &["name"]);
        let is_known = name == rule.stable_subset
            || name == rule.canary_subset
            || rule.additional_subsets.iter().any(|one| one == name)
            || split.additional.iter().any(|one| one.service == name);
        is_known || !is_made(subset, label)
    });
    for (index, subset) in subsets.iter_mut().enumerate() {
        let name = tree::text(subset, &["name"]).to_owned();
        let hash = if name == rule.canary_subset {
            if !with_canary {
                continue;
            }
            &split.canary_hash
        } else if name == rule.stable_subset {
            &split.stable_hash
        } else if let Some(one) = split.additional.iter().find(|one| one.service == name) {
            &one.pod_hash
        } else {
            continue;
        };
        choose(subset, label, hash.as_deref(), index, object)?;
    }
    for one in &split.additional {
        let exists = subsets
            .iter()
            .any(|subset| subset["name"] == one.service.as_str());
        if let (false, Some(hash)) = (exists, &one.pod_hash) {
            subsets.push(json!({"name": one.service, "labels": {label.as_str(): hash}}));
        }
    }
    Ok((before, after, follows))
}

/// The hash label of a subset.
///
/// # Errors
/// There is no subset of this name.
pub(super) fn hash(
    body: &Value,
    name: &str,
    traffic: &Traffic,
    object: &ObjectRef,
) -> Result<Option<String>, Problem> {
    let subsets = tree::list(body, &SUBSETS, object)?;
    let mut subsets = subsets.into_iter().flatten();
    let Some(subset) = subsets.find(|subset| tree::text(subset, &["name"]) == name) else {
        return Err(Problem::at(
            object,
            "side-missing",
            SUBSETS.join("."),
            format!("it has no subset `{name}`"),
            format!("add a subset with the name `{name}`"),
        ));
    };
    let hash = tree::text(subset, &["labels", &traffic.marks.pod_hash_label]);
    Ok((!hash.is_empty()).then(|| hash.to_owned()))
}

/// Makes a subset choose the pods with this hash, or pods of any.
fn choose(
    subset: &mut Value,
    label: &str,
    hash: Option<&str>,
    index: usize,
    object: &ObjectRef,
) -> Result<(), Problem> {
    let path = format!("{}[{index}]", SUBSETS.join("."));
    match hash {
        Some(hash) => {
            let labels = tree::fields_mut(subset, &["labels"], object)
                .map_err(|_| Problem::malformed(object, format!("{path}.labels"), "an object"))?;
            tree::put(labels, label, hash.into());
        }
        None => forget(subset, label),
    }
    Ok(())
}

/// Whether a subset was made for an experiment: it says nothing but a hash. Argo's controller takes every
/// subset that it does not know for one.
fn is_made(subset: &Value, label: &str) -> bool {
    let only = |value: &Value, keys: &[&str]| {
        value.as_object().is_some_and(|fields| {
            fields.len() == keys.len() && keys.iter().all(|key| fields.contains_key(*key))
        })
    };
    only(subset, &["name", "labels"]) && only(&subset["labels"], &[label])
}

fn forget(subset: &mut Value, label: &str) {
    if let Some(labels) = subset.get_mut("labels").and_then(Value::as_object_mut) {
        labels.remove(label);
    }
}

/// A DestinationRule without the marks of an owner that does not name it any more; `None` when it has none.
#[must_use]
pub fn release(body: &Value, marks: &Marks) -> Option<Value> {
    let mut after = body.clone();
    let annotations = after.pointer_mut("/metadata/annotations");
    if let (Some(annotations), Some(mark)) = (
        annotations.and_then(Value::as_object_mut),
        &marks.managed_by,
    ) {
        annotations.remove(mark);
    }
    let subsets = after.pointer_mut("/spec/subsets");
    for subset in subsets.and_then(Value::as_array_mut).into_iter().flatten() {
        forget(subset, &marks.pod_hash_label);
    }
    (after != *body).then_some(after)
}

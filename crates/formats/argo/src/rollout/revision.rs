//! The ReplicaSet of what is rolled out: found by meaning, created when there is none, and numbered.

use super::affinity;
use super::conditions::{self, Condition};
use super::metadata;
use super::turn::Turn;
use super::world::{DESIRED_REPLICAS, REVISION, REVISION_HISTORY, ReplicaSet, WORKLOAD_GENERATION};
use super::write::Write;
use crate::api::{POD_TEMPLATE_HASH_LABEL, PodTemplate, Rollout, RolloutStatus, Time};
use crate::event::Event;
use crate::template::{
    Misfit, same_template, template_hash, without_anti_affinity, without_ephemeral,
};
use serde_json::{Value, json};
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

/// Annotations of a Rollout that its ReplicaSets do not get.
const NOT_COPIED: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    "notified.notifications.argoproj.io",
];

/// The ReplicaSet whose pods are those of the Rollout's template, the oldest if there are several.
///
/// The template's hash is believed: a ReplicaSet that has it was made for this template, by us or by Argo's controller,
/// whatever a webhook made of it since. Every other ReplicaSet, one of an earlier version of either, is found by what
/// its template means.
pub(super) fn find_new(
    rollout: &Rollout,
    hash: Option<&str>,
    sets: &[ReplicaSet],
) -> Option<usize> {
    let mut by_age: Vec<usize> = (0..sets.len()).collect();
    by_age.sort_by_key(|at| (sets[*at].created_at(), &sets[*at].metadata.name));
    let by_hash = hash.and_then(|hash| by_age.iter().copied().find(|at| sets[*at].hash() == hash));
    by_hash.or_else(|| {
        by_age
            .into_iter()
            // One without a hash was adopted from a Deployment, say: its pods cannot be told from others.
            .filter(|at| !sets[*at].hash().is_empty())
            .find(|at| has_template(&sets[*at], &rollout.spec.template))
    })
}

fn has_template(set: &ReplicaSet, wanted: &PodTemplate) -> bool {
    let live = without_ephemeral(&set.spec.template, &set.ephemeral());
    same_template(wanted, &without_anti_affinity(&live))
}

/// The hash of what is to be rolled out.
pub(super) fn hash(rollout: &Rollout) -> Result<String, Misfit> {
    template_hash(&rollout.spec.template, rollout.status.collision_count)
}

/// The name that the Rollout's next new ReplicaSet would have.
///
/// # Errors
/// The first value of the template whose type is not its field's: such a Rollout is refused, and has no next one.
pub fn candidate_name(rollout: &Rollout) -> Result<String, Misfit> {
    Ok(set_name(rollout, &hash(rollout)?))
}

fn set_name(rollout: &Rollout, hash: &str) -> String {
    format!("{}-{hash}", rollout.metadata.name)
}

/// Creates the ReplicaSet, or takes another name for it when the name is somebody else's.
pub(super) fn create(turn: &mut Turn<'_>, hash: &str) {
    let rollout = turn.rollout;
    if turn.world.name_taken {
        let mut status = rollout.status.clone();
        status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
        turn.write(Write::Status(Box::new(status)));
        return;
    }
    let number = turn
        .sets
        .iter()
        .map(ReplicaSet::revision)
        .max()
        .unwrap_or(0)
        + 1;
    let name = set_name(rollout, hash);
    let object = object(turn, hash, number);
    turn.write(Write::CreateReplicaSet(object));
    set_revision(turn, number);
    turn.event(
        "NewReplicaSetCreated",
        format!("Created ReplicaSet {name} (revision {number})"),
    );
    let mut status = rollout.status.clone();
    conditions::set(
        &mut status.conditions,
        Condition::new("Progressing", "True", "NewReplicaSetCreated")
            .message(format!("Created new replica set \"{name}\""))
            .at(turn.time()),
    );
    turn.write(Write::Status(Box::new(status)));
}

/// What is said when an API server refuses the new ReplicaSet: an event, and the status.
#[must_use]
pub fn creation_failed(
    rollout: &Rollout,
    name: &str,
    cause: &str,
    now: Timestamp,
) -> (Event, RolloutStatus) {
    let message = format!("Failed to create new replica set \"{name}\": {cause}");
    let mut status = rollout.status.clone();
    conditions::set(
        &mut status.conditions,
        Condition::new("Progressing", "False", "ReplicaSetCreateError")
            .message(message.clone())
            .at(Time(now)),
    );
    let event = Event {
        warning: true,
        reason: "ReplicaSetCreateError".to_owned(),
        message,
    };
    (event, status)
}

fn object(turn: &Turn<'_>, hash: &str, number: i64) -> Value {
    let rollout = turn.rollout;
    let role = metadata::of_new_set(turn);
    let mut template = affinity::with_rule(rollout, hash, &rollout.spec.template);
    metadata::add_to_template(&mut template, &role);
    let mut labels = rollout.spec.template.labels();
    labels.insert(POD_TEMPLATE_HASH_LABEL.to_owned(), hash.to_owned());
    set_label(&mut template, hash);
    let mut selector = json!(rollout.spec.selector.clone().unwrap_or_default());
    selector["matchLabels"][POD_TEMPLATE_HASH_LABEL] = json!(hash);
    let mut annotations = copied(rollout);
    annotations.insert(REVISION.to_owned(), number.to_string());
    annotations.insert(DESIRED_REPLICAS.to_owned(), turn.replicas().to_string());
    annotations.extend(metadata::annotation(&role));
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": set_name(rollout, hash),
            "namespace": rollout.metadata.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner(rollout)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": rollout.spec.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    })
}

fn set_label(template: &mut PodTemplate, hash: &str) {
    let metadata = template.0.entry("metadata").or_insert_with(|| json!({}));
    metadata["labels"][POD_TEMPLATE_HASH_LABEL] = json!(hash);
}

/// The reference by which a Rollout owns what it creates.
#[must_use]
pub fn owner(rollout: &Rollout) -> Value {
    json!({
        "apiVersion": crate::api::API_VERSION,
        "kind": "Rollout",
        "name": rollout.metadata.name,
        "uid": rollout.metadata.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

fn copied(rollout: &Rollout) -> BTreeMap<String, String> {
    let mut annotations = rollout.metadata.annotations.clone();
    annotations.retain(|key, _| !NOT_COPIED.contains(&key.as_str()));
    annotations
}

fn set_revision(turn: &mut Turn<'_>, number: i64) {
    let annotations = &turn.rollout.metadata.annotations;
    let text = number.to_string();
    if annotations.get(REVISION) == Some(&text) {
        return;
    }
    turn.write(Write::AnnotateRollout(BTreeMap::from([(
        REVISION.to_owned(),
        Some(text),
    )])));
    turn.event(
        "RolloutUpdated",
        format!("Rollout updated to revision {number}"),
    );
}

/// Brings the new ReplicaSet's annotations, number, minReadySeconds and rule up to date, and the Rollout's
/// number.
pub(super) fn sync(turn: &mut Turn<'_>) {
    note_workload(turn);
    let Some(at) = turn.new else { return };
    let others = (0..turn.sets.len()).filter(|other| *other != at);
    let number = others
        .map(|other| turn.sets[other].revision())
        .max()
        .unwrap_or(0)
        + 1;
    let set = &turn.sets[at];
    let before = &set.metadata.annotations;
    let mut after = before.clone();
    after.extend(copied(turn.rollout));
    if set.revision() < number {
        after.insert(REVISION.to_owned(), number.to_string());
        // One that is rolled out again remembers its earlier numbers.
        if let Some(earlier) = before.get(REVISION) {
            let history = match before.get(REVISION_HISTORY) {
                Some(history) if !history.is_empty() => format!("{history},{earlier}"),
                _ => earlier.clone(),
            };
            after.insert(REVISION_HISTORY.to_owned(), history);
        }
    }
    let mut operations: Vec<Value> = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(*value))
        .map(|(key, value)| add_annotation(key, value))
        .collect();
    let seconds = turn.rollout.spec.min_ready_seconds;
    if set.spec.min_ready_seconds != seconds {
        operations.push(json!({"op": "add", "path": "/spec/minReadySeconds", "value": seconds}));
    }
    operations.extend(affinity::renewed(turn.rollout, set));
    if operations.is_empty() {
        let number = set.revision();
        set_revision(turn, number);
        return;
    }
    let name = set.metadata.name.clone();
    if before.is_empty() {
        operations.insert(
            0,
            json!({"op": "add", "path": "/metadata/annotations", "value": {}}),
        );
    }
    let set = &mut turn.sets[at];
    set.metadata.annotations = after;
    set.spec.min_ready_seconds = seconds;
    let number = set.revision();
    turn.write(Write::PatchReplicaSet { name, operations });
    set_revision(turn, number);
}

/// Which generation of the workload a Rollout with a reference is about.
fn note_workload(turn: &mut Turn<'_>) {
    if turn.rollout.spec.workload_ref.is_some() && turn.world.workload.is_none() {
        // It is gone, and the rollout goes back.
        return;
    }
    let noted = turn.rollout.metadata.annotations.get(WORKLOAD_GENERATION);
    let wanted = turn
        .world
        .workload
        .as_ref()
        .map(|workload| workload.generation.to_string());
    if noted != wanted.as_ref() {
        turn.write(Write::AnnotateRollout(BTreeMap::from([(
            WORKLOAD_GENERATION.to_owned(),
            wanted,
        )])));
    }
}

/// The operation that sets an annotation.
pub(super) fn add_annotation(key: &str, value: &str) -> Value {
    json!({"op": "add", "path": annotation_path(key), "value": value})
}

/// The operation that removes an annotation.
pub(super) fn remove_annotation(key: &str) -> Value {
    json!({"op": "remove", "path": annotation_path(key)})
}

fn annotation_path(key: &str) -> String {
    format!(
        "/metadata/annotations/{}",
        key.replace('~', "~0").replace('/', "~1")
    )
}

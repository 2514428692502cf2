//! Labels and annotations that pods have while they are the canary, stable, the preview or active.

use super::revision::{add_annotation, remove_annotation};
use super::turn::Turn;
use super::world::EPHEMERAL_METADATA;
use super::write::Write;
use crate::api::{PodTemplate, PodTemplateMetadata, Rollout};
use crate::template::sync_metadata;
use serde_json::{Value, json};

/// What the new and the stable pods get; `None` when the strategy says nothing about either.
fn roles(rollout: &Rollout) -> Option<(PodTemplateMetadata, PodTemplateMetadata)> {
    let strategy = &rollout.spec.strategy;
    let (new, stable) = match (&strategy.canary, &strategy.blue_green) {
        (Some(canary), _) => (&canary.canary_metadata, &canary.stable_metadata),
        (None, Some(blue_green)) => (&blue_green.preview_metadata, &blue_green.active_metadata),
        (None, None) => return None,
    };
    if new.is_none() && stable.is_none() {
        return None;
    }
    Some((
        new.clone().unwrap_or_default(),
        stable.clone().unwrap_or_default(),
    ))
}

/// What the pods of a new ReplicaSet get: stable's where there is nothing stable yet.
pub(super) fn of_new_set(turn: &Turn<'_>) -> PodTemplateMetadata {
    let Some((new, stable)) = roles(turn.rollout) else {
        return PodTemplateMetadata::default();
    };
    if turn.stable.is_some() { new } else { stable }
}

/// Adds labels and annotations to a template.
pub(super) fn add_to_template(template: &mut PodTemplate, wanted: &PodTemplateMetadata) {
    if *wanted == PodTemplateMetadata::default() {
        return;
    }
    let (labels, annotations) = sync_metadata(
        &template.labels(),
        &template.annotations(),
        &PodTemplateMetadata::default(),
        wanted,
    );
    let metadata = template.0.entry("metadata").or_insert_with(|| json!({}));
    metadata["labels"] = Value::from_iter(labels);
    if !annotations.is_empty() {
        metadata["annotations"] = Value::from_iter(annotations);
    }
}

/// The annotation by which it is known later what was added.
pub(super) fn annotation(wanted: &PodTemplateMetadata) -> Option<(String, String)> {
    (*wanted != PodTemplateMetadata::default())
        .then(|| (EPHEMERAL_METADATA.to_owned(), json!(wanted).to_string()))
}

/// Gives all ReplicaSets and their pods what their role says.
pub(super) fn sync(turn: &mut Turn<'_>) {
    let Some((new, stable)) = roles(turn.rollout) else {
        return;
    };
    let noted = &turn.rollout.status.stable_rs;
    let is_rolled_out = noted.is_empty() || *noted == turn.new_hash();
    if let Some(at) = turn.new {
        sync_set(turn, at, if is_rolled_out { &stable } else { &new });
    }
    if let Some(at) = turn.other_stable().filter(|_| !is_rolled_out) {
        sync_set(turn, at, &stable);
    }
    for at in turn.others() {
        sync_set(turn, at, &PodTemplateMetadata::default());
    }
}

/// First the ReplicaSet, so that pods which start meanwhile have it, then its pods. The pods also when the
/// ReplicaSet has it already: a controller may have ended in between.
fn sync_set(turn: &mut Turn<'_>, at: usize, wanted: &PodTemplateMetadata) {
    let set = &turn.sets[at];
    let existing = set.ephemeral();
    let template = &set.spec.template;
    let (labels, annotations) = sync_metadata(
        &template.labels(),
        &template.annotations(),
        &existing,
        wanted,
    );
    let name = set.metadata.name.clone();
    if labels != template.labels() || annotations != template.annotations() {
        let mut operations = vec![
            json!({"op": "add", "path": "/spec/template/metadata/labels", "value": labels}),
            json!({"op": "add", "path": "/spec/template/metadata/annotations", "value": annotations}),
        ];
        match annotation(wanted) {
            Some((key, value)) => operations.push(add_annotation(&key, &value)),
            None if set.metadata.annotations.contains_key(EPHEMERAL_METADATA) => {
                operations.push(remove_annotation(EPHEMERAL_METADATA));
            }
            None => {}
        }
        turn.write(Write::PatchReplicaSet {
            name: name.clone(),
            operations,
        });
        let set = &mut turn.sets[at];
        let metadata = set
            .spec
            .template
            .0
            .entry("metadata")
            .or_insert_with(|| json!({}));
        metadata["labels"] = Value::from_iter(labels);
        metadata["annotations"] = Value::from_iter(annotations);
        set.metadata.annotations.remove(EPHEMERAL_METADATA);
        set.metadata.annotations.extend(annotation(wanted));
    }
    if turn.sets[at].desired() > 0 {
        turn.write(Write::SyncPods {
            replica_set: name,
            existing,
            wanted: wanted.clone(),
        });
    }
}

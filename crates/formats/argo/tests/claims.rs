//! Which ReplicaSets a Rollout adopts, and which it lets go.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use sluice_argo::rollout::{ReplicaSet, World, Write, decide};
use sluice_model::time::Timestamp;

const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// A ReplicaSet of the app with so written owners.
fn set(name: &str, app: &str, owners: Value) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": name,
            "resourceVersion": "7",
            "labels": {"app": app, "rollouts-pod-template-hash": name},
            "ownerReferences": owners,
        },
        "spec": {"replicas": 1},
    }))
    .unwrap()
}

fn world(replica_sets: Vec<ReplicaSet>, orphans: Vec<ReplicaSet>) -> World {
    let rollout = serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "generation": 1},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
            "strategy": {"canary": {}},
        },
    }));
    World {
        rollout: rollout.unwrap(),
        replica_sets,
        orphans,
        ..World::default()
    }
}

fn owned() -> Value {
    json!([{"uid": "other"}, {"uid": "u", "controller": true}])
}

fn at_version() -> Value {
    json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"})
}

/// What is written besides events.
fn writes(world: &World) -> Vec<Write> {
    let mut writes = decide(world, NOW).writes;
    writes.retain(|write| !matches!(write, Write::Event(_)));
    writes
}

#[test]
fn one_that_nobody_controls_is_adopted_before_anything_else_happens() {
    for (owners, operation, value) in [
        (json!([]), "/metadata/ownerReferences", true),
        (
            json!([{"uid": "other"}]),
            "/metadata/ownerReferences/-",
            false,
        ),
    ] {
        let world = world(Vec::new(), vec![set("a", "web", owners)]);
        let owner = sluice_argo::rollout::owner_reference(&world.rollout);
        let value = if value { json!([owner]) } else { owner };
        let adoption = Write::AdoptReplicaSet {
            name: "a".to_owned(),
            operations: vec![
                at_version(),
                json!({"op": "add", "path": operation, "value": value}),
            ],
        };
        assert_eq!(writes(&world), [adoption]);
    }
}

#[test]
fn one_that_is_another_app_s_or_on_its_way_out_is_left_alone() {
    let mut deleting = set("a", "web", json!([]));
    let since = json!("2026-01-01T00:00:00Z");
    deleting
        .metadata
        .rest
        .insert("deletionTimestamp".to_owned(), since);
    for orphan in [deleting, set("b", "other", json!([]))] {
        let writes = writes(&world(Vec::new(), vec![orphan]));
        assert!(
            matches!(writes[0], Write::CreateReplicaSet(_)),
            "{writes:?}"
        );
    }
}

#[test]
fn one_that_the_selector_does_not_fit_is_let_go() {
    let world = world(vec![set("a", "other", owned())], Vec::new());
    let release = Write::PatchReplicaSet {
        name: "a".to_owned(),
        operations: vec![
            at_version(),
            json!({"op": "remove", "path": "/metadata/ownerReferences/1"}),
        ],
    };
    assert_eq!(writes(&world), [release]);
}

/// An adopted one of a Deployment may run the same; without a hash of its own it is an old one.
#[test]
fn one_without_a_hash_is_never_the_new_one() {
    let mut adopted = set("a", "web", owned());
    adopted.metadata.labels.remove("rollouts-pod-template-hash");
    let mut world = world(vec![adopted], Vec::new());
    world.replica_sets[0].spec.template = world.rollout.spec.template.clone();
    let writes = writes(&world);
    assert!(
        matches!(writes[0], Write::CreateReplicaSet(_)),
        "{writes:?}"
    );
}

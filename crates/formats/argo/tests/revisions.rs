//! The ReplicaSet of what is rolled out: which one is found, and what a new one is called.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use sluice_argo::api::{Rollout, RolloutStatus};
use sluice_argo::rollout::{ReplicaSet, Workload, World, Write, candidate_name, decide};
use sluice_model::time::Timestamp;

const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// The template of Argo's end-to-end test `TestCanaryScaleDownOnAbort`, whose hash stands in the test.
fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": "canary-scaledowndelay"}},
        "spec": {"containers": [{
            "name": "canary-scaledowndelay",
            "image": "nginx:1.19-alpine",
            "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
            "resources": {"requests": {"memory": "16Mi", "cpu": "5m"}},
        }]},
    })
}

const HASH: &str = "674d8cf959";

fn rollout(template: Value) -> Rollout {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "1", "generation": 1},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "canary-scaledowndelay"}},
            "template": template,
            "strategy": {"canary": {}},
        },
    }))
    .unwrap()
}

fn set(hash: &str, template: Value) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("web-{hash}"),
            "namespace": "shop",
            "labels": {"rollouts-pod-template-hash": hash},
            "annotations": {"rollout.argoproj.io/revision": "1"},
        },
        "spec": {"replicas": 1, "template": template},
        "status": {"replicas": 1, "availableReplicas": 1},
    }))
    .unwrap()
}

fn created(world: &World) -> Option<Value> {
    let mut writes = decide(world, NOW).writes.into_iter();
    writes.find_map(|write| match write {
        Write::CreateReplicaSet(object) => Some(object),
        _ => None,
    })
}

fn status(world: &World) -> RolloutStatus {
    let mut writes = decide(world, NOW).writes.into_iter();
    let status = writes.find_map(|write| match write {
        Write::Status(status) => Some(*status),
        _ => None,
    });
    status.unwrap()
}

#[test]
fn a_new_one_is_called_as_argos_controller_would_call_it() {
    let mut world = World {
        rollout: rollout(template()),
        ..World::default()
    };
    let object = created(&world).unwrap();
    assert_eq!(object["metadata"]["name"], format!("web-{HASH}"));
    for path in [
        "/metadata/labels",
        "/spec/selector/matchLabels",
        "/spec/template/metadata/labels",
    ] {
        let labels = object.pointer(path).unwrap();
        assert_eq!(labels["rollouts-pod-template-hash"], HASH, "{path}");
    }
    // A name that is somebody else's leads to another hash.
    world.rollout.status.collision_count = Some(1);
    assert_ne!(candidate_name(&world.rollout), Ok(format!("web-{HASH}")));
}

/// An upgrade that changes the hash function, and a takeover, re-roll nothing.
#[test]
fn one_with_another_hash_is_found_by_what_it_runs() {
    let mut filled_in = template();
    filled_in["spec"]["dnsPolicy"] = json!("ClusterFirst");
    filled_in["metadata"]["labels"]["rollouts-pod-template-hash"] = json!("5b6f6d8f5");
    let world = World {
        rollout: rollout(template()),
        replica_sets: vec![set("5b6f6d8f5", filled_in)],
        ..World::default()
    };
    assert_eq!(created(&world), None);
    assert_eq!(status(&world).current_pod_hash, "5b6f6d8f5");
}

/// A webhook that changes ReplicaSets must not make a new revision of each.
#[test]
fn one_with_the_hash_is_believed() {
    let mut changed = template();
    changed["spec"]["containers"][0]["image"] = json!("mirror.example/nginx:1.19-alpine");
    let world = World {
        rollout: rollout(template()),
        replica_sets: vec![set(HASH, changed)],
        ..World::default()
    };
    assert_eq!(created(&world), None);
}

#[test]
fn a_template_that_cannot_be_read_is_refused_with_place_and_cause() {
    let mut wrong = template();
    wrong["spec"]["containers"][0]["ports"][0]["containerPort"] = json!("80");
    let mut world = World {
        rollout: rollout(wrong),
        ..World::default()
    };
    let refusal = |world: &World| {
        assert_eq!(created(world), None);
        let conditions = status(world).conditions;
        conditions
            .iter()
            .find(|one| one.kind == "InvalidSpec")
            .unwrap()
            .message
            .clone()
    };
    assert_eq!(
        refusal(&world),
        "The Rollout \"web\" is invalid: spec.template.spec.containers[0].ports[0].containerPort: `\"80\"` is not a whole \
         number of 32 bits; write a whole number of 32 bits"
    );
    // The same from a workload, whose place is another.
    world.rollout.spec.workload_ref = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web",
    }))
    .unwrap();
    world.workload = Some(Workload::default());
    let message = refusal(&world);
    assert!(
        message.contains("spec.workloadRef: spec.template of Deployment `web`, spec.containers[0].ports[0].containerPort: "),
        "{message}"
    );
}

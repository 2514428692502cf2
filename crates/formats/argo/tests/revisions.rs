//! The ReplicaSet of what is rolled out: which one is found, and what a new one is called.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use sluice_argo::api::{Rollout, RolloutStatus};
use sluice_argo::rollout::{
    ReplicaSet, Workload, World, Write, candidate_name, decide, template_beside_workload,
};
use sluice_argo::template::without_odd_amounts;
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

/// Argo's end-to-end test `TestMalformedRollout`: the definitions let the amount in, and a ReplicaSet with it is refused.
#[test]
fn an_amount_that_is_none_is_left_out_and_told_once() {
    let mut odd = template();
    odd["spec"]["containers"][0]["resources"]["requests"]["memory"] = json!("lots");
    odd["spec"]["containers"][0]["resources"]["limits"] = json!({"example.com/cards": "two"});
    odd["spec"]["containers"][0]["env"] = json!([{"name": "N", "value": "lots"}]);
    odd["spec"]["ephemeralContainers"] =
        json!([{"name": "debug", "resources": {"requests": {"cpu": "some"}}}]);
    let mut rollout = rollout(odd);
    let left_out = without_odd_amounts(&mut rollout.spec.template);
    let places: Vec<&str> = left_out.iter().map(|misfit| misfit.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "spec.containers[0].resources.limits.example.com/cards",
            "spec.containers[0].resources.requests.memory",
            "spec.ephemeralContainers[0].resources.requests.cpu",
        ]
    );
    let mut world = World {
        rollout,
        left_out,
        ..World::default()
    };
    let decision = decide(&world, NOW);
    let warnings: Vec<&str> = decision.writes.iter().filter_map(warning).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert_eq!(
        warnings[1],
        "spec.template, spec.containers[0].resources.requests.memory: `\"lots\"` is not an amount, as `500m` or `1Gi`, \
         and is left out of the ReplicaSet; write an amount, as `500m` or `1Gi`"
    );
    let made = decision.writes.iter().find_map(|write| match write {
        Write::CreateReplicaSet(set) => Some(&set["spec"]["template"]["spec"]),
        _ => None,
    });
    let made = made.expect("the rest is rolled out");
    assert_eq!(
        made["containers"][0]["resources"]["requests"],
        json!({"cpu": "5m"})
    );
    assert_eq!(made["containers"][0]["env"][0]["value"], "lots");
    assert_eq!(made["ephemeralContainers"], Value::Null);

    let sets = decision.writes.iter().filter_map(|write| match write {
        Write::CreateReplicaSet(set) => serde_json::from_value(set.clone()).ok(),
        _ => None,
    });
    world.replica_sets = sets.collect();
    world.rollout.spec.replicas = None;
    let decision = decide(&world, NOW);
    let removed = decision.writes.iter().find_map(|write| match write {
        Write::DefaultReplicas { remove } => Some(remove.clone()),
        _ => None,
    });
    let container = "/spec/template/spec/containers/0/resources";
    assert_eq!(
        removed,
        Some(vec![
            format!("{container}/limits/example.com~1cards"),
            format!("{container}/requests/memory"),
            "/spec/template/spec/ephemeralContainers".to_owned(),
        ]),
        "clients with Argo's types could read no list of Rollouts"
    );
    world.rollout.spec.replicas = Some(1);
    world.rollout.status.observed_generation = "1".to_owned();
    let decision = decide(&world, NOW);
    assert_eq!(decision.writes.iter().filter_map(warning).count(), 0);
}

/// Argo's end-to-end test `TestWorkloadRefTemplate`.
#[test]
fn a_template_beside_a_workload_is_refused() {
    let mut both = rollout(template());
    assert_eq!(template_beside_workload(&both), None);
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    both.spec.workload_ref = serde_json::from_value(reference).unwrap();
    let problem = template_beside_workload(&both).unwrap();
    assert!(problem.contains("template must be empty for workload reference rollout"));
    both.spec.template = serde_json::from_value(json!({})).unwrap();
    assert_eq!(template_beside_workload(&both), None);
}

/// What only an API server that knows no types would let in.
#[test]
fn other_values_of_a_wrong_type_are_not_left_out() {
    let mut odd = template();
    odd["spec"]["containers"][0]["args"] = json!(["--port", 80]);
    let mut rollout = rollout(odd.clone());
    assert_eq!(without_odd_amounts(&mut rollout.spec.template), []);
    assert_eq!(json!(rollout.spec.template), odd);
}

fn warning(write: &Write) -> Option<&str> {
    match write {
        Write::Event(event) if event.warning => Some(&event.message),
        _ => None,
    }
}

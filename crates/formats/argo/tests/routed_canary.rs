//! Counts of a canary whose traffic a router splits: Argo's own numbers, each table with the test in Argo
//! that has them (`utils/replicaset/canary_test.go`), and what holds for all numbers.

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_argo::api::Rollout;
use sluice_argo::workload::*;

fn pods(desired: i32, available: i32) -> Pods {
    Pods {
        desired,
        existing: desired,
        available,
    }
}

/// A Rollout with a router, at its only step.
fn routed(patch: Value, status: Value) -> Rollout {
    let mut canary = json!({"trafficRouting": {"smi": {}}});
    let fields = patch.as_object().expect("fields").clone();
    let replicas = fields.get("replicas").cloned().unwrap_or(json!(10));
    canary.as_object_mut().expect("fields").extend(fields);
    let mut state = json!({"stableRS": "stable", "currentPodHash": "canary"});
    let more = status.as_object().expect("fields").clone();
    state.as_object_mut().expect("fields").extend(more);
    serde_json::from_value(json!({
        "spec": {"replicas": replicas, "strategy": {"canary": canary}},
        "status": state,
    }))
    .expect("a Rollout")
}

fn routed_counts(
    rollout: &Rollout,
    canary: Option<Pods>,
    stable: Option<Pods>,
    actual: Option<(i32, i32)>,
) -> (i32, i32) {
    let strategy = rollout.spec.strategy.canary.as_ref().expect("a canary");
    let counts = RoutedCanary {
        replicas: rollout.spec.replicas(),
        whole: strategy.max_traffic_weight(),
        demand: canary_demand(rollout, canary, stable),
        dynamic_stable_scale: strategy.dynamic_stable_scale,
        pods_min: strategy.min_pods_per_replica_set,
        actual,
        aborted: rollout.status.abort,
    }
    .counts();
    (counts.stable, counts.canary)
}

/// TestCalculateReplicaCountsForCanary with a router, …CanaryTrafficRouting
#[test]
fn a_routed_canary_is_scaled_by_its_steps() {
    let step = |step: Value| json!([step]);
    let cases = [
        (
            "weight",
            json!({"steps": step(json!({"setWeight": 10}))}),
            json!({}),
            (10, 1),
        ),
        (
            "setCanaryScale.replicas before setWeight",
            json!({"replicas": 1, "steps": step(json!({"setWeight": 100, "setCanaryScale": {"replicas": 9}}))}),
            json!({}),
            (1, 9),
        ),
        (
            "setCanaryScale.weight may exceed the whole",
            json!({"replicas": 4, "steps": step(json!({"setWeight": 100, "setCanaryScale": {"weight": 200}}))}),
            json!({}),
            (4, 8),
        ),
        (
            "matchTrafficWeight cancels",
            json!({"steps": step(json!({"setWeight": 20, "setCanaryScale": {
                "replicas": 9, "weight": 100, "matchTrafficWeight": true,
            }}))}),
            json!({}),
            (10, 2),
        ),
        (
            "no router, no setCanaryScale",
            json!({"trafficRouting": null, "steps": step(json!({"setWeight": 20, "setCanaryScale": {"replicas": 9}}))}),
            json!({}),
            (10, 2),
        ),
        (
            "an abort keeps the scale when pods stay for ever",
            json!({"replicas": 1, "abortScaleDownDelaySeconds": 0, "steps": step(json!({"setCanaryScale": {"replicas": 1}}))}),
            json!({"abort": true}),
            (1, 1),
        ),
        (
            "and ends it otherwise",
            json!({"replicas": 1, "abortScaleDownDelaySeconds": 30, "steps": step(json!({"setCanaryScale": {"replicas": 1}}))}),
            json!({"abort": true}),
            (1, 0),
        ),
        (
            "minPodsPerReplicaSet",
            json!({"minPodsPerReplicaSet": 2, "steps": step(json!({"setWeight": 5}))}),
            json!({}),
            (10, 2),
        ),
        (
            "minPodsPerReplicaSet ends at the replicas",
            json!({"replicas": 1, "minPodsPerReplicaSet": 2, "steps": step(json!({"setWeight": 100}))}),
            json!({"promoteFull": true}),
            (1, 1),
        ),
        (
            "minPodsPerReplicaSet is not for nothing",
            json!({"minPodsPerReplicaSet": 2, "steps": step(json!({"setWeight": 0}))}),
            json!({}),
            (10, 0),
        ),
    ];
    for (name, patch, status, expected) in cases {
        let rollout = routed(patch, status);
        assert_eq!(
            routed_counts(&rollout, None, None, None),
            expected,
            "{name}"
        );
    }
}

/// TestCalculateReplicaCountsForCanaryTrafficRoutingDynamicScale: the step's weight, abort, actual
/// weights, canary and stable pods → canary, stable.
#[test]
fn dynamic_stable_scale_follows_the_traffic() {
    type Row = (
        &'static str,
        Value,
        bool,
        (i32, i32),
        Option<Pods>,
        Option<Pods>,
        (i32, i32),
    );
    let up = json!([{"setWeight": 20}, {"setWeight": 60}]);
    let one = |weight: i32| json!([{"setWeight": weight}]);
    #[rustfmt::skip]
    let table: [Row; 8] = [
        ("an abort goes to the next lower step", up.clone(), true, (60, 40), Some(pods(6, 6)), Some(pods(4, 4)), (6, 8)),
        ("by stable's pods when the canary has few", up.clone(), true, (60, 40), Some(pods(1, 1)), Some(pods(4, 4)), (6, 8)),
        ("by available stable pods", up.clone(), true, (60, 40), Some(pods(2, 2)), Some(pods(8, 4)), (6, 8)),
        ("all at once without ReplicaSets", up, true, (60, 40), None, None, (6, 10)),
        ("stable shrinks", one(10), false, (10, 90), None, None, (1, 9)),
        ("the canary grows first", one(20), false, (10, 90), None, None, (2, 9)),
        ("an aborted canary keeps what its traffic needs", one(20), true, (20, 80), None, None, (2, 10)),
        ("and shrinks with it", one(20), true, (10, 90), None, None, (1, 10)),
    ];
    for (name, steps, abort, actual, canary, stable, expected) in table {
        let rollout = routed(
            json!({"dynamicStableScale": true, "steps": steps}),
            json!({"abort": abort}),
        );
        let (stable, canary) = routed_counts(&rollout, canary, stable, Some(actual));
        assert_eq!((canary, stable), expected, "{name}");
    }
}

/// TestGetDesiredCanaryWeightOnAbortWithScaleDownDelay (issue 4898)
#[test]
fn an_abort_with_a_delay_reaches_weight_zero() {
    for (delay, available, weight) in [
        (json!(null), 9, 10),
        (json!(30), 5, 10),
        (json!(30), 9, 0),
        (json!(0), 9, 10),
    ] {
        let rollout = routed(
            json!({
                "dynamicStableScale": true, "abortScaleDownDelaySeconds": delay,
                "steps": [{"setWeight": 10}, {"setWeight": 50}],
            }),
            json!({"abort": true}),
        );
        let (canary, stable) = (pods(5, 5), pods(available, available));
        assert_eq!(
            canary_demand(&rollout, Some(canary), Some(stable)),
            CanaryDemand::Weight(weight),
            "{delay} {available}"
        );
        if weight == 0 {
            let counts = routed_counts(&rollout, Some(canary), Some(stable), Some((10, 90)));
            assert_eq!(counts.0, 10);
        }
    }
}

/// A side with any pods has the fewest that are asked for; the way back waited for fewer for ever, which it does in Argo.
#[test]
fn an_abort_reaches_weight_zero_below_the_fewest_pods() {
    for (fewest, weight) in [(json!(null), 10), (json!(3), 0)] {
        let rollout = routed(
            json!({
                "dynamicStableScale": true, "minPodsPerReplicaSet": fewest,
                "steps": [{"setWeight": 10}, {"setWeight": 50}],
            }),
            json!({"abort": true}),
        );
        assert_eq!(
            canary_demand(&rollout, Some(pods(3, 3)), Some(pods(9, 9))),
            CanaryDemand::Weight(weight),
            "{fewest}"
        );
    }
}

/// TestGetCurrentSetWeight, TestGetCanaryReplicasOrWeight
#[test]
fn the_weight_is_that_of_the_last_set_weight() {
    let steps = json!([{"pause": {}}, {"setWeight": 10}, {"setCanaryScale": {"weight": 20}}, {"pause": {}}]);
    for (index, status, weight, demand) in [
        (0, json!({}), 0, CanaryDemand::Weight(0)),
        (1, json!({}), 10, CanaryDemand::Weight(10)),
        (2, json!({}), 10, CanaryDemand::Weight(20)),
        (3, json!({}), 10, CanaryDemand::Weight(20)),
        (4, json!({}), 100, CanaryDemand::Weight(100)),
        (
            2,
            json!({"promoteFull": true}),
            10,
            CanaryDemand::Weight(100),
        ),
        (2, json!({"stableRS": ""}), 10, CanaryDemand::Weight(100)),
        (
            2,
            json!({"stableRS": "canary"}),
            10,
            CanaryDemand::Weight(100),
        ),
        (2, json!({"abort": true}), 0, CanaryDemand::Weight(0)),
    ] {
        let mut state = json!({"currentStepIndex": index});
        let more = status.as_object().expect("fields").clone();
        state.as_object_mut().expect("fields").extend(more);
        let rollout = routed(json!({"steps": steps}), state);
        assert_eq!(current_set_weight(&rollout), weight, "{index} {status}");
        assert_eq!(
            canary_demand(&rollout, None, None),
            demand,
            "{index} {status}"
        );
    }
}

/// TestTrafficWeightToReplicas
#[test]
fn a_weight_needs_pods() {
    for (replicas, weight, whole, pods) in [
        (10, 0, 100, 0),
        (10, 20, 100, 2),
        (10, 25, 100, 3),
        (10, 33, 100, 4),
        (10, 99, 100, 10),
        (10, 100, 100, 10),
        (23, 100_000_000, 100_000_000, 23),
    ] {
        assert_eq!(pods_for_weight(replicas, weight, whole), pods);
    }
}

/// Issues 3284, 3397: half of all pods at once took a database down although maxSurge was 10 %.
#[test]
fn a_written_max_surge_bounds_how_many_routed_pods_start_at_once() {
    let mut canary = pods(0, 0);
    let mut seen = Vec::new();
    while canary.desired < 5 {
        let next = gradually(5, canary, 2);
        assert!(next - canary.available <= 2);
        seen.push(next);
        // Nothing grows while pods start.
        assert_eq!(gradually(5, pods(next, canary.available), 2), next);
        canary = pods(next, next);
    }
    assert_eq!(seen, [2, 4, 5]);
    assert_eq!(gradually(1, pods(5, 5), 2), 1, "shrinking is not bounded");
    assert_eq!(
        gradually(5, pods(0, 0), 0),
        1,
        "it gets on even without surge"
    );
}

proptest! {
    #[test]
    fn a_routed_canary_always_has_what_its_weight_needs(
        replicas in 0..200_i32, weight in 0..=100_i32, dynamic in any::<bool>(),
        actual in 0..=100_i32, aborted in any::<bool>(), pods_min in proptest::option::of(0..5_i32),
    ) {
        let counts = RoutedCanary {
            replicas, whole: 100, demand: CanaryDemand::Weight(weight),
            dynamic_stable_scale: dynamic, pods_min, actual: Some((actual, 100 - actual)), aborted,
        }
        .counts();
        prop_assert!(counts.canary >= pods_for_weight(replicas, weight, 100));
        prop_assert!(counts.stable >= pods_for_weight(replicas, 100 - actual, 100), "{counts:?}");
        if aborted && dynamic {
            prop_assert!(counts.canary >= pods_for_weight(replicas, actual, 100), "{counts:?}");
        }
    }
}

//! Counts of pods: Argo's own numbers, each table with the test in Argo that has them
//! (`utils/replicaset/{canary,replicaset}_test.go`), and what holds for all numbers.

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_argo::api::{IntOrString, ReplicaProgressThreshold, Rollout};
use sluice_argo::workload::*;
use sluice_model::time::Timestamp;
use std::time::Duration;

fn pods(desired: i32, available: i32) -> Pods {
    Pods {
        desired,
        existing: desired,
        available,
    }
}

/// TestApproximateWeightedNewStableReplicaCounts: (replicas, surge), then weight → canary, stable.
#[test]
fn a_weight_is_split_over_pods() {
    type Row = (i32, i32, &'static [(i32, i32, i32)]);
    const TABLE: &[Row] = &[
        (0, 0, &[(0, 0, 0), (50, 0, 0), (100, 0, 0)]),
        (0, 1, &[(0, 0, 0), (50, 0, 0), (100, 0, 0)]),
        (
            1,
            0,
            &[
                (0, 0, 1),
                (1, 0, 1),
                (49, 0, 1),
                (50, 1, 0),
                (99, 1, 0),
                (100, 1, 0),
            ],
        ),
        (
            1,
            1,
            &[
                (0, 0, 1),
                (1, 1, 1),
                (49, 1, 1),
                (50, 1, 1),
                (99, 1, 1),
                (100, 1, 0),
            ],
        ),
        (
            2,
            0,
            &[(0, 0, 2), (1, 1, 1), (50, 1, 1), (99, 1, 1), (100, 2, 0)],
        ),
        (
            2,
            1,
            &[(0, 0, 2), (1, 1, 2), (50, 1, 1), (99, 2, 1), (100, 2, 0)],
        ),
        (
            3,
            0,
            &[
                (10, 1, 2),
                (25, 1, 2),
                (33, 1, 2),
                (34, 1, 2),
                (49, 1, 2),
                (50, 2, 1),
            ],
        ),
        (
            3,
            1,
            &[
                (10, 1, 3),
                (25, 1, 3),
                (33, 1, 2),
                (34, 1, 2),
                (49, 2, 2),
                (50, 2, 2),
            ],
        ),
        (
            10,
            0,
            &[(1, 1, 9), (14, 1, 9), (15, 2, 8), (16, 2, 8), (99, 9, 1)],
        ),
        (
            10,
            1,
            &[
                (0, 0, 10),
                (1, 1, 10),
                (18, 2, 9),
                (19, 2, 9),
                (20, 2, 8),
                (23, 2, 8),
                (24, 3, 8),
                (25, 3, 8),
                (99, 10, 1),
                (100, 10, 0),
            ],
        ),
    ];
    for (replicas, surge, rows) in TABLE {
        for &(weight, canary, stable) in *rows {
            assert_eq!(
                split_by_weight(*replicas, weight, 100, *surge),
                Counts { canary, stable },
                "{replicas} pods, {weight} %, surge {surge}"
            );
        }
    }
}

/// TestCalculateReplicaCountsForCanary without a router: replicas, weight, surge, unavailable, stable and
/// canary (desired, available), pods of others → stable, canary.
#[test]
fn a_basic_canary_moves_within_its_bounds() {
    type Row = (
        &'static str,
        [i32; 4],
        (i32, i32),
        (i32, i32),
        i32,
        (i32, i32),
    );
    const TABLE: &[Row] = &[
        (
            "extra available pods do not count",
            [10, 100, 3, 0],
            (7, 8),
            (6, 3),
            0,
            (7, 6),
        ),
        (
            "surge lets the canary grow",
            [10, 20, 2, 0],
            (10, 10),
            (0, 0),
            0,
            (10, 2),
        ),
        (
            "then stable shrinks",
            [10, 20, 2, 0],
            (10, 10),
            (2, 2),
            0,
            (8, 2),
        ),
        (
            "not beyond the surge",
            [10, 30, 2, 0],
            (10, 10),
            (0, 0),
            0,
            (10, 2),
        ),
        (
            "unavailable lets stable shrink first",
            [10, 20, 0, 2],
            (10, 10),
            (0, 0),
            0,
            (8, 0),
        ),
        (
            "not beyond the unavailable",
            [10, 30, 0, 2],
            (10, 10),
            (0, 0),
            0,
            (8, 0),
        ),
        ("both at once", [10, 50, 2, 1], (10, 10), (0, 0), 0, (9, 2)),
        (
            "weight 0 takes all canary pods",
            [10, 0, 1, 1],
            (10, 10),
            (1, 1),
            0,
            (10, 0),
        ),
        (
            "weight 100 takes all stable pods",
            [10, 100, 1, 1],
            (1, 1),
            (10, 10),
            0,
            (0, 10),
        ),
        (
            "one pod and a small weight",
            [1, 20, 1, 0],
            (1, 1),
            (0, 0),
            0,
            (1, 1),
        ),
        (
            "one pod and a large weight",
            [1, 90, 1, 0],
            (1, 1),
            (0, 0),
            0,
            (1, 1),
        ),
        (
            "one pod without surge below half",
            [1, 49, 0, 1],
            (1, 1),
            (0, 0),
            0,
            (1, 0),
        ),
        (
            "one pod without surge above half",
            [1, 51, 0, 1],
            (1, 1),
            (0, 0),
            0,
            (0, 0),
        ),
        (
            "and then the canary",
            [1, 51, 0, 1],
            (0, 0),
            (0, 0),
            0,
            (0, 1),
        ),
        (
            "stable grows before the canary",
            [10, 30, 1, 0],
            (1, 1),
            (0, 0),
            3,
            (7, 1),
        ),
        ("both shrink", [10, 30, 0, 3], (8, 5), (4, 4), 0, (7, 3)),
        (
            "what is not available is not counted on",
            [10, 100, 1, 0],
            (10, 2),
            (10, 8),
            0,
            (2, 9),
        ),
        (
            "others shrink first",
            [10, 30, 0, 1],
            (8, 6),
            (4, 2),
            3,
            (8, 4),
        ),
        (
            "rounding keeps within the surge",
            [10, 5, 0, 1],
            (10, 10),
            (0, 0),
            0,
            (9, 0),
        ),
        (
            "rounding keeps within the surge (2)",
            [10, 5, 0, 1],
            (9, 9),
            (0, 0),
            0,
            (9, 1),
        ),
        (
            "surge holds while stable is away",
            [4, 100, 1, 0],
            (4, 1),
            (0, 0),
            0,
            (4, 1),
        ),
        (
            "to maxUnavailable within maxSurge",
            [3, 99, 0, 2],
            (3, 3),
            (0, 0),
            0,
            (1, 0),
        ),
        (
            "to maxUnavailable within maxSurge (2)",
            [3, 99, 0, 2],
            (1, 1),
            (0, 0),
            0,
            (1, 2),
        ),
        (
            "a stable pod that is away goes first",
            [4, 100, 1, 0],
            (4, 1),
            (1, 1),
            0,
            (3, 1),
        ),
        (
            "an abort surges stable first",
            [4, 0, 1, 0],
            (0, 0),
            (4, 4),
            0,
            (1, 4),
        ),
        ("and waits for it", [4, 0, 1, 0], (1, 0), (4, 4), 0, (1, 4)),
        (
            "and then takes canary pods",
            [4, 0, 1, 0],
            (1, 1),
            (4, 4),
            0,
            (1, 3),
        ),
        (
            "a full promotion keeps the bounds",
            [4, 100, 3, 0],
            (4, 4),
            (0, 0),
            0,
            (4, 3),
        ),
        ("and uses them", [4, 100, 4, 4], (4, 4), (0, 0), 0, (0, 4)),
    ];
    for (name, [replicas, weight, surge, unavailable], stable, canary, others, expected) in TABLE {
        let counts = BasicCanary {
            replicas: *replicas,
            weight: *weight,
            whole: 100,
            surge: *surge,
            unavailable: *unavailable,
            canary: Some(pods(canary.0, canary.1)),
            stable: Some(pods(stable.0, stable.1)),
            others: *others,
        }
        .counts();
        assert_eq!((counts.stable, counts.canary), *expected, "{name}");
    }
}

/// TestCalculateReplicaCountsForNewDeployment, …StableRSdEdgeCases
#[test]
fn without_a_stable_side_the_new_one_gets_all() {
    for (desired, available) in [(9, 9), (10, 0), (0, 0)] {
        let counts = BasicCanary {
            replicas: 10,
            weight: 10,
            whole: 100,
            surge: 10,
            unavailable: 1,
            canary: Some(pods(desired, available)),
            stable: None,
            others: 0,
        }
        .counts();
        assert_eq!((counts.stable, counts.canary), (0, 10));
    }
}

proptest! {
    /// Never more pods than allowed are asked for, and what is available never falls below the bound by
    /// what is asked for. Whatever the start is, a world in which pods become available arrives.
    #[test]
    fn a_basic_canary_keeps_its_bounds_and_arrives(
        replicas in 1..40_i32, weight in 0..=100_i32, surge in 0..10_i32, unavailable in 0..10_i32,
        start in 0..=40_i32,
    ) {
        let surge = if surge == 0 && unavailable == 0 { 1 } else { surge };
        let unavailable = unavailable.min(replicas);
        let begin = start.min(replicas);
        let mut canary = pods(begin, begin);
        let mut stable = pods(replicas - begin, replicas - begin);
        let wanted = split_by_weight(replicas, weight, 100, surge);
        for _ in 0..200 {
            let counts = BasicCanary {
                replicas, weight, whole: 100, surge, unavailable,
                canary: Some(canary), stable: Some(stable), others: 0,
            }
            .counts();
            let total = counts.canary + counts.stable;
            prop_assert!(total <= replicas + surge, "{total} pods");
            let left = canary.available.min(counts.canary) + stable.available.min(counts.stable);
            prop_assert!(left >= replicas - unavailable, "{left} available");
            if counts == wanted {
                return Ok(());
            }
            canary = pods(counts.canary, counts.canary);
            stable = pods(counts.stable, counts.stable);
        }
        prop_assert!(false, "{canary:?} {stable:?} do not become {wanted:?}");
    }

    #[test]
    fn a_split_serves_both_sides_and_the_whole(
        replicas in 2..500_i32, weight in 1..100_i32, surge in 0..3_i32,
    ) {
        let counts = split_by_weight(replicas, weight, 100, surge);
        prop_assert!(counts.canary >= 1 && counts.stable >= 1, "{counts:?}");
        let total = counts.canary + counts.stable;
        prop_assert!(total == replicas || (surge > 0 && total == replicas + 1), "{counts:?}");
    }

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
    let table: [Row; 8] = [
        (
            "an abort goes to the next lower step",
            up.clone(),
            true,
            (60, 40),
            Some(pods(6, 6)),
            Some(pods(4, 4)),
            (6, 8),
        ),
        (
            "by stable's pods when the canary has few",
            up.clone(),
            true,
            (60, 40),
            Some(pods(1, 1)),
            Some(pods(4, 4)),
            (6, 8),
        ),
        (
            "by available stable pods",
            up.clone(),
            true,
            (60, 40),
            Some(pods(2, 2)),
            Some(pods(8, 4)),
            (6, 8),
        ),
        (
            "all at once without ReplicaSets",
            up,
            true,
            (60, 40),
            None,
            None,
            (6, 10),
        ),
        (
            "stable shrinks",
            one(10),
            false,
            (10, 90),
            None,
            None,
            (1, 9),
        ),
        (
            "the canary grows first",
            one(20),
            false,
            (10, 90),
            None,
            None,
            (2, 9),
        ),
        (
            "an aborted canary keeps what its traffic needs",
            one(20),
            true,
            (20, 80),
            None,
            None,
            (2, 10),
        ),
        (
            "and shrinks with it",
            one(20),
            true,
            (10, 90),
            None,
            None,
            (1, 10),
        ),
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

/// TestResolveFenceposts, TestMaxSurge, TestMaxUnavailable
#[test]
fn surge_and_unavailable_are_rounded() {
    let bounds = |strategy: Value, replicas| {
        let strategy = serde_json::from_value(strategy).expect("a strategy");
        let bounds = MoveBounds::of(&strategy, replicas);
        (bounds.surge, bounds.unavailable)
    };
    let canary = |surge: Value, unavailable: Value, replicas| {
        let canary = json!({"maxSurge": surge, "maxUnavailable": unavailable});
        bounds(json!({"canary": canary}), replicas)
    };
    for (surge, unavailable, replicas, expected) in [
        (json!("39%"), json!("39%"), 10, (4, 3)),
        (json!("oops"), json!("39%"), 10, (0, 0)),
        (json!("55%"), json!("urg"), 10, (0, 0)),
        (json!(0), json!("39%"), 10, (0, 3)),
        (json!("39%"), json!(0), 10, (4, 0)),
        (json!("0%"), json!("0%"), 10, (0, 1)),
        (json!(0), json!(0), 10, (0, 1)),
        (json!(5), json!(1), 10, (5, 1)),
        (json!("50%"), json!(1), 10, (5, 1)),
        (json!(1), json!(10), 10, (1, 10)),
        (json!(1), json!(10), 5, (1, 5)),
        (json!(1), json!(10), 0, (1, 0)),
        (json!(1), json!("100%"), 5, (1, 5)),
        // A text is a percentage, with or without its sign.
        (json!("50"), json!("20"), 10, (5, 2)),
    ] {
        assert_eq!(
            canary(surge.clone(), unavailable.clone(), replicas),
            expected,
            "{surge} {unavailable}"
        );
    }
    assert_eq!(bounds(json!({"canary": {}}), 10), (3, 2), "25 % each");
    assert_eq!(bounds(json!({"blueGreen": {}}), 1), (0, 0));
    assert_eq!(
        bounds(json!({"blueGreen": {"maxUnavailable": 2}}), 10),
        (0, 2)
    );
    assert_eq!(scaled(&IntOrString::Int(7), 10, true), Some(7));
}

/// TestNewRSNewReplicasWitPreviewReplicaCount
#[test]
fn a_preview_has_its_own_count_until_the_switch_is_due() {
    let waiting = PreviewState {
        another_is_active: true,
        is_current: true,
        ..PreviewState::default()
    };
    let cases = [
        (
            "nothing is active",
            PreviewState {
                another_is_active: false,
                ..waiting
            },
            10,
        ),
        (
            "another update came",
            PreviewState {
                is_current: false,
                past_checkpoint: true,
                ..waiting
            },
            1,
        ),
        (
            "it was let go on",
            PreviewState {
                past_checkpoint: true,
                ..waiting
            },
            10,
        ),
        ("it waits", waiting, 1),
        (
            "it waits for somebody",
            PreviewState {
                paused: true,
                past_checkpoint: true,
                ..waiting
            },
            1,
        ),
        (
            "it is promoted at once",
            PreviewState {
                promote_full: true,
                ..waiting
            },
            10,
        ),
    ];
    for (name, state, expected) in cases {
        assert_eq!(preview_count(10, Some(1), state), expected, "{name}");
        assert_eq!(preview_count(10, None, state), 10, "{name}");
    }
}

/// `utils/defaults`: GetScaleDownDelaySecondsOrDefault, GetAbortScaleDownDelaySecondsOrDefault, and
/// shouldDelayScaleDownOnAbort
#[test]
fn pods_stay_for_a_while() {
    let router = json!({"smi": {}});
    let default = AbortDelay::Seconds {
        seconds: 30,
        explicit: false,
    };
    let none = AbortDelay::Seconds {
        seconds: 0,
        explicit: false,
    };
    let explicit = AbortDelay::Seconds {
        seconds: 7,
        explicit: true,
    };
    for (strategy, replaced, aborted, delays) in [
        (json!({"blueGreen": {}}), 30, default, true),
        (
            json!({"blueGreen": {"scaleDownDelaySeconds": 5, "abortScaleDownDelaySeconds": 7}}),
            5,
            explicit,
            true,
        ),
        (
            json!({"blueGreen": {"abortScaleDownDelaySeconds": 0}}),
            30,
            AbortDelay::Forever,
            false,
        ),
        (
            json!({"canary": {"scaleDownDelaySeconds": 5}}),
            0,
            none,
            false,
        ),
        (
            json!({"canary": {"trafficRouting": router}}),
            30,
            default,
            true,
        ),
        (
            json!({"canary": {"trafficRouting": router, "scaleDownDelaySeconds": 0}}),
            0,
            default,
            true,
        ),
        (
            json!({"canary": {"trafficRouting": router, "dynamicStableScale": true}}),
            30,
            default,
            false,
        ),
        (
            json!({"canary": {"trafficRouting": router, "dynamicStableScale": true, "abortScaleDownDelaySeconds": 7}}),
            30,
            explicit,
            true,
        ),
    ] {
        let parsed = serde_json::from_value(strategy.clone()).expect("a strategy");
        assert_eq!(
            scale_down_delay(&parsed),
            Duration::from_secs(replaced),
            "{strategy}"
        );
        assert_eq!(abort_delay(&parsed), aborted, "{strategy}");
        assert_eq!(delays_scale_down_on_abort(&parsed), delays, "{strategy}");
    }
}

/// scaleDownDelayHelper; TestBlueGreenScaleDownLimit
#[test]
fn old_replica_sets_keep_their_pods_until_their_deadline() {
    let now = Timestamp(1_000_000);
    let delay = Duration::from_secs(30);
    let until = |seconds: i64| Some(now.shifted(seconds * 1_000));
    let old = |desired, deadline| OldReplicaSet { desired, deadline };
    let keep = |old: &[OldReplicaSet], limit, kept| keep_old_pods(old, delay, limit, kept, now);

    assert_eq!(
        keep(&[old(3, None)], None, None),
        [(3, until(30))],
        "it gets a deadline"
    );
    assert_eq!(
        keep(&[old(3, until(5))], None, None),
        [(3, until(5))],
        "and keeps it"
    );
    assert_eq!(
        keep(&[old(3, until(5))], None, Some(10)),
        [(10, until(5))],
        "blue-green: full size"
    );
    assert_eq!(
        keep(&[old(3, until(0))], None, None),
        [(0, until(0))],
        "until it has come"
    );
    assert_eq!(
        keep(&[old(0, None)], None, None),
        [(0, None)],
        "without pods there is none"
    );
    assert_eq!(
        keep(
            &[old(3, until(9)), old(3, None), old(3, until(5))],
            Some(2),
            None
        ),
        [(3, until(9)), (3, until(30)), (0, until(5))],
        "the newest within the limit"
    );
    assert_eq!(
        keep_old_pods(&[old(3, None)], Duration::ZERO, None, None, now),
        [(0, None)],
        "no delay, no pods"
    );
}

/// TestAllReplicaProgressThresholdMet, TestAllDesiredAreAvailable
#[test]
fn progress_is_what_the_threshold_says() {
    let threshold = |kind: &str, value| ReplicaProgressThreshold {
        kind: kind.to_owned(),
        value,
    };
    for (limit, set, desired, expected) in [
        (Some(threshold("Percent", 90)), Some(pods(10, 9)), 10, true),
        (Some(threshold("Percent", 90)), Some(pods(10, 8)), 10, false),
        (
            Some(threshold("Percent", 100)),
            Some(pods(10, 100)),
            10,
            true,
        ),
        (Some(threshold("Percent", 90)), Some(pods(0, 0)), 0, true),
        (Some(threshold("Pods", 9)), Some(pods(10, 9)), 10, true),
        (Some(threshold("Pods", 8)), Some(pods(10, 7)), 10, false),
        (Some(threshold("Pods", -100)), Some(pods(10, 10)), 10, true),
        (Some(threshold("Pods", 5)), None, 10, false),
        (None, Some(pods(5, 10)), 10, false),
        (None, Some(pods(10, 10)), 10, true),
        (None, Some(pods(10, 9)), 10, false),
        (None, None, 10, false),
    ] {
        assert_eq!(
            is_progress_reached(limit.as_ref(), set, desired),
            expected,
            "{limit:?} {set:?}"
        );
    }
}

/// TestAtDesiredReplicaCountsForCanary
#[test]
fn a_step_goes_on_when_both_sides_have_their_pods() {
    let reached = |wanted: (i32, i32), canary, stable, dynamic, others| {
        let wanted = Counts {
            canary: wanted.0,
            stable: wanted.1,
        };
        are_counts_reached(wanted, None, Some(canary), Some(stable), dynamic, others)
    };
    assert!(reached((2, 2), pods(2, 2), pods(2, 2), false, Some(0)));
    assert!(
        !reached((2, 2), pods(2, 1), pods(2, 2), false, Some(0)),
        "the canary is away"
    );
    assert!(
        !reached((3, 1), pods(3, 3), pods(2, 2), false, Some(0)),
        "stable has too many"
    );
    assert!(
        reached((3, 1), pods(3, 3), pods(1, 0), false, Some(0)),
        "stable exists"
    );
    let lagging = Pods {
        desired: 2,
        existing: 3,
        available: 2,
    };
    assert!(
        !reached((2, 2), pods(2, 2), lagging, false, Some(0)),
        "a pod is still there"
    );
    assert!(
        reached((2, 8), pods(2, 2), pods(9, 9), true, None),
        "dynamic scale follows later"
    );
    assert!(
        !reached((2, 2), pods(2, 2), pods(2, 2), false, Some(1)),
        "older pods serve"
    );
}

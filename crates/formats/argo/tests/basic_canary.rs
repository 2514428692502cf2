//! Counts of a canary whose pods are its traffic: Argo's own numbers, each table with the test in Argo that
//! has them (`utils/replicaset/canary_test.go`), and what holds for all numbers.

use proptest::prelude::*;
use sluice_argo::workload::*;

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
    #[rustfmt::skip]
    const TABLE: &[Row] = &[
        (0, 0, &[(0, 0, 0), (50, 0, 0), (100, 0, 0)]),
        (0, 1, &[(0, 0, 0), (50, 0, 0), (100, 0, 0)]),
        (1, 0, &[(0, 0, 1), (1, 0, 1), (49, 0, 1), (50, 1, 0), (99, 1, 0), (100, 1, 0)]),
        (1, 1, &[(0, 0, 1), (1, 1, 1), (49, 1, 1), (50, 1, 1), (99, 1, 1), (100, 1, 0)]),
        (2, 0, &[(0, 0, 2), (1, 1, 1), (50, 1, 1), (99, 1, 1), (100, 2, 0)]),
        (2, 1, &[(0, 0, 2), (1, 1, 2), (50, 1, 1), (99, 2, 1), (100, 2, 0)]),
        (3, 0, &[(10, 1, 2), (25, 1, 2), (33, 1, 2), (34, 1, 2), (49, 1, 2), (50, 2, 1)]),
        (3, 1, &[(10, 1, 3), (25, 1, 3), (33, 1, 2), (34, 1, 2), (49, 2, 2), (50, 2, 2)]),
        (10, 0, &[(1, 1, 9), (14, 1, 9), (15, 2, 8), (16, 2, 8), (99, 9, 1)]),
        (10, 1, &[(0, 0, 10), (1, 1, 10), (18, 2, 9), (19, 2, 9), (20, 2, 8), (23, 2, 8), (24, 3, 8), (25, 3, 8), (99, 10, 1), (100, 10, 0)]),
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
    #[rustfmt::skip]
    const TABLE: &[Row] = &[
        ("pods that are about to end are not started again", [7, 0, 0, 1], (7, 1), (0, 1), 0, (7, 0)),
        ("extra available pods do not count", [10, 100, 3, 0], (7, 8), (6, 3), 0, (7, 6)),
        ("surge lets the canary grow", [10, 20, 2, 0], (10, 10), (0, 0), 0, (10, 2)),
        ("then stable shrinks", [10, 20, 2, 0], (10, 10), (2, 2), 0, (8, 2)),
        ("not beyond the surge", [10, 30, 2, 0], (10, 10), (0, 0), 0, (10, 2)),
        ("unavailable lets stable shrink first", [10, 20, 0, 2], (10, 10), (0, 0), 0, (8, 0)),
        ("not beyond the unavailable", [10, 30, 0, 2], (10, 10), (0, 0), 0, (8, 0)),
        ("both at once", [10, 50, 2, 1], (10, 10), (0, 0), 0, (9, 2)),
        ("weight 0 takes all canary pods", [10, 0, 1, 1], (10, 10), (1, 1), 0, (10, 0)),
        ("weight 100 takes all stable pods", [10, 100, 1, 1], (1, 1), (10, 10), 0, (0, 10)),
        ("one pod and a small weight", [1, 20, 1, 0], (1, 1), (0, 0), 0, (1, 1)),
        ("one pod and a large weight", [1, 90, 1, 0], (1, 1), (0, 0), 0, (1, 1)),
        ("one pod without surge below half", [1, 49, 0, 1], (1, 1), (0, 0), 0, (1, 0)),
        ("one pod without surge above half", [1, 51, 0, 1], (1, 1), (0, 0), 0, (0, 0)),
        ("and then the canary", [1, 51, 0, 1], (0, 0), (0, 0), 0, (0, 1)),
        ("stable grows before the canary", [10, 30, 1, 0], (1, 1), (0, 0), 3, (7, 1)),
        ("both shrink", [10, 30, 0, 3], (8, 5), (4, 4), 0, (7, 3)),
        ("what is not available is not counted on", [10, 100, 1, 0], (10, 2), (10, 8), 0, (2, 9)),
        ("others shrink first", [10, 30, 0, 1], (8, 6), (4, 2), 3, (8, 4)),
        ("rounding keeps within the surge", [10, 5, 0, 1], (10, 10), (0, 0), 0, (9, 0)),
        ("rounding keeps within the surge (2)", [10, 5, 0, 1], (9, 9), (0, 0), 0, (9, 1)),
        ("surge holds while stable is away", [4, 100, 1, 0], (4, 1), (0, 0), 0, (4, 1)),
        ("to maxUnavailable within maxSurge", [3, 99, 0, 2], (3, 3), (0, 0), 0, (1, 0)),
        ("to maxUnavailable within maxSurge (2)", [3, 99, 0, 2], (1, 1), (0, 0), 0, (1, 2)),
        ("a stable pod that is away goes first", [4, 100, 1, 0], (4, 1), (1, 1), 0, (3, 1)),
        ("an abort surges stable first", [4, 0, 1, 0], (0, 0), (4, 4), 0, (1, 4)),
        ("and waits for it", [4, 0, 1, 0], (1, 0), (4, 4), 0, (1, 4)),
        ("and then takes canary pods", [4, 0, 1, 0], (1, 1), (4, 4), 0, (1, 3)),
        ("a full promotion keeps the bounds", [4, 100, 3, 0], (4, 4), (0, 0), 0, (4, 3)),
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

/// Argo's controller finds no split there, and gives the canary of 90 % no pod.
#[test]
fn a_half_that_cannot_be_rounded_up_is_rounded_down() {
    for (replicas, weight, canary) in [(2, 75, 1), (5, 90, 4), (10, 95, 9), (50, 99, 49)] {
        let counts = split_by_weight(replicas, weight, 100, 0);
        let stable = replicas - canary;
        assert_eq!(
            counts,
            Counts { canary, stable },
            "{weight} % of {replicas}"
        );
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

    /// Numbers that an API server takes and nobody means.
    #[test]
    fn absurd_numbers_are_counted_without_overflow(
        numbers in proptest::collection::vec(
            prop::sample::select(vec![0, 1, 100, i32::MAX - 1, i32::MAX]), 10,
        ),
        weight in any::<i32>(), whole in any::<i32>(), dynamic in any::<bool>(),
    ) {
        let [replicas, surge, unavailable, others, ..] = numbers[..] else {
            unreachable!("there are ten");
        };
        let counts = BasicCanary {
            replicas, weight, whole, surge, unavailable, others,
            canary: Some(pods(numbers[4], numbers[5])), stable: Some(pods(numbers[6], numbers[7])),
        }
        .counts();
        prop_assert!(counts.canary >= 0 && counts.stable >= 0, "{counts:?}");
        let routed = RoutedCanary {
            replicas, whole, demand: CanaryDemand::Weight(weight), dynamic_stable_scale: dynamic,
            pods_min: Some(numbers[8]), actual: Some((numbers[9], weight)), aborted: true,
        }
        .counts();
        prop_assert!(routed.canary >= 0 && routed.stable >= 0, "{routed:?}");
        let next = gradually(numbers[8], pods(numbers[4], numbers[5]), surge);
        prop_assert!(next <= numbers[8], "{next}");
    }
}

#[test]
fn pods_that_never_get_ready_leave_their_room_while_older_ones_are_there() {
    // An aborted canary between two updates: without its room, stable could never grow again.
    let pods = |desired, available| Pods {
        desired,
        existing: desired,
        available,
    };
    let counts = BasicCanary {
        replicas: 5,
        weight: 0,
        whole: 100,
        surge: 0,
        unavailable: 1,
        canary: Some(pods(2, 0)),
        stable: Some(pods(1, 1)),
        others: 2,
    }
    .counts();
    assert_eq!((counts.canary, counts.stable), (0, 1));
}

//! Bounds, previews, delays and progress: Argo's own numbers, each table with the test in Argo that has them
//! (`utils/replicaset/{replicaset,canary}_test.go`, `utils/defaults`, `rollout/*_test.go`).

use serde_json::{Value, json};
use sluice_argo::api::{IntOrString, ReplicaProgressThreshold};
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

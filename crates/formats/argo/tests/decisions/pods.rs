//! How many pods there are, and which revisions stay.

use super::{NOW, is_scaled, paused, rollout, routed, set, weights, world, written_status};
use serde_json::{Value, json};
use sluice_argo::api::{AnalysisRun, AnalysisTemplate, Rollout, Time};
use sluice_argo::rollout::{Pod, World, Write, decide};

/// The number of pods that a ReplicaSet gets, if it gets another one.
fn count(world: &World, set: &str) -> Option<Value> {
    decide(world, NOW)
        .writes
        .into_iter()
        .find_map(|write| match write {
            Write::PatchReplicaSet { name, operations } if name == set => operations
                .into_iter()
                .find(|it| it["op"] == "replace" && it["path"] == "/spec/replicas")
                .map(|it| it["value"].clone()),
            _ => None,
        })
}

/// A Rollout that is scaled before the status knows its newest template.
fn behind(strategy: Value, noted: &str, stable: &str) -> Rollout {
    let status = json!({"currentPodHash": noted, "stableRS": stable, "currentStepIndex": 0});
    let mut behind = rollout(strategy, status);
    behind.spec.replicas = Some(8);
    behind.spec.revision_history_limit = Some(0);
    behind
}

/// What is wanted is stable again, and the status does not say so yet.
#[test]
fn stable_keeps_its_pods_when_it_is_wanted_again() {
    let services = [("stable", "new"), ("canary", "new")];
    let sets = vec![set("stable", 0, 0), set("new", 5, 5)];
    let world = world(behind(routed(), "stable", "new"), sets, &services);
    assert_eq!(count(&world, "new"), Some(json!(8)));
}

#[test]
fn a_revision_that_the_status_names_is_not_deleted() {
    let strategy = json!({"blueGreen": {"activeService": "active"}});
    let sets = vec![set("old", 0, 0), set("stable", 5, 5), set("new", 5, 5)];
    for (noted, is_deleted) in [("old", false), ("new", true)] {
        let world = world(
            behind(strategy.clone(), noted, "stable"),
            sets.clone(),
            &[("active", "stable")],
        );
        let deletes =
            |write: &Write| matches!(write, Write::DeleteReplicaSet { name } if name == "old");
        assert_eq!(decide(&world, NOW).writes.iter().any(deletes), is_deleted);
    }
}

/// Before routers are told anything, all that they lead goes to stable.
#[test]
fn stable_gives_up_no_pods_before_routers_were_told() {
    let mut strategy = routed();
    strategy["canary"]["dynamicStableScale"] = json!(true);
    strategy["canary"]["steps"] = json!([]);
    let services = [("stable", "stable"), ("canary", "stable")];
    let sets = vec![set("stable", 5, 3), set("new", 0, 0)];
    let world = world(rollout(strategy, json!({})), sets, &services);
    assert!(!is_scaled(&world, "stable"));
}

/// No Service leads to the first revision yet, and its pods are not counted as available. The second one was stable
/// without a single pod, and the first one's pods ended.
#[test]
fn a_second_revision_is_not_stable_before_it_has_pods() {
    let strategy = json!({"blueGreen": {"activeService": "active"}});
    for available in [0, 5] {
        let sets = vec![set("stable", 5, available), set("new", 5, 0)];
        let world = world(
            rollout(strategy.clone(), json!({})),
            sets,
            &[("active", "")],
        );
        let status = written_status(&world).expect("there is much to note");
        assert_eq!(status.stable_rs, "stable");
    }
}

fn restarting(ready_seconds: &[Option<i64>]) -> World {
    let mut restarting = rollout(json!({"canary": {"steps": [{"pause": {}}]}}), json!({}));
    restarting.spec.restart_at = Some(Time(NOW.shifted(-1_000)));
    restarting.spec.min_ready_seconds = 30;
    restarting.spec.progress_deadline_seconds = Some(i32::MAX);
    let sets = vec![set("stable", 5, 4), set("new", 0, 0)];
    let pods = ready_seconds.iter().enumerate().map(|(number, ready)| Pod {
        name: format!("stable-{number}"),
        replica_set: "stable".to_owned(),
        created_at: NOW.shifted(-3_600_000),
        deleting: false,
        ready_since: ready.map(|seconds| NOW.shifted(-seconds * 1_000)),
    });
    let pods = pods.collect();
    World {
        pods,
        ..world(restarting, sets, &[])
    }
}

/// It asked for the pods every 30 s, for as long as one of them did not get ready.
#[test]
fn a_restart_that_waits_for_pods_asks_for_nothing() {
    let ready = Some(3_600);
    let evicts = |world: &World| {
        let writes = decide(world, NOW).writes;
        writes
            .iter()
            .any(|write| matches!(write, Write::EvictPods(_)))
    };
    let stuck = restarting(&[ready, ready, None, None, None]);
    assert!(!evicts(&stuck));
    let wake_at = decide(&stuck, NOW).wake_at;
    assert!(
        wake_at.is_none_or(|at| at > NOW.shifted(3_600_000)),
        "{wake_at:?}"
    );
    let soon = restarting(&[ready, ready, Some(20), None, None]);
    assert!(!evicts(&soon));
    assert_eq!(decide(&soon, NOW).wake_at, Some(NOW.shifted(10_000)));
}

/// Between two counts of its ReplicaSet one pod went and another was ready: the restart was never looked at again.
#[test]
fn a_restart_comes_back_to_pods_that_go_and_come() {
    let ready = Some(3_600);
    let retry = Some(NOW.shifted(30_000));
    let mut evicted = restarting(&[ready, ready, None, None, None]);
    evicted.pods[4].deleting = true;
    let mut replaced = evicted.clone();
    replaced.pods[4].deleting = false;
    replaced.pods[4].created_at = NOW.shifted(-45_000);
    for world in [evicted, replaced] {
        assert_eq!(decide(&world, NOW).wake_at, retry);
    }
}

/// It ended without a verdict while an experiment without one waits for somebody: Argo starts one run after another.
#[test]
fn an_inconclusive_run_waits_beside_an_inconclusive_experiment() {
    let mut strategy = routed();
    strategy["canary"]["analysis"] = json!({"templates": [{"templateName": "checks"}]});
    let mut canary = weights(20);
    canary["currentBackgroundAnalysisRunStatus"] = json!({"name": "run", "status": "Running"});
    let pause = |reason: &str| json!({"reason": reason, "startTime": Time(NOW)});
    let template: AnalysisTemplate = serde_json::from_value(json!({
        "metadata": {"name": "checks", "namespace": "shop"},
        "spec": {"metrics": [{"name": "m", "provider": {"prometheus": {"address": "http://p", "query": "up"}}}]},
    }))
    .unwrap();
    let run: AnalysisRun = serde_json::from_value(json!({
        "metadata": {"name": "run", "namespace": "shop"},
        "spec": template.spec,
        "status": {"phase": "Inconclusive"},
    }))
    .unwrap();
    let world = |pauses: Value, conditions: Value| World {
        runs: vec![run.clone()],
        templates: vec![template.clone()],
        ..world(
            rollout(
                strategy.clone(),
                json!({
                    "currentStepIndex": 0,
                    "controllerPause": true,
                    "pauseConditions": pauses,
                    "conditions": conditions,
                    "canary": canary,
                }),
            ),
            vec![set("stable", 5, 5), set("new", 1, 1)],
            &[("stable", "stable"), ("canary", "new")],
        )
    };
    let starts = |world: &World| {
        let writes = decide(world, NOW).writes;
        writes
            .iter()
            .any(|write| matches!(write, Write::StartRun(_)))
    };
    let waits = world(json!([pause("InconclusiveExperiment")]), paused());
    assert!(!starts(&waits));
    let status = written_status(&waits).expect("the run's end is noted");
    let reasons: Vec<&str> = status
        .pause_conditions
        .iter()
        .map(|it| it.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        ["InconclusiveExperiment", "InconclusiveAnalysisRun"]
    );
    assert!(
        starts(&world(json!([]), json!([]))),
        "somebody let it go on"
    );
}

/// Argo's issue 2857: with an external metric an autoscaler keeps the number that it is told, and that was both
/// revisions' pods.
#[test]
fn an_autoscaler_does_not_count_two_revisions_beside_each_other() {
    let sets = vec![set("stable", 5, 5), set("new", 5, 5)];
    let status = json!({"currentStepIndex": 1, "canary": weights(60)});
    let services = [("stable", "stable"), ("canary", "new")];
    let status = written_status(&world(rollout(routed(), status), sets, &services));
    let counts = status.map(|status| (status.replicas, status.hpa_replicas));
    assert_eq!(counts, Some((10, 5)));
}

/// A step for fewer pods than the threshold names never ended.
#[test]
fn a_threshold_of_pods_is_no_more_than_a_step_wants() {
    let mut strategy = routed();
    strategy["canary"]["replicaProgressThreshold"] = json!({"type": "Pods", "value": 3});
    let sets = vec![set("stable", 5, 5), set("new", 1, 1)];
    let status = json!({"currentStepIndex": 0, "canary": weights(20)});
    let services = [("stable", "stable"), ("canary", "new")];
    let status = written_status(&world(rollout(strategy, status), sets, &services));
    assert_eq!(status.and_then(|status| status.current_step_index), Some(1));
}

/// Weights that another controller waits for were waited for here for ever.
#[test]
fn a_step_does_not_wait_for_weights_that_nobody_verifies() {
    let mut noted = weights(20);
    noted["weights"]["verified"] = json!(false);
    let sets = vec![set("stable", 5, 5), set("new", 1, 1)];
    let status = json!({"currentStepIndex": 0, "canary": noted});
    let services = [("stable", "stable"), ("canary", "new")];
    let status = written_status(&world(rollout(routed(), status), sets, &services));
    assert_eq!(status.and_then(|status| status.current_step_index), Some(1));
}

/// A disruption budget that protects all pods kept a rollout from going back, and its analyses from being judged.
#[test]
fn a_restart_that_is_refused_holds_nothing_else_up() {
    let status = json!({"abort": true, "canary": weights(60)});
    let mut restarted = rollout(routed(), status);
    restarted.spec.restart_at = Some(Time(NOW.shifted(-1_000)));
    let sets = vec![set("stable", 5, 5), set("new", 3, 3)];
    let services = [("stable", "stable"), ("canary", "new")];
    let mut world = world(restarted, sets, &services);
    let pod = |number: i32| Pod {
        name: format!("stable-{number}"),
        replica_set: "stable".to_owned(),
        created_at: NOW.shifted(-3_600_000),
        ready_since: Some(NOW.shifted(-3_000_000)),
        ..Pod::default()
    };
    world.pods = (0..8).map(pod).collect();
    let first = decide(&world, NOW);
    assert!(first.only_evicts && matches!(first.writes[..], [Write::EvictPods(_)]));
    world.evictions_refused = true;
    let second = decide(&world, NOW);
    let routes = second.writes.iter().find_map(|write| match write {
        Write::Route(routing) => Some(routing.weight),
        _ => None,
    });
    assert_eq!(routes, Some(0));
    assert!(
        !second
            .writes
            .iter()
            .any(|write| matches!(write, Write::EvictPods(_)))
    );
    assert_eq!(second.wake_at, first.wake_at, "the restart is tried again");
}

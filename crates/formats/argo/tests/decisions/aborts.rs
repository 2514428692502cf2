//! The way back.

use super::{
    NOW, is_scaled, paused, rollout, route, routed, set, switches, weights, world, written_status,
};
use serde_json::{Value, json};
use sluice_argo::api::Time;
use sluice_argo::rollout::{World, with_current_template};

fn blue_green() -> Value {
    json!({"blueGreen": {"activeService": "active", "abortScaleDownDelaySeconds": 30}})
}

/// A blue-green rollout that was aborted when users were on the new revision.
fn aborted(replicas: i32, stable: (i32, i32), new: (i32, i32)) -> World {
    let status = json!({
        "abort": true,
        "abortedAt": "2025-12-31T23:59:00Z",
        "conditions": [{"type": "Progressing", "status": "False", "reason": "RolloutAborted"}],
        "blueGreen": {"activeSelector": "new"},
    });
    let mut rollout = rollout(blue_green(), status);
    rollout.spec.replicas = Some(replicas);
    let mut sets = vec![set("stable", stable.0, stable.1), set("new", new.0, new.1)];
    for set in &mut sets {
        let desired = "rollout.argoproj.io/desired-replicas".to_owned();
        set.metadata
            .annotations
            .insert(desired, replicas.to_string());
    }
    world(rollout, sets, &[("active", "new")])
}

/// The side that failed may never be complete: in Argo users stay on it then.
#[test]
fn an_aborted_update_leads_back_whatever_the_pods_of_the_new_revision() {
    let to_stable = [("active".to_owned(), "stable".to_owned())];
    assert_eq!(switches(&aborted(5, (5, 5), (5, 3))), to_stable);
    assert_eq!(switches(&aborted(5, (5, 5), (5, 5))), to_stable);
    assert_eq!(switches(&aborted(5, (5, 0), (5, 5))), []);
    assert_eq!(switches(&aborted(0, (0, 0), (0, 0))), to_stable);
}

/// A paused Rollout does not lead users back, and so their pods stay.
#[test]
fn an_aborted_revision_keeps_its_pods_while_users_are_on_it() {
    let mut paused = aborted(5, (5, 5), (5, 5));
    paused.rollout.spec.paused = true;
    let passed = (
        "scale-down-deadline".to_owned(),
        "2025-12-31T00:00:00Z".to_owned(),
    );
    paused.replica_sets[1].metadata.annotations.extend([passed]);
    assert_eq!(switches(&paused), []);
    assert!(!is_scaled(&paused, "new"));
    paused.rollout.spec.paused = false;
    paused.services.get_mut("active").unwrap().hash = "stable".to_owned();
    assert!(is_scaled(&paused, "new"));
}

/// With the pause of an analysis without a verdict nothing moved any more, and the pause was never taken back.
#[test]
fn an_abort_ends_the_pauses_of_a_rollout_that_is_scaled() {
    let since = Time(NOW);
    let status = json!({
        "abort": true,
        "controllerPause": true,
        "pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": since}],
        "conditions": paused(),
    });
    let mut scaled = rollout(json!({"canary": {"steps": [{"setWeight": 20}]}}), status);
    scaled.spec.replicas = Some(1);
    let sets = vec![set("stable", 5, 5), set("new", 0, 0)];
    let status = written_status(&world(scaled, sets, &[])).expect("the pauses end");
    assert!(status.pause_conditions.is_empty() && !status.controller_pause);
}

/// The canary's side has pods of the update before, and keeps its traffic until stable can take it.
#[test]
fn an_abort_leads_the_traffic_of_the_update_before_back() {
    let mut strategy = routed();
    strategy["canary"]["dynamicStableScale"] = json!(true);
    let mut noted = weights(60);
    noted["weights"]["canary"]["podTemplateHash"] = json!("old");
    let world = world(
        rollout(strategy, json!({"abort": true, "canary": noted})),
        vec![set("old", 3, 3), set("stable", 3, 3), set("new", 1, 0)],
        &[("stable", "stable"), ("canary", "old")],
    );
    let routing = route(&world).expect("stable has pods for what it gets");
    assert_eq!((routing.weight, routing.canary_hash.as_str()), (60, "old"));
}

/// Somebody promotes an aborted update in full: nothing leads to it before it has pods, whatever the status says of
/// the routers.
#[test]
fn a_full_promotion_of_an_aborted_update_waits_for_its_pods() {
    let mut strategy = routed();
    strategy["canary"]["dynamicStableScale"] = json!(true);
    let status = json!({"abort": true, "promoteFull": true, "canary": weights(20)});
    let world = world(
        rollout(strategy, status),
        vec![set("stable", 5, 5), set("new", 0, 0)],
        &[("stable", "stable"), ("canary", "stable")],
    );
    assert_eq!(route(&world).map(|routing| routing.weight), Some(0));
}

/// A single pod that was missing kept all of the traffic on the side that failed, header routes and mirrors included.
#[test]
fn an_abort_takes_as_much_traffic_back_as_stable_has_pods_for() {
    let mut strategy = routed();
    strategy["canary"]["steps"] = json!([{"setWeight": 60}, {"pause": {}}]);
    let services = [("stable", "stable"), ("canary", "new")];
    for (stable, left) in [(5, Some(0)), (4, Some(20)), (2, Some(60)), (0, None)] {
        let status = json!({"abort": true, "canary": weights(60)});
        let sets = vec![set("stable", 5, stable), set("new", 3, 3)];
        let world = world(rollout(strategy.clone(), status), sets, &services);
        let weight = route(&world).map(|routing| routing.weight);
        assert_eq!(weight, left, "with {stable} of 5 pods");
        let to_stable = switches(&world).iter().any(|(name, _)| name == "canary");
        assert_eq!(to_stable, left == Some(0), "with {stable} of 5 pods");
    }
}

/// Istio's subsets have no Services, and waited for stable's last pod, too.
#[test]
fn an_abort_by_subsets_does_not_wait_for_the_last_pod() {
    let strategy = json!({"canary": {
        "trafficRouting": {"istio": {
            "virtualService": {"name": "web"},
            "destinationRule": {"name": "web", "stableSubsetName": "stable", "canarySubsetName": "canary"},
        }},
        "steps": [{"setWeight": 60}, {"pause": {}}],
    }});
    let status = json!({"abort": true, "canary": weights(60)});
    let sets = vec![set("stable", 5, 4), set("new", 3, 3)];
    let world = world(rollout(strategy, status), sets, &[]);
    assert_eq!(route(&world).map(|routing| routing.weight), Some(20));
}

/// An autoscaler changed the number while somebody had paused the Rollout, and nothing else was looked at any more.
#[test]
fn an_abort_of_a_paused_rollout_whose_number_changed_goes_back() {
    let status = json!({"abort": true, "canary": weights(20), "conditions": paused()});
    let mut scaled = rollout(routed(), status);
    scaled.spec.paused = true;
    scaled.spec.replicas = Some(4);
    let sets = vec![set("stable", 5, 5), set("new", 1, 1)];
    let world = world(scaled, sets, &[("stable", "stable"), ("canary", "new")]);
    assert_eq!(route(&world).map(|routing| routing.weight), Some(0));
}

/// The canary keeps its pods for ever, and how many it has was taken for a weight that it still needs.
#[test]
fn an_abort_does_not_wait_for_pods_that_the_canary_keeps() {
    let mut strategy = routed();
    strategy["canary"]["dynamicStableScale"] = json!(true);
    strategy["canary"]["abortScaleDownDelaySeconds"] = json!(0);
    strategy["canary"]["steps"] = json!([{"setCanaryScale": {"weight": 80}}, {"setWeight": 20}]);
    for index in [0, 1] {
        let status = json!({"abort": true, "currentStepIndex": index, "canary": weights(20)});
        let world = world(
            rollout(strategy.clone(), status),
            vec![set("stable", 5, 5), set("new", 4, 4)],
            &[("stable", "stable"), ("canary", "new")],
        );
        let weight = route(&world).map(|routing| routing.weight);
        assert_eq!(weight, Some(0), "at step {index}");
    }
}

/// Somebody deletes the workload in the middle of a rollout: going on needs it, and going back does not.
#[test]
fn an_abort_does_not_wait_for_a_deleted_workload() {
    let aborted = |abort: bool| {
        let status =
            json!({"abort": abort, "workloadObservedGeneration": "7", "canary": weights(20)});
        let mut new = set("new", 1, 1);
        new.spec.template = serde_json::from_value(json!({
            "metadata": {"labels": {"app": "web", "role": "canary", "rollouts-pod-template-hash": "new"}},
            "spec": {"containers": [{"name": "web", "image": "new"}]},
        }))
        .unwrap();
        let made = json!({"labels": {"role": "canary"}}).to_string();
        let key = "rollout.argoproj.io/ephemeral-metadata".to_owned();
        new.metadata.annotations.insert(key, made);
        let selector = json!({"matchLabels": {"app": "web", "rollouts-pod-template-hash": "new"}});
        new.spec.selector = serde_json::from_value(selector).unwrap();
        let mut rollout = rollout(routed(), status);
        let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        rollout.spec.workload_ref = serde_json::from_value(reference).unwrap();
        rollout.spec.template = serde_json::from_value(json!({})).unwrap();
        rollout.spec.selector = None;
        let sets = vec![set("stable", 5, 5), new];
        with_current_template(&mut rollout, &sets);
        world(rollout, sets, &[("stable", "stable"), ("canary", "new")])
    };
    let back = aborted(true);
    let rollout = &back.rollout;
    assert_eq!(json!(rollout.spec.template.labels()), json!({"app": "web"}));
    assert_eq!(rollout.spec.template.images(), ["new"]);
    let own = json!(rollout.spec.selector)["matchLabels"].take();
    assert_eq!(own, json!({"app": "web"}));
    assert_eq!(route(&back).map(|routing| routing.weight), Some(0));
    let status = written_status(&back).unwrap();
    assert_eq!(status.workload_observed_generation, "7");

    let on = aborted(false);
    assert_eq!(route(&on), None);
    let refused = written_status(&on).unwrap();
    assert!(
        refused.message.contains("`web` was not found"),
        "{}",
        refused.message
    );
}

/// Stable had not got all its pods yet, and what was missing went to the canary that had failed.
#[test]
fn an_abort_leads_nothing_to_a_canary_that_never_had_anything() {
    let mut strategy = routed();
    strategy["canary"]["dynamicStableScale"] = json!(true);
    for (stable, weight) in [(3, None), (5, Some(0))] {
        let world = world(
            rollout(strategy.clone(), json!({"abort": true})),
            vec![set("stable", 5, stable), set("new", 2, 0)],
            &[("stable", "stable"), ("canary", "stable")],
        );
        assert_eq!(route(&world).map(|routing| routing.weight), weight);
    }
}

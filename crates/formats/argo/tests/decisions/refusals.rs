//! What is refused, and what goes on all the same.

use super::{NOW, rollout, route, routed, set, weights, world, written_status};
use serde_json::{Value, json};
use sluice_argo::api::AnalysisRun;
use sluice_argo::rollout::{World, decide};

fn in_the_middle(strategy: Value, status: Value) -> World {
    let sets = vec![set("stable", 5, 5), set("new", 3, 3)];
    let services = [("stable", "stable"), ("canary", "new")];
    world(rollout(strategy, status), sets, &services)
}

fn refusal(world: &World) -> Option<String> {
    let status = written_status(world)?;
    let invalid = status.conditions.iter().find(|it| it.kind == "InvalidSpec");
    invalid.map(|condition| condition.message.clone())
}

/// No traffic moved, every step passed, and at the end all of it went to the new revision at once.
#[test]
fn a_rollout_with_a_plugin_that_is_not_run_stays_as_it_is() {
    let begun = || json!({"currentStepIndex": 0, "canary": weights(0)});
    let mut by_plugin = routed();
    by_plugin["canary"]["trafficRouting"] = json!({"plugins": {"argoproj-labs/gatewayAPI": {}}});
    let mut step = routed();
    step["canary"]["steps"] = json!([{"plugin": {"name": "acme/check"}}]);
    for (strategy, place) in [
        (
            by_plugin,
            "trafficRouting.plugins[\"argoproj-labs/gatewayAPI\"]",
        ),
        (step, "steps[0].plugin"),
    ] {
        let world = in_the_middle(strategy, begun());
        assert!(route(&world).is_none());
        let refusal = refusal(&world).expect("it says so");
        assert!(refusal.contains(place), "{refusal}");
    }
}

fn with_missing_template() -> Value {
    let mut strategy = routed();
    strategy["canary"]["analysis"] = json!({"templates": [{"templateName": "gone"}]});
    strategy
}

/// Somebody deleted the template in the middle of the rollout, and traffic stayed on the new revision whatever was done.
#[test]
fn a_template_that_is_gone_does_not_keep_a_rollout_from_going_back() {
    let status = |abort: bool| {
        let mut status = json!({"currentStepIndex": 1, "canary": weights(60), "abort": abort});
        status["canary"]["currentBackgroundAnalysisRunStatus"] =
            json!({"name": "beside", "status": "Running"});
        status
    };
    let going_on = in_the_middle(with_missing_template(), status(false));
    assert!(refusal(&going_on).is_some_and(|why| why.contains("create it")));
    assert!(route(&going_on).is_none());
    let aborted = in_the_middle(with_missing_template(), status(true));
    assert_eq!(route(&aborted).map(|routing| routing.weight), Some(0));
    let mut condemned = going_on;
    let failed: AnalysisRun = serde_json::from_value(json!({
        "metadata": {"name": "beside", "namespace": "shop"},
        "spec": {"metrics": []},
        "status": {"phase": "Failed", "message": "too many errors"},
    }))
    .unwrap();
    condemned.runs = vec![failed];
    let status = written_status(&condemned).expect("the verdict is noted");
    assert!(status.abort && status.message.contains("too many errors"));
}

/// Numbers below 0, which an API server takes, made counts that no pods ever reach.
#[test]
fn numbers_below_zero_hold_nothing_up() {
    for strategy in [
        json!({"canary": {"maxSurge": -3, "maxUnavailable": -2_147_483_648_i64}}),
        json!({"blueGreen": {"activeService": "active", "maxUnavailable": -3}}),
    ] {
        let world = in_the_middle(strategy, json!({}));
        assert!(!decide(&world, NOW).writes.is_empty());
    }
    let preview = json!({"blueGreen": {"activeService": "active", "previewReplicaCount": -1}});
    let refusal = refusal(&in_the_middle(preview, json!({})));
    assert!(refusal.is_some_and(|why| why.contains("previewReplicaCount: -1 is below 0")));
}

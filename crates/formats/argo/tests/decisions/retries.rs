//! A blue-green rollout that is tried again after an abort.

use super::{NOW, is_scaled, paused, rollout, set, switches, world, written_status};
use serde_json::{Value, json};
use sluice_argo::api::{AnalysisRun, AnalysisTemplate};
use sluice_argo::rollout::{World, Write, decide};

fn template() -> AnalysisTemplate {
    serde_json::from_value(json!({
        "metadata": {"name": "errors", "namespace": "shop"},
        "spec": {"metrics": [{"name": "errors", "count": 30, "interval": "10s", "successCondition": "true", "provider": {"web": {
            "url": "http://127.0.0.1/errors", "jsonPath": "{$}"}}}]},
    }))
    .unwrap()
}

fn run(name: &str, phase: &str) -> AnalysisRun {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"terminate": true, "metrics": []},
        "status": {"phase": phase},
    }))
    .unwrap()
}

/// The first look after `retry`: the status still knows when the rollout was aborted, and the run of that time.
fn retried(role: &str, phase: &str, pods: (i32, i32), active: &str) -> World {
    let analysis = json!({"templates": [{"templateName": "errors"}]});
    let mut strategy =
        json!({"blueGreen": {"activeService": "active", "previewService": "preview"}});
    strategy["blueGreen"][format!("{role}PromotionAnalysis")] = analysis;
    let noted = json!({"name": "former", "status": phase});
    let mut blue_green = json!({"activeSelector": active, "previewSelector": "new"});
    blue_green[format!("{role}PromotionAnalysisRunStatus")] = noted;
    let status = json!({"abortedAt": "2025-12-31T23:59:00Z", "blueGreen": blue_green});
    let sets = vec![set("stable", 5, 5), set("new", pods.0, pods.1)];
    let services = [("active", active), ("preview", "new")];
    let mut world = world(rollout(strategy, status), sets, &services);
    world.templates = vec![template()];
    world.runs = vec![run("former", phase)];
    world
}

fn started(world: &World) -> usize {
    let writes = decide(world, NOW).writes;
    let starts = |write: &&Write| matches!(write, Write::StartRun(_));
    writes.iter().filter(starts).count()
}

/// The abort ended the analysis without a failure, and that counted as a success: users were switched without one.
#[test]
fn an_analysis_that_an_abort_cut_off_does_not_let_the_next_try_pass() {
    let world = retried("pre", "Successful", (5, 5), "stable");
    assert_eq!(switches(&world), []);
    assert_eq!(started(&world), 1);
    let mut world = retried("post", "Successful", (5, 5), "new");
    world.rollout.status.blue_green.active_selector = "stable".to_owned();
    let status = written_status(&world).expect("the next try is noted");
    assert_eq!(
        status.stable_rs, "stable",
        "nothing was analysed in this try"
    );
}

/// The failure of the try before took each next one back, and users there and back.
#[test]
fn an_analysis_that_failed_says_nothing_about_the_next_try() {
    for (role, active) in [("pre", "stable"), ("post", "stable")] {
        let world = retried(role, "Failed", (5, 5), active);
        let status = written_status(&world).expect("the next try is noted");
        assert!(!status.abort, "{role}: {}", status.message);
    }
}

/// The run of the try before condemned this one, which began without its workload, and stopped half-way.
#[test]
fn a_retry_without_its_workload_does_not_begin() {
    let mut world = retried("pre", "Failed", (5, 0), "stable");
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    world.rollout.spec.workload_ref = serde_json::from_value(reference).unwrap();
    let status = written_status(&world).expect("it says what is missing");
    assert!(
        status.message.contains("`web` was not found"),
        "{}",
        status.message
    );
    assert!(!is_scaled(&world, "new"));
}

/// After the abort the preview lost its pods: an error rate of no requests is good.
#[test]
fn the_next_try_is_analysed_when_it_has_pods() {
    let world = retried("pre", "Failed", (5, 0), "stable");
    assert_eq!(started(&world), 0);
    assert_eq!(switches(&world), []);
}

/// What somebody let pass before the abort was let pass in the next try as well.
#[test]
fn a_preview_that_was_enough_before_an_abort_is_asked_for_again() {
    let strategy = json!({"blueGreen": {
        "activeService": "active",
        "previewReplicaCount": 1,
        "autoPromotionEnabled": false,
    }});
    let past = |active: &str| {
        let status = json!({
            "abort": true,
            "abortedAt": "2025-12-31T23:59:00Z",
            "blueGreen": {"activeSelector": active, "scaleUpPreviewCheckPoint": true},
        });
        let sets = vec![set("stable", 5, 5), set("new", 5, 5)];
        let world = world(
            rollout(strategy.clone(), status),
            sets,
            &[("active", active)],
        );
        written_status(&world).map(|status| status.blue_green.scale_up_preview_check_point)
    };
    assert_eq!(past("stable"), Some(false));
}

/// Its time was up while somebody held the rollout, and whoever looked next took it for enough.
#[test]
fn a_preview_is_not_enough_while_somebody_holds_the_rollout() {
    let strategy = json!({"blueGreen": {
        "activeService": "active",
        "previewReplicaCount": 1,
        "autoPromotionSeconds": 30,
    }});
    for (is_held, enough) in [(true, false), (false, true)] {
        let since = json!([{"reason": "BlueGreenPause", "startTime": "2025-12-31T23:00:00Z"}]);
        let status = json!({
            "controllerPause": true,
            "pauseConditions": since,
            "conditions": paused(),
            "blueGreen": {"activeSelector": "stable"},
        });
        let mut held = rollout(strategy.clone(), status);
        held.spec.paused = is_held;
        let sets = vec![set("stable", 5, 5), set("new", 1, 1)];
        let world = world(held, sets, &[("active", "stable")]);
        let status = written_status(&world).unwrap_or_default();
        assert_eq!(status.blue_green.scale_up_preview_check_point, enough);
    }
}

/// The Service was switched, the status was not written, and somebody held the rollout: users' pods were taken away.
#[test]
fn a_revision_that_users_are_on_keeps_its_pods_whatever_the_status_says() {
    let strategy = json!({"blueGreen": {"activeService": "active", "previewReplicaCount": 2}});
    let status = json!({
        "conditions": paused(),
        "blueGreen": {"activeSelector": "stable", "scaleUpPreviewCheckPoint": true},
    });
    let mut held = rollout(strategy, status);
    held.spec.paused = true;
    let sets = vec![set("stable", 5, 5), set("new", 5, 5)];
    let world = world(held, sets, &[("active", "new")]);
    assert!(!is_scaled(&world, "new"));
}

/// It names nothing to wait for.
#[test]
fn an_analysis_without_templates_holds_nothing_up() {
    for field in ["prePromotionAnalysis", "postPromotionAnalysis"] {
        let mut strategy = json!({"blueGreen": {"activeService": "active"}});
        strategy["blueGreen"][field] = json!({});
        let sets = || vec![set("stable", 5, 5), set("new", 5, 5)];
        let status = json!({"blueGreen": {"activeSelector": "stable"}});
        let before = world(
            rollout(strategy.clone(), status),
            sets(),
            &[("active", "stable")],
        );
        let to_new: [(String, String); 1] = [("active".to_owned(), "new".to_owned())];
        assert_eq!(switches(&before), to_new, "{field}");
        let status = json!({"blueGreen": {"activeSelector": "new"}});
        let after = world(rollout(strategy, status), sets(), &[("active", "new")]);
        let stable = written_status(&after).map(|status| status.stable_rs);
        assert_eq!(stable.as_deref(), Some("new"), "{field}");
    }
    let steps = json!({"canary": {"steps": [{"analysis": {}}, {"pause": {}}]}});
    let sets = vec![set("stable", 5, 5), set("new", 0, 0)];
    let begun: Value = json!({"currentStepIndex": 0});
    let status = written_status(&world(rollout(steps, begun), sets, &[]));
    assert_eq!(status.and_then(|status| status.current_step_index), Some(1));
}

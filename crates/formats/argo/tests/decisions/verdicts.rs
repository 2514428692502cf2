//! Analyses and experiments without a verdict, or that cannot be asked for one.

use super::{NOW, paused, rollout, routed, set, weights, world, written_status};
use serde_json::{Value, json};
use sluice_argo::api::{AnalysisRun, AnalysisTemplate, Experiment};
use sluice_argo::rollout::{World, Write, decide};

fn template(metric: &Value) -> AnalysisTemplate {
    let mut metric = metric.clone();
    metric["name"] = json!("errors");
    metric["successCondition"] = json!("true");
    metric["provider"] = json!({"web": {"url": "http://127.0.0.1/errors", "jsonPath": "{$}"}});
    let args = json!([{"name": "of", "value": "x"}, {"name": "count", "value": "3"}]);
    serde_json::from_value(json!({
        "metadata": {"name": "errors", "namespace": "shop"},
        "spec": {"args": args, "metrics": [metric]},
    }))
    .unwrap()
}

fn beside() -> Value {
    let mut strategy = routed();
    strategy["canary"]["analysis"] = json!({"templates": [{"templateName": "errors"}]});
    strategy
}

/// A rollout in its middle, with a template.
fn in_the_middle(strategy: Value, status: Value, metric: &Value) -> World {
    let sets = vec![set("stable", 5, 5), set("new", 1, 1)];
    let services = [("stable", "stable"), ("canary", "new")];
    let mut world = world(rollout(strategy, status), sets, &services);
    world.templates = vec![template(metric)];
    world
}

fn refusal(world: &World) -> Option<String> {
    let status = written_status(world)?;
    let mut conditions = status.conditions.into_iter();
    let invalid = conditions.find(|it| it.kind == "InvalidSpec")?;
    Some(invalid.message)
}

fn warning(world: &World, wanted: &str) -> bool {
    let writes = decide(world, NOW).writes;
    let mut events = writes.iter().filter_map(|write| match write {
        Write::Event(event) if event.warning => Some(&event.message),
        _ => None,
    });
    events.any(|message| message.contains(wanted))
}

/// The Rollout was refused before its first ReplicaSet, and the field never came.
#[test]
fn an_argument_from_a_status_that_is_still_empty_refuses_no_rollout() {
    let of_field = |path: &str| {
        let mut strategy = beside();
        strategy["canary"]["analysis"]["args"] =
            json!([{"name": "of", "valueFrom": {"fieldRef": {"fieldPath": path}}}]);
        strategy
    };
    let once = json!({"count": 1});
    let mut first = in_the_middle(of_field("status.stableRS"), json!({}), &once);
    first.rollout.status = serde_json::from_value(json!({})).unwrap();
    first.replica_sets.clear();
    let writes = decide(&first, NOW).writes;
    let creates = |write: &Write| matches!(write, Write::CreateReplicaSet(_));
    assert!(writes.iter().any(creates), "{writes:#?}");

    // What is due without it waits, and says so.
    let begun = json!({"currentStepIndex": 0, "canary": weights(20)});
    let lacking = of_field("status.alb.canaryTargetGroup.name");
    let due = in_the_middle(lacking, begun.clone(), &once);
    assert_eq!(refusal(&due), None);
    assert!(warning(&due, "invalid path status.alb"));
    let step = |world: &World| written_status(world).and_then(|it| it.current_step_index);
    assert_eq!(step(&due).unwrap_or(0), 0);
    let known = in_the_middle(of_field("status.stableRS"), begun, &once);
    let starts = |write: &Write| matches!(write, Write::StartRun(_));
    assert!(decide(&known, NOW).writes.iter().any(starts));
    assert_eq!(step(&known), Some(1));
}

/// The step waited for it for ever.
#[test]
fn an_analysis_without_an_end_is_refused_where_somebody_waits_for_it() {
    let mut step = routed();
    step["canary"]["steps"] = json!([{"analysis": {"templates": [{"templateName": "errors"}]}}]);
    let begun = || json!({"currentStepIndex": 0, "canary": weights(0)});
    for (metric, is_endless) in [
        (json!({"interval": "1m"}), true),
        (json!({"interval": "1m", "count": 0}), true),
        (
            json!({"interval": "1m", "consecutiveSuccessLimit": 0}),
            true,
        ),
        (
            json!({"interval": "1m", "consecutiveSuccessLimit": 3}),
            false,
        ),
        (json!({"interval": "1m", "count": "{{args.count}}"}), false),
        (json!({"interval": "1m", "count": 3}), false),
        (json!({}), false),
    ] {
        let why = refusal(&in_the_middle(step.clone(), begun(), &metric));
        let is_refused = why
            .as_ref()
            .is_some_and(|why| why.contains("runs indefinitely"));
        assert_eq!(is_refused, is_endless, "{metric}: {why:?}");
        assert_eq!(refusal(&in_the_middle(beside(), begun(), &metric)), None);
    }
}

fn inconclusive(name: &str) -> AnalysisRun {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"metrics": []},
        "status": {"phase": "Inconclusive"},
    }))
    .unwrap()
}

/// Nobody had let it pass: the mark of a pause was that of an analysis without a verdict.
#[test]
fn a_pause_is_not_over_because_an_analysis_has_no_verdict() {
    let mut strategy = beside();
    strategy["canary"]["steps"] = json!([{"setWeight": 20}, {"pause": {}}, {"setWeight": 100}]);
    let status = |reasons: &[&str]| {
        let mut canary = weights(20);
        canary["currentBackgroundAnalysisRunStatus"] =
            json!({"name": "beside", "status": "Inconclusive"});
        let since = "2025-12-31T23:59:00Z";
        let conditions = reasons
            .iter()
            .map(|it| json!({"reason": it, "startTime": since}));
        json!({
            "currentStepIndex": 1,
            "controllerPause": true,
            "pauseConditions": conditions.collect::<Vec<_>>(),
            "conditions": if reasons.is_empty() { json!([]) } else { paused() },
            "canary": canary,
        })
    };
    let world = |reasons: &[&str]| {
        let mut world = in_the_middle(strategy.clone(), status(reasons), &json!({"count": 1}));
        world.runs = vec![inconclusive("beside")];
        world
    };
    let waits = written_status(&world(&["InconclusiveAnalysisRun"])).unwrap();
    assert_eq!(waits.current_step_index, Some(1));
    let reasons: Vec<&str> = waits
        .pause_conditions
        .iter()
        .map(|condition| condition.reason.as_str())
        .collect();
    assert_eq!(reasons, ["InconclusiveAnalysisRun", "CanaryPauseStep"]);
    // Somebody saw both, and lets it go on.
    let goes_on = written_status(&world(&[])).unwrap();
    assert_eq!(goes_on.current_step_index, Some(2));
}

/// A step with an experiment that was noted, and what the status says of pauses.
fn experimenting(phase: &str, mut status: Value) -> World {
    let mut strategy = beside();
    let side = json!({"name": "canary", "specRef": "canary"});
    strategy["canary"]["steps"] = json!([{"experiment": {"templates": [side]}}]);
    status["currentStepIndex"] = json!(0);
    let mut canary = weights(0);
    canary["currentExperiment"] = json!("web-new-2-0");
    canary["currentBackgroundAnalysisRunStatus"] = json!({"name": "beside", "status": "Running"});
    status["canary"] = canary;
    let mut world = in_the_middle(strategy, status, &json!({"count": 1}));
    let experiment: Experiment = serde_json::from_value(json!({
        "metadata": {"name": "web-new-2-0", "namespace": "shop"},
        "spec": {"templates": []},
        "status": {"phase": phase},
    }))
    .unwrap();
    world.experiments = vec![experiment];
    world.runs = vec![
        serde_json::from_value(json!({
            "metadata": {"name": "beside", "namespace": "shop"},
            "spec": {"metrics": []},
            "status": {"phase": "Running"},
        }))
        .unwrap(),
    ];
    world
}

/// The pause came back at once, each time.
#[test]
fn an_inconclusive_experiment_is_done_anew_when_somebody_lets_it_go_on() {
    let let_go = experimenting("Inconclusive", json!({"controllerPause": true}));
    let writes = decide(&let_go, NOW).writes;
    let mut started = writes.iter().filter_map(|write| match write {
        Write::StartExperiment(experiment) => Some(experiment.metadata.name.as_str()),
        _ => None,
    });
    assert_eq!(started.next(), Some("web-new-2-0-1"));
    let status = written_status(&let_go).unwrap();
    assert!(status.pause_conditions.is_empty() && !status.controller_pause);
    assert_eq!(status.canary.current_experiment, "web-new-2-0-1");

    let ends = written_status(&experimenting("Inconclusive", json!({}))).unwrap();
    assert_eq!(ends.pause_conditions[0].reason, "InconclusiveExperiment");
    assert_eq!(ends.canary.current_experiment, "web-new-2-0");
}

/// It lost its traffic, and its verdict counted for nothing.
#[test]
fn an_experiment_is_not_forgotten_while_an_analysis_has_no_verdict() {
    let since = "2025-12-31T23:59:00Z";
    let mut held = experimenting(
        "Failed",
        json!({
            "controllerPause": true,
            "conditions": paused(),
            "pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": since}],
        }),
    );
    held.runs = vec![inconclusive("beside")];
    let kept = written_status(&held).map(|status| status.canary.current_experiment);
    assert_eq!(kept.as_deref(), Some("web-new-2-0"));
}

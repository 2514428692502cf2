//! Rollouts as plans, step by step, and what a plan cannot say.

use serde_json::{Value, json};
use sluice_argo::api::Rollout;
use sluice_argo::translation::{Translated, translate};
use sluice_model::plan::{Exposure, Plan, Step};
use std::time::Duration;

fn translated(strategy: Value) -> Translated {
    let rollout: Rollout = serde_json::from_value(json!({
        "spec": {"replicas": 4, "minReadySeconds": 5, "strategy": strategy},
    }))
    .expect("a Rollout");
    translate(&rollout).expect("a plan")
}

/// `20 % by weight +600s then promote`.
fn line(step: &Step) -> String {
    let mut text = match &step.exposure {
        Exposure::Split {
            weight,
            canary,
            matches,
            mirror,
            preview,
        } => {
            let mut text = format!("{}: {} % {canary:?}", step.name, weight.percent());
            if !matches.is_empty() {
                text.push_str(&format!(" {} matches", matches.len()));
            }
            if let Some(mirror) = mirror {
                text.push_str(&format!(" mirror {} %", mirror.share.percent()));
            }
            text.push_str(if *preview { " preview" } else { "" });
            text
        }
        other => format!("{}: {other:?}", step.name),
    };
    if !step.bake.is_zero() {
        text.push_str(&format!(" +{}s", step.bake.as_secs()));
    }
    if let Some(gate) = &step.gate {
        text.push_str(&format!(" then {}", gate.name));
    }
    text
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(line).collect()
}

fn routed(steps: Value) -> Value {
    json!({"canary": {"trafficRouting": {"istio": {}}, "steps": steps}})
}

#[test]
fn a_canary_is_its_weights_and_pauses() {
    let cases = [
        (
            json!([{"setWeight": 20}, {"pause": {"duration": "10m"}}, {"setWeight": 50}, {"pause": {}}]),
            vec![
                "20 %: 20 % ByWeight +600s",
                "50 %: 50 % ByWeight then promote",
                "promote: 100 % Full",
            ],
        ),
        // The last step gives everything already.
        (
            json!([{"setWeight": 50}, {"pause": {"duration": 5}}, {"setWeight": 100}]),
            vec!["50 %: 50 % ByWeight +5s", "100 %: 100 % ByWeight"],
        ),
        // Somebody looks before there is any traffic.
        (
            json!([{"pause": {}}, {"setWeight": 5}]),
            vec![
                "0 %: 0 % ByWeight then promote",
                "5 %: 5 % ByWeight",
                "promote: 100 % Full",
            ],
        ),
        // Pauses add up; after an approval they begin anew.
        (
            json!([{"setWeight": 5}, {"pause": {"duration": 1}}, {"pause": {"duration": "2"}}, {"pause": {}}, {"pause": {"duration": "3s"}}, {"pause": {}}, {"pause": {}}]),
            vec![
                "5 %: 5 % ByWeight +3s then promote",
                "5 %: 5 % ByWeight +3s then promote",
                "5 %: 5 % ByWeight then promote",
                "promote: 100 % Full",
            ],
        ),
        // Capacity and routes before the traffic are one step with it.
        (
            json!([
                {"setCanaryScale": {"replicas": 1}},
                {"setHeaderRoute": {"name": "a", "match": [{"headerName": "X-Beta", "headerValue": {"exact": "1"}}]}},
                {"pause": {}},
                {"setHeaderRoute": {"name": "a"}},
                {"setCanaryScale": {"matchTrafficWeight": true}},
                {"setWeight": 10},
                {"pause": {"duration": "1m"}},
            ]),
            vec![
                "0 %: 0 % Count(1) 1 matches then promote",
                "0 %: 0 % ByWeight",
                "10 %: 10 % ByWeight +60s",
                "promote: 100 % Full",
            ],
        ),
        (
            json!([{"setMirrorRoute": {"name": "m", "percentage": 35, "match": [{}]}}, {"pause": {"duration": 9}}, {"setMirrorRoute": {"name": "m"}}, {"setWeight": 100}]),
            vec![
                "0 %: 0 % ByWeight mirror 35 % +9s",
                "0 %: 0 % ByWeight",
                "100 %: 100 % ByWeight",
            ],
        ),
    ];
    for (steps, expected) in cases {
        assert_eq!(
            lines(&translated(routed(steps.clone())).plan),
            expected,
            "{steps}"
        );
    }
}

#[test]
fn a_weight_is_a_share_of_the_whole() {
    let plan = translated(json!({"canary": {
        "trafficRouting": {"nginx": {}, "maxTrafficWeight": 1000},
        "steps": [{"setWeight": 5}],
    }}))
    .plan;
    assert_eq!(lines(&plan)[0], "0.5 %: 0.5 % ByWeight");
}

#[test]
fn without_steps_and_router_pods_are_replaced() {
    let plan = translated(json!({"canary": {"maxSurge": "50%", "maxUnavailable": 0}})).plan;
    assert_eq!(
        lines(&plan),
        ["replace: Rolling { max_surge: 2, max_unavailable: 0 }"]
    );
    assert_eq!(plan.min_ready, Duration::from_secs(5));
    assert_eq!(plan.keep_warm, Duration::ZERO);
}

#[test]
fn blue_green_is_a_preview_and_a_switch() {
    let services = json!({"activeService": "a", "previewService": "p"});
    let with = |more: Value| {
        let mut strategy = services.clone();
        let fields = more.as_object().expect("fields").clone();
        strategy.as_object_mut().expect("fields").extend(fields);
        translated(json!({"blueGreen": strategy}))
    };
    assert_eq!(
        lines(&with(json!({})).plan),
        ["preview: 0 % Full preview", "switch: 100 % Full"]
    );
    assert_eq!(
        lines(&with(json!({"autoPromotionSeconds": 30, "previewReplicaCount": 1})).plan),
        [
            "preview: 0 % Count(1) preview +30s",
            "all pods: 0 % Full preview",
            "switch: 100 % Full"
        ]
    );
    let manual = with(json!({"autoPromotionEnabled": false, "scaleDownDelaySeconds": 60})).plan;
    assert_eq!(lines(&manual)[0], "preview: 0 % Full preview then promote");
    assert_eq!(manual.keep_warm, Duration::from_secs(60));
}

#[test]
fn what_a_plan_cannot_say_is_told() {
    let analysis = json!({"templates": [{"templateName": "errors"}]});
    let regex =
        json!({"name": "a", "match": [{"headerName": "h", "headerValue": {"regex": "x.*"}}]});
    for (strategy, path) in [
        (
            routed(json!([{"analysis": analysis}])),
            "spec.strategy.canary.steps[0].analysis",
        ),
        (
            routed(json!([{"experiment": {"templates": [{"name": "a", "specRef": "canary"}]}}])),
            "spec.strategy.canary.steps[0].experiment",
        ),
        (
            routed(json!([{"plugin": {"name": "p"}}])),
            "spec.strategy.canary.steps[0].plugin",
        ),
        (
            routed(json!([{"setHeaderRoute": regex}])),
            "spec.strategy.canary.steps[0].setHeaderRoute.match[0].headerValue",
        ),
        (
            routed(json!([{"setCanaryScale": {"weight": 50}}])),
            "spec.strategy.canary.steps[0].setCanaryScale.weight",
        ),
        (
            json!({"canary": {"analysis": analysis}}),
            "spec.strategy.canary.analysis",
        ),
        (
            json!({"canary": {"trafficRouting": {}, "dynamicStableScale": true}}),
            "spec.strategy.canary.dynamicStableScale",
        ),
        (
            json!({"blueGreen": {"activeService": "a", "prePromotionAnalysis": analysis}}),
            "spec.strategy.blueGreen.prePromotionAnalysis",
        ),
        (
            json!({"blueGreen": {"activeService": "a", "postPromotionAnalysis": analysis}}),
            "spec.strategy.blueGreen.postPromotionAnalysis",
        ),
    ] {
        let paths: Vec<String> = translated(strategy.clone())
            .beyond
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        // A plan takes back what makes no progress; a Rollout does when `progressDeadlineAbort` says so.
        assert_eq!(paths, [path, "spec.progressDeadlineSeconds"], "{strategy}");
    }
}

#[test]
fn every_plan_ends_with_everything() {
    for strategy in [
        routed(json!([])),
        routed(json!([{"pause": {}}])),
        routed(json!([{"setWeight": 100}, {"setWeight": 10}])),
        json!({"canary": {}}),
        json!({"blueGreen": {"activeService": "a"}}),
    ] {
        let plan = translated(strategy.clone()).plan;
        let last = plan.steps.last().expect("a step");
        let is_everything = match &last.exposure {
            Exposure::Split { weight, .. } => weight.percent() >= 100.0,
            _ => true,
        };
        assert!(is_everything, "{strategy}: {last:?}");
    }
}

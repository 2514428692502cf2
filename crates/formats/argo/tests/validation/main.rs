//! Argo's rules for a Rollout, each with an object that breaks it and one that does not. The comments name
//! the rule, the message constant or the test in Argo (`pkg/apis/rollouts/validation`).

mod metrics;

use serde_json::{Value, json};
use sluice_argo::api::Rollout;
use sluice_argo::validation::validate;
use sluice_model::diagnostic::Severity;

/// A merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().expect("an object").remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

/// A sound canary without a router, with `patch` over its spec.
fn rollout(patch: &Value) -> Rollout {
    let mut object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "checkout"},
        "spec": {
            "selector": {"matchLabels": {"app": "checkout"}},
            "template": {
                "metadata": {"labels": {"app": "checkout"}},
                "spec": {"containers": [{"name": "app", "image": "checkout:1"}]},
            },
            "strategy": {"canary": {}},
        },
    });
    merge(&mut object["spec"], patch);
    serde_json::from_value(object).expect("a Rollout")
}

fn canary(patch: Value) -> Value {
    json!({"strategy": {"canary": patch}})
}

fn routed(routing: Value, more: Value) -> Value {
    let mut patch = json!({
        "canaryService": "canary", "stableService": "stable", "trafficRouting": routing,
    });
    merge(&mut patch, &more);
    canary(patch)
}

fn istio() -> Value {
    json!({"istio": {"virtualService": {"name": "checkout"}}, "managedRoutes": [{"name": "route"}]})
}

fn blue_green(patch: Value) -> Value {
    let mut side = json!({"activeService": "active", "previewService": "preview"});
    merge(&mut side, &patch);
    json!({"strategy": {"canary": null, "blueGreen": side}})
}

/// The rules that are broken, with where.
fn broken(patch: &Value, severity: Severity) -> Vec<(&'static str, String)> {
    validate(&rollout(patch))
        .into_iter()
        .filter(|problem| problem.severity == severity)
        .map(|problem| (problem.rule, problem.path))
        .collect()
}

#[test]
fn sound_rollouts_have_no_errors() {
    let sound = [
        json!({}),
        // TestValidateRollout, "privileged container"
        json!({"template": {"spec": {"containers": [
            {"name": "app", "image": "x", "securityContext": {"privileged": true}},
        ]}}}),
        blue_green(json!({})),
        blue_green(json!({"previewService": null})),
        canary(json!({"steps": [{"setWeight": 20}, {"pause": {}}, {"pause": {"duration": "1h"}}]})),
        canary(json!({"canaryService": "a", "stableService": "b"})),
        routed(
            istio(),
            json!({"steps": [{"setWeight": 0}, {"setWeight": 100}]}),
        ),
        // "valid Istio missing canary and stable service"
        canary(json!({"trafficRouting": {"istio": {
            "virtualService": {"name": "v"},
            "destinationRule": {"name": "d", "canarySubsetName": "c", "stableSubsetName": "s"},
        }}})),
        // "valid plugin missing canary and stable service"
        canary(json!({"trafficRouting": {"plugins": {"some/plugin": {"key": "value"}}}})),
        // "valid Istio with ping pong"
        canary(json!({
            "pingPong": {"pingService": "ping", "pongService": "pong"},
            "trafficRouting": {"istio": {"virtualService": {"name": "v"}}},
        })),
        // "valid ALB with ping pong"
        canary(json!({
            "pingPong": {"pingService": "ping", "pongService": "pong"},
            "trafficRouting": {"alb": {"ingress": "i", "rootService": "root", "servicePort": 80}},
        })),
        // TestWorkloadRefWithTemplate
        json!({
            "selector": null, "template": null,
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
        }),
        routed(
            json!({"nginx": {"stableIngress": "i"}, "maxTrafficWeight": 1000}),
            json!({"steps": [{"setWeight": 1000}]}),
        ),
        routed(
            json!({"alb": {"ingress": "i", "servicePort": 80}, "managedRoutes": [{"name": "route"}]}),
            json!({"steps": [{"setHeaderRoute": {"name": "route", "match": [
                {"headerName": "agent", "headerValue": {"exact": "chrome"}},
            ]}}]}),
        ),
        // A route without conditions is removed.
        routed(
            istio(),
            json!({"steps": [{"setHeaderRoute": {"name": "route"}}]}),
        ),
        routed(
            istio(),
            json!({"steps": [{"setMirrorRoute": {"name": "route", "percentage": 20, "match": [
                {"method": {"exact": "GET"}, "path": {"prefix": "/"}, "headers": {"agent": {"regex": "ff.*"}}},
            ]}}]}),
        ),
        // TestCanaryExperimentStepWithWeight
        routed(
            istio(),
            json!({"steps": [{"experiment": {"templates": [
                {"name": "a", "specRef": "canary", "weight": 5},
            ]}}]}),
        ),
        // hasMultipleStepsType looks at four fields only, and objects rely on it.
        routed(
            istio(),
            json!({"steps": [{"setWeight": 20, "setCanaryScale": {"replicas": 2}}]}),
        ),
        routed(
            istio(),
            json!({"steps": [{"analysis": {"templates": [{"templateName": "t"}], "args": [
                {"name": "app", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}},
                {"name": "status", "valueFrom": {"fieldRef": {"fieldPath": "status.stableRS"}}},
            ]}}]}),
        ),
    ];
    for patch in sound {
        assert_eq!(broken(&patch, Severity::Error), [], "{patch}");
    }
}

#[test]
fn each_rule_of_argo_is_an_error_with_its_place() {
    let plugin = json!({"plugins": {"p": {}}, "managedRoutes": [{"name": "route"}]});
    let canary_path = |rest: &str| format!("spec.strategy.canary.{rest}");
    let cases: Vec<(&str, Value, &str, String)> = vec![
        // ValidateRolloutSpec
        ("nonnegative", json!({"replicas": -1}), "not-negative", "spec.replicas".into()),
        ("nonnegative", json!({"revisionHistoryLimit": -1}), "not-negative", "spec.revisionHistoryLimit".into()),
        ("MissingFieldMessage .spec.selector", json!({"selector": null}), "selector", "spec.selector".into()),
        ("empty selector", json!({"selector": {"matchLabels": null}}), "selector", "spec.selector".into()),
        (
            "ValidateLabelSelector",
            json!({"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}}),
            "selector",
            "spec.selector.matchExpressions[0].values".into(),
        ),
        (
            "ValidatePodTemplateSpecForReplicaSet: selector",
            json!({"selector": {"matchLabels": {"app": "other"}}}),
            "template-labels",
            "spec.template.metadata.labels".into(),
        ),
        (
            "ValidatePodTemplateSpecForReplicaSet: restartPolicy",
            json!({"template": {"spec": {"restartPolicy": "Never"}}}),
            "restart-policy",
            "spec.template.spec.restartPolicy".into(),
        ),
        (
            "ValidatePodTemplateSpecForReplicaSet: containers",
            json!({"template": {"spec": {"containers": []}}}),
            "containers",
            "spec.template.spec.containers".into(),
        ),
        (
            "must be greater than minReadySeconds",
            json!({"minReadySeconds": 600}),
            "progress-deadline",
            "spec.progressDeadlineSeconds".into(),
        ),
        // ValidateRolloutStrategy
        ("MissingFieldMessage strategy", json!({"strategy": {"canary": null}}), "one-strategy", "spec.strategy".into()),
        (
            "InvalidStrategyMessage",
            json!({"strategy": {"blueGreen": {"activeService": "a"}}}),
            "one-strategy",
            "spec.strategy".into(),
        ),
        // ValidateRolloutStrategyBlueGreen
        (
            "DuplicatedServicesBlueGreenMessage",
            blue_green(json!({"previewService": "active"})),
            "two-services",
            "spec.strategy.blueGreen.activeService".into(),
        ),
        (
            "ScaleDownLimitLargerThanRevisionLimit",
            blue_green(json!({"scaleDownDelayRevisionLimit": 11})),
            "revision-limit",
            "spec.strategy.blueGreen.scaleDownDelayRevisionLimit".into(),
        ),
        // ValidateRolloutStrategyAntiAffinity
        (
            "InvalidAntiAffinityStrategyMessage",
            canary(json!({"antiAffinity": {}})),
            "one-anti-affinity",
            canary_path("antiAffinity"),
        ),
        (
            "InvalidAntiAffinityWeightMessage",
            blue_green(json!({"antiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 101}}})),
            "anti-affinity-weight",
            "spec.strategy.blueGreen.antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight".into(),
        ),
        // ValidateRolloutStrategyCanary
        (
            "InvalidMaxSurgeMaxUnavailable",
            canary(json!({"maxSurge": 0, "maxUnavailable": "0%"})),
            "surge-or-unavailable",
            canary_path("maxSurge"),
        ),
        (
            "DuplicatedServicesCanaryMessage",
            canary(json!({"canaryService": "a", "stableService": "a"})),
            "two-services",
            canary_path("stableService"),
        ),
        (
            "PingPongWithRouterOnlyMessage",
            routed(
                json!({"nginx": {"stableIngress": "i"}}),
                json!({"pingPong": {"pingService": "a", "pongService": "b"}}),
            ),
            "ping-pong-router",
            canary_path("trafficRouting"),
        ),
        (
            "InvalidPingPongProvidedMessage",
            canary(json!({"pingPong": {"pingService": "", "pongService": "b"}})),
            "ping-pong",
            canary_path("pingPong.pingService"),
        ),
        (
            "DuplicatedPingPongServicesMessage",
            canary(json!({"pingPong": {"pingService": "a", "pongService": "a"}})),
            "ping-pong",
            canary_path("pingPong.pingService"),
        ),
        (
            "MissedAlbRootServiceMessage",
            canary(json!({
                "pingPong": {"pingService": "a", "pongService": "b"},
                "trafficRouting": {"alb": {"ingress": "i", "servicePort": 80}},
            })),
            "ping-pong-root-service",
            canary_path("trafficRouting.alb.rootService"),
        ),
        (
            "InvalidCanaryScaleDownDelay",
            canary(json!({"scaleDownDelaySeconds": 60})),
            "scale-down-delay",
            canary_path("scaleDownDelaySeconds"),
        ),
        (
            "InvalidCanaryDynamicStableScale",
            canary(json!({"dynamicStableScale": true})),
            "dynamic-stable-scale",
            canary_path("dynamicStableScale"),
        ),
        (
            "InvalidCanaryDynamicStableScaleWithScaleDownDelay",
            routed(istio(), json!({"dynamicStableScale": true, "scaleDownDelaySeconds": 0})),
            "dynamic-stable-scale",
            canary_path("dynamicStableScale"),
        ),
        (
            "InvalidCanaryMaxWeightOnlySupportInNginxAndPlugins",
            routed(json!({"smi": {}, "maxTrafficWeight": 1000}), json!({})),
            "max-traffic-weight",
            canary_path("trafficRouting.maxTrafficWeight"),
        ),
        // Steps
        ("InvalidStepMessage: none", canary(json!({"steps": [{}]})), "one-kind-of-step", canary_path("steps[0]")),
        (
            "hasMultipleStepsType",
            canary(json!({"steps": [{"setWeight": 1}, {"setWeight": 10, "pause": {}}]})),
            "one-kind-of-step",
            canary_path("steps[1]"),
        ),
        (
            "InvalidSetWeightMessage",
            canary(json!({"steps": [{"setWeight": 101}]})),
            "set-weight",
            canary_path("steps[0].setWeight"),
        ),
        (
            "InvalidSetWeightMessage with another maximum",
            routed(
                json!({"nginx": {"stableIngress": "i"}, "maxTrafficWeight": 1000}),
                json!({"steps": [{"setWeight": 1001}]}),
            ),
            "set-weight",
            canary_path("steps[0].setWeight"),
        ),
        (
            "InvalidDurationMessage",
            canary(json!({"steps": [{"pause": {"duration": -1}}]})),
            "pause-duration",
            canary_path("steps[0].pause.duration"),
        ),
        (
            "InvalidDurationMessage: no unit that exists",
            canary(json!({"steps": [{"pause": {"duration": "10d"}}]})),
            "pause-duration",
            canary_path("steps[0].pause.duration"),
        ),
        (
            "InvalidSetCanaryScaleTrafficPolicy",
            canary(json!({"steps": [{"setCanaryScale": {"replicas": 1}}]})),
            "canary-scale-router",
            canary_path("steps[0].setCanaryScale"),
        ),
        (
            "InvalidSetHeaderRouteTrafficPolicy",
            routed(
                json!({"smi": {}, "managedRoutes": [{"name": "route"}]}),
                json!({"steps": [{"setHeaderRoute": {"name": "route"}}]}),
            ),
            "header-route-router",
            canary_path("steps[0].setHeaderRoute"),
        ),
        (
            "InvalidSetHeaderRouteALBValuePolicy",
            routed(
                json!({"alb": {"ingress": "i", "servicePort": 80}, "managedRoutes": [{"name": "route"}]}),
                json!({"steps": [{"setHeaderRoute": {"name": "route", "match": [
                    {"headerName": "agent", "headerValue": {"prefix": "chrome"}},
                ]}}]}),
            ),
            "header-route-alb",
            canary_path("steps[0].setHeaderRoute.match[0].headerValue"),
        ),
        (
            "InvalidStringMatchMissedValuePolicy",
            routed(istio(), json!({"steps": [{"setHeaderRoute": {"name": "route", "match": [
                {"headerName": "agent"},
            ]}}]})),
            "one-comparison",
            canary_path("steps[0].setHeaderRoute.match[0].headerValue"),
        ),
        (
            "InvalidStringMatchMultipleValuePolicy",
            routed(plugin.clone(), json!({"steps": [{"setHeaderRoute": {"name": "route", "match": [
                {"headerName": "agent", "headerValue": {"exact": "a", "regex": "b"}},
            ]}}]})),
            "one-comparison",
            canary_path("steps[0].setHeaderRoute.match[0].headerValue"),
        ),
        (
            "InvalidSetMirrorRouteTrafficPolicy",
            routed(
                json!({"apisix": {}, "managedRoutes": [{"name": "route"}]}),
                json!({"steps": [{"setMirrorRoute": {"name": "route"}}]}),
            ),
            "mirror-route-router",
            canary_path("steps[0].setMirrorRoute"),
        ),
        (
            "setMirrorRoute hasMultipleMatchValues",
            routed(plugin, json!({"steps": [{"setMirrorRoute": {"name": "route", "match": [
                {"method": {"exact": "GET", "prefix": "P"}},
            ]}}]})),
            "one-comparison",
            canary_path("steps[0].setMirrorRoute.match[0].method"),
        ),
        (
            "MissingFieldMessage managedRoutes",
            routed(
                json!({"istio": {"virtualService": {"name": "v"}}}),
                json!({"steps": [{"setHeaderRoute": {"name": "route"}}]}),
            ),
            "managed-routes",
            canary_path("trafficRouting.managedRoutes"),
        ),
        (
            "InvalideStepRouteNameNotFoundInManagedRoutes",
            routed(istio(), json!({"steps": [{"setMirrorRoute": {"name": "other"}}]})),
            "managed-routes",
            canary_path("steps[0].setMirrorRoute.name"),
        ),
        (
            "InvalidCanaryExperimentTemplateWeightWithoutTrafficRouting",
            canary(json!({"steps": [{"experiment": {"templates": [
                {"name": "a", "specRef": "stable"}, {"name": "b", "specRef": "canary", "weight": 5},
            ]}}]})),
            "experiment-weight",
            canary_path("steps[0].experiment.templates[1].weight"),
        ),
        (
            "experiment weight only with SMI, ALB, Istio and plugins",
            routed(json!({"traefik": {"weightedTraefikServiceName": "t"}}), json!({"steps": [
                {"experiment": {"templates": [{"name": "b", "specRef": "canary", "weight": 5}]}},
            ]})),
            "experiment-weight",
            canary_path("steps[0].experiment.templates[0].weight"),
        ),
        (
            "InvalidAnalysisArgsMessage",
            canary(json!({"steps": [{"analysis": {"args": [
                {"name": "app", "valueFrom": {"fieldRef": {"fieldPath": "metadata.label['app']"}}},
            ]}}]})),
            "argument-field",
            canary_path("steps[0].analysis.args[0].valueFrom.fieldRef.fieldPath"),
        ),
        // ValidateRolloutNginxIngressesConfig, …AlbIngressesConfig, …VirtualServicesConfig
        (
            "either StableIngress or StableIngresses",
            routed(json!({"nginx": {"stableIngress": "i", "stableIngresses": ["j"]}}), json!({})),
            "router-objects",
            canary_path("trafficRouting.nginx"),
        ),
        (
            "either Ingress or Ingresses",
            routed(json!({"alb": {"servicePort": 80}}), json!({})),
            "router-objects",
            canary_path("trafficRouting.alb"),
        ),
        (
            "either VirtualService or VirtualServices",
            routed(json!({"istio": {}}), json!({})),
            "router-objects",
            canary_path("trafficRouting.istio"),
        ),
    ];
    for (source, patch, rule, path) in cases {
        let found = broken(&patch, Severity::Error);
        assert_eq!(found, [(rule, path)], "{source}: {patch}");
    }
}

/// TestValidateRolloutStrategyCanaryMissingServiceNames
#[test]
fn routers_that_split_between_services_need_both() {
    let subset = json!({
        "virtualService": {"name": "v"},
        "destinationRule": {"name": "d", "canarySubsetName": "c", "stableSubsetName": "s"},
    });
    for routing in [
        json!({"alb": {"ingress": "i", "rootService": "root", "servicePort": 80}}),
        json!({"istio": {"virtualService": {"name": "v"}}}),
        json!({"smi": {}}),
        json!({"apisix": {}}),
        json!({"ambassador": {"mappings": ["m"]}}),
        json!({"nginx": {"stableIngress": "i"}}),
        json!({"appMesh": {}}),
        json!({"traefik": {"weightedTraefikServiceName": "t"}}),
        json!({"traefik": {"weightedTraefikServiceName": "t"}, "istio": subset}),
        json!({"appMesh": {}, "plugins": {"p": {}}}),
        json!({"apisix": {}, "istio": subset, "plugins": {"p": {}}}),
    ] {
        let found = broken(&canary(json!({"trafficRouting": routing})), Severity::Error);
        let expected = ["stableService", "canaryService"]
            .map(|field| ("router-services", format!("spec.strategy.canary.{field}")));
        assert_eq!(found, expected, "{routing}");
    }
}

#[test]
fn what_argo_takes_silently_is_a_warning() {
    let cases = [
        // "template must be empty for workload reference rollout": only its lint says so.
        (
            json!({"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}),
            "workload-ref",
        ),
        // hasMultipleStepsType does not see these.
        (
            routed(
                istio(),
                json!({"steps": [{"setWeight": 20, "setCanaryScale": {"replicas": 2}}]}),
            ),
            "one-kind-of-step",
        ),
        (canary(json!({"maxSurge": "5"})), "surge-form"),
        (canary(json!({"maxSurge": "oops"})), "surge-form"),
        (canary(json!({"minPodsPerReplicaSet": 2})), "min-pods"),
        (
            blue_green(json!({"autoPromotionEnabled": false, "autoPromotionSeconds": 30})),
            "auto-promotion",
        ),
        (
            canary(json!({"replicaProgressThreshold": {"type": "Percent", "value": 0}})),
            "progress-threshold",
        ),
        (
            routed(
                istio(),
                json!({"steps": [{"setCanaryScale": {"replicas": 2, "weight": 5}}]}),
            ),
            "canary-scale-fields",
        ),
        (
            canary(json!({"steps": [{"setWeight": 5}], "analysis": {"startingStep": 1}})),
            "starting-step",
        ),
    ];
    for (patch, rule) in cases {
        assert_eq!(broken(&patch, Severity::Error), [], "{patch}");
        let warnings: Vec<_> = broken(&patch, Severity::Warning)
            .into_iter()
            .map(|(rule, _)| rule)
            .collect();
        assert_eq!(warnings, [rule], "{patch}");
    }
}

#[test]
fn a_problem_says_where_why_and_what_to_do() {
    let problems = validate(&rollout(&canary(json!({"steps": [{"setWeight": 120}]}))));
    assert_eq!(
        problems[0].to_string(),
        "spec.strategy.canary.steps[0].setWeight: 120 is not within 0 to 100; write a weight from 0 to 100"
    );
}

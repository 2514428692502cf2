//! Files with Argo's objects: nothing is lost on the way through the types, and everything that is wrong
//! is told with its place.

#![recursion_limit = "512"]

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_argo::api::{AnalysisRun, AnalysisTemplate, Experiment, Rollout};
use sluice_argo::crd::{Kind, check, prune};
use sluice_argo::document::{Object, is_argo, parse};
use sluice_model::diagnostic::Severity;

/// Every field of a Rollout, its status included.
fn full_rollout() -> Value {
    let template = json!({
        "metadata": {"labels": {"app": "checkout"}},
        "spec": {"containers": [{"name": "app", "image": "checkout:1", "resources": {"limits": {"cpu": 0.5}}}]},
    });
    let analysis = json!({
        "templates": [{"templateName": "errors", "clusterScope": true}],
        "args": [
            {"name": "a", "value": "1"},
            {"name": "b", "valueFrom": {"podTemplateHashValue": "Latest"}},
            {"name": "c", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "dryRun": [{"metricName": "*"}],
        "measurementRetention": [{"metricName": "x", "limit": 3}],
        "analysisRunMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
    });
    let mut background = analysis.clone();
    background["startingStep"] = json!(2);
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "checkout", "namespace": "shop", "labels": {"l": "1"}, "finalizers": ["f"]},
        "spec": {
            "replicas": 5, "minReadySeconds": 3, "revisionHistoryLimit": 4, "paused": true,
            "progressDeadlineSeconds": 60, "progressDeadlineAbort": true,
            "restartAt": "2026-11-21T08:30:00Z", "rollbackWindow": {"revisions": 3},
            "analysis": {"successfulRunHistoryLimit": 1, "unsuccessfulRunHistoryLimit": 2},
            "selector": {"matchLabels": {"app": "checkout"}, "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["web"]},
            ]},
            "template": template,
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "scaleDown": "never"},
            "strategy": {
                "blueGreen": {
                    "activeService": "a", "previewService": "p", "previewReplicaCount": 1,
                    "autoPromotionEnabled": false, "autoPromotionSeconds": 30, "maxUnavailable": "10%",
                    "scaleDownDelaySeconds": 5, "scaleDownDelayRevisionLimit": 2,
                    "abortScaleDownDelaySeconds": 0, "prePromotionAnalysis": analysis,
                    "postPromotionAnalysis": analysis,
                    "antiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}},
                    "previewMetadata": {"labels": {"role": "preview"}},
                    "activeMetadata": {"annotations": {"role": "active"}},
                },
                "canary": {
                    "canaryService": "c", "stableService": "s", "maxSurge": 1, "maxUnavailable": "25%",
                    "analysis": background, "scaleDownDelaySeconds": 0, "scaleDownDelayRevisionLimit": 1,
                    "abortScaleDownDelaySeconds": 0, "dynamicStableScale": true, "minPodsPerReplicaSet": 2,
                    "antiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 7}},
                    "canaryMetadata": {"labels": {"role": "canary"}},
                    "stableMetadata": {"labels": {"role": "stable"}},
                    "pingPong": {"pingService": "ping", "pongService": "pong"},
                    "replicaProgressThreshold": {"type": "Percent", "value": 90},
                    "trafficRouting": {
                        "istio": {
                            "virtualService": {"name": "v", "routes": ["r"], "tlsRoutes": [{"port": 443, "sniHosts": ["h"]}], "tcpRoutes": [{"port": 9}]},
                            "virtualServices": [{"name": "w"}],
                            "destinationRule": {"name": "d", "canarySubsetName": "c", "stableSubsetName": "s", "additionalSubsetNames": ["x"]},
                        },
                        "nginx": {"stableIngress": "i", "annotationPrefix": "p", "stableIngresses": ["j"], "additionalIngressAnnotations": {"a": "b"}, "canaryIngressAnnotations": {"c": "d"}},
                        "alb": {"ingress": "i", "servicePort": 80, "rootService": "r", "annotationPrefix": "p", "ingresses": ["j"], "stickinessConfig": {"enabled": false, "durationSeconds": 5}},
                        "smi": {"rootService": "r", "trafficSplitName": "t"},
                        "ambassador": {"mappings": ["m"]},
                        "appMesh": {"virtualService": {"name": "v", "routes": ["r"]}, "virtualNodeGroup": {
                            "canaryVirtualNodeRef": {"name": "c"}, "stableVirtualNodeRef": {"name": "s"},
                        }},
                        "traefik": {"weightedTraefikServiceName": "t"},
                        "apisix": {"route": {"name": "a", "rules": ["r"]}},
                        "managedRoutes": [{"name": "route"}],
                        "plugins": {"vendor/router": {"deep": [{"null": null}, 1.5]}},
                        "maxTrafficWeight": 1000,
                    },
                    "steps": [
                        {"setWeight": 0}, {"pause": {}}, {"pause": {"duration": 5}}, {"pause": {"duration": "1h"}},
                        {"setCanaryScale": {"weight": 5}}, {"setCanaryScale": {"replicas": 0}},
                        {"setCanaryScale": {"matchTrafficWeight": true}},
                        {"analysis": analysis},
                        {"experiment": {
                            "templates": [{
                                "name": "t", "specRef": "canary", "replicas": 1, "weight": 5, "service": {"name": "svc"},
                                "metadata": {"labels": {"a": "b"}}, "selector": {"matchLabels": {"a": "b"}},
                            }],
                            "duration": "5m", "scaleDownDelaySeconds": 1, "dryRun": [{"metricName": "x"}],
                            "analysisRunMetadata": {"labels": {"a": "b"}},
                            "analyses": [{"name": "n", "templateName": "t", "clusterScope": false, "requiredForCompletion": true, "args": [{"name": "a", "value": "1"}]}],
                        }},
                        {"setHeaderRoute": {"name": "route", "match": [{"headerName": "h", "headerValue": {"exact": "e"}}]}},
                        {"setMirrorRoute": {"name": "route", "percentage": 20, "match": [{
                            "method": {"exact": "GET"}, "path": {"prefix": "/"}, "headers": {"h": {"regex": "r"}},
                        }]}},
                        {"plugin": {"name": "vendor/step", "config": {"any": ["thing"]}}},
                    ],
                },
            },
        },
        "status": {
            "abort": true, "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-21T08:30:00Z"}],
            "controllerPause": true, "abortedAt": "2026-11-21T08:30:01Z", "currentPodHash": "a", "currentStepHash": "b",
            "replicas": 1, "updatedReplicas": 2, "readyReplicas": 3, "availableReplicas": 4, "currentStepIndex": 0,
            "collisionCount": 1, "observedGeneration": "7",
            "conditions": [{
                "type": "Progressing", "status": "True", "reason": "r", "message": "m",
                "lastUpdateTime": "2026-11-21T08:30:00Z", "lastTransitionTime": "2026-11-21T08:30:00Z",
            }],
            "canary": {
                "currentStepAnalysisRunStatus": {"name": "n", "status": "Running", "message": "m"},
                "currentBackgroundAnalysisRunStatus": {"name": "n", "status": "Somethingelse"},
                "currentExperiment": "e", "stablePingPong": "ping",
                "weights": {
                    "canary": {"weight": 0, "serviceName": "c", "podTemplateHash": "a"}, "stable": {"weight": 100},
                    "additional": [{"weight": 5}], "verified": false,
                },
                "stepPluginStatuses": [{
                    "index": 0, "name": "p", "operation": "Run", "phase": "Running", "message": "m", "backoff": "5s",
                    "startedAt": "2026-11-21T08:30:00Z", "updatedAt": "2026-11-21T08:30:00Z",
                    "finishedAt": "2026-11-21T08:30:00Z", "executions": 2, "disabled": true, "status": {"x": 1},
                }],
            },
            "blueGreen": {
                "previewSelector": "p", "activeSelector": "a", "scaleUpPreviewCheckPoint": true,
                "prePromotionAnalysisRunStatus": {"name": "n", "status": "Failed"},
                "postPromotionAnalysisRunStatus": {"name": "n", "status": "Error"},
            },
            "HPAReplicas": 5, "selector": "app=checkout", "stableRS": "a", "restartedAt": "2026-11-21T08:30:00Z",
            "promoteFull": true, "phase": "Degraded", "message": "m", "workloadObservedGeneration": "3",
            "alb": {"loadBalancer": {"name": "l", "arn": "a", "fullName": "f"}, "ingress": "i",
                "canaryTargetGroup": {"name": "c", "arn": "a"}, "stableTargetGroup": {"name": "s", "arn": "a"}},
            "albs": [{"ingress": "j", "loadBalancer": {"name": "l", "arn": "a"}}],
            "duration": {
                "rolloutStartedAt": "2026-11-21T08:30:00Z", "manualPauseStartedAt": "2026-11-21T08:30:00Z",
                "totalManualPauseDurationSeconds": 5, "finishedAt": "2026-11-21T08:30:00Z", "completionStatus": "Promoted",
            },
        },
    })
}

fn metrics() -> Value {
    let metric = |name: &str, provider: Value| json!({"name": name, "provider": provider});
    let auth = json!({
        "sigv4": {"region": "r", "profile": "p", "roleArn": "a"},
        "oauth2": {"tokenUrl": "u", "clientId": "i", "clientSecret": "s", "scopes": ["x"]},
        "basicAuth": {"username": "u", "password": "p"},
    });
    let headers = json!([{"key": "k", "value": "v"}]);
    let mut first = metric(
        "prometheus",
        json!({"prometheus": {
            "address": "a", "query": "q", "timeout": 5, "insecure": true, "headers": headers, "authentication": auth,
            "rangeQuery": {"start": "now()", "end": "now()", "step": "1m"},
        }}),
    );
    for (field, value) in [
        ("interval", json!("30s")),
        ("initialDelay", json!("1m")),
        ("count", json!("{{args.count}}")),
        ("successCondition", json!("result[0] > 1")),
        ("failureCondition", json!("result[0] < 0")),
        ("failureLimit", json!(-1)),
        ("inconclusiveLimit", json!(1)),
        ("consecutiveErrorLimit", json!("3")),
        ("consecutiveSuccessLimit", json!(2)),
    ] {
        first[field] = value;
    }
    json!([
        first,
        metric(
            "kayenta",
            json!({"kayenta": {
                "address": "a", "application": "b", "canaryConfigName": "c", "metricsAccountName": "d",
                "configurationAccountName": "e", "storageAccountName": "f", "lookback": true,
                "threshold": {"pass": 90, "marginal": 75},
                "scopes": [{
                    "name": "default",
                    "controlScope": {"scope": "s", "region": "r", "step": 60, "start": "x", "end": "y"},
                    "experimentScope": {"scope": "s", "region": "r", "step": 60},
                }],
            }})
        ),
        metric(
            "web",
            json!({"web": {
                "method": "POST", "url": "u", "headers": headers, "body": "b", "timeoutSeconds": 3, "jsonPath": "{$.a}",
                "insecure": true, "jsonBody": {"any": [1, null]}, "authentication": auth,
            }})
        ),
        metric(
            "datadog",
            json!({"datadog": {
                "interval": "5m", "query": "q", "queries": {"a": "b"}, "formula": "a", "apiVersion": "v2",
                "aggregator": "avg", "secretRef": {"name": "n", "namespaced": true}, "requestTimeout": "10s",
            }})
        ),
        metric(
            "wavefront",
            json!({"wavefront": {"address": "a", "query": "q"}})
        ),
        metric(
            "newRelic",
            json!({"newRelic": {"profile": "p", "query": "q", "timeout": 5}})
        ),
        metric(
            "job",
            json!({"job": {"metadata": {"labels": {"a": "b"}}, "spec": {
                "backoffLimit": 1, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}},
            }}})
        ),
        metric(
            "cloudWatch",
            json!({"cloudWatch": {"interval": "5m", "metricDataQueries": [{
                "id": "i", "expression": "e", "label": "l", "period": 60, "returnData": false,
                "metricStat": {"stat": "Average", "unit": "u", "period": "60", "metric": {
                    "namespace": "n", "metricName": "m", "dimensions": [{"name": "n", "value": "v"}],
                }},
            }]}})
        ),
        metric(
            "graphite",
            json!({"graphite": {"address": "a", "query": "q"}})
        ),
        metric(
            "influxdb",
            json!({"influxdb": {"profile": "p", "query": "q"}})
        ),
        metric(
            "skywalking",
            json!({"skywalking": {"address": "a", "query": "q", "interval": "5m"}})
        ),
        metric(
            "plugin",
            json!({"plugin": {"sluice/sequential": {"alpha": 0.01}}})
        ),
    ])
}

fn templates() -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": "errors"},
        "spec": {
            "metrics": metrics(),
            "args": [
                {"name": "a", "value": ""},
                {"name": "b", "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}},
                {"name": "c", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "dryRun": [{"metricName": "web"}], "measurementRetention": [{"metricName": "web", "limit": 0}],
            "templates": [{"templateName": "t", "clusterScope": true}],
        },
    })
}

fn run() -> Value {
    let summary = json!({"count": 1, "successful": 2, "failed": 3, "inconclusive": 4, "error": 5});
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": {"name": "run"},
        "spec": {
            "metrics": metrics(), "args": [{"name": "a"}], "terminate": true,
            "dryRun": [{"metricName": "web"}], "measurementRetention": [{"metricName": "web", "limit": 1}],
            "ttlStrategy": {"secondsAfterCompletion": 1, "secondsAfterFailure": 2, "secondsAfterSuccess": 0},
        },
        "status": {
            "phase": "Inconclusive", "message": "m", "startedAt": "2026-11-21T08:30:00Z",
            "completedAt": "2026-11-21T08:31:00Z", "runSummary": summary, "dryRunSummary": summary,
            "metricResults": [{
                "name": "web", "phase": "Failed", "message": "m", "count": 1, "successful": 2, "failed": 3,
                "inconclusive": 4, "error": 5, "consecutiveError": 6, "consecutiveSuccess": 7, "dryRun": true,
                "metadata": {"query": "q"},
                "measurements": [{
                    "phase": "Successful", "message": "m", "value": "1", "metadata": {"job": "j"},
                    "startedAt": "2026-11-21T08:30:00Z", "finishedAt": "2026-11-21T08:30:00Z",
                    "resumeAt": "2026-11-21T08:30:00Z",
                }],
            }],
        },
    })
}

fn experiment() -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Experiment", "metadata": {"name": "e"},
        "spec": {
            "templates": [{
                "name": "a", "replicas": 1, "minReadySeconds": 2, "service": {"name": "s"},
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "d"}]}},
            }],
            "duration": "5m", "progressDeadlineSeconds": 60, "terminate": true, "scaleDownDelaySeconds": 0,
            "dryRun": [{"metricName": "*"}], "measurementRetention": [{"metricName": "x", "limit": 1}],
            "analysisRunMetadata": {"annotations": {"a": "b"}},
            "analyses": [{"name": "n", "templateName": "t", "clusterScope": true, "requiredForCompletion": true, "args": [{"name": "a", "value": "1"}]}],
        },
        "status": {
            "phase": "Running", "message": "m", "availableAt": "2026-11-21T08:30:00Z",
            "templateStatuses": [{
                "name": "a", "replicas": 0, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 3,
                "collisionCount": 1, "status": "Running", "message": "m", "serviceName": "s", "podTemplateHash": "h",
                "lastTransitionTime": "2026-11-21T08:30:00Z",
            }],
            "conditions": [{
                "type": "Progressing", "status": "True", "reason": "r", "message": "m",
                "lastUpdateTime": "2026-11-21T08:30:00Z", "lastTransitionTime": "2026-11-21T08:30:00Z",
            }],
            "analysisRuns": [{"name": "n", "analysisRun": "r", "phase": "Pending", "message": "m"}],
        },
    })
}

#[test]
fn nothing_is_lost_on_the_way_through_the_types() {
    let read = |kind: Kind, object: &Value| -> Value {
        let written = match kind {
            Kind::Rollout => {
                serde_json::from_value::<Rollout>(object.clone()).map(serde_json::to_value)
            }
            Kind::AnalysisTemplate | Kind::ClusterAnalysisTemplate => {
                serde_json::from_value::<AnalysisTemplate>(object.clone()).map(serde_json::to_value)
            }
            Kind::AnalysisRun => {
                serde_json::from_value::<AnalysisRun>(object.clone()).map(serde_json::to_value)
            }
            Kind::Experiment => {
                serde_json::from_value::<Experiment>(object.clone()).map(serde_json::to_value)
            }
        };
        written.expect("it is read").expect("it is written")
    };
    for (kind, object) in [
        (Kind::Rollout, full_rollout()),
        (Kind::AnalysisTemplate, templates()),
        (Kind::AnalysisRun, run()),
        (Kind::Experiment, experiment()),
    ] {
        assert_eq!(check(&kind.schema(), &object), [], "{}", kind.as_str());
        assert_eq!(read(kind, &object), object, "{}", kind.as_str());
        let mut kept = object.clone();
        prune(&kind.schema(), &mut kept);
        assert_eq!(kept, object, "an API server keeps all of it");
    }
}

const SOUND: &str = "\
apiVersion: v1
kind: Service
metadata: {name: checkout}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: checkout
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers: [{name: app, image: 'checkout:1'}]
  strategy:
    canary:
      steps:
      - setWeight: 20
      - pause: {duration: 10m}
";

#[test]
fn a_file_may_have_other_objects_too() {
    assert!(is_argo(SOUND));
    assert!(is_argo("{\n  \"apiVersion\": \"argoproj.io/v1alpha1\"}"));
    assert!(!is_argo("apiVersion: apps/v1\nkind: Deployment"));
    let quoted =
        "services:\n  a:\n    env:\n      MANIFEST: |\n        apiVersion: argoproj.io/v1alpha1\n";
    assert!(!is_argo(quoted), "a document of Sluice's own");
    assert!(!is_argo(
        "services:\n  checkout:\n    run: ./x # apiVersion: argoproj.io/v1alpha1"
    ));
    let parsed = parse("app.yaml", SOUND);
    assert_eq!(parsed.diagnostics, []);
    assert!(matches!(
        parsed.objects[..],
        [Object::Other(_), Object::Rollout(_)]
    ));
}

#[test]
fn each_fault_has_its_place_its_cause_and_a_next_step() {
    for (from, to, expected) in [
        (
            "      steps:",
            "      step:",
            "app.yaml:17:7: error[unknown-field] spec.strategy.canary.step: there is no field `step` here; an API server drops it without a word; did you mean `steps`?",
        ),
        (
            "setWeight: 20",
            "setWeight: many",
            "app.yaml:18:9: error[wrong-type] spec.strategy.canary.steps[0].setWeight: `setWeight` is something else than a whole number; write a whole number",
        ),
        (
            "setWeight: 20",
            "setWeight: 120",
            "app.yaml:18:9: error[set-weight] spec.strategy.canary.steps[0].setWeight: 120 is not within 0 to 100; write a weight from 0 to 100",
        ),
        (
            "setWeight: 20",
            "setWeight: -5",
            "app.yaml:18:9: error[out-of-range] spec.strategy.canary.steps[0].setWeight: `setWeight` is out of range; write at least 0",
        ),
        (
            "image: 'checkout:1'",
            "imagePullPolciy: Always, image: 'checkout:1'",
            "app.yaml:14:32: error[unknown-field] spec.template.spec.containers[0].imagePullPolciy: there is no field `imagePullPolciy` here; an API server drops it without a word; did you mean `imagePullPolicy`?",
        ),
        (
            "setWeight: 20",
            "plugin: {}",
            "app.yaml:18:9: error[missing-field] spec.strategy.canary.steps[0].plugin.name: `name` is missing; write it",
        ),
        (
            "kind: Rollout",
            "kind: Rolout",
            "app.yaml:6:1: error[unknown-kind] kind: argoproj.io/v1alpha1 of Argo Rollouts has no kind `Rolout`; write one of Rollout, AnalysisTemplate, ClusterAnalysisTemplate, AnalysisRun, Experiment",
        ),
    ] {
        let parsed = parse("app.yaml", &SOUND.replace(from, to));
        let first = parsed
            .diagnostics
            .first()
            .expect("a diagnostic")
            .to_string();
        assert_eq!(first, expected);
        assert_eq!(parsed.diagnostics[0].severity, Severity::Error);
    }
}

#[test]
fn a_condition_that_is_none_has_its_place() {
    let text = "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  metrics:
  - name: success
    provider: {prometheus: {query: up}}
    successCondition: reslt[0] >= 0.95
";
    let parsed = parse("checks.yaml", text);
    let told: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "checks.yaml:9:5: error[metric-condition] spec.metrics[0].successCondition: `reslt[0] >= 0.95`, character 1: there is nothing called `reslt`; did you mean `result`?; write an expression over `result`, as `result[0] >= 0.95`"
        ]
    );
    let sound = text.replace("reslt", "result");
    assert_eq!(parse("checks.yaml", &sound).diagnostics, []);
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    let parsed = parse("app.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: [");
    assert_eq!(parsed.objects, []);
    let place = parsed.diagnostics[0].place.as_ref().expect("a place");
    assert_eq!(parsed.diagnostics[0].code, "not-yaml");
    assert!(place.line >= 2, "{place:?}");
}

/// Argo's lint: `validation_references.go`, ValidateService, ValidateIngress, ValidateVirtualService.
#[test]
fn a_rollout_is_held_against_the_objects_beside_it() {
    let rollout = |canary: Value| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "checkout"},
            "spec": {
                "selector": {"matchLabels": {"app": "checkout"}},
                "template": {
                    "metadata": {"labels": {"app": "checkout"}},
                    "spec": {"containers": [{"name": "a", "image": "b"}]},
                },
                "strategy": {"canary": canary},
            },
        })
    };
    let service = |selector: Value, annotations: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "stable", "annotations": annotations},
            "spec": {"selector": selector},
        })
    };
    let ingress = |service: &str| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"},
            "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": service}}}]}}]},
        })
    };
    let istio = |spec: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "v"},
            "spec": spec,
        })
    };
    let services = json!({"stableService": "stable", "canaryService": "canary"});
    let with = |router: Value| {
        let mut canary = services.clone();
        canary["trafficRouting"] = router;
        rollout(canary)
    };
    let nginx = with(json!({"nginx": {"stableIngress": "i"}}));
    let routes = with(json!({"istio": {"virtualService": {"name": "v", "routes": ["main"]}}}));
    let managed = |owner: &str| json!({"argo-rollouts.argoproj.io/managed-by-rollouts": owner});
    let path = "spec.strategy.canary";
    for (objects, expected) in [
        (
            vec![
                rollout(services.clone()),
                service(json!({"app": "checkout"}), json!({})),
            ],
            None,
        ),
        (
            vec![
                rollout(services.clone()),
                service(
                    json!({"app": "checkout", "rollouts-pod-template-hash": "x"}),
                    managed("checkout"),
                ),
            ],
            None,
        ),
        (
            vec![
                rollout(services.clone()),
                service(json!({"app": "other"}), json!({})),
            ],
            Some(("service-labels", format!("{path}.stableService"))),
        ),
        (
            vec![
                rollout(services.clone()),
                service(json!({}), managed("payment")),
            ],
            Some(("service-owner", format!("{path}.stableService"))),
        ),
        (vec![nginx.clone(), ingress("stable")], None),
        (
            vec![nginx, ingress("other")],
            Some((
                "ingress-service",
                format!("{path}.trafficRouting.nginx.stableIngress"),
            )),
        ),
        (
            vec![routes.clone(), istio(json!({"http": [{"name": "main"}]}))],
            None,
        ),
        (
            vec![routes.clone(), istio(json!({}))],
            Some((
                "virtual-service-routes",
                format!("{path}.trafficRouting.istio.virtualService.name"),
            )),
        ),
        (
            vec![routes, istio(json!({"http": [{"name": "other"}]}))],
            Some((
                "virtual-service-routes",
                format!("{path}.trafficRouting.istio.virtualService.routes[0]"),
            )),
        ),
    ] {
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        let parsed = parse("app.yaml", &text.join("\n---\n"));
        let found: Vec<_> = parsed
            .diagnostics
            .into_iter()
            .map(|found| (found.code, found.path))
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(code, path)| (code.to_owned(), path))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

/// Each place of an object.
fn pointers(value: &Value, path: &str, into: &mut Vec<String>) {
    into.push(path.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            pointers(value, &format!("{path}/{}", name.replace('/', "~1")), into)
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, item)| pointers(item, &format!("{path}/{at}"), into)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_too_strange(text in "(apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n)?[ -~\n]{0,200}") {
        let parsed = parse("app.yaml", &text);
        // A Rollout without a spec never gets through.
        let others = |object: &Object| matches!(object, Object::Other(_));
        prop_assert!(parsed.objects.iter().all(others), "{parsed:?}");
    }

    /// Something else in one place: it is judged and translated, or told; never both lost.
    #[test]
    fn one_strange_value_is_told_or_taken(
        at in any::<prop::sample::Index>(),
        strange in prop::sample::select(vec![
            json!(null), json!(-1), json!(i64::MAX), json!(1.5), json!(true), json!(""), json!("x"),
            json!([]), json!({}), json!([{}]), json!({"x": 1}),
        ]),
    ) {
        let mut object = full_rollout();
        let mut places = Vec::new();
        pointers(&object["spec"], "/spec", &mut places);
        let place = at.get(&places);
        *object.pointer_mut(place).expect("it exists") = strange;
        let parsed = parse("app.json", &object.to_string());
        prop_assert!(!parsed.diagnostics.is_empty(), "both strategies are an error, at least: {place}");
        for object in &parsed.objects {
            if let Object::Rollout(rollout) = object {
                let translated = sluice_argo::translation::translate(rollout);
                prop_assert!(translated.is_none_or(|translated| !translated.plan.steps.is_empty()));
            }
        }
    }
}

//! Objects with every field of their kind: nothing of them is lost on the way through the types.

use serde_json::{Value, json};
use sluice_argo::api::{AnalysisRun, AnalysisTemplate, Experiment, Rollout};
use sluice_argo::crd::{Kind, check, prune};

/// Every field of a Rollout, its status included.
pub(crate) fn full_rollout() -> Value {
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

//! The objects that a run begins with: a Rollout with a strategy that chance chose, and what it names.

use fastrand::Rng;
use serde_json::{Value, json};
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{ANALYSIS_TEMPLATE, ROLLOUT, Resource, SECRET, SERVICE};
use sluice_routers::ObjectKind;

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "shop";
/// The Rollout.
pub(crate) const NAME: &str = "web";

/// The key of an object of the namespace.
pub(crate) fn key(resource: Resource, name: &str) -> Key {
    Key::new(resource, NAMESPACE, name)
}

/// The Rollout's key.
pub(crate) fn rollout_key() -> Key {
    key(ROLLOUT, NAME)
}

/// Ingresses.
pub(crate) fn ingress() -> Resource {
    Resource::of_router(&ObjectKind {
        group: "networking.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Ingress".to_owned(),
        plural: "ingresses".to_owned(),
    })
}

/// What is drawn for a run.
pub(crate) struct Manifests {
    pub(crate) rollout: Value,
    /// What it names, in the order in which it is created.
    pub(crate) others: Vec<(Resource, Value)>,
}

/// Draws a Rollout with what it names.
pub(crate) fn draw(random: &mut Rng, image: &str) -> Manifests {
    let strategy = match random.u8(..10) {
        0..3 => json!({"canary": basic(random)}),
        3..7 => json!({"canary": routed(random)}),
        _ => json!({"blueGreen": blue_green(random)}),
    };
    let mut spec = json!({
        "replicas": random.i32(1..=8),
        "minReadySeconds": pick(random, &[0, 0, 2, 8]),
        "revisionHistoryLimit": random.i32(0..=3),
        "progressDeadlineSeconds": pick(random, &[45, 90, 150]),
        "progressDeadlineAbort": random.u8(..100) < 40,
        "selector": {"matchLabels": {"app": NAME}},
        "template": {
            "metadata": {"labels": {"app": NAME}},
            "spec": {"containers": [{"name": "web", "image": image}]},
        },
        "strategy": strategy,
    });
    if random.u8(..100) < 20 {
        spec["rollbackWindow"] = json!({"revisions": random.i32(1..=2)});
    }
    let mut others: Vec<(Resource, Value)> = ["active", "preview", "stable", "canary"]
        .into_iter()
        .map(|name| (SERVICE, service(name)))
        .collect();
    others.push((ingress(), stable_ingress()));
    others.push((SECRET, secret()));
    others.extend(
        ["measured", "by-job", "with-secret"]
            .map(|name| (ANALYSIS_TEMPLATE, template(random, name))),
    );
    Manifests {
        rollout: json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": {"owner": "ada"}},
            "spec": spec,
        }),
        others,
    }
}

pub(crate) fn pick<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": NAME}, "ports": [{"port": 80}]},
    })
}

fn stable_ingress() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shop", "namespace": NAMESPACE},
        "spec": {"rules": [{"host": "shop.example", "http": {"paths": [{
            "path": "/",
            "pathType": "Prefix",
            "backend": {"service": {"name": "stable", "port": {"number": 80}}},
        }]}}]},
    })
}

fn secret() -> Value {
    // "token", as a Secret has it.
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "metrics", "namespace": NAMESPACE},
        "data": {"token": "dG9rZW4="},
    })
}

fn template(random: &mut Rng, name: &str) -> Value {
    let provider = match name {
        "by-job" => json!({"job": {
            "metadata": {"labels": {"about": "{{args.hash}}"}},
            "spec": {"template": {"spec": {"containers": [{"name": "test", "image": "test"}]}}},
        }}),
        "with-secret" => json!({"web": {
            "url": "http://metrics.example/{{args.hash}}",
            "headers": [{"key": "Authorization", "value": "{{args.token}}"}],
        }}),
        _ => {
            json!({"prometheus": {"address": "http://prometheus.example", "query": "{{args.hash}}"}})
        }
    };
    let mut metric = json!({
        "name": "quality",
        "failureLimit": pick(random, &[0, 0, 1]),
        "inconclusiveLimit": pick(random, &[0, 1]),
        "consecutiveErrorLimit": pick(random, &[1, 4]),
        "provider": provider,
    });
    if name != "by-job" {
        metric["interval"] = json!(pick(random, &["5s", "12s"]));
        metric["count"] = json!(random.i32(1..=4));
        metric["successCondition"] = json!("result >= 0.9");
        metric["failureCondition"] = json!("result < 0.5");
    }
    let mut arguments = vec![json!({"name": "hash"})];
    if name == "with-secret" {
        let reference = json!({"secretKeyRef": {"name": "metrics", "key": "token"}});
        arguments.push(json!({"name": "token", "valueFrom": reference}));
    }
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"args": arguments, "metrics": [metric]},
    })
}

fn analysis(random: &mut Rng) -> Value {
    let name = pick(random, &["measured", "measured", "by-job", "with-secret"]);
    json!({
        "templates": [{"templateName": name}],
        "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}],
    })
}

/// Steps of a canary.
pub(crate) fn steps(random: &mut Rng, is_routed: bool) -> Value {
    let mut weight = 0;
    let mut steps = Vec::new();
    for _ in 0..random.usize(0..=5) {
        let step = match random.u8(..100) {
            0..45 => {
                weight = (weight + random.i32(5..=50)).min(100);
                json!({"setWeight": weight})
            }
            45..60 => json!({"pause": {"duration": random.i32(1..=20)}}),
            60..68 => json!({"pause": {}}),
            68..88 => json!({"analysis": analysis(random)}),
            _ if is_routed => json!({"setCanaryScale": match random.u8(..3) {
                0 => json!({"replicas": random.i32(1..=4)}),
                1 => json!({"weight": random.i32(10..=100)}),
                _ => json!({"matchTrafficWeight": true}),
            }}),
            _ => json!({"pause": {"duration": 2}}),
        };
        steps.push(step);
    }
    Value::Array(steps)
}

fn basic(random: &mut Rng) -> Value {
    let mut canary = json!({"steps": steps(random, false)});
    let (surge, unavailable) = pick(
        random,
        &[
            ("25%", "25%"),
            ("1", "0"),
            ("0", "1"),
            ("2", "1"),
            ("100%", "0"),
            ("0", "50%"),
            ("", ""),
        ],
    );
    for (field, text) in [("maxSurge", surge), ("maxUnavailable", unavailable)] {
        if let Ok(number) = text.parse::<i32>() {
            canary[field] = json!(number);
        } else if !text.is_empty() {
            canary[field] = json!(text);
        }
    }
    if random.bool() {
        canary["stableService"] = json!("stable");
        canary["canaryService"] = json!("canary");
    }
    beside(random, &mut canary);
    canary
}

fn beside(random: &mut Rng, canary: &mut Value) {
    if random.u8(..100) < 30 {
        let mut analysis = analysis(random);
        if random.bool() {
            analysis["startingStep"] = json!(random.i32(0..=1));
        }
        canary["analysis"] = analysis;
    }
    if random.u8(..100) < 25 {
        canary["canaryMetadata"] = json!({"labels": {"role": "canary"}});
        canary["stableMetadata"] = json!({"labels": {"role": "stable"}});
    }
}

fn routed(random: &mut Rng) -> Value {
    let mut canary = json!({
        "stableService": "stable",
        "canaryService": "canary",
        "trafficRouting": {"nginx": {"stableIngress": "shop"}},
        "steps": steps(random, true),
    });
    let is_dynamic = random.u8(..100) < 45;
    if is_dynamic {
        canary["dynamicStableScale"] = json!(true);
    } else if random.bool() {
        canary["scaleDownDelaySeconds"] = json!(random.i32(0..=40));
    }
    if random.u8(..100) < 40 {
        canary["abortScaleDownDelaySeconds"] = json!(pick(random, &[0, 5, 30]));
    }
    if random.u8(..100) < 25 {
        canary["maxSurge"] = json!("25%");
    }
    beside(random, &mut canary);
    canary
}

fn blue_green(random: &mut Rng) -> Value {
    let mut blue_green = json!({"activeService": "active"});
    let mut often = |percent: u8| random.u8(..100) < percent;
    let (preview, manual, later, smaller, before, after, delay, abort) = (
        often(75),
        often(35),
        often(30),
        often(35),
        often(35),
        often(35),
        often(40),
        often(30),
    );
    if preview {
        blue_green["previewService"] = json!("preview");
    }
    if manual {
        blue_green["autoPromotionEnabled"] = json!(false);
    } else if later {
        blue_green["autoPromotionSeconds"] = json!(random.i32(1..=20));
    }
    if smaller {
        blue_green["previewReplicaCount"] = json!(random.i32(1..=3));
    }
    if before {
        blue_green["prePromotionAnalysis"] = analysis(random);
    }
    if after {
        blue_green["postPromotionAnalysis"] = analysis(random);
    }
    if delay {
        blue_green["scaleDownDelaySeconds"] = json!(random.i32(0..=40));
    }
    if abort {
        blue_green["abortScaleDownDelaySeconds"] = json!(pick(random, &[0, 5, 30]));
    }
    blue_green
}

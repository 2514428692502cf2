//! Experiments: one of its own, and those that are steps.

use super::{analysis, container, pick};
use fastrand::Rng;
use serde_json::{Value, json};
use sluice_argo::api::API_VERSION;

/// An Experiment that no Rollout asked for.
pub(super) fn standalone(random: &mut Rng) -> Value {
    let version = |name: &str, random: &mut Rng| {
        let labels = json!({"trial": name});
        json!({
            "name": name,
            "replicas": random.i32(1..=3),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container("trial:1")]},
            },
        })
    };
    let mut spec = json!({
        "templates": [version("before", random), version("after", random)],
        "progressDeadlineSeconds": pick(random, &[40, 90]),
        "scaleDownDelaySeconds": pick(random, &[0, 5, 30]),
    });
    limit(random, &mut spec, "after");
    json!({
        "apiVersion": API_VERSION,
        "kind": "Experiment",
        "metadata": {"name": "trial"},
        "spec": spec,
    })
}

/// A step that is an Experiment; `is_weighted` when the router can give it traffic of its own.
pub(super) fn step(random: &mut Rng, is_weighted: bool) -> Value {
    let mut templates = json!([
        {"name": "baseline", "specRef": "stable", "replicas": 1},
        {"name": "trial", "specRef": "canary", "replicas": random.i32(1..=2)},
    ]);
    if is_weighted && random.bool() {
        templates[1]["weight"] = json!(5);
    }
    let mut step = json!({"templates": templates});
    limit(random, &mut step, "trial");
    json!({"experiment": step})
}

/// It ends after a time, or with an analysis of a version.
fn limit(random: &mut Rng, spec: &mut Value, version: &str) {
    let kind = random.u8(..3);
    if kind != 1 {
        spec["duration"] = json!(format!("{}s", random.i32(5..=40)));
    }
    if kind != 0 {
        spec["analyses"] = json!([{
            "name": "quality",
            "templateName": analysis::any(random),
            "requiredForCompletion": kind == 1 || random.bool(),
            "args": [{"name": "hash", "value": format!("{{{{templates.{version}.podTemplateHash}}}}")}],
        }]);
    }
}

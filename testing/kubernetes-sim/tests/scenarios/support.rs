//! The objects of scenarios: a Rollout with what it names, all of it sound.

use serde_json::{Value, json};
use sluice_kubernetes_sim::scenario::{Scenario, Told};

/// A canary of two steps with three pods, and Services.
pub(crate) fn rollout(name: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": 3,
            "progressDeadlineSeconds": 30,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, "good:1"),
            "strategy": {"canary": {
                "stableService": format!("{name}-stable"),
                "canaryService": format!("{name}-canary"),
                "steps": [{"setWeight": 34}, {"pause": {"duration": 5}}],
            }},
        },
    })
}

/// A pod template with an image.
pub(crate) fn template(app: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    })
}

/// The change to another image.
pub(crate) fn image(image: &str) -> Value {
    let containers = json!([{"name": "main", "image": image}]);
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

pub(crate) fn service(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": [{"port": 80}]},
    })
}

/// A template that asks Prometheus about the revision whose hash is its argument.
pub(crate) fn analysis_template(name: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name},
        "spec": {
            "args": [{"name": "hash"}],
            "metrics": [{
                "name": "quality",
                "interval": "5s",
                "count": 3,
                "successCondition": "result >= 0.9",
                "failureCondition": "result < 0.5",
                "provider": {"prometheus": {
                    "address": "http://prometheus.example",
                    "query": "{{args.hash}}",
                }},
            }],
        },
    })
}

/// The analysis of the new revision by a template.
pub(crate) fn analysis(template: &str) -> Value {
    json!({
        "templates": [{"templateName": template}],
        "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}],
    })
}

/// The first version of `web`, rolled out.
pub(crate) fn rolled_out() -> Scenario {
    rolled_out_as(rollout("web"))
}

/// The same for another Rollout of that name.
pub(crate) fn rolled_out_as(rollout: Value) -> Scenario {
    ["stable", "canary", "active", "preview"]
        .iter()
        .fold(Scenario::default(), |scenario, role| {
            scenario.apply(service(&format!("web-{role}"), "web"))
        })
        .apply(analysis_template("measured"))
        .apply(rollout)
        .seconds(20)
}

/// The ReplicaSet of a Rollout that runs an image.
pub(crate) fn set_of<'t>(told: &'t Told, rollout: &str, image: &str) -> &'t Value {
    let mut sets = told.all("ReplicaSet").into_iter();
    let found = sets.find(|set| {
        set["metadata"]["ownerReferences"][0]["name"] == rollout
            && set["spec"]["template"]["spec"]["containers"][0]["image"] == image
    });
    found.unwrap_or_else(|| panic!("{rollout} has no ReplicaSet of {image}"))
}

pub(crate) fn hash(set: &Value) -> &str {
    let label = &set["metadata"]["labels"]["rollouts-pod-template-hash"];
    label.as_str().unwrap()
}

/// Pods of a Rollout's image that are available.
pub(crate) fn available(told: &Told, rollout: &str, image: &str) -> i32 {
    let set = set_of(told, rollout, image);
    let name = set["metadata"]["name"].as_str().unwrap();
    let mut all = told.available.iter();
    all.find(|(known, _)| known == name).unwrap().1
}

/// The hash that a Service leads to.
pub(crate) fn leads_to<'t>(told: &'t Told, service: &str) -> &'t str {
    let selector = &told.object("Service", service)["spec"]["selector"];
    selector["rollouts-pod-template-hash"]
        .as_str()
        .unwrap_or_default()
}

/// Everything of the first version is as it was.
pub(crate) fn stable_is_untouched(told: &Told) {
    assert_eq!(told.violation, None, "{:#?}", told.trace);
    let set = set_of(told, "web", "good:1");
    assert_eq!(set["spec"]["replicas"], 3, "{:#?}", told.trace);
    assert_eq!(available(told, "web", "good:1"), 3);
    let status = &told.object("Rollout", "web")["status"];
    assert_eq!(status["stableRS"], hash(set));
}

/// The condition of a kind that a Rollout has.
pub(crate) fn condition<'t>(told: &'t Told, rollout: &str, kind: &str) -> &'t Value {
    let status = &told.object("Rollout", rollout)["status"];
    let conditions = status["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|it| it["type"] == kind);
    found.unwrap_or_else(|| panic!("there is no {kind} in {conditions:#?}"))
}

//! Analysis templates, and how strategies and experiments name them.

use super::pick;
use fastrand::Rng;
use serde_json::{Value, json};
use sluice_argo::api::{API_VERSION, Metric};

/// The templates of each namespace.
pub(crate) const TEMPLATES: [&str; 3] = ["measured", "by-job", "with-secret"];

/// A template: one metric of the revision whose hash is its argument.
pub(super) fn template(random: &mut Rng, name: &str) -> Value {
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
        "apiVersion": API_VERSION,
        "kind": "AnalysisTemplate",
        "metadata": {"name": name},
        "spec": {"args": arguments, "metrics": [metric]},
    })
}

/// The hash that a metric asks for.
pub(crate) fn metric_of(metric: &Metric) -> &str {
    let provider = &metric.provider;
    let of_query = provider.prometheus.as_ref().map(|it| it.query.as_str());
    let of_url = provider
        .web
        .as_ref()
        .and_then(|web| web.url.rsplit('/').next());
    of_query.or(of_url).unwrap_or_default()
}

/// The name of one of them.
pub(super) fn any(random: &mut Rng) -> &'static str {
    pick(random, &["measured", "measured", "by-job", "with-secret"])
}

/// An analysis of the new revision.
pub(super) fn of_newest(random: &mut Rng) -> Value {
    json!({
        "templates": [{"templateName": any(random)}],
        "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}],
    })
}

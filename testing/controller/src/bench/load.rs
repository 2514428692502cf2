//! The Rollouts that both controllers get: each another one, as large as those of users are.

use anyhow::{Context, Result};
use fastrand::Rng;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::Request;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Instant;

/// The namespace that they are in.
pub(crate) const NAMESPACE: &str = "load";
/// Requests that are under way at a time.
const AT_A_TIME: usize = 8;
/// From which names of versions and values are made: the same for every controller.
const SEED: u64 = 7;
/// Environment variables of each pod that are another Rollout's own.
const VARIABLES: usize = 8;

/// After how many it is told how far it is.
const TELL_EVERY: u32 = 500;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

#[derive(Deserialize)]
struct Answer {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    generation: i64,
}

/// A Rollout that was written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) name: String,
    /// The generation that this write made.
    pub(crate) generation: i64,
    /// When the request was sent.
    pub(crate) sent: Instant,
}

fn name(index: u32) -> String {
    format!("app-{index:05}")
}

/// A pod template of about 1.3 KB, as deployments have them: probes, resources, variables.
fn template(index: u32, version: &str) -> Value {
    let mut rng = Rng::with_seed(SEED.wrapping_mul(u64::from(index) + 1));
    let mut word = |length: usize| -> String { (0..length).map(|_| rng.lowercase()).collect() };
    let name = name(index);
    let mut variables: Vec<Value> = (0..VARIABLES)
        .map(|_| json!({"name": word(9).to_uppercase(), "value": word(24)}))
        .collect();
    variables.push(json!({"name": "VERSION", "value": version}));
    let owner = word(10);
    let probe = |path: &str| {
        json!({
            "httpGet": {"path": path, "port": 8080},
            "periodSeconds": 10,
            "timeoutSeconds": 2,
            "failureThreshold": 3,
        })
    };
    json!({
        "metadata": {
            "labels": {"app": name, "app.kubernetes.io/part-of": owner},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
        },
        "spec": {
            "terminationGracePeriodSeconds": 30,
            "containers": [{
                "name": "app",
                "image": format!("{owner}/{name}:{}", word(12)),
                "args": ["--listen=:8080", format!("--name={name}")],
                "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
                "env": variables,
                "resources": {
                    "requests": {"cpu": "50m", "memory": "64Mi"},
                    "limits": {"memory": "256Mi"},
                },
                "readinessProbe": probe("/ready"),
                "livenessProbe": probe("/live"),
                "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
            }],
            "volumes": [{"name": "config", "emptyDir": {}}],
        },
    })
}

/// One replica, a canary of two steps: what a rollout costs the controller, and not what pods cost the cluster.
pub(crate) fn rollout(index: u32) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": name(index),
            "namespace": NAMESPACE,
            "labels": {"app": name(index)},
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name(index)}},
            "template": template(index, "one"),
            "strategy": {"canary": {
                "maxSurge": 1,
                "maxUnavailable": 0,
                "steps": [{"setWeight": 50}, {"pause": {"duration": "5s"}}],
            }},
        },
    })
}

fn path() -> String {
    format!("/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/rollouts")
}

/// Creates Rollouts.
///
/// # Errors
/// When the API server refuses one.
pub(crate) async fn create(
    client: &Client,
    count: u32,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Vec<Written>> {
    let writes = (0..count).map(|index| async move {
        if index > 0 && index.is_multiple_of(TELL_EVERY) {
            tell(&format!("{index} of {count} are created"));
        }
        let request = Request::post(path()).header(http::header::CONTENT_TYPE, JSON);
        let body = rollout(index).to_string().into_bytes();
        send(client, name(index), request.body(body)?).await
    });
    at_a_time(writes).await
}

/// Gives the first of them another version.
///
/// # Errors
/// When the API server refuses it.
pub(crate) async fn update(client: &Client, count: u32) -> Result<Vec<Written>> {
    let writes = (0..count).map(|index| async move {
        let patch = json!({"spec": {"template": template(index, "two")}});
        let request = Request::patch(format!("{}/{}", path(), name(index)))
            .header(http::header::CONTENT_TYPE, MERGE_PATCH);
        let body = patch.to_string().into_bytes();
        send(client, name(index), request.body(body)?).await
    });
    at_a_time(writes).await
}

async fn at_a_time(
    writes: impl Iterator<Item = impl Future<Output = Result<Written>>>,
) -> Result<Vec<Written>> {
    stream::iter(writes)
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await
}

async fn send(client: &Client, name: String, request: Request<Vec<u8>>) -> Result<Written> {
    let sent = Instant::now();
    let answer = client.request::<Answer>(request).await;
    let answer = answer.with_context(|| format!("the Rollout {name} cannot be written"))?;
    Ok(Written {
        name,
        generation: answer.metadata.generation,
        sent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rollout_is_another_one_and_the_same_each_time() {
        assert_eq!(rollout(3), rollout(3));
        let templates = [template(3, "one"), template(4, "one")].map(|value| value.to_string());
        assert_ne!(templates[0], templates[1]);
        assert!(templates[0].len() > 1_200, "{}", templates[0].len());
        assert_ne!(template(3, "one"), template(3, "two"));
    }
}

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use super::*;
use crate::cache::Cache;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::pods::Labelled;
use crate::routing::RouterVersions;
use crate::selectors::Selectors;
use sluice_model::time::Timestamp;
use std::sync::{Arc, Mutex};

/// An API server that stores everything, and notes it.
#[derive(Default)]
struct Server(Mutex<Vec<Value>>);

impl Server {
    fn store(&self, key: &Key, written: &Value) -> Result<Value, ApiError> {
        self.0.lock().unwrap().push(written.clone());
        let (namespace, name) = (&key.namespace, &key.name);
        let metadata = json!({"name": name, "namespace": namespace, "resourceVersion": "9"});
        Ok(json!({"metadata": metadata}))
    }
}

impl Api for Server {
    async fn get(&self, key: &Key) -> Result<Value, ApiError> {
        Err(ApiError::new(Reason::NotFound, key.to_string()))
    }
    async fn list(&self, _: &Resource, _: &str, _: &str) -> Result<Vec<Value>, ApiError> {
        Ok(Vec::new())
    }
    async fn create(&self, _: &Resource, name: &str, _: &Value) -> Result<Value, ApiError> {
        Err(ApiError::new(Reason::Refused, name))
    }
    async fn record(&self, name: &str, _: &Value) -> Result<(), ApiError> {
        Err(ApiError::new(Reason::Refused, name))
    }
    async fn patch(
        &self,
        key: &Key,
        _: Option<&'static str>,
        patch: &Patch,
    ) -> Result<Value, ApiError> {
        match patch {
            Patch::Merge(patch) => self.store(key, patch),
            Patch::Operations(_) => Err(ApiError::new(Reason::Refused, key.to_string())),
        }
    }
    async fn replace(&self, key: &Key, object: &Value) -> Result<Value, ApiError> {
        self.store(key, object)
    }
    async fn delete(&self, key: &Key, _: Option<u64>) -> Result<(), ApiError> {
        Err(ApiError::new(Reason::Refused, key.to_string()))
    }
    async fn evict(&self, key: &Key) -> Result<(), ApiError> {
        Err(ApiError::new(Reason::Refused, key.to_string()))
    }
}

fn rule() -> Resource {
    Resource {
        group: "networking.istio.io".into(),
        version: "v1alpha3".into(),
        kind: "DestinationRule".into(),
        plural: "destinationrules".into(),
        namespaced: true,
    }
}

fn marked(resource: &Resource, spec: Value) -> (Key, Value) {
    let object = json!({
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "resourceVersion": "3",
            "annotations": {MANAGED_BY: "web", "note": "kept"},
        },
        "spec": spec,
    });
    (Key::new(resource.clone(), "shop", "web"), object)
}

fn rollout(canary: Value, labels: Value) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "2", "uid": "u", "labels": labels},
        "spec": {"strategy": {"canary": canary}},
    })
}

/// What is written when an object with our marks is looked at.
async fn written(key: &Key, object: &Value, rollout: Option<Value>) -> Vec<Value> {
    let cache = Cache::default();
    cache.put(&key.resource, object.clone());
    if let Some(rollout) = rollout {
        cache.put(&ROLLOUT, rollout);
    }
    let (events, _outlet) = Events::new(|| Timestamp(0), Arc::default());
    let server = Server::default();
    let reconciler = Reconciler {
        api: &server,
        cache: &cache,
        events: &events,
        instance_id: "",
        tell: &|_| {},
        routers: &RouterVersions::default(),
        selectors: &Selectors::default(),
        labelled: &Labelled::default(),
        metrics: &Metrics::default(),
        notifier: None,
    };
    for _ in 0..2 {
        let look = reconciler.marked(key).await;
        assert!(matches!(look.outcome, Outcome::Done(None)));
    }
    server.0.into_inner().unwrap()
}

fn names_the_rule() -> Value {
    json!({"trafficRouting": {"istio": {"destinationRule": {
        "name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable",
    }}}})
}

/// The last part of Argo's TestIstioSubsetSplit.
#[tokio::test]
async fn a_destination_rule_that_is_named_no_more_loses_our_marks_once() {
    let label = POD_TEMPLATE_HASH_LABEL;
    let (key, object) = marked(
        &rule(),
        json!({"host": "web", "subsets": [
            {"name": "stable", "labels": {label: "abc", "tier": "web"}},
            {"name": "canary", "labels": {label: "def"}},
        ]}),
    );
    let wanted = json!({"host": "web", "subsets": [
        {"name": "stable", "labels": {"tier": "web"}},
        {"name": "canary", "labels": {}},
    ]});
    for gone in [Some(rollout(json!({}), json!({}))), None] {
        let writes = written(&key, &object, gone).await;
        assert_eq!(writes.len(), 1, "{writes:?}");
        assert_eq!(writes[0]["spec"], wanted);
        assert_eq!(
            writes[0]["metadata"]["annotations"],
            json!({"note": "kept"})
        );
        assert_eq!(writes[0]["metadata"]["resourceVersion"], "3");
    }
}

#[tokio::test]
async fn a_service_that_is_named_no_more_leads_to_all_pods_again() {
    let label = POD_TEMPLATE_HASH_LABEL;
    let (key, object) = marked(&SERVICE, json!({"selector": {"app": "web", label: "abc"}}));
    let writes = written(&key, &object, Some(rollout(json!({}), json!({})))).await;
    let wanted = json!({
        "metadata": {"annotations": {MANAGED_BY: null}, "resourceVersion": "3"},
        "spec": {"selector": {label: null}},
    });
    assert_eq!(writes, [wanted]);
}

#[tokio::test]
async fn what_is_named_or_another_instances_stays() {
    let (key, object) = marked(&rule(), json!({"subsets": []}));
    let named = rollout(names_the_rule(), json!({}));
    assert_eq!(
        written(&key, &object, Some(named)).await,
        Vec::<Value>::new()
    );
    let labels = json!({"argo-rollouts.argoproj.io/controller-instance-id": "other"});
    let others = rollout(json!({}), labels);
    assert_eq!(
        written(&key, &object, Some(others)).await,
        Vec::<Value>::new()
    );
    // One without a mark is nobody's business.
    let mut unmarked = object;
    unmarked["metadata"]["annotations"] = json!({});
    assert_eq!(written(&key, &unmarked, None).await, Vec::<Value>::new());
}

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use super::*;
use crate::resource::ROLLOUT;
use std::sync::{Arc, Mutex};

/// An API server that takes everything, and notes it. Its Rollout is `news`, which becomes known when it has made a
/// ReplicaSet.
struct Server {
    cache: Arc<Cache>,
    news: Value,
    patches: Mutex<Vec<Value>>,
    /// Whether patches are stored, and so give the object another version.
    stores: bool,
    /// What is listed.
    pods: Vec<Value>,
    /// Its ReplicaSet.
    set: Option<Value>,
    /// The events that were told.
    told: Mutex<Vec<Value>>,
    /// At which versions something was deleted.
    deleted: Mutex<Vec<Option<u64>>>,
    /// What becomes of the next events, the last first.
    refuses: Mutex<Vec<Reason>>,
    /// Whether a disruption budget protects all pods.
    protects: bool,
}

impl Server {
    fn new(news: Value, stores: bool) -> Self {
        Server {
            cache: Arc::default(),
            news,
            patches: Mutex::default(),
            stores,
            pods: Vec::new(),
            set: None,
            told: Mutex::default(),
            deleted: Mutex::default(),
            refuses: Mutex::default(),
            protects: false,
        }
    }
}

impl Api for Server {
    async fn get(&self, key: &Key) -> Result<Value, ApiError> {
        if key.resource == ROLLOUT {
            return Ok(self.news.clone());
        }
        let set = self.set.clone().filter(|_| key.resource == REPLICA_SET);
        set.ok_or_else(|| ApiError::new(Reason::NotFound, key.to_string()))
    }
    async fn list(&self, _: &Resource, _: &str, _: &str) -> Result<Vec<Value>, ApiError> {
        Ok(self.pods.clone())
    }
    async fn record(&self, _: &str, event: &Value) -> Result<(), ApiError> {
        self.told.lock().unwrap().push(event.clone());
        let refused = self.refuses.lock().unwrap().pop();
        refused.map_or(Ok(()), |reason| Err(ApiError::new(reason, "not now")))
    }
    async fn create(&self, _: &Resource, _: &str, object: &Value) -> Result<Value, ApiError> {
        self.cache.put(&ROLLOUT, self.news.clone());
        let mut stored = object.clone();
        stored["metadata"]["resourceVersion"] = json!("6");
        Ok(stored)
    }
    async fn patch(
        &self,
        key: &Key,
        _: Option<&'static str>,
        patch: &Patch,
    ) -> Result<Value, ApiError> {
        let Patch::Merge(patch) = patch else {
            return Err(ApiError::new(Reason::Refused, "no merge patch"));
        };
        let mut patches = self.patches.lock().unwrap();
        patches.push(patch.clone());
        let version = if self.stores { 20 + patches.len() } else { 5 };
        Ok(object(&key.name, &version.to_string()))
    }
    async fn replace(&self, key: &Key, _: &Value) -> Result<Value, ApiError> {
        Err(ApiError::new(Reason::Refused, key.to_string()))
    }
    async fn delete(&self, _: &Key, version: Option<u64>) -> Result<(), ApiError> {
        self.deleted.lock().unwrap().push(version);
        Ok(())
    }
    async fn evict(&self, pod: &Key) -> Result<(), ApiError> {
        if self.protects {
            return Err(ApiError::new(Reason::TooManyRequests, pod.to_string()));
        }
        Ok(())
    }
}

fn object(name: &str, version: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "uid": "u", "resourceVersion": version, "generation": 1},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
            "strategy": {"canary": {}},
        },
    })
}

/// What a reconciler has besides the server and the events.
#[derive(Default)]
struct Parts {
    selectors: Selectors,
    labelled: Labelled,
    routers: RouterVersions,
    metrics: Metrics,
}

impl Parts {
    fn reconciler<'a>(&'a self, server: &'a Server, events: &'a Events) -> Reconciler<'a, Server> {
        Reconciler {
            api: server,
            cache: &server.cache,
            selectors: &self.selectors,
            labelled: &self.labelled,
            events,
            instance_id: "",
            routers: &self.routers,
            tell: &|_| {},
            metrics: &self.metrics,
            notifier: None,
        }
    }
}

async fn look(server: &Server) -> Look {
    let (events, _outlet) = Events::new(|| Timestamp(0), Arc::default());
    look_and_tell(server, &events).await
}

async fn look_and_tell(server: &Server, events: &Events) -> Look {
    let parts = Parts::default();
    let reconciler = parts.reconciler(server, events);
    let key = Key::new(ROLLOUT, "shop", "web");
    reconciler.rollout(&key, Timestamp(1_000)).await
}

/// Makes one write of a decision that knew the Rollout at version 5, and its ReplicaSet at version 6.
async fn write(server: &Server, write: Write) -> Result<bool, ApiError> {
    let (events, _outlet) = Events::new(|| Timestamp(0), Arc::default());
    let parts = Parts::default();
    let reconciler = parts.reconciler(server, &events);
    let key = Key::new(ROLLOUT, "shop", "web");
    let set = serde_json::from_value(object("web-1", "6")).unwrap();
    let mut pass = Pass {
        world: World {
            rollout: serde_json::from_value(object("web", "5")).unwrap(),
            replica_sets: vec![set],
            ..World::default()
        },
        noted: RolloutStatus::default(),
        versions: HashMap::from([(key.clone(), 5)]),
        now: Timestamp(1_000),
        told: Told::default(),
    };
    reconciler.write(&key, &mut pass, write).await
}

/// A controller that has lost the lead believes in the status of before, and knows the Service as it is.
#[tokio::test]
async fn a_service_is_switched_for_the_newest_rollout_only() {
    let switch = || Write::SwitchService {
        name: "active".to_owned(),
        hash: "stable".to_owned(),
        claim: false,
    };
    let newest = Server::new(object("web", "5"), true);
    assert_eq!(write(&newest, switch()).await, Ok(true));
    let changed = Server::new(object("web", "9"), true);
    let refused = write(&changed, switch()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::Conflict);
    assert!(changed.patches.lock().unwrap().is_empty());
}

/// Its pods may have been asked for since: the answer was lost.
#[tokio::test]
async fn a_replica_set_is_deleted_as_the_decision_knew_it() {
    let server = Server::new(object("web", "5"), true);
    let name = "web-1".to_owned();
    let done = write(&server, Write::DeleteReplicaSet { name }).await;
    assert_eq!(done, Ok(false));
    assert_eq!(*server.deleted.lock().unwrap(), [Some(6)]);
}

/// Somebody aborts while the ReplicaSet is made: what was decided without it must not be written over it.
#[tokio::test]
async fn a_status_is_written_at_the_version_that_the_decision_knew_not_at_the_newest() {
    let server = Server::new(object("web", "9"), true);
    server.cache.put(&ROLLOUT, object("web", "5"));
    look(&server).await;
    let patches = server.patches.lock().unwrap();
    let versions: Vec<&Value> = patches
        .iter()
        .map(|patch| &patch["metadata"]["resourceVersion"])
        .collect();
    // The second is that of the first one's answer.
    assert_eq!(versions, ["5", "21"], "{patches:?}");
}

/// A definition that lacks a field of the status never stores it: that is no reason to look again at once.
#[tokio::test]
async fn what_an_api_server_does_not_store_is_no_change() {
    let server = Server::new(object("web", "5"), false);
    server.cache.put(&ROLLOUT, object("web", "5"));
    let metadata: ObjectMeta =
        serde_json::from_value(object("web", "5")["metadata"].take()).unwrap();
    let (events, _outlet) = Events::new(|| Timestamp(0), Arc::default());
    let parts = Parts::default();
    let reconciler = parts.reconciler(&server, &events);
    let key = Key::new(ROLLOUT, "shop", "web");
    let patch = Patch::Merge(json!({"status": {"duration": {}}}));
    assert_eq!(reconciler.patch(&key, None, &patch).await, Ok(false));
    let refused = reconciler
        .write_plain_status(&key, &metadata, &json!({}), &json!({"phase": "Running"}))
        .await
        .unwrap_err();
    assert!(refused.message.contains("sluice crds"), "{refused}");
}

/// A pod that is left out of a restart is not left out silently.
#[tokio::test]
async fn a_pod_that_cannot_be_read_is_named_in_an_event() {
    let mut server = Server::new(object("web", "9"), true);
    let mut rollout = object("web", "5");
    rollout["spec"]["restartAt"] = json!("1970-01-01T00:00:00Z");
    server.cache.put(&ROLLOUT, rollout);
    let owner = |uid: &str| json!([{"kind": "ReplicaSet", "uid": uid, "controller": true}]);
    let mut set = object("web-1", "6");
    set["metadata"]["uid"] = json!("set");
    set["metadata"]["ownerReferences"] =
        json!([{"kind": "Rollout", "uid": "u", "controller": true}]);
    server.cache.put(&REPLICA_SET, set);
    server.pods = vec![
        json!({"metadata": {"name": "web-1-a", "labels": 7, "ownerReferences": owner("set")}}),
        json!({"metadata": {"name": "other-1", "labels": 7, "ownerReferences": owner("other")}}),
    ];
    let (events, outlet) = Events::new(|| Timestamp(0), Arc::default());
    look_and_tell(&server, &events).await;
    drop(events);
    outlet.run(&server).await;
    let told = server.told.lock().unwrap();
    let unreadable: Vec<&Value> = told
        .iter()
        .filter(|event| event["reason"] == "UnreadablePod")
        .collect();
    assert_eq!(unreadable.len(), 1, "{told:?}");
    let message = unreadable[0]["message"].as_str().unwrap();
    assert!(message.contains("\"web-1-a\" of web-1"), "{message}");
    assert!(message.contains("delete the pod"), "{message}");
}

/// The status was not written, no traffic led back and no analysis judged for as long as a budget protected the pods.
#[tokio::test]
async fn a_restart_that_a_disruption_budget_refuses_holds_nothing_else_up() {
    for (protects, writes_status) in [(true, true), (false, false)] {
        let mut server = Server::new(object("web", "9"), true);
        server.protects = protects;
        let mut rollout = object("web", "5");
        rollout["metadata"]["annotations"] = json!({"rollout.argoproj.io/revision": "1"});
        rollout["spec"]["restartAt"] = json!("1970-01-01T00:00:00Z");
        rollout["status"] =
            json!({"currentPodHash": "1", "stableRS": "1", "observedGeneration": "1"});
        let template = rollout["spec"]["template"].clone();
        let known: Rollout = serde_json::from_value(rollout.clone()).unwrap();
        rollout["status"]["currentStepHash"] = json!(rollout::step_hash(&known));
        server.cache.put(&ROLLOUT, rollout);
        let mut set = object("web-1", "6");
        set["spec"]["template"] = template;
        set["metadata"]["uid"] = json!("set");
        set["metadata"]["labels"] = json!({"app": "web", "rollouts-pod-template-hash": "1"});
        set["metadata"]["annotations"] = json!({
            "rollout.argoproj.io/revision": "1",
            "rollout.argoproj.io/desired-replicas": "1",
        });
        let owner = json!([{"kind": "Rollout", "uid": "u", "controller": true}]);
        set["metadata"]["ownerReferences"] = owner;
        set["status"] = json!({"replicas": 1, "availableReplicas": 1, "readyReplicas": 1, "observedGeneration": 1});
        server.cache.put(&REPLICA_SET, set);
        server.pods = vec![json!({
            "metadata": {
                "name": "web-1-a",
                "creationTimestamp": "1969-01-01T00:00:00Z",
                "ownerReferences": [{"kind": "ReplicaSet", "uid": "set", "controller": true}],
            },
            "status": {"conditions": [{
                "type": "Ready",
                "status": "True",
                "lastTransitionTime": "1969-01-01T00:00:00Z",
            }]},
        })];
        look(&server).await;
        let patches = server.patches.lock().unwrap();
        let writes = patches.iter().any(|patch| !patch["status"].is_null());
        assert_eq!(writes, writes_status, "protected: {protects}, {patches:?}");
    }
}

/// A status is stored once: its event was lost when the server was away for a moment.
#[tokio::test(start_paused = true)]
async fn an_event_is_sent_again_when_the_server_is_away() {
    use Reason::{AlreadyExists, Refused, TooManyRequests, Unavailable};
    for (answers, tries) in [
        (vec![], 1),
        (vec![Unavailable, TooManyRequests], 3),
        (vec![Unavailable, AlreadyExists, Unavailable], 2),
        (vec![Refused, Unavailable], 1),
        (vec![Unavailable; 20], 6),
    ] {
        let server = Server::new(object("web", "5"), true);
        *server.refuses.lock().unwrap() = answers.iter().rev().copied().collect();
        let (events, outlet) = Events::new(|| Timestamp(0), Arc::default());
        let event = Event {
            warning: false,
            reason: "RolloutAborted".to_owned(),
            message: "taken back".to_owned(),
        };
        events.record(&Key::new(ROLLOUT, "shop", "web"), "u", event);
        drop(events);
        outlet.run(&server).await;
        assert_eq!(server.told.lock().unwrap().len(), tries, "{answers:?}");
    }
}

/// A kind that may not be listed any more was read from what was known of it before, for ever.
#[tokio::test]
async fn what_may_not_be_listed_any_more_is_asked_for() {
    let server = Server::new(object("web", "5"), true);
    let key = Key::new(SERVICE, "shop", "web");
    server.cache.put(&SERVICE, object("web", "5"));
    server.cache.retain(&SERVICE, &[key.place()].into(), 7);
    let (events, _outlet) = Events::new(|| Timestamp(0), Arc::default());
    let parts = Parts::default();
    let reconciler = parts.reconciler(&server, &events);
    assert!(reconciler.look_up(&key).await.unwrap().is_some());
    server.cache.refuse(&SERVICE);
    assert_eq!(reconciler.look_up(&key).await, Ok(None));
}

/// The ReplicaSet was scaled, and the answer was lost: the next look took its pods for room that there was not.
#[tokio::test]
async fn what_became_of_a_write_is_asked_for_before_the_next_decision() {
    let mut server = Server::new(object("web", "5"), true);
    let owner = json!([{"kind": "Rollout", "uid": "u", "controller": true}]);
    let set = |version: &str| {
        let mut set = object("web-1", version);
        set["metadata"]["ownerReferences"] = owner.clone();
        set
    };
    server.set = Some(set("8"));
    server.cache.put(&ROLLOUT, object("web", "5"));
    server.cache.put(&REPLICA_SET, set("6"));
    let rollout = Key::new(ROLLOUT, "shop", "web");
    let key = Key::new(REPLICA_SET, "shop", "web-1");
    look(&server).await;
    assert_eq!(server.cache.version(&key), Some(6), "nothing was in doubt");
    server.cache.doubt(&rollout);
    look(&server).await;
    assert_eq!(server.cache.version(&key), Some(8));
    assert!(!server.cache.take_doubt(&rollout));
}

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use super::*;
use crate::api::{Api, ApiError, Patch, Reason};
use crate::events::{Events, Outlet};
use crate::metrics::Metrics;
use crate::pods::Labelled;
use crate::queue::Queue;
use crate::reconcile::Reconciler;
use crate::routing::RouterVersions;
use crate::selectors::Selectors;
use serde_json::json;
use sluice_argo::api::Rollout;
use sluice_argo::event::Event;
use sluice_argo::notification::{Message, NOTIFIED};
use sluice_model::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// An API server with one Rollout. What it is to do with the next patches comes first.
struct Server {
    stored: Mutex<Value>,
    answers: Mutex<VecDeque<Answer>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Conflicts,
    ConflictsForTheAnnotation,
    IsLost,
    Forbids,
}

impl Server {
    fn write(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut stored = self.stored.lock().unwrap();
        change(&mut stored);
        let version = crate::cache::version_of(&stored) + 1;
        stored["metadata"]["resourceVersion"] = json!(version.to_string());
        stored.clone()
    }
}

impl Api for Server {
    async fn get(&self, _: &Key) -> Result<Value, ApiError> {
        Ok(self.stored.lock().unwrap().clone())
    }
    async fn list(&self, _: &Resource, _: &str, _: &str) -> Result<Vec<Value>, ApiError> {
        Ok(Vec::new())
    }
    async fn create(&self, _: &Resource, _: &str, object: &Value) -> Result<Value, ApiError> {
        Ok(object.clone())
    }
    async fn record(&self, _: &str, _: &Value) -> Result<(), ApiError> {
        Ok(())
    }
    async fn patch(
        &self,
        _: &Key,
        _: Option<&'static str>,
        patch: &Patch,
    ) -> Result<Value, ApiError> {
        let Patch::Merge(patch) = patch else {
            return Err(ApiError::new(Reason::Refused, "no merge patch"));
        };
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(Answer::Conflicts) => {
                self.write(|stored| stored["metadata"]["labels"] = json!({"other": "1"}));
            }
            Some(Answer::ConflictsForTheAnnotation) => {
                self.write(|stored| {
                    stored["metadata"]["annotations"][NOTIFIED] = json!("{\"x\":1}")
                });
            }
            Some(Answer::Forbids) => return Err(ApiError::new(Reason::Refused, "forbidden")),
            Some(Answer::IsLost) | None => {}
        }
        let version = self.stored.lock().unwrap()["metadata"]["resourceVersion"].clone();
        if patch["metadata"]["resourceVersion"] != version {
            return Err(ApiError::new(Reason::Conflict, "somebody was faster"));
        }
        let annotation = patch["metadata"]["annotations"][NOTIFIED].clone();
        let stored = self.write(|stored| {
            let annotations = stored["metadata"]["annotations"].as_object_mut().unwrap();
            match annotation {
                Value::Null => annotations.remove(NOTIFIED),
                annotation => annotations.insert(NOTIFIED.to_owned(), annotation),
            };
        });
        if answer == Some(Answer::IsLost) {
            return Err(ApiError::new(Reason::Unavailable, "no answer"));
        }
        Ok(stored)
    }
    async fn replace(&self, key: &Key, _: &Value) -> Result<Value, ApiError> {
        Err(ApiError::new(Reason::Refused, key.to_string()))
    }
    async fn delete(&self, _: &Key, _: Option<u64>) -> Result<(), ApiError> {
        Ok(())
    }
    async fn evict(&self, _: &Key) -> Result<(), ApiError> {
        Ok(())
    }
}

/// A service that does what it is told, and counts.
struct Service {
    outcome: Result<(), DeliveryError>,
    hangs: bool,
    tries: Mutex<Vec<Message>>,
}

impl Deliver for Service {
    fn deliver<'a>(&'a self, message: &'a Message) -> Delivering<'a> {
        Box::pin(async move {
            self.tries.lock().unwrap().push(message.clone());
            if self.hangs {
                return std::future::pending().await;
            }
            self.outcome.clone()
        })
    }
}

fn fails(is_final: bool) -> Result<(), DeliveryError> {
    Err(DeliveryError {
        cause: "connection refused".to_owned(),
        is_final,
        retry_after: None,
    })
}

/// A controller with one Rollout, which subscribes to being healthy, to being aborted, and to what is not there.
struct Scene {
    server: Server,
    cache: Cache,
    events: Events,
    outlet: Outlet,
    metrics: Arc<Metrics>,
    queue: Queue,
    service: Arc<Service>,
    notifier: Notifier,
}

const START: Timestamp = Timestamp(1_000_000);

impl Scene {
    fn new(outcome: Result<(), DeliveryError>, hangs: bool) -> Self {
        let service = Arc::new(Service {
            outcome,
            hangs,
            tries: Mutex::default(),
        });
        let metrics = Arc::<Metrics>::default();
        let (events, outlet) = Events::new(|| START, Arc::clone(&metrics));
        let scene = Scene {
            server: Server {
                stored: Mutex::new(rollout()),
                answers: Mutex::default(),
            },
            cache: Cache::default(),
            events,
            outlet,
            metrics,
            queue: Queue::default(),
            notifier: Notifier::new(Notifications {
                namespace: "argo".to_owned(),
                self_service: false,
                deliver: Arc::clone(&service) as Arc<dyn Deliver>,
            }),
            service,
        };
        scene.cache.put(&ROLLOUT, rollout());
        scene.cache.put(&CONFIG_MAP, config_map());
        scene
    }

    /// Ends a look at the Rollout; when it asks to look again.
    async fn look(&self, told: &[&str], has_failed: bool, now: Timestamp) -> Option<Duration> {
        let mut events = Told::default();
        for reason in told {
            let event = Event {
                warning: false,
                reason: (*reason).to_owned(),
                message: String::new(),
            };
            events.push(event, true);
        }
        let reconciler = Reconciler {
            api: &self.server,
            cache: &self.cache,
            events: &self.events,
            instance_id: "",
            routers: &RouterVersions::default(),
            selectors: &Selectors::default(),
            labelled: &Labelled::default(),
            tell: &|_| {},
            metrics: &self.metrics,
            notifier: Some(&self.notifier),
        };
        let key = Key::new(ROLLOUT, "shop", "web");
        let known: Rollout = self.cache.get(&key).unwrap();
        reconciler
            .notify(&key, &known, events, has_failed, now)
            .await
    }

    /// Everything that waits is sent, or given up.
    async fn send(&self) {
        let post = Post {
            events: &self.events,
            metrics: &self.metrics,
            queue: &self.queue,
            clock: || START,
        };
        tokio::select! {
            () = self.notifier.send_all(&post) => {}
            () = self.notifier.emptied() => {}
        }
    }

    fn tries(&self) -> usize {
        self.service.tries.lock().unwrap().len()
    }

    fn annotation(&self) -> Option<String> {
        let stored = self.server.stored.lock().unwrap();
        let annotation = stored["metadata"]["annotations"][NOTIFIED].as_str();
        annotation.map(str::to_owned)
    }

    fn metric(&self, name: &str) -> Vec<String> {
        let scrape = crate::metrics::Scrape::of(&crate::metrics::Told {
            cache: &self.cache,
            queue: &self.queue,
            metrics: &self.metrics,
            notifier: Some(&self.notifier),
            instance_id: "",
        });
        let text: String = scrape.collect();
        let samples = text.lines().filter(|line| line.starts_with(name));
        samples.map(str::to_owned).collect()
    }
}

fn rollout() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "annotations": {
            "notifications.argoproj.io/subscribe.on-healthy.hook": "",
            "notifications.argoproj.io/subscribe.on-rollout-aborted.hook": "",
            "notifications.argoproj.io/subscribe.on-scaling-replica-set.hook": "",
        }},
        "spec": {"replicas": 1, "strategy": {"canary": {}}},
        "status": {"phase": "Healthy", "currentPodHash": "6f7d"},
    })
}

fn config_map() -> Value {
    json!({
        "metadata": {"name": CONFIG_MAP_NAME, "namespace": "argo", "resourceVersion": "3"},
        "data": {
            "service.webhook.hook": "{url: 'http://hook.example', retryMax: 2}",
            "service.teams": "{}",
            "trigger.on-healthy": "- {when: rollout.status.phase == 'Healthy', send: [t]}",
            "trigger.on-rollout-aborted": "- {send: [t]}",
            "trigger.on-scaling-replica-set": "- {send: [t]}",
            "template.t": "message: '{{.rollout.metadata.name}}'",
        },
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_remembered_and_sent_once_also_after_a_restart() {
    let mut scene = Scene::new(Ok(()), false);
    scene.look(&[], false, START).await;
    assert!(scene.annotation().unwrap().contains("on-healthy:[0]."));
    scene.send().await;
    assert_eq!(scene.tries(), 1);
    scene.look(&[], false, START).await;
    // Another controller, which knows what is stored.
    scene.notifier = Notifier::new(scene.notifier.settings.clone());
    scene.look(&[], false, START).await;
    scene.send().await;
    assert_eq!(scene.tries(), 1);
    let sample = r#"notification_send_success{namespace="shop",name="web",type="Normal",reason="on-healthy"} 1"#;
    assert_eq!(scene.metric("notification_send_success"), [sample]);
    assert_eq!(scene.metric("notification_send_count").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_remembered_is_not_sent() {
    for (answers, sent) in [
        (vec![Answer::Conflicts], 1),
        (
            vec![Answer::Conflicts, Answer::Conflicts, Answer::Conflicts],
            0,
        ),
        (vec![Answer::ConflictsForTheAnnotation], 0),
        (vec![Answer::IsLost], 1),
        (vec![Answer::Forbids], 0),
    ] {
        let scene = Scene::new(Ok(()), false);
        scene
            .server
            .answers
            .lock()
            .unwrap()
            .extend(answers.iter().copied());
        let wait = scene.look(&[], false, START).await;
        scene.send().await;
        assert_eq!(scene.tries(), sent, "{}", answers.len());
        assert_eq!(wait.is_some(), sent == 0, "it is tried again");
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_sent_is_forgotten_told_and_tried_again_later() {
    let scene = Scene::new(fails(false), false);
    scene.look(&[], false, START).await;
    scene.send().await;
    assert_eq!(scene.tries(), 3, "the first, and two more");
    assert!(scene.annotation().is_some(), "until the next look");
    let wait = scene.look(&[], false, START).await;
    assert_eq!(scene.annotation(), None);
    assert_eq!(wait, Some(Duration::from_secs(60)));
    assert_eq!(scene.metric("notification_send_error").len(), 1);
    scene
        .look(&[], false, START.after(Duration::from_secs(61)))
        .await;
    scene.send().await;
    assert_eq!(scene.tries(), 4, "a recipient that fails gets one try");
    assert!(
        scene
            .metric("rollout_events_total")
            .join("")
            .contains("NotificationFailed")
    );
}

#[tokio::test(start_paused = true)]
async fn what_fares_no_better_is_tried_once() {
    let scene = Scene::new(fails(true), false);
    scene.look(&["RolloutAborted"], false, START).await;
    scene.send().await;
    assert_eq!(scene.tries(), 2, "the event, and the condition");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_holds_nobody_and_is_given_up() {
    let scene = Scene::new(Ok(()), true);
    for _ in 0..3 {
        scene.look(&["RolloutAborted"], false, START).await;
    }
    assert_eq!(scene.notifier.waiting(), 4, "three events and a condition");
    scene.send().await;
    assert_eq!(scene.tries(), 3 + 3, "the others have one try each");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_failed_tells_of_the_writes_that_were_made_and_owes_the_rest() {
    let scene = Scene::new(Ok(()), false);
    scene
        .look(&["ScalingReplicaSet", "RolloutAborted"], true, START)
        .await;
    assert_eq!(scene.notifier.waiting(), 1);
    // It is decided once more, and the event is no news to those who record events.
    let key = Key::new(ROLLOUT, "shop", "web");
    let mut told = Told::default();
    let aborted = Event {
        warning: true,
        reason: "RolloutAborted".to_owned(),
        message: String::new(),
    };
    told.push(aborted.clone(), false);
    assert_eq!(scene.notifier.of_made(&key, told).len(), 1);
    let mut told = Told::default();
    told.push(aborted, false);
    assert_eq!(scene.notifier.of_made(&key, told).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_dropped_and_counted() {
    let scene = Scene::new(Ok(()), false);
    for _ in 0..1_030 {
        scene.look(&["RolloutAborted"], false, START).await;
    }
    assert_eq!(scene.notifier.waiting(), 1_024);
    assert!(scene.notifier.dropped() >= 6);
    assert_eq!(
        scene.metric("sluice_notifications_waiting"),
        ["sluice_notifications_waiting 1024"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_no_service_takes_is_told_once_with_what_is_supported() {
    let mut scene = Scene::new(Ok(()), false);
    let subscribed = scene.server.write(|stored| {
        stored["metadata"]["annotations"]["notifications.argoproj.io/subscribe.on-healthy.teams"] =
            json!("shop");
    });
    scene.cache.put(&ROLLOUT, subscribed);
    for _ in 0..3 {
        scene.look(&[], false, START).await;
    }
    let messages: Vec<String> = scene.outlet.recorded();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(
        messages[0]
            .contains("on-healthy to teams:shop: services of the type `teams` are not supported"),
        "{messages:?}"
    );
    scene.send().await;
    assert_eq!(scene.tries(), 1, "the others are served");
}

//! Events of Rollouts, AnalysisRuns and Experiments: those of an object are sent in their order, beside everything else.

use crate::api::{Api, Key, Reason};
use crate::metrics::Metrics;
use crate::packed::Packed;
use serde_json::{Value, json};
use sluice_argo::api::{RolloutDurationStatus, Time};
use sluice_argo::event::Event;
use sluice_model::time::Timestamp;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How many events are sent at a time; those of an object never two.
const LANES: usize = 4;
/// How many events wait in a lane at most; those beyond are dropped, and counted.
const WAITING_MAX: usize = 2_048;
/// After which time the same warning about an object is sent again.
const REPEAT_AFTER: Duration = Duration::from_secs(300);
/// How many objects' last warnings are remembered at most.
const WARNED_MAX: usize = 10_000;
/// How often an event is sent at most, and how long it waits after the first time; then twice as long each time.
const TRIES: u32 = 6;
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The longest that a server may ask it to wait.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// The longest message that an API server takes.
const MESSAGE_MAX: usize = 1_024;

/// Where events are put.
#[derive(Debug)]
pub(crate) struct Events {
    /// Events as the API server gets them: after a rush thousands wait.
    lanes: Vec<mpsc::Sender<Packed>>,
    dropped: AtomicU64,
    /// The last warning about each object, and when: the same again is not sent for a while.
    warned: Mutex<HashMap<Key, (Event, Timestamp)>>,
    number: AtomicU64,
    clock: fn() -> Timestamp,
    metrics: Arc<Metrics>,
}

/// Where events come out.
pub(crate) struct Outlet(Vec<mpsc::Receiver<Packed>>);

impl Events {
    pub(crate) fn new(clock: fn() -> Timestamp, metrics: Arc<Metrics>) -> (Self, Outlet) {
        let (lanes, outlet) = (0..LANES).map(|_| mpsc::channel(WAITING_MAX)).unzip();
        let events = Events {
            lanes,
            dropped: AtomicU64::new(0),
            warned: Mutex::default(),
            number: AtomicU64::new(0),
            clock,
            metrics,
        };
        (events, Outlet(outlet))
    }

    /// Puts an event about an object. It is sent later; when too many wait, it is dropped. False when it is the
    /// same warning again.
    pub(crate) fn record(&self, about: &Key, uid: &str, event: Event) -> bool {
        if event.warning && self.is_repeated(about, &event) {
            return false;
        }
        tracing::info!(%about, reason = event.reason, message = event.message, "event");
        self.metrics.recorded(about, &event);
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let object = object(about, uid, &event, (self.clock)(), number);
        let packed = Packed::new(&object.to_string());
        if self.lane(about).try_send(packed).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(dropped, "too many events wait; one is dropped");
        }
        true
    }
}

impl Events {
    fn lane(&self, about: &Key) -> &mpsc::Sender<Packed> {
        let mut hasher = DefaultHasher::new();
        about.hash(&mut hasher);
        let lane = hasher.finish() % LANES as u64;
        &self.lanes[usize::try_from(lane).expect("there are few lanes")]
    }

    /// A rollout ended: only the metrics hear of it.
    pub(crate) fn completed(&self, duration: &RolloutDurationStatus) {
        self.metrics.completed(duration);
    }

    fn is_repeated(&self, about: &Key, event: &Event) -> bool {
        let now = (self.clock)();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let known = warned.get(about);
        if known.is_some_and(|(last, at)| last == event && now < at.after(REPEAT_AFTER)) {
            return true;
        }
        if warned.len() >= WARNED_MAX {
            warned.retain(|_, (_, at)| now < at.after(REPEAT_AFTER));
        }
        if warned.len() < WARNED_MAX {
            warned.insert(about.clone(), (event.clone(), now));
        }
        false
    }
}

impl Outlet {
    /// Sends events until there are no more senders.
    pub(crate) async fn run<A: Api>(self, api: &A) {
        let lanes = self.0.into_iter().map(|mut lane| async move {
            while let Some(packed) = lane.recv().await {
                send(api, &unpack(&packed)).await;
            }
        });
        futures_util::future::join_all(lanes).await;
    }
}

/// Sends an event, again if the server is away or has too much to do: what it tells of does not happen twice.
async fn send<A: Api>(api: &A, object: &Value) {
    let namespace = object["metadata"]["namespace"].as_str();
    let mut wait = RETRY_AFTER;
    for tries_left in (0..TRIES).rev() {
        let cause = match api.record(namespace.unwrap_or_default(), object).await {
            Ok(()) => return,
            // By a try whose answer was lost: the name is used once.
            Err(cause) if cause.reason == Reason::AlreadyExists => return,
            Err(cause) => cause,
        };
        let may_pass = matches!(cause.reason, Reason::Unavailable | Reason::TooManyRequests);
        if !may_pass || tries_left == 0 {
            let about = &object["involvedObject"];
            let about = ["kind", "namespace", "name"]
                .map(|field| about[field].as_str().unwrap_or_default());
            let [kind, namespace, name] = about;
            tracing::warn!(about = %format_args!("{kind} {namespace}/{name}"), %cause, "an event was not taken");
            return;
        }
        let asked = cause.retry_after.unwrap_or_default().min(RETRY_MAX);
        tokio::time::sleep(asked.max(wait)).await;
        wait *= 2;
    }
}

#[cfg(test)]
impl Outlet {
    /// The messages of the events that were recorded so far.
    pub(crate) fn recorded(&mut self) -> Vec<String> {
        let lanes = self.0.iter_mut();
        let events = lanes.flat_map(|lane| std::iter::from_fn(|| lane.try_recv().ok()));
        let mut events: Vec<Value> = events.map(|packed| unpack(&packed)).collect();
        // The same time, and rising numbers.
        let end = |event: &Value| {
            let name = event["metadata"]["name"].as_str().unwrap_or_default();
            name.rsplit('.').next().unwrap_or_default().to_owned()
        };
        events.sort_by_key(end);
        let messages = events.iter().map(|event| event["message"].as_str());
        messages
            .map(|message| message.unwrap_or_default().to_owned())
            .collect()
    }
}

fn unpack(packed: &Packed) -> Value {
    serde_json::from_slice(&packed.text()).expect("what was written here can be read")
}

/// An event as the API server gets it.
fn object(about: &Key, uid: &str, event: &Event, at: Timestamp, number: u64) -> Value {
    let time = Time(at).to_string();
    let message: String = event.message.chars().take(MESSAGE_MAX).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "namespace": about.namespace,
            // Unique: the time, and a number for events of the same millisecond.
            "name": format!("{}.{:x}{:04x}", about.name, at.0, number % 0x1_0000),
        },
        "involvedObject": {
            "apiVersion": about.resource.api_version(),
            "kind": about.resource.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": uid,
        },
        "type": if event.warning { "Warning" } else { "Normal" },
        "reason": event.reason,
        "message": message,
        "source": {"component": "rollouts-controller"},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    })
}

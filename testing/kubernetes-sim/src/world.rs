//! The fake API server with the cluster behind it, and the controllers that are connected to it.

use crate::app::App;
use crate::bugs::Bug;
use crate::clock;
use crate::cluster::Cluster;
use crate::metrics::Blindness;
use crate::promises::{Promises, View};
use crate::recipients::Heard;
use crate::requests::{Request, Requests};
use crate::store::{Change, Store};
use crate::weather::{Fault, Weather};
use fastrand::Rng;
use serde_json::Value;
use sluice_kubernetes::api::{ApiError, Key, Notice, Page, Patch, Reason, Selection, Stored};
use sluice_kubernetes::resource::{EVENT, REPLICA_SET, ROLLOUT, Resource};
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::mpsc;

/// After which time the server ends a watch, in milliseconds.
const WATCH_MS: i64 = 290_000;
/// Objects a page of a list: few, so that lists have pages.
const PAGE: usize = 3;
/// Lists that can be gone on with.
const LISTS_MAX: usize = 50;
/// Events that are kept.
const EVENTS_MAX: usize = 2_000;

/// What a watch tells, and when.
pub(crate) type Told = (Timestamp, Result<Notice, ApiError>);

/// A watch of a controller.
struct Line {
    resource: Resource,
    chosen: Chosen,
    controller: usize,
    sender: mpsc::UnboundedSender<Told>,
    last: Timestamp,
    ends: Timestamp,
}

/// Which objects of a kind a list or a watch is about.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    namespace: Option<String>,
    name: Option<String>,
}

impl Chosen {
    pub(crate) fn new(selection: Selection<'_>) -> Self {
        Chosen {
            namespace: selection.namespace.map(str::to_owned),
            name: selection.name.map(str::to_owned),
        }
    }

    pub(crate) fn has(&self, key: &Key) -> bool {
        let is_in = |wanted: &Option<String>, present: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == present)
        };
        is_in(&self.namespace, &key.namespace) && is_in(&self.name, &key.name)
    }
}

/// A controller as the server sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seat {
    /// It was killed: nothing of it answers or is answered any more.
    pub(crate) is_dead: bool,
    /// It is killed after so many writes.
    pub(crate) writes_left: Option<u32>,
    /// It hears of nothing before then.
    pub(crate) deaf_until: Timestamp,
    /// Its writes.
    pub(crate) writes: u64,
}

/// Everything that there is.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) cluster: Cluster,
    pub(crate) promises: Promises,
    /// What those heard whom controllers notify.
    pub(crate) heard: Heard,
    pub(crate) weather: Weather,
    pub(crate) random: Rng,
    pub(crate) seats: Vec<Seat>,
    pub(crate) away_until: Timestamp,
    pub(crate) storm_until: Timestamp,
    pub(crate) refuses_until: Timestamp,
    pub(crate) blind_until: Timestamp,
    /// How metric servers are blind; by chance when absent.
    pub(crate) blindness: Option<Blindness>,
    /// Webhooks are slow until then.
    pub(crate) slow_until: Timestamp,
    pub(crate) crossing_until: Timestamp,
    pub(crate) is_quiet: bool,
    /// The Rollouts of the run.
    pub(crate) apps: Vec<App>,
    /// What users created, as their manifests have it.
    pub(crate) manifests: BTreeMap<Key, Value>,
    /// What controllers told.
    pub(crate) events: VecDeque<Value>,
    pub(crate) requests: Requests,
    /// When something last changed.
    pub(crate) changed_at: Timestamp,
    pub(crate) bug: Option<Bug>,
    /// What happened, told; `None` when nobody asks.
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) digest: u64,
    lines: Vec<Line>,
    lists: BTreeMap<usize, (u64, Vec<Value>)>,
    list_number: usize,
}

impl World {
    pub(crate) fn new(weather: Weather, random: Rng) -> World {
        World {
            store: Store::default(),
            cluster: Cluster::default(),
            promises: Promises::default(),
            heard: Heard::default(),
            weather,
            random,
            seats: Vec::new(),
            away_until: clock::START,
            storm_until: clock::START,
            refuses_until: clock::START,
            blind_until: clock::START,
            blindness: None,
            slow_until: clock::START,
            crossing_until: clock::START,
            is_quiet: false,
            apps: Vec::new(),
            manifests: BTreeMap::new(),
            events: VecDeque::new(),
            requests: Requests::default(),
            changed_at: clock::START,
            bug: None,
            trace: None,
            digest: 0,
            lines: Vec::new(),
            lists: BTreeMap::new(),
            list_number: 0,
        }
    }

    pub(crate) fn chance(&mut self, fault: Fault, per_mille: u32) -> bool {
        self.weather.has(fault) && self.random.u32(..1_000) < per_mille
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let seconds = clock::elapsed_ms() as f64 / 1_000.0;
            trace.push(format!("{seconds:>9.3} s  {}", line()));
        }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            store: &self.store,
            cluster: &self.cluster,
            apps: &self.apps,
            now: clock::now(),
            crossing_until: self.crossing_until,
        }
    }

    /// Watches hear of a change.
    pub(crate) fn spread(&mut self, change: &Change) {
        self.requests.changed();
        self.changed_at = clock::now();
        if change.key.resource == ROLLOUT
            && let Some(object) = &change.after
        {
            self.promises.changed(&change.key, object, clock::now());
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain_mut(|line| {
            let is_about = line.resource == change.key.resource && line.chosen.has(&change.key);
            !is_about || self.pass_on(line, change)
        });
        self.lines = lines;
    }

    /// A watch hears of a change, or ends.
    fn pass_on(&mut self, line: &mut Line, change: &Change) -> bool {
        let now = clock::now();
        let usual = self.weather.notice_ms;
        let way = self.random.i64(1..=usual.max(1));
        line.last = line
            .last
            .max(now.shifted(way))
            .max(self.seats[line.controller].deaf_until);
        let is_lost = self.bug == Some(Bug::LosesNotices) && self.random.u8(..100) < 10;
        let send = |told| is_lost || line.sender.send((line.last, told)).is_ok();
        if !send(Ok(change.notice.clone())) {
            return false;
        }
        if self.weather.has(Fault::StaleWatches) && self.random.u8(..100) < 5 {
            send(Ok(change.notice.clone()));
        }
        if self.chance(Fault::WatchGaps, 15) {
            let told = if self.random.bool() {
                let message = "too old resource version".to_owned();
                Ok(Notice::Ended { code: 410, message })
            } else {
                Err(ApiError::new(Reason::Unavailable, "connection reset"))
            };
            let _heard_or_gone = line.sender.send((line.last, told));
            return false;
        }
        true
    }

    /// The server is away until then: all watches break, and none can go on from where it was.
    pub(crate) fn go_away(&mut self, until: Timestamp) {
        self.away_until = until;
        self.lines.clear();
        self.store.compact();
    }

    /// Ends watches whose time is over. Each is told how far it came.
    pub(crate) fn end_watches(&mut self) {
        let now = clock::now();
        let version = self.store.version();
        self.lines.retain(|line| {
            let is_over = line.ends <= now;
            if is_over {
                let told = (line.last.max(now), Ok(Notice::Bookmark(version)));
                let _heard_or_gone = line.sender.send(told);
            }
            !is_over && !line.sender.is_closed()
        });
    }

    /// An event that a controller sent.
    pub(crate) fn record(&mut self, event: &Value) {
        let of = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        self.tell(|| {
            let about = event["involvedObject"]["name"].as_str().unwrap_or_default();
            format!("event of {about}: {} {}", of("reason"), of("message"))
        });
        self.events.push_back(event.clone());
        while self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// Why an object may not be created now, if it may not.
    pub(crate) fn refusal(&self, resource: &Resource) -> Option<String> {
        let is_refused = *resource == REPLICA_SET && clock::now() < self.refuses_until;
        is_refused.then(|| "admission webhook denied the request".to_owned())
    }

    pub(crate) fn watch(
        &mut self,
        controller: usize,
        resource: Resource,
        chosen: Chosen,
        version: u64,
    ) -> mpsc::UnboundedReceiver<Told> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let now = clock::now();
        match self.store.since(&resource, &chosen, version) {
            None => {
                let message = "too old resource version".to_owned();
                let ended = Notice::Ended { code: 410, message };
                let _heard = sender.send((now, Ok(ended)));
            }
            Some(missed) => {
                for notice in missed {
                    let _heard = sender.send((now, Ok(notice)));
                }
                self.lines.push(Line {
                    resource,
                    chosen,
                    controller,
                    sender,
                    last: now,
                    ends: now.shifted(WATCH_MS),
                });
            }
        }
        receiver
    }

    pub(crate) fn page(
        &mut self,
        resource: &Resource,
        chosen: &Chosen,
        after: Option<&str>,
    ) -> Result<Page, ApiError> {
        let (number, from) = match after.and_then(|token| token.split_once(':')) {
            Some((number, from)) => (number.parse().unwrap_or(0), from.parse().unwrap_or(0)),
            None => {
                self.list_number += 1;
                let items = self
                    .store
                    .of_kind(resource.clone())
                    .filter(|(key, _)| chosen.has(key))
                    .map(|(_, object)| object.clone());
                let list = (self.store.version(), items.collect());
                self.lists.insert(self.list_number, list);
                while self.lists.len() > LISTS_MAX {
                    self.lists.pop_first();
                }
                (self.list_number, 0)
            }
        };
        let Some((version, items)) = self.lists.get(&number) else {
            return Err(ApiError::new(
                Reason::Refused,
                "the provided continue parameter is too old",
            ));
        };
        let end = items.len().min(from + PAGE);
        Ok(Page {
            items: items[from..end].iter().cloned().map(Stored::from).collect(),
            version: *version,
            next: (end < items.len()).then(|| format!("{number}:{end}")),
        })
    }

    /// A change that a controller asked for, or nobody.
    pub(crate) fn done(&mut self, controller: Option<usize>, change: &Change) {
        if let Some(controller) = controller {
            self.seats[controller].writes += 1;
            let Key {
                resource,
                namespace,
                name,
            } = &change.key;
            let place = name.bytes().chain(namespace.bytes());
            for byte in place.chain(resource.kind.bytes()) {
                self.digest = self.digest.rotate_left(5) ^ u64::from(byte);
            }
            self.digest = self.digest.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ clock::now().0 as u64;
            self.tell(|| format!("controller {controller}: {}", told(change)));
            let mut promises = std::mem::take(&mut self.promises);
            promises.wrote(change, self.view(), self.is_quiet);
            self.promises = promises;
        } else {
            let mut promises = std::mem::take(&mut self.promises);
            promises.noted(&change.key, self.view());
            self.promises = promises;
        }
        self.spread(change);
    }

    /// Somebody who uses the cluster changes an object.
    pub(crate) fn edit(&mut self, key: &Key, subresource: Option<&str>, patch: Value) {
        if let Ok(Some(change)) = self.store.patch(key, subresource, &Patch::Merge(patch)) {
            self.tell(|| format!("user: {}", told(&change)));
            self.done(None, &change);
        }
    }

    /// Somebody who uses the cluster creates an object.
    pub(crate) fn apply(&mut self, key: &Key, object: &Value) {
        let now = clock::now();
        self.manifests.insert(key.clone(), object.clone());
        let Key {
            resource,
            namespace,
            ..
        } = key;
        if let Ok(change) = self.store.create(resource, namespace, object, now) {
            self.tell(|| format!("user: creates {}", change.key));
            self.done(None, &change);
        }
    }

    /// Somebody who uses the cluster deletes an object.
    pub(crate) fn delete(&mut self, key: &Key) -> Option<Value> {
        let change = self.store.delete(key).ok()?;
        self.tell(|| format!("user: deletes {key}"));
        self.done(None, &change);
        change.before
    }

    /// The other controllers of the cluster do what they do.
    pub(crate) fn tick(&mut self) {
        let now = clock::now();
        for change in self.cluster.tick(&mut self.store, &mut self.random, now) {
            self.tell(|| format!("cluster: {}", told(&change)));
            self.done(None, &change);
        }
        self.end_watches();
    }

    /// Serves a controller's request; `None` when the controller was killed by it.
    pub(crate) fn serve<T>(
        &mut self,
        controller: usize,
        asked: Request,
        request: impl FnOnce(&mut World) -> Result<T, ApiError>,
    ) -> Option<Result<T, ApiError>> {
        let now = clock::now();
        if self.seats[controller].is_dead {
            return None;
        }
        let is_write = asked.verb.is_write() && asked.resource != EVENT;
        if let Some(seen) = self.requests.asked(controller, asked, now) {
            self.promises.broken(
                now,
                "a controller asks for nothing while nothing changes",
                seen,
            );
        }
        if now < self.away_until {
            return Some(Err(ApiError::new(
                Reason::Unavailable,
                "connection refused",
            )));
        }
        if is_write && now < self.storm_until && self.random.u8(..100) < 60 {
            return Some(Err(ApiError::new(
                Reason::Conflict,
                "the object has been modified",
            )));
        }
        let before = self.seats[controller].writes;
        let answer = request(self);
        if self.seats[controller].writes > before {
            let seat = &mut self.seats[controller];
            if let Some(left) = &mut seat.writes_left {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    seat.is_dead = true;
                    self.tell(|| format!("controller {controller} is killed after its write"));
                    return None;
                }
            }
            if self.chance(Fault::LostReplies, 25) {
                self.tell(|| "the answer is lost".to_owned());
                return Some(Err(ApiError::new(Reason::Unavailable, "connection reset")));
            }
        }
        Some(answer)
    }
}

/// A change in a line.
fn told(change: &Change) -> String {
    let Change {
        key, before, after, ..
    } = change;
    match (before, after) {
        (None, Some(_)) => format!("creates {key}"),
        (_, None) => format!("deletes {key}"),
        (Some(before), Some(after)) => {
            let mut parts = Vec::new();
            differ(before, after, "", &mut parts);
            format!("{key}: {}", parts.join(", "))
        }
    }
}

fn differ(before: &Value, after: &Value, path: &str, parts: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                if path == "/metadata" && (key == "resourceVersion" || key == "generation") {
                    continue;
                }
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or(Value::Null)
                };
                differ(&of(old), &of(new), &format!("{path}/{key}"), parts);
            }
        }
        _ if before != after => parts.push(format!("{path}: {before} → {after}")),
        _ => {}
    }
}

//! What the controller counts while it works: how long it looks at each object, what fails, which events it
//! records, how long rollouts took. What is counted for an object goes with the object.

use super::text::{Family, Histogram, as_float};
use crate::api::Key;
use crate::names::ByName;
use crate::resource::{ROLLOUT, Resource};
use sluice_argo::api::{RolloutDurationStatus, Time};
use sluice_argo::event::Event;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Upper bounds of looks, in seconds, as dashboards of Argo's controller know them.
const LOOK_BOUNDS: [f64; 5] = [0.01, 0.15, 0.25, 0.5, 1.0];
/// Upper bounds of whole rollouts, in seconds.
const ROLLOUT_BOUNDS: [f64; 11] = [
    30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0,
];
/// Upper bounds of rollouts without their pauses by hand, in seconds.
const PROGRESSION_BOUNDS: [f64; 8] = [30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0];
/// Upper bounds of pauses by hand, in seconds.
const PAUSE_BOUNDS: [f64; 9] = [
    0.0, 60.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0,
];
/// How many reasons of events are counted at most, and how many kinds of notifications of an object. The controller's own are fewer;
/// this is a bound all the same, since reasons are texts.
const REASONS_MAX: usize = 64;
/// How many kinds of events most objects have: those need no piece of memory of their own.
const EVENTS_USUAL: usize = 6;

/// What the controller counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Recorded>);

#[derive(Debug, Default)]
struct Recorded {
    /// By kind, and by [`Key::place`].
    objects: BTreeMap<Resource, ByName<OfObject>>,
    /// Reasons of events, one text for all objects.
    reasons: Vec<String>,
    /// By how a rollout ended.
    durations: BTreeMap<String, Durations>,
}

#[derive(Clone, Debug)]
struct OfObject {
    looks: Histogram,
    failures: u64,
    events: SmallVec<[CountedEvent; EVENTS_USUAL]>,
    /// Absent before the first notification: few have any.
    notified: Option<Box<Notified>>,
}

#[derive(Clone, Copy, Debug)]
struct CountedEvent {
    warning: bool,
    /// The number of its reason.
    reason: u16,
    count: u32,
}

#[derive(Clone, Debug)]
struct Notified {
    notifications: Vec<CountedNotification>,
    /// Seconds that it took to send one.
    sending: Histogram,
}

/// Notifications of one cause.
#[derive(Clone, Debug)]
struct CountedNotification {
    warning: bool,
    reason: String,
    sent: u64,
    failed: u64,
}

impl Recorded {
    fn object(&mut self, key: &Key) -> &mut OfObject {
        let objects = self.objects.entry(key.resource.clone()).or_default();
        objects.or_insert_with(&key.place(), OfObject::default).1
    }

    /// The number of a reason, unless there are too many.
    fn reason(&mut self, reason: &str) -> Option<u16> {
        let known = self.reasons.iter().position(|known| known == reason);
        let number = known.or_else(|| {
            let number = self.reasons.len();
            (number < REASONS_MAX).then(|| {
                self.reasons.push(reason.to_owned());
                number
            })
        });
        number.and_then(|number| u16::try_from(number).ok())
    }
}

impl Default for Notified {
    fn default() -> Self {
        Notified {
            notifications: Vec::new(),
            sending: Histogram::new(&LOOK_BOUNDS),
        }
    }
}

impl Default for OfObject {
    fn default() -> Self {
        OfObject {
            looks: Histogram::new(&LOOK_BOUNDS),
            failures: 0,
            events: SmallVec::new(),
            notified: None,
        }
    }
}

/// Rollouts that ended in the same way.
#[derive(Clone, Debug)]
pub(crate) struct Durations {
    status: String,
    total: Histogram,
    progression: Histogram,
    pauses: Histogram,
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object was looked at for some time.
    pub(crate) fn looked(&self, key: &Key, took: Duration, failed: bool) {
        let mut recorded = self.lock();
        let object = recorded.object(key);
        object.looks.observe(took.as_secs_f64());
        object.failures += u64::from(failed);
    }

    /// An event was recorded. Rollouts' are counted, as Argo's controller does.
    pub(crate) fn recorded(&self, key: &Key, event: &Event) {
        if key.resource != ROLLOUT {
            return;
        }
        let mut recorded = self.lock();
        let Some(reason) = recorded.reason(&event.reason) else {
            tracing::debug!(%key, reason = event.reason, "too many kinds of events");
            return;
        };
        let events = &mut recorded.object(key).events;
        let known = events
            .iter_mut()
            .find(|known| known.warning == event.warning && known.reason == reason);
        match known {
            Some(known) => known.count = known.count.saturating_add(1),
            None => events.push(CountedEvent {
                warning: event.warning,
                reason,
                count: 1,
            }),
        }
    }

    /// A notification about a Rollout was sent, or could not be, after some time.
    pub(crate) fn notified(
        &self,
        key: &Key,
        warning: bool,
        reason: &str,
        was_sent: bool,
        took: Duration,
    ) {
        let mut recorded = self.lock();
        let notified = &mut recorded.object(key).notified;
        let notified = notified.get_or_insert_with(Box::default);
        notified.sending.observe(took.as_secs_f64());
        let known = notified
            .notifications
            .iter()
            .position(|known| known.warning == warning && known.reason == reason);
        let place = match known {
            Some(place) => place,
            None if notified.notifications.len() < REASONS_MAX => {
                notified.notifications.push(CountedNotification {
                    warning,
                    reason: reason.to_owned(),
                    sent: 0,
                    failed: 0,
                });
                notified.notifications.len() - 1
            }
            None => {
                tracing::debug!(%key, reason, "too many kinds of notifications");
                return;
            }
        };
        let counted = &mut notified.notifications[place];
        counted.sent += u64::from(was_sent);
        counted.failed += u64::from(!was_sent);
    }

    /// A rollout ended.
    pub(crate) fn completed(&self, duration: &RolloutDurationStatus) {
        let (Some(Time(from)), Some(Time(to)), Some(status)) = (
            duration.rollout_started_at,
            duration.finished_at,
            &duration.completion_status,
        ) else {
            return;
        };
        let total = to.since(from).as_secs_f64();
        let pauses = duration.total_manual_pause_duration_seconds.unwrap_or(0);
        let pauses = u64::try_from(pauses).map_or(0.0, as_float).min(total);
        let mut recorded = self.lock();
        let durations = recorded
            .durations
            .entry(status.clone())
            .or_insert_with(|| Durations {
                status: status.clone(),
                total: Histogram::new(&ROLLOUT_BOUNDS),
                progression: Histogram::new(&PROGRESSION_BOUNDS),
                pauses: Histogram::new(&PAUSE_BOUNDS),
            });
        durations.total.observe(total);
        durations.progression.observe(total - pauses);
        durations.pauses.observe(pauses);
    }

    /// An object is gone, and what was counted for it.
    pub(crate) fn forget(&self, key: &Key) {
        if let Some(objects) = self.lock().objects.get_mut(&key.resource)
            && let Some(number) = objects.number(&key.place())
        {
            objects.remove(number);
        }
    }

    /// Objects that are gone are forgotten, and so is what was counted for them.
    pub(crate) fn keep_only(&self, is_there: impl Fn(&Key) -> bool) {
        for (resource, objects) in &mut self.lock().objects {
            let is_gone = |number: &u32| !is_there(&Key::at(resource, &objects.name(*number)));
            let numbers = objects.iter().map(|(number, _)| number);
            let gone: Vec<u32> = numbers.filter(is_gone).collect();
            for number in gone {
                objects.remove(number);
            }
        }
    }

    /// What was counted for the objects of a kind.
    pub(crate) fn objects(&self, resource: &Resource) -> Vec<Counted> {
        let recorded = self.lock();
        let Some(objects) = recorded.objects.get(resource) else {
            return Vec::new();
        };
        let reasons: Arc<[String]> = recorded.reasons.as_slice().into();
        let counted = objects.iter().map(|(number, object)| Counted {
            key: Key::at(resource, &objects.name(number)),
            object: object.clone(),
            reasons: Arc::clone(&reasons),
        });
        let mut counted: Vec<Counted> = counted.collect();
        counted.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        counted
    }

    /// How long rollouts took.
    pub(crate) fn durations(&self) -> Vec<Durations> {
        self.lock().durations.values().cloned().collect()
    }
}

/// What was counted for an object.
pub(crate) struct Counted {
    key: Key,
    object: OfObject,
    /// By the numbers that events have.
    reasons: Arc<[String]>,
}

macro_rules! looks {
    ($name:literal, $what:literal) => {
        Family::histogram(
            $name,
            concat!("Seconds that looks at ", $what, " took."),
            |Counted { key, object, .. }, samples| {
                let labels = [("namespace", &*key.namespace), ("name", &*key.name)];
                samples.put_histogram(&labels, &object.looks);
            },
        )
    };
}

macro_rules! failures {
    ($name:literal, $what:literal) => {
        Family::counter(
            $name,
            concat!("Looks at ", $what, " that failed."),
            |Counted { key, object, .. }, samples| {
                if object.failures > 0 {
                    let labels = [("namespace", &*key.namespace), ("name", &*key.name)];
                    samples.put(&labels, as_float(object.failures));
                }
            },
        )
    };
}

/// Labels of what has a type and a reason.
fn by_reason<'a>(key: &'a Key, warning: bool, reason: &'a str) -> [(&'static str, &'a str); 4] {
    let kind = if warning { "Warning" } else { "Normal" };
    [
        ("namespace", &*key.namespace),
        ("name", &*key.name),
        ("type", kind),
        ("reason", reason),
    ]
}

/// Notifications on their way.
pub(crate) struct Outbox {
    pub(crate) waiting: usize,
    pub(crate) dropped: u64,
}

/// What is told of them; Argo's controller has no queue for them.
pub(crate) const OUTBOX: [Family<Outbox>; 2] = [
    Family::gauge(
        "sluice_notifications_waiting",
        "Notifications that wait or are being sent.",
        |outbox, samples| samples.put(&[], as_float(outbox.waiting as u64)),
    ),
    Family::counter(
        "sluice_notifications_dropped_total",
        "Notifications that found no room.",
        |outbox, samples| samples.put(&[], as_float(outbox.dropped)),
    ),
];

/// What is counted for Rollouts.
pub(crate) const ROLLOUTS: [Family<Counted>; 6] = [
    looks!("rollout_reconcile", "Rollouts"),
    failures!("rollout_reconcile_error", "Rollouts"),
    Family::counter(
        "rollout_events_total",
        "Events of Rollouts.",
        |counted, samples| {
            let Counted {
                key,
                object,
                reasons,
            } = counted;
            for event in &object.events {
                let reason = &reasons[usize::from(event.reason)];
                let labels = by_reason(key, event.warning, reason);
                samples.put(&labels, f64::from(event.count));
            }
        },
    ),
    Family::counter(
        "notification_send_success",
        "Notifications that were sent.",
        |Counted { key, object, .. }, samples| {
            let notified = object.notified.iter();
            let notifications = notified.flat_map(|notified| &notified.notifications);
            for counted in notifications.filter(|counted| counted.sent > 0) {
                let labels = by_reason(key, counted.warning, &counted.reason);
                samples.put(&labels, as_float(counted.sent));
            }
        },
    ),
    Family::counter(
        "notification_send_error",
        "Notifications that could not be sent.",
        |Counted { key, object, .. }, samples| {
            let notified = object.notified.iter();
            let notifications = notified.flat_map(|notified| &notified.notifications);
            for counted in notifications.filter(|counted| counted.failed > 0) {
                let labels = by_reason(key, counted.warning, &counted.reason);
                samples.put(&labels, as_float(counted.failed));
            }
        },
    ),
    Family::histogram(
        "notification_send",
        "Seconds that it took to send notifications, tries included.",
        |Counted { key, object, .. }, samples| {
            if let Some(notified) = &object.notified {
                let labels = [("namespace", &*key.namespace), ("name", &*key.name)];
                samples.put_histogram(&labels, &notified.sending);
            }
        },
    ),
];
/// What is counted for AnalysisRuns.
pub(crate) const RUNS: [Family<Counted>; 2] = [
    looks!("analysis_run_reconcile", "AnalysisRuns"),
    failures!("analysis_run_reconcile_error", "AnalysisRuns"),
];
/// What is counted for Experiments.
pub(crate) const EXPERIMENTS: [Family<Counted>; 2] = [
    looks!("experiment_reconcile", "Experiments"),
    failures!("experiment_reconcile_error", "Experiments"),
];

/// How long rollouts took.
pub(crate) const DURATIONS: [Family<Durations>; 3] = [
    Family::histogram(
        "rollout_duration_seconds",
        "Seconds from the start of a rollout to its end, by how it ended.",
        |ended, samples| samples.put_histogram(&[("status", &*ended.status)], &ended.total),
    ),
    Family::histogram(
        "rollout_progression_duration_seconds",
        "Seconds of rollouts without their pauses by hand, by how they ended.",
        |ended, samples| samples.put_histogram(&[("status", &*ended.status)], &ended.progression),
    ),
    Family::histogram(
        "rollout_manual_pause_duration_seconds",
        "Seconds that rollouts were paused by hand, by how they ended.",
        |ended, samples| samples.put_histogram(&[("status", &*ended.status)], &ended.pauses),
    ),
];

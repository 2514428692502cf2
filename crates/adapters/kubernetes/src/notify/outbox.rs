//! Messages that wait to be sent: in their order to each recipient, and none twice at a time.

use crate::api::Key;
use sluice_argo::notification::Due;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many messages wait for one recipient at most: as many as an event of each of a thousand Rollouts.
const LANE_MAX: usize = 1_024;
/// How many wait at most in all.
const WAITING_MAX: usize = 4_096;

/// A message about a Rollout.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) about: Key,
    pub(super) uid: String,
    /// The namespace of the configuration that it comes from.
    pub(super) namespace: String,
    pub(super) due: Due,
    /// As metrics count it: whether of a warning, and why.
    pub(super) warning: bool,
    pub(super) reason: String,
}

/// Whom messages go to: a recipient of a service of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneKey {
    namespace: String,
    service: String,
    recipient: String,
}

impl Posted {
    pub(super) fn lane(&self) -> LaneKey {
        LaneKey::new(&self.namespace, &self.due)
    }
}

impl LaneKey {
    pub(super) fn new(namespace: &str, due: &Due) -> Self {
        LaneKey {
            namespace: namespace.to_owned(),
            service: due.destination.service.clone(),
            recipient: due.destination.recipient.clone(),
        }
    }
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeMap<LaneKey, Lane>,
    /// Lanes with messages of which none is being sent, in the order in which they are taken.
    ready: VecDeque<LaneKey>,
    waiting: usize,
    sending: usize,
}

#[derive(Debug, Default)]
struct Lane {
    messages: VecDeque<Posted>,
    is_busy: bool,
    /// Whether the last message could not be delivered: those behind it are tried once only.
    is_broken: bool,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one more. It may be gone when a message is put in, by as many as there are workers.
    pub(super) fn has_room(&self, lane: &LaneKey) -> bool {
        let state = self.lock();
        let of_lane = state.lanes.get(lane).map_or(0, |lane| lane.messages.len());
        state.waiting < WAITING_MAX && of_lane < LANE_MAX
    }

    /// Puts a message in.
    pub(super) fn put(&self, posted: Posted) {
        let mut state = self.lock();
        state.waiting += 1;
        let key = posted.lane();
        let lane = state.lanes.entry(key.clone()).or_default();
        lane.messages.push_back(posted);
        if lane.messages.len() == 1 && !lane.is_busy {
            state.ready.push_back(key);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The next message to send, and whether the one before it could not be delivered. [`Self::finish`] must be called
    /// for it afterwards.
    pub(super) async fn next(&self) -> (Posted, bool) {
        loop {
            let changed = self.changed.notified();
            if let Some(next) = self.take() {
                return next;
            }
            changed.await;
        }
    }

    fn take(&self) -> Option<(Posted, bool)> {
        let mut state = self.lock();
        let key = state.ready.pop_front()?;
        let more = !state.ready.is_empty();
        let lane = state.lanes.get_mut(&key)?;
        let posted = lane.messages.pop_front()?;
        lane.is_busy = true;
        let is_broken = lane.is_broken;
        state.waiting -= 1;
        state.sending += 1;
        drop(state);
        if more {
            // Another sender may have gone to sleep.
            self.changed.notify_one();
        }
        Some((posted, is_broken))
    }

    /// A message was sent, or could not be.
    pub(super) fn finish(&self, key: &LaneKey, was_sent: bool) {
        let mut state = self.lock();
        state.sending = state.sending.saturating_sub(1);
        if let Some(lane) = state.lanes.get_mut(key) {
            lane.is_busy = false;
            lane.is_broken = !was_sent;
            let (is_empty, is_broken) = (lane.messages.is_empty(), lane.is_broken);
            if !is_empty {
                state.ready.push_back(key.clone());
            } else if !is_broken {
                state.lanes.remove(key);
            }
        }
        let surplus = state.lanes.len() > WAITING_MAX;
        if surplus {
            state
                .lanes
                .retain(|_, lane| lane.is_busy || !lane.messages.is_empty());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// How many messages wait or are being sent.
    pub(super) fn left(&self) -> usize {
        let state = self.lock();
        state.waiting + state.sending
    }

    /// Until nothing is left.
    pub(super) async fn emptied(&self) {
        while self.left() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

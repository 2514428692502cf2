//! Which objects are to be looked at, each once however often it is asked for, and none twice at a time.

use crate::api::Key;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The first wait after a failure; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The longest wait between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How often in a row an object is looked at at once because something was written.
const REPEATS_MAX: u32 = 20;
/// The wait beyond that.
const REPEAT_PAUSE: Duration = Duration::from_secs(1);

/// What is to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Key>,
    queued: HashSet<Key>,
    running: HashSet<Key>,
    /// Asked for while it was being looked at.
    again: HashSet<Key>,
    delayed: BinaryHeap<Reverse<(Instant, Key)>>,
    /// The time for which a key is delayed; other entries of the heap are void.
    due: HashMap<Key, Instant>,
    failures: HashMap<Key, u32>,
}

/// How looking at an object ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Well; look again after this time, if nothing happens before.
    Done(Option<Duration>),
    /// Well, and something was written: look again at once, unless that goes on and on.
    Again,
    /// Badly; look again after a growing time, at least this.
    Failed(Option<Duration>),
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for an object to be looked at now.
    pub(crate) fn add(&self, key: Key) {
        let mut state = self.lock();
        state.add(key);
        drop(state);
        self.changed.notify_one();
    }

    /// How many objects wait to be looked at now.
    #[must_use]
    pub(crate) fn depth(&self) -> usize {
        self.lock().ready.len()
    }

    /// The next object to look at. [`Self::finish`] must be called for it afterwards.
    pub(crate) async fn next(&self) -> Key {
        loop {
            let changed = self.changed.notified();
            let due = {
                let mut state = self.lock();
                state.wake(Instant::now());
                if let Some(key) = state.take() {
                    if !state.ready.is_empty() {
                        // Another worker may have gone to sleep.
                        self.changed.notify_one();
                    }
                    return key;
                }
                state.delayed.peek().map(|Reverse((due, _))| *due)
            };
            match due {
                Some(due) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Says how looking at an object ended.
    pub(crate) fn finish(&self, key: &Key, outcome: Outcome) {
        let mut state = self.lock();
        state.running.remove(key);
        let again = state.again.remove(key);
        let wait = match outcome {
            Outcome::Done(wait) => {
                state.failures.remove(key);
                if again { Some(Duration::ZERO) } else { wait }
            }
            Outcome::Again => {
                let repeats = state.failures.entry(key.clone()).or_default();
                *repeats += 1;
                if *repeats > REPEATS_MAX {
                    tracing::warn!(%key, "it is written again and again; this slows down");
                    Some(REPEAT_PAUSE)
                } else {
                    Some(Duration::ZERO)
                }
            }
            // What happened meanwhile does not end the wait: it would be a hot loop.
            Outcome::Failed(least) => {
                let failures = state.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                let doubled = BACKOFF_MIN * 2_u32.saturating_pow((*failures - 1).min(16));
                Some(doubled.min(BACKOFF_MAX).max(least.unwrap_or_default()))
            }
        };
        match wait {
            Some(Duration::ZERO) => state.add(key.clone()),
            Some(wait) => state.delay(key.clone(), Instant::now() + wait),
            None => {}
        }
        drop(state);
        self.changed.notify_one();
    }
}

impl State {
    fn add(&mut self, key: Key) {
        if self.running.contains(&key) {
            self.again.insert(key);
        } else if self.queued.insert(key.clone()) {
            self.due.remove(&key);
            self.ready.push_back(key);
        }
    }

    fn delay(&mut self, key: Key, due: Instant) {
        let earlier = self.due.get(&key).is_some_and(|known| *known <= due);
        if !earlier && !self.queued.contains(&key) {
            self.due.insert(key.clone(), due);
            self.delayed.push(Reverse((due, key)));
        }
    }

    fn wake(&mut self, now: Instant) {
        while let Some(Reverse((due, _))) = self.delayed.peek() {
            if *due > now {
                return;
            }
            let Some(Reverse((due, key))) = self.delayed.pop() else {
                return;
            };
            if self.due.get(&key) == Some(&due) {
                self.due.remove(&key);
                self.add(key);
            }
        }
    }

    fn take(&mut self) -> Option<Key> {
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }
}

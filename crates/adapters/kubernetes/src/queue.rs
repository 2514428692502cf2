//! Which objects are to be looked at, each once however often it is asked for, and none twice at a time.

use crate::api::Key;
use crate::metrics::{QueueCounts, QueueState};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The first wait after a failure; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The longest wait between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How often in a row an object is looked at at once because something was written.
const REPEATS_MAX: u32 = 20;
/// For how many objects there is always room. After a rush, thousands of places are kept no longer than they are used.
const IDLE_CAPACITY: usize = 256;

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
    ready: VecDeque<Arc<Key>>,
    /// What is in `ready`, and since when.
    queued: HashMap<Arc<Key>, Instant>,
    /// What is being looked at, and since when.
    running: HashMap<Key, Instant>,
    /// Asked for while it was being looked at.
    again: HashSet<Key>,
    /// What waits for its time, each once.
    delayed: BTreeSet<(Instant, Arc<Key>)>,
    /// The time for which a key is in `delayed`.
    due: HashMap<Arc<Key>, Instant>,
    /// How often in a row looking at it failed.
    failures: HashMap<Key, u32>,
    /// How often in a row something was written.
    repeats: HashMap<Key, u32>,
    /// What happened to objects of each kind.
    counts: BTreeMap<&'static str, QueueCounts>,
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

    /// For how long the object that was asked for first waits, or is being looked at.
    #[must_use]
    pub(crate) fn oldest(&self) -> Option<(Key, Duration)> {
        let state = self.lock();
        let waiting = state.ready.front().and_then(|key| {
            let since = state.queued.get(key)?;
            Some((&**key, since))
        });
        let oldest = state
            .running
            .iter()
            .chain(waiting)
            .min_by_key(|(_, since)| **since);
        oldest.map(|(key, since)| (key.clone(), since.elapsed()))
    }

    /// What is in the queue, and what went through it, by kind.
    #[must_use]
    pub(crate) fn states(&self) -> Vec<QueueState> {
        let state = self.lock();
        let now = Instant::now();
        let states = state.counts.iter().map(|(name, counts)| {
            let of_kind = |key: &&Key| queue_name(key) == *name;
            let running = state.running.iter().filter(|(key, _)| of_kind(key));
            let running = running.map(|(_, since)| now.duration_since(*since));
            QueueState::new(
                name,
                counts.clone(),
                state.queued.keys().filter(|key| of_kind(&&***key)).count(),
                running.collect(),
            )
        });
        states.collect()
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
                state.delayed.first().map(|(due, _)| *due)
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
        if let Some(since) = state.running.remove(key) {
            let counts = state.counts.entry(queue_name(key)).or_default();
            counts.worked(since.elapsed());
        }
        let again = state.again.remove(key);
        let wait = match outcome {
            Outcome::Done(wait) => {
                state.failures.remove(key);
                state.repeats.remove(key);
                give_back(&mut state.failures);
                give_back(&mut state.repeats);
                if again { Some(Duration::ZERO) } else { wait }
            }
            Outcome::Again => {
                state.failures.remove(key);
                let repeats = state.repeats.entry(key.clone()).or_default();
                *repeats = repeats.saturating_add(1);
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
        if matches!(outcome, Outcome::Failed(_)) {
            state.counts.entry(queue_name(key)).or_default().retried();
        }
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
        if self.running.contains_key(&key) {
            self.again.insert(key);
        } else if !self.queued.contains_key(&key) {
            self.counts.entry(queue_name(&key)).or_default().added();
            let key = self.hasten(&key).unwrap_or_else(|| Arc::new(key));
            self.queued.insert(Arc::clone(&key), Instant::now());
            self.ready.push_back(key);
        }
    }

    fn delay(&mut self, key: Key, due: Instant) {
        let earlier = self.due.get(&key).is_some_and(|known| *known <= due);
        if !earlier && !self.queued.contains_key(&key) {
            let key = self.hasten(&key).unwrap_or_else(|| Arc::new(key));
            self.due.insert(Arc::clone(&key), due);
            self.delayed.insert((due, key));
        }
    }

    /// Ends the wait of a key, if it waits.
    fn hasten(&mut self, key: &Key) -> Option<Arc<Key>> {
        let (key, due) = self.due.remove_entry(key)?;
        give_back(&mut self.due);
        let waiting = (due, key);
        self.delayed.remove(&waiting);
        Some(waiting.1)
    }

    fn wake(&mut self, now: Instant) {
        while self.delayed.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, key)) = self.delayed.pop_first() {
                self.due.remove(&key);
                give_back(&mut self.due);
                self.add(Arc::unwrap_or_clone(key));
            }
        }
    }

    fn take(&mut self) -> Option<Key> {
        let key = self.ready.pop_front()?;
        if self.ready.is_empty() && self.ready.capacity() > 2 * IDLE_CAPACITY {
            self.ready.shrink_to(IDLE_CAPACITY);
        }
        let now = Instant::now();
        if let Some(since) = self.queued.remove(&key) {
            give_back(&mut self.queued);
            let counts = self.counts.entry(queue_name(&key)).or_default();
            counts.waited(now.duration_since(since));
        }
        let key = Arc::unwrap_or_clone(key);
        self.running.insert(key.clone(), now);
        Some(key)
    }
}

/// Gives the places back that a rush needed.
fn give_back<K: Eq + Hash, V>(places: &mut HashMap<K, V>) {
    if places.len() < IDLE_CAPACITY / 2 && places.capacity() > 2 * IDLE_CAPACITY {
        places.shrink_to(IDLE_CAPACITY);
    }
}

/// The queue of Argo's controller in which an object would be; here they are one.
fn queue_name(key: &Key) -> &'static str {
    match &*key.resource.kind {
        "Rollout" => "Rollouts",
        "AnalysisRun" => "AnalysisRuns",
        "Experiment" => "Experiments",
        "Service" => "Services",
        "DestinationRule" => "DestinationRules",
        _ => "Others",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ROLLOUT;

    /// The wait until an object is looked at again, after these looks in a row.
    async fn wait_after(outcomes: &[Outcome]) -> Duration {
        let queue = Queue::default();
        queue.add(Key::new(ROLLOUT, "shop", "web"));
        for outcome in outcomes {
            let key = queue.next().await;
            queue.finish(&key, *outcome);
        }
        let begun = Instant::now();
        queue.next().await;
        begun.elapsed()
    }

    /// The places of a rush were kept: megabytes after thousands of Rollouts at once.
    #[tokio::test(start_paused = true)]
    async fn after_a_rush_there_is_no_more_room_than_is_needed() {
        let rush = 20 * IDLE_CAPACITY;
        let queue = Queue::default();
        for number in 0..rush {
            queue.add(Key::new(ROLLOUT, "shop", &format!("web-{number}")));
        }
        let waits = Outcome::Done(Some(Duration::from_secs(1)));
        for outcome in [
            Outcome::Again,
            Outcome::Failed(None),
            waits,
            Outcome::Done(None),
        ] {
            for _ in 0..rush {
                let key = queue.next().await;
                queue.finish(&key, outcome);
            }
        }
        let state = queue.lock();
        let rooms = [
            state.ready.capacity(),
            state.queued.capacity(),
            state.due.capacity(),
            state.failures.capacity(),
            state.repeats.capacity(),
        ];
        assert!(
            rooms.iter().all(|room| *room <= 2 * IDLE_CAPACITY),
            "{rooms:?}"
        );
    }

    /// A rollout of several writes whose next one met somebody else's waited as after as many failures.
    #[tokio::test(start_paused = true)]
    async fn what_was_written_before_a_failure_does_not_lengthen_its_wait() {
        let failed = Outcome::Failed(None);
        let first = wait_after(&[failed]).await;
        assert_eq!(first, BACKOFF_MIN);
        assert_eq!(wait_after(&[failed, failed]).await, 2 * first);
        let mut looks = vec![Outcome::Again; 6];
        looks.push(failed);
        assert_eq!(wait_after(&looks).await, first);
        looks.push(Outcome::Again);
        assert_eq!(wait_after(&looks).await, Duration::ZERO);
        looks.push(failed);
        assert_eq!(wait_after(&looks).await, first, "a good look between");
    }

    /// Each look left its time behind until that was over: thousands of Rollouts' looks at a deadline in ten minutes.
    #[tokio::test(start_paused = true)]
    async fn who_is_looked_at_often_waits_once() {
        let queue = Queue::default();
        let waits = [600, 500, 550, 30].map(Duration::from_secs);
        for wait in waits {
            queue.add(Key::new(ROLLOUT, "shop", "web"));
            let key = queue.next().await;
            queue.finish(&key, Outcome::Done(Some(wait)));
            assert_eq!(queue.lock().delayed.len(), 1);
        }
        let begun = Instant::now();
        let key = queue.next().await;
        assert_eq!(begun.elapsed(), waits[3]);
        queue.finish(&key, Outcome::Done(None));
        let state = queue.lock();
        assert!(state.delayed.is_empty() && state.due.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_writes_without_end_is_slowed_down_also_if_some_writes_fail() {
        let mut looks = vec![Outcome::Again; REPEATS_MAX as usize];
        assert_eq!(wait_after(&looks).await, Duration::ZERO);
        looks.push(Outcome::Again);
        assert_eq!(wait_after(&looks).await, REPEAT_PAUSE);
        looks.insert(3, Outcome::Failed(None));
        assert_eq!(wait_after(&looks).await, REPEAT_PAUSE);
    }
}

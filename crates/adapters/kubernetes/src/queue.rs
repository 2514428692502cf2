//! Which objects are to be looked at, each once however often it is asked for, and none twice at a time.

use crate::api::Key;
use crate::metrics::{QueueCounts, QueueState};
use crate::names::ByKey;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
/// For how many objects that are to be looked at there is always room: more is given back after a rush.
const IDLE_CAPACITY: usize = 256;

/// What is to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

/// Objects are meant by their numbers: in a rush there are thousands.
#[derive(Debug, Default)]
struct State {
    /// What is to be looked at, now or later, or has failed or been written of late.
    objects: ByKey<Waiting>,
    /// What is to be looked at now.
    ready: VecDeque<u32>,
    /// What is being looked at.
    running: Vec<u32>,
    /// What waits for its time, each once.
    delayed: BTreeSet<(Instant, u32)>,
    /// What happened to objects of each kind.
    counts: BTreeMap<&'static str, QueueCounts>,
}

/// What is known here of an object.
#[derive(Debug)]
struct Waiting {
    /// The queue in which metrics count it.
    queue: &'static str,
    turn: Turn,
    /// The time for which it is in `delayed`.
    due: Option<Instant>,
    /// How often in a row looking at it failed.
    failures: u32,
    /// How often in a row something was written.
    repeats: u32,
}

/// Whether an object is being looked at, or is to be now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Neither.
    Idle,
    /// It is in `ready`, since then.
    Ready(Instant),
    /// It is being looked at.
    Running {
        since: Instant,
        /// It was asked for meanwhile.
        again: bool,
    },
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
    pub(crate) fn add(&self, key: &Key) {
        let mut state = self.lock();
        let number = state.number(key);
        state.add(number);
        drop(state);
        self.changed.notify_one();
    }

    /// For how long the object that was asked for first waits, or is being looked at.
    #[must_use]
    pub(crate) fn oldest(&self) -> Option<(Key, Duration)> {
        let state = self.lock();
        let numbers = state.running.iter().chain(state.ready.front());
        let since = numbers.filter_map(|number| Some((state.since(*number)?, *number)));
        let (since, number) = since.min()?;
        Some((state.objects.key(number)?, since.elapsed()))
    }

    /// What is in the queue, and what went through it, by kind.
    #[must_use]
    pub(crate) fn states(&self) -> Vec<QueueState> {
        let state = self.lock();
        let now = Instant::now();
        let of_kind = |name: &str, number: &u32| {
            let object = state.objects.get(*number);
            object.is_some_and(|object| object.queue == name)
        };
        let states = state.counts.iter().map(|(name, counts)| {
            let running = state.running.iter().filter(|number| of_kind(name, number));
            let running = running.filter_map(|number| state.since(*number));
            let ready = state.ready.iter().filter(|number| of_kind(name, number));
            QueueState::new(
                name,
                counts.clone(),
                ready.count(),
                running.map(|since| now.duration_since(since)).collect(),
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

    /// Says how looking at an object ended that [`Self::next`] gave.
    pub(crate) fn finish(&self, key: &Key, outcome: Outcome) {
        let mut state = self.lock();
        let now = Instant::now();
        let Some(number) = state.objects.number(key) else {
            return;
        };
        let Some(object) = state.objects.get_mut(number) else {
            return;
        };
        let Turn::Running { since, again } = object.turn else {
            return;
        };
        object.turn = Turn::Idle;
        let wait = match outcome {
            Outcome::Done(wait) => {
                (object.failures, object.repeats) = (0, 0);
                if again { Some(Duration::ZERO) } else { wait }
            }
            Outcome::Again => {
                object.failures = 0;
                object.repeats = object.repeats.saturating_add(1);
                if object.repeats > REPEATS_MAX {
                    tracing::warn!(%key, "it is written again and again; this slows down");
                    Some(REPEAT_PAUSE)
                } else {
                    Some(Duration::ZERO)
                }
            }
            // What happened meanwhile does not end the wait: it would be a hot loop.
            Outcome::Failed(least) => {
                object.failures = object.failures.saturating_add(1);
                let doubled = BACKOFF_MIN * 2_u32.saturating_pow((object.failures - 1).min(16));
                Some(doubled.min(BACKOFF_MAX).max(least.unwrap_or_default()))
            }
        };
        let queue = object.queue;
        state.running.retain(|other| *other != number);
        let counts = state.counts.entry(queue).or_default();
        counts.worked(now.duration_since(since));
        if matches!(outcome, Outcome::Failed(_)) {
            counts.retried();
        }
        match wait {
            Some(Duration::ZERO) => state.add(number),
            Some(wait) => state.delay(number, now + wait),
            None => state.forget(number),
        }
        drop(state);
        self.changed.notify_one();
    }
}

impl State {
    /// The number of an object, given when it has none.
    fn number(&mut self, key: &Key) -> u32 {
        let waiting = || Waiting {
            queue: queue_name(key),
            turn: Turn::Idle,
            due: None,
            failures: 0,
            repeats: 0,
        };
        self.objects.or_insert_with(key, waiting).0
    }

    /// Since when an object is to be looked at, or is being looked at.
    fn since(&self, number: u32) -> Option<Instant> {
        match self.objects.get(number)?.turn {
            Turn::Idle => None,
            Turn::Ready(since) | Turn::Running { since, .. } => Some(since),
        }
    }

    fn add(&mut self, number: u32) {
        let Some(object) = self.objects.get_mut(number) else {
            return;
        };
        match &mut object.turn {
            Turn::Running { again, .. } => *again = true,
            Turn::Ready(_) => {}
            Turn::Idle => {
                object.turn = Turn::Ready(Instant::now());
                if let Some(due) = object.due.take() {
                    self.delayed.remove(&(due, number));
                }
                self.counts.entry(object.queue).or_default().added();
                self.ready.push_back(number);
            }
        }
    }

    /// An object waits until a time, or an earlier one for which it waits already.
    fn delay(&mut self, number: u32, due: Instant) {
        let Some(object) = self.objects.get_mut(number) else {
            return;
        };
        if object.turn != Turn::Idle || object.due.is_some_and(|known| known <= due) {
            return;
        }
        if let Some(later) = object.due.replace(due) {
            self.delayed.remove(&(later, number));
        }
        self.delayed.insert((due, number));
    }

    /// Forgets an object that nobody waits for.
    fn forget(&mut self, number: u32) {
        let object = self.objects.get(number);
        let is_idle = |object: &Waiting| object.turn == Turn::Idle && object.due.is_none();
        if object.is_some_and(is_idle) {
            self.objects.remove(number);
            self.objects.give_back();
        }
    }

    fn wake(&mut self, now: Instant) {
        while let Some((due, number)) = self.delayed.first().copied().filter(|(due, _)| *due <= now)
        {
            self.delayed.remove(&(due, number));
            if let Some(object) = self.objects.get_mut(number) {
                object.due = None;
            }
            self.add(number);
        }
    }

    fn take(&mut self) -> Option<Key> {
        let number = self.ready.pop_front()?;
        if self.ready.is_empty() && self.ready.capacity() > 2 * IDLE_CAPACITY {
            self.ready.shrink_to(IDLE_CAPACITY);
        }
        let now = Instant::now();
        let object = self.objects.get_mut(number)?;
        let turn = Turn::Running {
            since: now,
            again: false,
        };
        if let Turn::Ready(since) = std::mem::replace(&mut object.turn, turn) {
            let counts = self.counts.entry(object.queue).or_default();
            counts.waited(now.duration_since(since));
        }
        self.running.push(number);
        self.objects.key(number)
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
        queue.add(&Key::new(ROLLOUT, "shop", "web"));
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
        let rush = 40 * IDLE_CAPACITY;
        let queue = Queue::default();
        for number in 0..rush {
            queue.add(&Key::new(ROLLOUT, "shop", &format!("web-{number}")));
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
        assert!(state.ready.capacity() <= 2 * IDLE_CAPACITY);
        assert_eq!(state.objects.room(), 0);
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

    /// Its number would be given to another one that is then looked at twice at a time.
    #[tokio::test(start_paused = true)]
    async fn who_is_not_looked_at_cannot_be_finished() {
        let queue = Queue::default();
        let keys = ["web", "api"].map(|name| Key::new(ROLLOUT, "shop", name));
        queue.add(&keys[0]);
        queue.finish(&keys[0], Outcome::Done(None));
        queue.add(&keys[1]);
        assert_eq!([queue.next().await, queue.next().await], keys);
    }

    /// Each look left its time behind until that was over: thousands of Rollouts' looks at a deadline in ten minutes.
    #[tokio::test(start_paused = true)]
    async fn who_is_looked_at_often_waits_once() {
        let queue = Queue::default();
        let waits = [600, 500, 550, 30].map(Duration::from_secs);
        for wait in waits {
            queue.add(&Key::new(ROLLOUT, "shop", "web"));
            let key = queue.next().await;
            queue.finish(&key, Outcome::Done(Some(wait)));
            assert_eq!(queue.lock().delayed.len(), 1);
        }
        let begun = Instant::now();
        let key = queue.next().await;
        assert_eq!(begun.elapsed(), waits[3]);
        queue.finish(&key, Outcome::Done(None));
        let state = queue.lock();
        assert!(state.delayed.is_empty());
        assert_eq!(state.objects.number(&key), None, "it is forgotten");
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

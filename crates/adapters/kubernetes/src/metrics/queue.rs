//! What is told of the queue, under the names that all of Kubernetes' controllers have.

use super::text::{Family, Histogram, as_float};
use std::time::Duration;

/// Upper bounds of waiting and of work, in seconds.
const BOUNDS: [f64; 12] = [
    1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1_000.0,
];

/// What went through the queue.
#[derive(Clone, Debug)]
pub(crate) struct QueueCounts {
    adds: u64,
    retries: u64,
    waits: Histogram,
    works: Histogram,
}

impl Default for QueueCounts {
    fn default() -> Self {
        QueueCounts {
            adds: 0,
            retries: 0,
            waits: Histogram::new(&BOUNDS),
            works: Histogram::new(&BOUNDS),
        }
    }
}

impl QueueCounts {
    /// An object was asked for.
    pub(crate) fn added(&mut self) {
        self.adds += 1;
    }

    /// An object is to be looked at again, since it failed.
    pub(crate) fn retried(&mut self) {
        self.retries += 1;
    }

    /// An object waited for this time.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.waits.observe(time.as_secs_f64());
    }

    /// An object was looked at for this time.
    pub(crate) fn worked(&mut self, time: Duration) {
        self.works.observe(time.as_secs_f64());
    }
}

/// What is in the queue, and what went through it, of one kind.
pub(crate) struct QueueState {
    name: &'static str,
    counts: QueueCounts,
    depth: usize,
    /// For how long each object is being looked at.
    running: Vec<Duration>,
}

impl QueueState {
    pub(crate) fn new(
        name: &'static str,
        counts: QueueCounts,
        depth: usize,
        running: Vec<Duration>,
    ) -> Self {
        QueueState {
            name,
            counts,
            depth,
            running,
        }
    }
}

/// What is told of the queue.
pub(crate) const QUEUES: [Family<QueueState>; 7] = [
    Family::gauge(
        "workqueue_depth",
        "Objects that wait to be looked at.",
        |queue, samples| samples.put(&[("name", queue.name)], as_float(queue.depth as u64)),
    ),
    Family::counter(
        "workqueue_adds_total",
        "Objects that were asked for.",
        |queue, samples| samples.put(&[("name", queue.name)], as_float(queue.counts.adds)),
    ),
    Family::counter(
        "workqueue_retries_total",
        "Objects that are looked at again since a look failed.",
        |queue, samples| samples.put(&[("name", queue.name)], as_float(queue.counts.retries)),
    ),
    Family::histogram(
        "workqueue_queue_duration_seconds",
        "Seconds that objects waited.",
        |queue, samples| samples.put_histogram(&[("name", queue.name)], &queue.counts.waits),
    ),
    Family::histogram(
        "workqueue_work_duration_seconds",
        "Seconds that objects were looked at.",
        |queue, samples| samples.put_histogram(&[("name", queue.name)], &queue.counts.works),
    ),
    Family::gauge(
        "workqueue_unfinished_work_seconds",
        "Seconds of all looks that are not over.",
        |queue, samples| {
            let sum: Duration = queue.running.iter().sum();
            samples.put(&[("name", queue.name)], sum.as_secs_f64());
        },
    ),
    Family::gauge(
        "workqueue_longest_running_processor_seconds",
        "Seconds of the longest look that is not over.",
        |queue, samples| {
            let longest = queue.running.iter().max().copied().unwrap_or_default();
            samples.put(&[("name", queue.name)], longest.as_secs_f64());
        },
    ),
];

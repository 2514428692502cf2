//! Counters that cost nothing to share: one shard for each worker, summed when somebody asks.
//!
//! A shard has one writer, its worker, so that a count is a plain load and store, without a locked
//! instruction and without a cache line that two cores want. Reading is rare and takes all shards.

use sluice_model::SideCounters;
use sluice_model::counters::{BUCKETS, Histogram};
use sluice_model::plan::GOALS_MAX;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One number of a shard.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds; only ever called by the shard's worker.
    pub(crate) fn add(&self, more: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Subtracts, for gauges; only ever called by the shard's worker.
    pub(crate) fn subtract(&self, less: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_sub(less), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters of one revision (or of one within a weight segment) on one worker. Aligned so that
/// no two workers share a cache line, nor a pair of lines that are fetched together.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard {
    pub(crate) assigned: Count,
    pub(crate) classes: [Count; 5],
    pub(crate) connect_failures: Count,
    pub(crate) timeouts: Count,
    pub(crate) client_aborts: Count,
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    pub(crate) in_flight: Count,
    pub(crate) mirrored: Count,
    pub(crate) mirror_diffs: Count,
    pub(crate) exposed: Count,
    pub(crate) goals: [Count; GOALS_MAX],
    latency: [Count; BUCKETS],
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            assigned: Count::default(),
            classes: Default::default(),
            connect_failures: Count::default(),
            timeouts: Count::default(),
            client_aborts: Count::default(),
            bytes_in: Count::default(),
            bytes_out: Count::default(),
            in_flight: Count::default(),
            mirrored: Count::default(),
            mirror_diffs: Count::default(),
            exposed: Count::default(),
            goals: Default::default(),
            latency: [const { Count(AtomicU64::new(0)) }; BUCKETS],
        }
    }
}

impl Shard {
    /// Counts one latency, in microseconds.
    pub(crate) fn latency(&self, micros: u64) {
        self.latency[Histogram::bucket_of(micros)].add(1);
    }

    fn read_into(&self, sum: &mut SideCounters) {
        sum.assigned += self.assigned.get();
        for (total, class) in sum.classes.iter_mut().zip(&self.classes) {
            let count = class.get();
            *total += count;
            // Derived, so that a reader never sees more or fewer requests than classes.
            sum.requests += count;
        }
        sum.connect_failures += self.connect_failures.get();
        sum.timeouts += self.timeouts.get();
        sum.client_aborts += self.client_aborts.get();
        sum.bytes_in += self.bytes_in.get();
        sum.bytes_out += self.bytes_out.get();
        sum.in_flight = sum.in_flight.wrapping_add(self.in_flight.get());
        sum.mirrored += self.mirrored.get();
        sum.mirror_diffs += self.mirror_diffs.get();
        sum.exposed += self.exposed.get();
        for (total, goal) in sum.goals.iter_mut().zip(&self.goals) {
            *total += goal.get();
        }
        for (bucket, count) in self.latency.iter().enumerate() {
            let count = count.get();
            if count > 0 {
                sum.latency.add(bucket, count);
            }
        }
    }
}

/// The shards of all workers.
#[derive(Debug)]
pub(crate) struct Shards(Vec<Arc<Shard>>);

impl Shards {
    pub(crate) fn new(workers: usize) -> Shards {
        Shards((0..workers).map(|_| Arc::new(Shard::default())).collect())
    }

    /// The shard of one worker.
    pub(crate) fn of(&self, worker: usize) -> Arc<Shard> {
        Arc::clone(&self.0[worker])
    }

    /// The sum of all.
    pub(crate) fn sum(&self) -> SideCounters {
        let mut sum = SideCounters::default();
        self.0.iter().for_each(|shard| shard.read_into(&mut sum));
        sum
    }
}

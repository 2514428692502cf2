//! What is counted of the traffic to one revision.

use crate::plan::GOALS_MAX;
use serde::{Deserialize, Serialize};

/// Sub-buckets per power of two in a [`Histogram`]; the relative error of a bucket is at most 1/16.
pub const SUB_BUCKETS: usize = 16;
/// Powers of two above the linear range; the last bucket starts near 134 s.
pub const OCTAVES: usize = 24;
/// Buckets of a [`Histogram`].
pub const BUCKETS: usize = SUB_BUCKETS * (OCTAVES + 1);

/// A latency histogram in microseconds with log-linear buckets: exact below [`SUB_BUCKETS`] µs, then
/// [`SUB_BUCKETS`] buckets per power of two. Fixed size, mergeable, subtractable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
        }
    }
}

impl Histogram {
    /// The bucket of a latency in microseconds; longer than the range goes to the last bucket.
    #[must_use]
    pub const fn bucket_of(micros: u64) -> usize {
        if micros < SUB_BUCKETS as u64 {
            return micros as usize;
        }
        let log2 = 63 - micros.leading_zeros() as usize;
        let shift = log2 - SUB_BUCKETS.ilog2() as usize;
        let index = SUB_BUCKETS * (shift + 1) + ((micros >> shift) as usize - SUB_BUCKETS);
        if index < BUCKETS { index } else { BUCKETS - 1 }
    }

    /// The largest latency, in microseconds, that falls into `bucket`.
    #[must_use]
    pub const fn bucket_max(bucket: usize) -> u64 {
        if bucket < SUB_BUCKETS {
            return bucket as u64;
        }
        let shift = bucket / SUB_BUCKETS - 1;
        (((bucket % SUB_BUCKETS + SUB_BUCKETS + 1) as u64) << shift) - 1
    }

    /// Adds `count` observations to `bucket`; buckets out of range are the last one.
    pub fn add(&mut self, bucket: usize, count: u64) {
        let last = BUCKETS - 1;
        if let Some(cell) = self.counts.get_mut(bucket.min(last)) {
            *cell = cell.saturating_add(count);
        }
    }

    /// Adds one observation, in microseconds.
    pub fn record(&mut self, micros: u64) {
        self.add(Self::bucket_of(micros), 1);
    }

    /// All observations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The latency in microseconds below or at which a share `quantile` (0 to 1) of the observations
    /// lie, as the upper end of its bucket; `None` without observations.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = ((quantile.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        self.counts.iter().enumerate().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| Self::bucket_max(bucket))
        })
    }

    /// The buckets that hold anything, by rising latency, with their counts.
    pub fn occupied(&self) -> impl Iterator<Item = (usize, u64)> {
        let all = self.counts.iter().copied().enumerate();
        all.filter(|(_, count)| *count > 0)
    }

    /// Observations in buckets above the one of `micros`: exactly those that took longer, when `micros` is
    /// the end of a bucket.
    #[must_use]
    pub fn above(&self, micros: u64) -> u64 {
        let above = self.counts.iter().skip(Self::bucket_of(micros) + 1);
        above.sum()
    }

    /// What was added since `earlier`, a former state of the same histogram. A counter that went
    /// back (a restart) counts from zero.
    #[must_use]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let counts = self
            .counts
            .iter()
            .zip(&earlier.counts)
            .map(|(now, before)| now.checked_sub(*before).unwrap_or(*now))
            .collect();
        Histogram { counts }
    }

    /// Adds another histogram's observations.
    pub fn merge(&mut self, other: &Histogram) {
        for (cell, more) in self.counts.iter_mut().zip(&other.counts) {
            *cell = cell.saturating_add(*more);
        }
    }
}

/// Cumulative counters of one revision (or of one revision within one weight segment). A request is
/// charged to the revision whose replica caused its outcome, also when a retry elsewhere saved it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SideCounters {
    /// Requests (or TCP connections) begun: finished, in flight, or left by their client.
    pub assigned: u64,
    /// Requests (or TCP connections) finished.
    pub requests: u64,
    /// Finished requests by status class: index 0 is 1xx … index 4 is 5xx (transport failures and
    /// timeouts of the replica count as 5xx). gRPC failures by `grpc-status` count as 5xx or 4xx.
    pub classes: [u64; 5],
    /// Of the 5xx: the replica could not be reached, or broke the connection.
    pub connect_failures: u64,
    /// Of the 5xx: the replica did not answer in time.
    pub timeouts: u64,
    /// Requests whose client left before the answer was complete; not failures of the replica.
    pub client_aborts: u64,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// Requests being served now (a gauge).
    pub in_flight: u64,
    /// Mirrored requests whose response was compared, and of these those that differed.
    pub mirrored: u64,
    /// Compared mirrored responses that differed from the stable side's.
    pub mirror_diffs: u64,
    /// Users (or requests) that can reach goals: those who met this side first at the present weight.
    pub exposed: u64,
    /// Of these, those that reached each goal, by its place in the plan's.
    pub goals: [u64; GOALS_MAX],
    /// Time to the response head, in microseconds.
    pub latency: Histogram,
}

impl SideCounters {
    /// Requests answered with 5xx, timed out or lost: failures of the revision.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.classes[4]
    }

    /// What was added since `earlier`; gauges keep their present value.
    #[must_use]
    pub fn since(&self, earlier: &SideCounters) -> SideCounters {
        let sub = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        let mut classes = [0; 5];
        for (index, cell) in classes.iter_mut().enumerate() {
            *cell = sub(self.classes[index], earlier.classes[index]);
        }
        SideCounters {
            exposed: sub(self.exposed, earlier.exposed),
            goals: std::array::from_fn(|goal| sub(self.goals[goal], earlier.goals[goal])),
            assigned: sub(self.assigned, earlier.assigned),
            requests: sub(self.requests, earlier.requests),
            classes,
            connect_failures: sub(self.connect_failures, earlier.connect_failures),
            timeouts: sub(self.timeouts, earlier.timeouts),
            client_aborts: sub(self.client_aborts, earlier.client_aborts),
            bytes_in: sub(self.bytes_in, earlier.bytes_in),
            bytes_out: sub(self.bytes_out, earlier.bytes_out),
            in_flight: self.in_flight,
            mirrored: sub(self.mirrored, earlier.mirrored),
            mirror_diffs: sub(self.mirror_diffs, earlier.mirror_diffs),
            latency: self.latency.since(&earlier.latency),
        }
    }

    /// Adds another side's counts (another worker, another segment).
    pub fn merge(&mut self, other: &SideCounters) {
        self.assigned += other.assigned;
        self.requests += other.requests;
        for (cell, more) in self.classes.iter_mut().zip(other.classes) {
            *cell += more;
        }
        self.connect_failures += other.connect_failures;
        self.timeouts += other.timeouts;
        self.client_aborts += other.client_aborts;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.in_flight += other.in_flight;
        self.mirrored += other.mirrored;
        self.mirror_diffs += other.mirror_diffs;
        self.exposed += other.exposed;
        for (cell, more) in self.goals.iter_mut().zip(other.goals) {
            *cell += more;
        }
        self.latency.merge(&other.latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_lies_in_its_bucket_within_a_sixteenth() {
        for micros in (0..5_000).chain([65_535, 65_536, 1_000_000, 99_999_999]) {
            let max = Histogram::bucket_max(Histogram::bucket_of(micros));
            assert!(max >= micros, "{micros} above its bucket's end {max}");
            assert!(
                max - micros <= micros / 16,
                "{micros} far from its bucket's end {max}"
            );
        }
        assert_eq!(Histogram::bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_of_a_window_forget_what_came_before() {
        let mut before = Histogram::default();
        (0..100).for_each(|_| before.record(1_000_000));
        let mut now = before.clone();
        (0..100).for_each(|_| now.record(10));
        assert_eq!(now.since(&before).quantile(0.99), Some(10));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn a_counter_that_was_reset_counts_from_zero() {
        let before = SideCounters {
            requests: 100,
            ..SideCounters::default()
        };
        let now = SideCounters {
            requests: 7,
            ..SideCounters::default()
        };
        assert_eq!(now.since(&before).requests, 7);
    }
}

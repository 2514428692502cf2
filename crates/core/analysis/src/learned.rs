//! What the baseline's latency was: the line beyond which a request is slow.
//!
//! A comparison of latencies counts requests that took longer than a quantile of the baseline. That quantile
//! is frozen before it is used; where it lies does not matter to the error rates, only to the power.

use sluice_model::plan::Metric;
use sluice_model::{Histogram, RevisionNumber, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// Observations beyond the quantile that are wanted before it is believed.
pub const BEYOND_MIN: f64 = 10.0;
/// Added to the quantile: less than a user feels, and more than it costs to be asked less often, with colder
/// caches and fewer connections in hand, which is every canary's lot.
pub const SLACK_MICROS: u64 = 1_000;
/// How far back the baseline's latency is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(600);
/// Between two remembered moments.
const SPACING: Duration = Duration::from_secs(30);

/// The line in microseconds, as the end of a bucket: the quantile and a millisecond; none for other metrics, and while fewer than ten
/// requests are known to lie beyond it.
#[must_use]
pub(crate) fn latency_of(metric: Metric, latency: &Histogram) -> Option<u64> {
    let Metric::Latency(quantile) = metric else {
        return None;
    };
    let beyond = latency.total() as f64 * (1.0 - quantile);
    let line = (beyond >= BEYOND_MIN).then(|| latency.quantile(quantile))??;
    let bucket = Histogram::bucket_of(line.saturating_add(SLACK_MICROS));
    Some(Histogram::bucket_max(bucket))
}

/// The recent latencies of the revision that serves, for a rollout that may begin at any time.
#[derive(Clone, Debug, Default)]
pub struct RecentLatency {
    revision: Option<RevisionNumber>,
    /// Cumulative, oldest first.
    moments: VecDeque<(Timestamp, Histogram)>,
    latest: Histogram,
}

impl RecentLatency {
    /// Notes the cumulative latencies of the stable revision. Another revision, a clock that went back or
    /// counters that begin again start it anew.
    pub fn note(&mut self, now: Timestamp, revision: RevisionNumber, latency: &Histogram) {
        let last = self.moments.back().map(|(at, _)| *at);
        let anew = self.revision != Some(revision)
            || last.is_some_and(|last| last > now)
            || latency.total() < self.latest.total();
        if anew {
            self.revision = Some(revision);
            self.moments.clear();
            // What came before this process looked is part of the recent past too.
            self.moments.push_back((now, Histogram::default()));
        } else if last.is_none_or(|last| now.since(last) >= SPACING) {
            self.moments.push_back((now, latency.clone()));
        }
        self.latest.clone_from(latency);
        while self
            .moments
            .get(1)
            .is_some_and(|(second, _)| now.since(*second) >= REMEMBERED)
        {
            self.moments.pop_front();
        }
    }

    /// The latencies of that revision within about [`REMEMBERED`]; empty when it is another's.
    #[must_use]
    pub fn of(&self, revision: RevisionNumber) -> Histogram {
        match self.moments.front() {
            Some((_, oldest)) if self.revision == Some(revision) => self.latest.since(oldest),
            _ => Histogram::default(),
        }
    }
}

//! A replica as all workers see it: where it is, how many requests it has, and whether it is left
//! out for failing.

use crate::config::Ejection;
use crate::shards::Count;
use sluice_model::ReplicaId;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::time::Duration;

/// The requests of one worker; one writer, a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct InFlight(Count);

/// A replica.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) id: ReplicaId,
    pub(crate) address: SocketAddr,
    in_flight: Vec<InFlight>,
    /// Failures in a row.
    failures: AtomicU32,
    /// Ejections that were not forgotten yet.
    ejections: AtomicU32,
    /// Milliseconds of the proxy's clock; 0 when it is not left out.
    ejected_until: AtomicU64,
}

impl Replica {
    pub(crate) fn new(id: ReplicaId, address: SocketAddr, workers: usize) -> Replica {
        let mut in_flight = Vec::new();
        in_flight.resize_with(workers, InFlight::default);
        Replica {
            id,
            address,
            in_flight,
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
        }
    }

    /// Notes a request before it is sent. The fence makes this visible before the caller looks at the
    /// routing again: see [`Replica::in_flight`].
    pub(crate) fn enter(&self, worker: usize) {
        self.in_flight[worker].0.add(1);
        fence(SeqCst);
    }

    /// Notes the end of a request.
    pub(crate) fn leave(&self, worker: usize) {
        self.in_flight[worker].0.subtract(1);
    }

    /// Requests of one worker.
    pub(crate) fn in_flight_of(&self, worker: usize) -> u64 {
        self.in_flight[worker].0.get()
    }

    /// Requests of all workers. Once the replica is out of the routing, 0 means that none will come:
    /// a worker enters, then looks whether the routing changed; whoever took the replica out changed
    /// the routing, then looks here. With a fence on both sides one of the two sees the other.
    pub(crate) fn in_flight(&self) -> u64 {
        fence(SeqCst);
        self.in_flight
            .iter()
            .fold(0, |sum, count| sum.wrapping_add(count.0.get()))
    }

    /// Whether it is left out at `now`.
    pub(crate) fn is_ejected(&self, now: impl FnOnce() -> u64) -> bool {
        let until = self.ejected_until.load(Relaxed);
        until != 0 && now() < until
    }

    /// Notes that it answered.
    pub(crate) fn succeeded(&self, now: impl FnOnce() -> u64, policy: &Ejection) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.ejections.load(Relaxed) != 0 {
            let forgiven_at = self.ejected_until.load(Relaxed) + millis(policy.max);
            if now() > forgiven_at {
                self.ejections.store(0, Relaxed);
            }
        }
    }

    /// Notes a failure; answers for how long the replica is now left out, if that just began.
    pub(crate) fn failed(&self, now: impl FnOnce() -> u64, policy: &Ejection) -> Option<Duration> {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if failures < policy.failures {
            return None;
        }
        self.failures.store(0, Relaxed);
        let before = self.ejections.fetch_add(1, Relaxed).min(16);
        let span = policy.base.saturating_mul(1 << before).min(policy.max);
        self.ejected_until
            .store((now() + millis(span)).max(1), Relaxed);
        Some(span)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_replica_is_left_out_for_growing_but_bounded_times() {
        let policy = Ejection {
            failures: 2,
            base: Duration::from_millis(100),
            max: Duration::from_millis(350),
        };
        let replica = Replica::new(ReplicaId("a".into()), ([127, 0, 0, 1], 1).into(), 1);
        assert_eq!(replica.failed(|| 0, &policy), None);
        replica.succeeded(|| 0, &policy);
        assert_eq!(
            replica.failed(|| 0, &policy),
            None,
            "only failures in a row count"
        );
        for (now, span_ms) in [(1_000, 100), (2_000, 200), (3_000, 350), (4_000, 350)] {
            let ejected = replica.failed(|| now, &policy);
            assert_eq!(ejected, Some(Duration::from_millis(span_ms)));
            assert!(replica.is_ejected(|| now + span_ms - 1));
            assert!(!replica.is_ejected(|| now + span_ms));
            assert_eq!(replica.failed(|| now, &policy), None);
        }
        replica.succeeded(|| 5_000, &policy);
        assert_eq!(replica.failed(|| 5_000, &policy), None);
        assert_eq!(
            replica.failed(|| 5_000, &policy),
            Some(policy.base),
            "the past is forgiven"
        );
    }
}

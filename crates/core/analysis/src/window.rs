//! From cumulative counters to measurements over a window.
//!
//! A [`History`] keeps snapshots of the counters of all revisions; a measurement is the difference
//! between now and the snapshot at the window's start, which never lies before the step's traffic
//! began.

use sluice_model::analysis::Evidence;
use sluice_model::plan::{Check, Limit, Metric};
use sluice_model::{Measurement, RevisionNumber, Side, SideCounters, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Most snapshots that a history keeps.
pub const SNAPSHOTS_MAX: usize = 128;

/// What a revision's replicas use and have on hand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// All replicas together, in cores.
    pub cpu_cores: f64,
    /// Resident memory of the largest replica, in bytes.
    pub memory_bytes: u64,
    /// Open file descriptors of the process that has the most; absent when they may not be counted.
    pub open_files: Option<u64>,
    /// The replica that is followed over time.
    pub eldest: Option<ReplicaGauges>,
}

/// What one replica has on hand, and the most that it could have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReplicaGauges {
    /// How long its process has been running.
    pub age: Duration,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// The most that the machine has for it.
    pub memory_bytes_ceiling: Option<u64>,
    /// Open file descriptors of the process that has the most; absent when they may not be counted.
    pub open_files: Option<u64>,
    /// The most that it may have.
    pub open_files_ceiling: Option<u64>,
}

/// What is known of all revisions of a service at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Cumulative counters.
    pub counters: BTreeMap<RevisionNumber, SideCounters>,
    /// Present usage.
    pub usage: BTreeMap<RevisionNumber, Usage>,
}

/// Snapshots of one service, oldest first, at most [`SNAPSHOTS_MAX`].
#[derive(Clone, Debug, Default)]
pub struct History {
    snapshots: VecDeque<(Timestamp, Snapshot)>,
}

impl History {
    /// Adds a snapshot unless the last one is younger than a hundredth of `span`, the longest window
    /// that will be asked for. Snapshots that no window needs any more are dropped. A clock that went
    /// back starts the history anew.
    pub fn push(&mut self, now: Timestamp, span: Duration, snapshot: &Snapshot) {
        if self.snapshots.back().is_some_and(|(last, _)| *last > now) {
            self.snapshots.clear();
        }
        let spacing = span / 100;
        if self
            .snapshots
            .back()
            .is_some_and(|(last, _)| now.since(*last) < spacing)
        {
            return;
        }
        self.snapshots.push_back((now, snapshot.clone()));
        while self.snapshots.len() > SNAPSHOTS_MAX
            || self
                .snapshots
                .get(1)
                .is_some_and(|(second, _)| now.since(*second) > span)
        {
            self.snapshots.pop_front();
        }
    }

    /// Forgets everything, and starts at this snapshot: a new step begins here.
    pub fn restart(&mut self, now: Timestamp, snapshot: &Snapshot) {
        self.snapshots.clear();
        self.snapshots.push_back((now, snapshot.clone()));
    }

    /// The measurement of a check: from the start of its window, or the oldest snapshot if that is
    /// later, to `current`. `None` while nothing is known.
    #[must_use]
    pub fn measure(
        &self,
        check: &Check,
        canary: RevisionNumber,
        baseline: Option<RevisionNumber>,
        now: Timestamp,
        current: &Snapshot,
    ) -> Option<Measurement> {
        let start = now.shifted(-i64::try_from(check.window.as_millis()).unwrap_or(i64::MAX));
        let (from, earlier) = self
            .snapshots
            .iter()
            .rev()
            .find(|(at, _)| *at <= start)
            .or_else(|| self.snapshots.front())?;
        let window = now.since(*from);
        let counted = |revision: RevisionNumber| {
            let before = earlier.counters.get(&revision);
            match (current.counters.get(&revision), before) {
                (Some(now), Some(before)) => now.since(before),
                (Some(now), None) => now.clone(),
                (None, _) => SideCounters::default(),
            }
        };
        let usage = |revision: RevisionNumber| current.usage.get(&revision);
        let side = |revision: RevisionNumber| {
            let counters = counted(revision);
            value_of(check.metric, &counters, usage(revision), window)
        };
        let evidence = match check.limit {
            Limit::Condition(_) => {
                let values = |revision| values_of(&counted(revision), usage(revision), window);
                let sides = [("canary", Some(canary)), ("baseline", baseline)];
                let known = sides.into_iter().flat_map(|(side, revision)| {
                    let values = revision.map(values).unwrap_or_default();
                    let named = values.into_iter();
                    named.map(move |(name, value)| (format!("{side}.{name}"), value))
                });
                Some(Evidence::Values(known.collect()))
            }
            _ => None,
        };
        Some(Measurement {
            canary: side(canary),
            baseline: baseline.map(side).unwrap_or_default(),
            from: *from,
            window,
            evidence,
        })
    }
}

/// Every named metric's value on one side, where it can be told.
fn values_of(
    counters: &SideCounters,
    usage: Option<&Usage>,
    window: Duration,
) -> Vec<(&'static str, f64)> {
    let named = Metric::NAMED.into_iter();
    named
        .filter_map(|(name, metric)| {
            let value = value_of(metric, counters, usage, window).value?;
            value.is_finite().then_some((name, value))
        })
        .collect()
}

/// A metric's value on one side, from what was counted within the window.
#[must_use]
pub fn value_of(
    metric: Metric,
    counters: &SideCounters,
    usage: Option<&Usage>,
    window: Duration,
) -> Side {
    let share = |part: u64, whole: u64| Side {
        value: (whole > 0).then(|| part as f64 / whole as f64),
        count: whole,
    };
    match metric {
        Metric::ErrorRatio => share(counters.errors(), counters.requests),
        Metric::ClientErrorRatio => share(counters.classes[3], counters.requests),
        Metric::TimeoutRatio => share(counters.timeouts, counters.requests),
        Metric::MirrorDiffRatio => share(counters.mirror_diffs, counters.mirrored),
        Metric::Latency(quantile) => Side {
            value: counters
                .latency
                .quantile(quantile)
                .map(|micros| micros as f64 / 1_000.0),
            count: counters.latency.total(),
        },
        Metric::RequestRate => Side {
            value: (!window.is_zero()).then(|| counters.requests as f64 / window.as_secs_f64()),
            count: counters.requests,
        },
        Metric::Cpu => Side {
            value: usage.map(|usage| usage.cpu_cores),
            count: counters.requests,
        },
        Metric::Memory => Side {
            value: usage.map(|usage| usage.memory_bytes as f64),
            count: counters.requests,
        },
        Metric::OpenFiles => Side {
            value: usage
                .and_then(|usage| usage.open_files)
                .map(|files| files as f64),
            count: counters.requests,
        },
        Metric::InFlight => Side {
            value: Some(counters.in_flight as f64),
            count: counters.requests,
        },
        // These have no value of their own, and are judged by those that they name.
        Metric::Condition | Metric::Score | Metric::Goal => Side {
            value: None,
            count: counters.requests,
        },
        // Nothing of it is counted here.
        Metric::Outside => Side::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::CheckName;
    use sluice_model::plan::{Limit, OnTrouble};

    const CANARY: RevisionNumber = RevisionNumber(2);
    const STABLE: RevisionNumber = RevisionNumber(1);

    fn snapshot(canary: (u64, u64), stable: (u64, u64)) -> Snapshot {
        let side = |(requests, errors): (u64, u64)| SideCounters {
            requests,
            classes: [0, requests - errors, 0, 0, errors],
            ..SideCounters::default()
        };
        Snapshot {
            counters: [(CANARY, side(canary)), (STABLE, side(stable))].into(),
            usage: BTreeMap::new(),
        }
    }

    fn error_check(window_s: u64) -> Check {
        Check {
            name: CheckName("errors".into()),
            metric: Metric::ErrorRatio,
            limit: Limit::Max(0.01),
            window: Duration::from_secs(window_s),
            samples_min: 1,
            on_fail: OnTrouble::Abort,
        }
    }

    #[test]
    fn a_window_forgets_older_failures_and_never_reaches_before_the_step() {
        let span = Duration::from_secs(10);
        let mut history = History::default();
        history.restart(Timestamp(0), &snapshot((100, 100), (0, 0)));
        for second in 1..=30 {
            let now = Timestamp(second * 1_000);
            let canary = (100 + 10 * second as u64, 100 + second.min(5) as u64);
            history.push(now, span, &snapshot(canary, (second as u64, 0)));
        }
        let now = Timestamp(30_000);
        let current = snapshot((400, 105), (30, 0));
        let late = history.measure(&error_check(10), CANARY, Some(STABLE), now, &current);
        let late = late.expect("a measurement");
        assert_eq!((late.canary.value, late.canary.count), (Some(0.0), 100));
        assert_eq!(late.baseline.count, 10);
        let early = history
            .measure(&error_check(600), CANARY, None, now, &current)
            .expect("some");
        assert!(
            early.window <= Duration::from_secs(12),
            "{:?}",
            early.window
        );
    }

    #[test]
    fn without_requests_there_is_no_value() {
        let history = History::default();
        let current = snapshot((0, 0), (0, 0));
        assert_eq!(
            history.measure(&error_check(1), CANARY, None, Timestamp(5), &current),
            None
        );
        let side = value_of(
            Metric::ErrorRatio,
            &SideCounters::default(),
            None,
            Duration::ZERO,
        );
        assert_eq!(
            side,
            Side {
                value: None,
                count: 0
            }
        );
    }

    #[test]
    fn the_history_is_bounded() {
        let mut history = History::default();
        for tick in 0..100_000 {
            history.push(
                Timestamp(tick * 100),
                Duration::from_secs(60),
                &snapshot((1, 0), (1, 0)),
            );
        }
        assert!(history.snapshots.len() <= SNAPSHOTS_MAX);
    }
}

//! Rates and latencies of the last seconds, for people to look at; decisions are made on windows of
//! their own (`sluice_analysis::window`).

use sluice_model::{RevisionNumber, SideCounters};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The time that a view's rates cover.
const WINDOW: Duration = Duration::from_secs(5);
/// How often a sample is taken.
const SPACING: Duration = Duration::from_millis(900);

type Counters = BTreeMap<RevisionNumber, SideCounters>;

/// Samples of one service's counters.
#[derive(Default)]
pub(super) struct Rates {
    samples: VecDeque<(Instant, Counters)>,
}

/// What went on in the last seconds on one side.
pub(super) struct Recent {
    pub(super) counters: SideCounters,
    pub(super) seconds: f64,
}

impl Rates {
    /// Takes a sample if it is time for one.
    pub(super) fn sample(&mut self, now: Instant, counters: &Counters) {
        let due = self
            .samples
            .back()
            .is_none_or(|(last, _)| now.duration_since(*last) >= SPACING);
        if due {
            self.samples.push_back((now, counters.clone()));
        }
        while self
            .samples
            .get(1)
            .is_some_and(|(second, _)| now.duration_since(*second) >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// What was counted since the oldest sample.
    pub(super) fn recent(
        &self,
        now: Instant,
        counters: &Counters,
        revision: RevisionNumber,
    ) -> Option<Recent> {
        let (from, earlier) = self.samples.front()?;
        let current = counters.get(&revision)?;
        let since = match earlier.get(&revision) {
            Some(earlier) => current.since(earlier),
            None => current.clone(),
        };
        let seconds = now.duration_since(*from).as_secs_f64();
        (seconds > 0.1).then_some(Recent {
            counters: since,
            seconds,
        })
    }
}

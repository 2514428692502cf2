//! The recorded minutes that tell how the service is when nothing is the matter with it.

use serde::Serialize;
use sluice_model::minute::MINUTE;
use sluice_model::{Histogram, Minute, Timestamp};
use std::ops::Range;

/// What a history has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Minutes that are used.
    pub minutes: u64,
    /// Minutes that are left out because a rollout was running.
    pub in_rollouts: u64,
    /// Minutes that are left out because replicas were missing.
    pub unhealthy: u64,
    /// When the first of those that are used began.
    pub from: Timestamp,
    /// When the last of them ended.
    pub until: Timestamp,
    /// Requests within them.
    pub requests: u64,
    /// Requests per second in the median minute.
    pub rate_median: f64,
    /// Requests per second that nine of ten minutes have at least.
    pub rate_quiet: f64,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) minutes: Vec<Minute>,
    /// Minutes of one revision that follow each other without a gap.
    stretches: Vec<Range<usize>>,
    pub(crate) coverage: Coverage,
}

impl History {
    /// Minutes in any order; what a minute says twice counts once.
    pub(crate) fn of(mut minutes: Vec<Minute>) -> History {
        minutes.sort_by_key(|minute| (minute.at, minute.revision));
        minutes.dedup_by_key(|minute| (minute.at, minute.revision));
        let mut left_out = [0, 0];
        let mut last = None;
        for minute in minutes.iter().filter(|minute| !minute.is_usual()) {
            // A rollout's minutes are there once for each side.
            if last != Some(minute.at) {
                left_out[usize::from(!minute.rollout)] += 1;
            }
            last = Some(minute.at);
        }
        minutes.retain(Minute::is_usual);
        let follows = |pair: [&Minute; 2]| {
            pair[1].revision == pair[0].revision && pair[1].at == pair[0].at.after(MINUTE)
        };
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for at in 0..minutes.len() {
            match stretches.last_mut() {
                Some(stretch) if follows([&minutes[at - 1], &minutes[at]]) => stretch.end = at + 1,
                _ => stretches.push(at..at + 1),
            }
        }
        let mut rates: Vec<f64> = minutes.iter().map(rate_of).collect();
        rates.sort_by(f64::total_cmp);
        let rate_at = |share: f64| {
            let place = (share * rates.len() as f64) as usize;
            rates.get(place).copied().unwrap_or(0.0)
        };
        let coverage = Coverage {
            minutes: minutes.len() as u64,
            in_rollouts: left_out[0],
            unhealthy: left_out[1],
            from: minutes.first().map_or(Timestamp(0), |minute| minute.at),
            until: minutes
                .last()
                .map_or(Timestamp(0), |minute| minute.at.after(MINUTE)),
            requests: minutes.iter().map(|minute| minute.requests).sum(),
            rate_median: rate_at(0.5),
            rate_quiet: rate_at(0.1),
        };
        History {
            minutes,
            stretches,
            coverage,
        }
    }

    /// The times of so many minutes that follow each other and do not overlap, in the order of time.
    pub(crate) fn windows(&self, minutes: usize) -> Vec<Range<usize>> {
        let minutes = minutes.max(1);
        let of_stretch = |stretch: &Range<usize>| {
            let (start, count) = (stretch.start, stretch.len() / minutes);
            (0..count).map(move |at| start + at * minutes..start + (at + 1) * minutes)
        };
        self.stretches.iter().flat_map(of_stretch).collect()
    }

    /// The latencies of at most so many minutes before one, without a gap.
    pub(crate) fn latency_before(&self, at: usize, minutes: usize) -> Histogram {
        let mut all = Histogram::default();
        let stretch = self.stretches.iter().find(|stretch| stretch.contains(&at));
        let start = stretch.map_or(at, |stretch| stretch.start);
        for minute in &self.minutes[start.max(at.saturating_sub(minutes))..at] {
            all.merge(&minute.latency);
        }
        all
    }
}

/// Requests per second.
fn rate_of(minute: &Minute) -> f64 {
    let seconds = minute.span.as_secs_f64();
    if seconds > 0.0 {
        minute.requests as f64 / seconds
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::{RevisionNumber, SideCounters};

    fn minute(number: i64, revision: u32) -> Minute {
        let counted = SideCounters {
            requests: 60,
            ..SideCounters::default()
        };
        let at = Timestamp(number * 60_000);
        Minute::of(at, RevisionNumber(revision), &counted)
    }

    #[test]
    fn windows_lie_within_what_is_usual_and_without_a_gap() {
        let mut minutes: Vec<Minute> = (0..10).map(|number| minute(number, 1)).collect();
        minutes[4].rollout = true;
        minutes.push(Minute {
            rollout: true,
            ..minute(4, 2)
        });
        minutes[7].healthy = false;
        minutes.extend((20..24).map(|number| minute(number, 2)));
        minutes.push(minute(20, 2));
        minutes.reverse();
        let history = History::of(minutes);
        let coverage = history.coverage;
        let counts = (coverage.minutes, coverage.in_rollouts, coverage.unhealthy);
        assert_eq!(counts, (12, 1, 1));
        assert_eq!(history.windows(2), [0..2, 2..4, 4..6, 6..8, 8..10, 10..12]);
        assert_eq!(history.windows(3), [0..3, 8..11]);
        assert_eq!(coverage.rate_median, 1.0);
        assert_eq!(coverage.until, Timestamp(24 * 60_000));
    }

    #[test]
    fn no_history_is_no_window() {
        let history = History::of(Vec::new());
        assert_eq!(history.windows(5), []);
        assert_eq!(history.coverage.rate_median, 0.0);
    }
}

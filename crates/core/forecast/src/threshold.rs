//! Thresholds in a run: what was counted within a check's window, judged by the analysis.

use crate::course::Threshold;
use sluice_analysis::{BAD_EVENTS_MIN, judge};
use sluice_model::plan::{Limit, Metric};
use sluice_model::{Measurement, Side, Timestamp, Verdict};
use std::collections::VecDeque;
use std::time::Duration;

/// Cumulative counts of both sides: the new one's requests and events, then the stable one's.
pub(crate) type Both = [u64; 4];

/// One threshold within one step: the counts since the step's traffic began, as far as its window needs.
pub(crate) struct Window<'c> {
    threshold: &'c Threshold,
    /// Cumulative, oldest first; times in milliseconds since the start of the rollout.
    history: VecDeque<(u64, Both)>,
    counted: Both,
}

impl<'c> Window<'c> {
    pub(crate) fn open(threshold: &'c Threshold, now: u64) -> Window<'c> {
        Window {
            threshold,
            history: [(now, [0; 4])].into(),
            counted: [0; 4],
        }
    }

    /// Requests of both sides, and of these those with each signal.
    pub(crate) fn count(&mut self, now: u64, requests: [u64; 2], events: [&[u64]; 2]) {
        let of = |side: usize| self.threshold.signal.map_or(0, |place| events[side][place]);
        let more = [requests[0], of(0), requests[1], of(1)];
        for (cell, more) in self.counted.iter_mut().zip(more) {
            *cell += more;
        }
        self.history.push_back((now, self.counted));
        let span = u64::try_from(self.threshold.check.window.as_millis()).unwrap_or(u64::MAX);
        let start = now.saturating_sub(span);
        // The newest that is old enough stays: from there it is measured.
        while self.history.get(1).is_some_and(|(at, _)| *at <= start) {
            self.history.pop_front();
        }
    }

    /// Whether a failure is possible at all; the analysis need not be asked before a step could pass.
    pub(crate) fn may_fail(&self) -> bool {
        let is_share = matches!(
            self.threshold.check.metric,
            Metric::ErrorRatio | Metric::ClientErrorRatio | Metric::TimeoutRatio
        );
        match self.threshold.check.limit {
            Limit::Max(bound) | Limit::RelativeMax { margin: bound, .. }
                if is_share && bound > 0.0 =>
            {
                self.counted[1] as f64 >= BAD_EVENTS_MIN
            }
            _ => true,
        }
    }

    pub(crate) fn verdict(&self, now: u64) -> Verdict {
        let check = &self.threshold.check;
        let (from, earlier) = self.history.front().copied().unwrap_or((now, [0; 4]));
        let window = Duration::from_millis(now.saturating_sub(from));
        let [canary, canary_events, baseline, baseline_events] =
            std::array::from_fn(|at| self.counted[at] - earlier[at]);
        let side = |events: u64, requests: u64| Side {
            value: value(check.metric, &check.limit, events, requests, window),
            count: requests,
        };
        let measurement = Measurement {
            canary: side(canary_events, canary),
            baseline: side(baseline_events, baseline),
            from: Timestamp(i64::try_from(from).unwrap_or(i64::MAX)),
            window,
            evidence: None,
        };
        judge(check, Some(&measurement)).verdict
    }
}

fn value(
    metric: Metric,
    limit: &Limit,
    events: u64,
    requests: u64,
    window: Duration,
) -> Option<f64> {
    if requests == 0 {
        return None;
    }
    match (metric, limit) {
        // The quantile itself is not drawn, only on which side of the limit it lies: that is what the number
        // of requests beyond the limit says.
        (Metric::Latency(quantile), Limit::Max(max)) => {
            let within = (quantile * requests as f64).ceil() as u64;
            Some(if events <= requests - within.clamp(1, requests) {
                *max
            } else {
                max + max.abs().max(1.0)
            })
        }
        (Metric::RequestRate, _) => {
            (!window.is_zero()).then(|| requests as f64 / window.as_secs_f64())
        }
        _ => Some(events as f64 / requests as f64),
    }
}

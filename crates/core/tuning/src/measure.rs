//! What a check measures within a phase that was dealt out: the value of a metric on both sides over a window.

use crate::draw::{Cells, Dealt, FAILED, LATENCIES, REFUSED, SERVED, TIMED_OUT};
use crate::schedule::Phase;
use sluice_model::plan::Metric;
use sluice_model::{Histogram, Minute, Side};

/// A phase, and what both sides had in it.
pub(crate) struct Measured<'a> {
    pub(crate) phase: &'a Phase,
    pub(crate) dealt: &'a Dealt,
    pub(crate) cells: &'a Cells,
    pub(crate) minutes: &'a [Minute],
}

/// What was counted on one side within a window.
struct Counted<'a> {
    now: &'a [u64],
    before: &'a [u64],
    seconds: u64,
}

impl Counted<'_> {
    fn cell(&self, at: usize) -> u64 {
        self.now[at] - self.before[at]
    }

    fn requests(&self) -> u64 {
        [TIMED_OUT, FAILED, REFUSED, SERVED]
            .into_iter()
            .map(|at| self.cell(at))
            .sum()
    }

    fn share(&self, cells: &[usize]) -> Side {
        let part: u64 = cells.iter().map(|at| self.cell(*at)).sum();
        let whole = self.requests();
        Side {
            value: (whole > 0).then(|| part as f64 / whole as f64),
            count: whole,
        }
    }

    /// As [`Histogram::quantile`] gives it, in milliseconds.
    fn latency(&self, cells: &Cells, quantile: f64) -> Side {
        let counts = (LATENCIES..cells.len()).map(|at| self.cell(at));
        let total: u64 = counts.clone().sum();
        let rank = ((quantile * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let found = counts.zip(cells.buckets()).find(|(count, _)| {
            seen += count;
            seen >= rank
        });
        Side {
            value: found.map(|(_, bucket)| Histogram::bucket_max(*bucket) as f64 / 1_000.0),
            count: total,
        }
    }
}

impl Measured<'_> {
    /// Both sides at a look, the new one first, over a window of so many seconds, which does not reach back before
    /// the phase. No value for what no minute tells.
    pub(crate) fn both(&self, metric: Metric, window: u64, look: usize) -> [Side; 2] {
        let now = self.phase.looks[look];
        let start = now.saturating_sub(window);
        // The newest look that is old enough; the state before the first is that of the beginning.
        let before = self.phase.looks[..look].partition_point(|at| *at <= start);
        let since = before.checked_sub(1).map_or(0, |at| self.phase.looks[at]);
        let side = |side: &Vec<Vec<u64>>| {
            let counted = Counted {
                now: &side[look + 1],
                before: &side[before],
                seconds: now - since,
            };
            self.value(metric, &counted, look)
        };
        [side(&self.dealt.sides[0]), side(&self.dealt.sides[1])]
    }

    fn value(&self, metric: Metric, counted: &Counted<'_>, look: usize) -> Side {
        let minute = &self.minutes[self.dealt.minute[look]];
        let gauge = |value: Option<f64>| Side {
            value,
            count: counted.requests(),
        };
        match metric {
            Metric::ErrorRatio => counted.share(&[TIMED_OUT, FAILED]),
            Metric::ClientErrorRatio => counted.share(&[REFUSED]),
            Metric::TimeoutRatio => counted.share(&[TIMED_OUT]),
            Metric::Latency(quantile) => counted.latency(self.cells, quantile),
            Metric::RequestRate => {
                let requests = counted.requests();
                Side {
                    value: Some(requests as f64 / counted.seconds.max(1) as f64),
                    count: requests,
                }
            }
            // A side is taken to need what the whole service needs: nobody knows how much of it stays when it has
            // fewer requests.
            Metric::Cpu => gauge(minute.cpu_cores),
            Metric::Memory => gauge(minute.memory_bytes.map(|bytes| bytes as f64)),
            _ => gauge(None),
        }
    }

    /// Requests of both sides since the phase began, and of these those with an event, the new side first.
    pub(crate) fn events(&self, event: Event, look: usize) -> [(u64, u64); 2] {
        let of = |side: &Vec<Vec<u64>>| {
            let counted = Counted {
                now: &side[look + 1],
                before: &side[0],
                seconds: self.phase.looks[look],
            };
            let sum = |cells: &[usize]| cells.iter().map(|at| counted.cell(*at)).sum();
            let events = match event {
                Event::Failed => sum(&[TIMED_OUT, FAILED]),
                Event::Refused => sum(&[REFUSED]),
                Event::TimedOut => sum(&[TIMED_OUT]),
                Event::SlowerThan(micros) => {
                    let line = Histogram::bucket_of(micros);
                    let above = self
                        .cells
                        .buckets()
                        .partition_point(|bucket| *bucket <= line);
                    (LATENCIES + above..self.cells.len())
                        .map(|at| counted.cell(at))
                        .sum()
                }
            };
            let requests = match event {
                Event::SlowerThan(_) => (LATENCIES..self.cells.len())
                    .map(|at| counted.cell(at))
                    .sum(),
                _ => counted.requests(),
            };
            (requests, events)
        };
        [of(&self.dealt.sides[0]), of(&self.dealt.sides[1])]
    }
}

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Failed,
    Refused,
    TimedOut,
    /// It took longer than this, in microseconds.
    SlowerThan(u64),
}

//! Cuts recorded requests into ticks: at each tenth of a second, and where the weight changes.

use super::lines::{Request, Side};
use crate::tick::{Counts, MINUTE_US, Minute, Point, TICK_US, Tick};

/// The value of rank ⌈percent · n / 100⌉ of sorted values.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0)
}

/// One side's minute so far.
#[derive(Default)]
struct Gathered {
    errors: u64,
    latencies_us: Vec<u64>,
}

impl Gathered {
    fn point(&mut self) -> Point {
        self.latencies_us.sort_unstable();
        let point = Point {
            requests: self.latencies_us.len() as u64,
            errors: self.errors,
            p99_ms: (!self.latencies_us.is_empty())
                .then(|| percentile(&self.latencies_us, 99) as f64 / 1_000.0),
        };
        self.errors = 0;
        self.latencies_us.clear();
        point
    }
}

/// Cuts one release.
pub(super) struct Cutter {
    p50_us: u64,
    p99_us: u64,
    begin_us: u64,
    ticks: Vec<Tick>,
    open: Tick,
    minute: [Gathered; 2],
}

impl Cutter {
    /// A release that begins then, at this weight, with these frozen quantiles.
    pub(super) fn new(begin_us: u64, weight: f64, p50_us: u64, p99_us: u64) -> Self {
        Self {
            p50_us,
            p99_us,
            begin_us,
            ticks: Vec::new(),
            open: Tick {
                weight,
                ..Tick::default()
            },
            minute: Default::default(),
        }
    }

    /// The ticks of requests that are in order of time, until `end_us`; `changes` are the weights after the
    /// first, in order of time.
    pub(super) fn cut(
        mut self,
        requests: &[Request],
        changes: impl Iterator<Item = (u64, f64)>,
        end_us: u64,
    ) -> Vec<Tick> {
        let mut changes = changes.peekable();
        let first = requests.partition_point(|request| request.at_us < self.begin_us);
        let of_release = requests[first..]
            .iter()
            .take_while(|request| request.at_us < end_us);
        for request in of_release {
            while let Some((at_us, weight)) = changes.next_if(|(at_us, _)| *at_us <= request.at_us)
            {
                self.change(at_us, weight);
            }
            self.advance(request.at_us - self.begin_us);
            self.add(request);
        }
        while let Some((at_us, weight)) = changes.next_if(|(at_us, _)| *at_us < end_us) {
            self.change(at_us, weight);
        }
        self.advance(end_us - self.begin_us);
        self.close(end_us - self.begin_us);
        self.ticks
    }

    fn change(&mut self, at_us: u64, weight: f64) {
        let at_us = at_us - self.begin_us;
        self.advance(at_us);
        self.close(at_us);
        self.open.weight = weight;
    }

    /// Closes all ticks that end at `at_us` or before.
    fn advance(&mut self, at_us: u64) {
        loop {
            let last_us = self.ticks.last().map_or(0, |tick| tick.end_us);
            let end_us = (last_us / TICK_US + 1) * TICK_US;
            if end_us > at_us {
                return;
            }
            self.close(end_us);
        }
    }

    /// Closes the open tick, unless no time has passed in it.
    fn close(&mut self, end_us: u64) {
        if self.ticks.last().map_or(0, |tick| tick.end_us) == end_us {
            return;
        }
        let [canary, baseline] = &mut self.minute;
        let minute = end_us.is_multiple_of(MINUTE_US).then(|| Minute {
            canary: canary.point(),
            baseline: baseline.point(),
        });
        self.ticks.push(Tick {
            end_us,
            minute,
            ..self.open
        });
        self.open = Tick {
            weight: self.open.weight,
            ..Tick::default()
        };
    }

    fn add(&mut self, request: &Request) {
        let [canary, baseline] = &mut self.minute;
        let (counts, minute) = match request.side {
            Side::Canary => (&mut self.open.canary, canary),
            Side::Baseline => (&mut self.open.baseline, baseline),
        };
        *counts += Counts {
            requests: 1,
            errors: u64::from(request.failed),
            above_p50: u64::from(request.latency_us > self.p50_us),
            above_p99: u64::from(request.latency_us > self.p99_us),
        };
        minute.errors += u64::from(request.failed);
        minute.latencies_us.push(request.latency_us);
    }
}

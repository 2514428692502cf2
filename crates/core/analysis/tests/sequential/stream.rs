//! A stream of requests to two sides, from event to event.
//!
//! Whether a request has the event is independent of the others, so the number of requests up to
//! the next event is geometric, and nothing needs to be drawn for those between.

use sluice_analysis::sequential::{Counts, Segment};

/// One weight and the event probabilities at that time.
#[derive(Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) weight: f64,
    pub(crate) canary: f64,
    pub(crate) baseline: f64,
}

/// A request with the event.
#[derive(Clone, Copy)]
pub(crate) struct Event {
    /// Requests without the event before it.
    pub(crate) quiet: u64,
    pub(crate) on_canary: bool,
}

impl Conditions {
    pub(crate) fn next_event(self, random: &mut fastrand::Rng) -> Event {
        let on_canary = self.weight * self.canary;
        let any = on_canary + (1.0 - self.weight) * self.baseline;
        // ln of a number in (0, 1] over ln of the probability of no event.
        let quiet = if any < 1.0 {
            ((1.0 - random.f64()).ln() / (-any).ln_1p()).floor()
        } else {
            0.0
        };
        Event {
            quiet: quiet as u64,
            on_canary: random.f64() * any < on_canary,
        }
    }
}

/// What has been counted of a segment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) canary: u64,
    pub(crate) baseline: u64,
    pub(crate) requests: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, event: Event) {
        self.requests += event.quiet + 1;
        if event.on_canary {
            self.canary += 1;
        } else {
            self.baseline += 1;
        }
    }

    pub(crate) fn segment(self, weight: f64) -> Segment {
        let counts = Counts::new(self.canary, self.baseline, self.requests).expect("valid counts");
        Segment::new(weight, counts).expect("a valid weight")
    }
}

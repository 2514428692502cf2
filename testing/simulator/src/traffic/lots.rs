//! Random traffic: for each request its side, its outcome and how long it takes are drawn by the seed.
//!
//! Requests are drawn many at a time, which gives the same as one by one. Those that are in flight when a span
//! ends are answered in a later one, and counted where they began.

use super::Traffic;
use super::parts::Part;
use crate::counting::Place;
use crate::platform::Platform;
use crate::sampling::binomial;
use sluice_model::Histogram;

/// How long a request hangs before the proxy gives it up.
pub const TIMEOUT_MS: i64 = 5_000;

/// Requests in flight, of one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    due_at: i64,
    place: Place,
    count: u64,
    hangs: bool,
}

impl Traffic {
    pub(super) fn draw_sides(
        &mut self,
        all: u64,
        span_ms: i64,
        parts: &[Part],
        platform: &Platform,
    ) {
        let (mut left, mut unshared) = (all, 1.0);
        for part in parts {
            let Part { place, share, .. } = *part;
            let count = if part.by_weight {
                let probability = if share >= unshared {
                    1.0
                } else {
                    share / unshared
                };
                let count = self.draw(left, probability);
                left -= count;
                unshared -= share;
                count
            } else {
                self.draw(all, share)
            };
            if platform.serves(place.revision) {
                self.begin(place, count, span_ms);
            } else {
                self.lost += count as f64;
                self.lose(place, count);
            }
        }
    }

    /// Requests begin. Those that came last are not answered yet at the end of the span, and some hang.
    fn begin(&mut self, place: Place, count: u64, span_ms: i64) {
        let quality = self.quality(place.revision);
        let latency_ms = i64::try_from(quality.latency_ms).unwrap_or(i64::MAX).max(1);
        let hanging = self.draw(count, quality.hangs * self.trouble);
        let late = self.draw(count - hanging, latency_ms as f64 / span_ms as f64);
        self.counting.count(place, |side| {
            side.assigned += count;
            side.in_flight += hanging + late;
        });
        for (count, hangs, takes_ms) in [(hanging, true, TIMEOUT_MS), (late, false, latency_ms)] {
            if count > 0 {
                self.pending.push(Pending {
                    due_at: self.clock + takes_ms,
                    place,
                    count,
                    hangs,
                });
            }
        }
        self.answer(place, count - hanging - late, 0);
    }

    /// What is due is answered, and counted where the request began.
    pub(super) fn late_answers(&mut self) {
        let clock = self.clock;
        let due = |it: &mut Pending| it.due_at <= clock;
        let due: Vec<Pending> = self.pending.extract_if(.., due).collect();
        for Pending {
            place,
            count,
            hangs,
            ..
        } in due
        {
            if hangs {
                self.counting.count(place, |side| {
                    super::finish(side, count, count, 0);
                    side.timeouts += count;
                    side.in_flight -= count;
                });
            } else {
                self.answer(place, count, count);
            }
        }
    }

    /// Requests are answered, of which so many were in flight at the last look.
    fn answer(&mut self, place: Place, count: u64, were_in_flight: u64) {
        if count == 0 {
            return;
        }
        let quality = self.quality(place.revision);
        let errors = (quality.errors * self.trouble).min(1.0);
        let refusals = quality.client_errors * self.trouble / (1.0 - errors).max(1e-9);
        let failed = self.draw(count, errors);
        let refused = self.draw(count - failed, refusals);
        let mut taken = Vec::new();
        if let (Some(dice), Some(answering)) = (&mut self.dice, self.answers.get(&place.revision)) {
            let each = |bucket, count| taken.push((bucket, count));
            answering.latencies.draw(dice, count, each);
        } else {
            taken.push((Histogram::bucket_of(quality.latency_ms * 1_000), count));
        }
        self.counting.count(place, |side| {
            super::finish(side, count, failed, refused);
            side.in_flight -= were_in_flight;
            for (bucket, count) in &taken {
                side.latency.add(*bucket, *count);
            }
        });
    }

    fn draw(&mut self, count: u64, probability: f64) -> u64 {
        let dice = self.dice.as_mut();
        dice.map_or(0, |dice| binomial(dice, count, probability))
    }
}

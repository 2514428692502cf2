//! Fake traffic: requests per side by the routes in force, with the failures a revision is given.
//!
//! It comes in two ways. The exact one draws no lots: shares and failures are exact, and a revision that fails
//! half of its requests can never look good; it suits thresholds, and scenarios. The other one draws, for each
//! request, its side, its outcome and how long it takes, all by the seed: what a sequential comparison stands
//! on. There an answer may come when the next segment has begun, and a request may hang.
//!
//! Who gets which share is in `parts`, how a revision answers in `quality`, the drawing in `lots`. Where requests
//! are counted is the business of `counting`.

mod lots;
mod parts;
mod quality;

pub use lots::TIMEOUT_MS;
pub(crate) use parts::Watched;
pub use quality::Quality;

use crate::counting::{Attempt, Counting, Handed, Place};
use crate::platform::Platform;
use crate::random::Random;
use lots::Pending;
use parts::Part;
use quality::Answering;
use sluice_analysis::window::Snapshot;
use sluice_model::{Histogram, RevisionNumber, Routes, SideCounters, Weight};
use std::collections::BTreeMap;

/// Parts of requests that did not make a whole one yet.
#[derive(Clone, Copy, Debug, Default)]
struct Remainder {
    requests: f64,
    errors: f64,
    refused: f64,
    mirrored: f64,
    differing: f64,
}

/// The traffic of one service.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Requests per second.
    pub rate: f64,
    /// What all failures are multiplied by just now, on both sides.
    pub trouble: f64,
    answers: BTreeMap<RevisionNumber, Answering>,
    remainders: BTreeMap<RevisionNumber, Remainder>,
    arriving: f64,
    pending: Vec<Pending>,
    /// Milliseconds of traffic so far.
    clock: i64,
    counting: Counting,
    watched: Option<Watched>,
    /// Whether matches and copies are counted as if chance had assigned them: a planted bug.
    pub(crate) counts_all: bool,
    lost: f64,
    dice: Option<Random>,
}

impl Traffic {
    /// Steady traffic with exact shares.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            trouble: 1.0,
            answers: BTreeMap::new(),
            remainders: BTreeMap::new(),
            arriving: 0.0,
            pending: Vec::new(),
            clock: 0,
            counting: Counting::default(),
            watched: None,
            counts_all: false,
            lost: 0.0,
            dice: None,
        }
    }

    /// Traffic in which lots are drawn for every request.
    #[must_use]
    pub fn by_lot(rate: f64, random: Random) -> Self {
        Self {
            dice: Some(random),
            ..Self::new(rate)
        }
    }

    /// Sets how a revision answers from now on.
    pub fn set_quality(&mut self, revision: RevisionNumber, quality: Quality) {
        self.answers.insert(revision, Answering::new(quality));
    }

    /// What was counted so far.
    #[must_use]
    pub fn counted(&self) -> &Snapshot {
        self.counting.totals()
    }

    /// What was counted of a revision in a weight segment, of the requests that chance assigned.
    #[must_use]
    pub fn in_segment(&self, segment: u64, revision: RevisionNumber) -> Option<&SideCounters> {
        self.counting.of_segment(segment, revision)
    }

    /// Everything that an attempt was ever handed out, by weight.
    pub fn handed(&self, attempt: Attempt) -> impl Iterator<Item = (Weight, &Handed)> {
        self.counting.handed(attempt)
    }

    /// Requests so far that found no ready replica where the routes sent them.
    #[must_use]
    pub fn lost(&self) -> f64 {
        self.lost
    }

    /// The requests from now on belong to this rollout.
    pub(crate) fn watch(&mut self, watched: Option<Watched>) {
        self.watched = watched;
    }

    /// The rollout that the requests belong to.
    pub(crate) fn watched(&self) -> Option<Watched> {
        self.watched
    }

    /// The proxy starts anew in this attempt: its counters begin at zero, and what was in flight is gone.
    pub(crate) fn reset(&mut self, attempt: Option<Attempt>, with_segments: bool) {
        self.counting.forget_but(attempt);
        self.counting.reset(with_segments);
        self.pending.clear();
    }

    /// Lets `span_ms` of traffic pass under these routes.
    pub fn pass(&mut self, span_ms: i64, routes: &Routes, platform: &Platform) {
        if span_ms <= 0 {
            return;
        }
        self.clock += span_ms;
        self.late_answers();
        if self.rate <= 0.0 {
            return;
        }
        let all = self.rate * span_ms as f64 / 1_000.0;
        if routes.weights.is_empty() {
            self.lost += all;
        }
        let parts = self.parts(routes, platform);
        if self.dice.is_some() {
            let arrived = whole(&mut self.arriving, all);
            self.draw_sides(arrived, span_ms, &parts, platform);
        } else {
            self.share_exactly(all, &parts, platform);
        }
        if let Some(mirror) = &routes.mirror
            && platform.serves(mirror.revision)
            && mirror.mirror.compare
        {
            self.compare(mirror.revision, all * mirror.mirror.share.percent() / 100.0);
        }
    }

    fn share_exactly(&mut self, all: f64, parts: &[Part], platform: &Platform) {
        for Part { place, share, .. } in parts {
            let amount = all * share;
            let serves = platform.serves(place.revision);
            let quality = self.quality(place.revision);
            let remainder = self.remainders.entry(place.revision).or_default();
            let count = whole(&mut remainder.requests, amount);
            if !serves {
                self.lost += amount;
                self.lose(*place, count);
                continue;
            }
            let errors = (quality.errors * self.trouble).min(1.0);
            let failed = whole(&mut remainder.errors, count as f64 * errors).min(count);
            let refused = count as f64 * quality.client_errors * self.trouble;
            let refused = whole(&mut remainder.refused, refused).min(count - failed);
            let bucket = Histogram::bucket_of(quality.latency_ms * 1_000);
            self.counting.count(*place, |side| {
                side.assigned += count;
                finish(side, count, failed, refused);
                side.latency.add(bucket, count);
            });
        }
    }

    /// Nothing was there to serve them.
    fn lose(&mut self, place: Place, count: u64) {
        self.counting.count(place, |side| {
            side.assigned += count;
            finish(side, count, count, 0);
            side.connect_failures += count;
        });
    }

    fn compare(&mut self, revision: RevisionNumber, amount: f64) {
        let quality = self.quality(revision);
        let remainder = self.remainders.entry(revision).or_default();
        let mirrored = whole(&mut remainder.mirrored, amount);
        let differing = whole(&mut remainder.differing, mirrored as f64 * quality.differs);
        let place = Place {
            revision,
            segment: None,
            compared: None,
        };
        self.counting.count(place, |side| {
            side.mirrored += mirrored;
            side.mirror_diffs += differing.min(mirrored);
        });
    }

    fn quality(&self, revision: RevisionNumber) -> Quality {
        let answering = self.answers.get(&revision);
        answering.map(|it| it.quality).unwrap_or_default()
    }
}

/// Requests are over, one way or the other.
fn finish(side: &mut SideCounters, count: u64, failed: u64, refused: u64) {
    side.requests += count;
    side.classes[1] += count - failed - refused;
    side.classes[3] += refused;
    side.classes[4] += failed;
}

/// Adds `amount` to a remainder and takes the whole part out of it.
fn whole(remainder: &mut f64, amount: f64) -> u64 {
    *remainder += amount;
    let whole = remainder.floor();
    *remainder -= whole;
    whole as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: RevisionNumber = RevisionNumber(2);
    const STABLE: RevisionNumber = RevisionNumber(1);

    fn platform() -> Platform {
        let mut platform = Platform::new(Random::new(1));
        platform.apply(0, &BTreeMap::from([(STABLE, 1), (CANARY, 1)]));
        platform.advance(1_000);
        platform
    }

    fn routes(percent: f64, segment: u64) -> Routes {
        let weight = Weight::from_percent(percent).expect("a weight");
        Routes {
            weights: BTreeMap::from([(STABLE, weight.rest()), (CANARY, weight)]),
            segment,
            ..Routes::default()
        }
    }

    #[test]
    fn shares_and_failures_are_exact_over_time() {
        let mut traffic = Traffic::new(100.0);
        let quality = Quality {
            errors: 0.02,
            ..Quality::default()
        };
        traffic.set_quality(CANARY, quality);
        (0..1_000).for_each(|_| traffic.pass(100, &routes(5.0, 1), &platform()));
        let counters = &traffic.counted().counters;
        assert_eq!(
            (counters[&CANARY].requests, counters[&CANARY].errors()),
            (500, 10)
        );
        assert_eq!(counters[&STABLE].requests, 9_500);
    }

    #[test]
    fn drawn_traffic_is_lawful_and_nothing_of_it_is_lost_or_counted_twice() {
        let mut traffic = Traffic::by_lot(1_000.0, Random::new(4));
        let quality = Quality {
            errors: 0.02,
            hangs: 0.01,
            latency_ms: 400,
            ..Quality::default()
        };
        traffic.set_quality(CANARY, quality);
        let attempt = (sluice_model::RolloutId(7), 1);
        traffic.watch(Some(Watched {
            attempt,
            canary: CANARY,
            stable: STABLE,
            first_segment: 1,
        }));
        let platform = platform();
        (0..100).for_each(|_| traffic.pass(1_000, &routes(20.0, 1), &platform));
        let open = traffic.in_segment(1, CANARY).expect("counters").clone();
        assert!(open.in_flight > 0, "{open:?}");
        assert_eq!(open.assigned, open.requests + open.in_flight);
        // The next segment has begun; what is in flight is counted where it began.
        (0..10).for_each(|_| traffic.pass(1_000, &routes(50.0, 2), &platform));
        let closed = traffic.in_segment(1, CANARY).expect("counters");
        assert_eq!(
            (closed.assigned, closed.requests, closed.in_flight),
            (open.assigned, open.assigned, 0)
        );
        assert!((18_500..21_500).contains(&closed.assigned), "{closed:?}");
        assert!((400..800).contains(&closed.errors()), "{closed:?}");
        assert!((100..300).contains(&closed.timeouts), "{closed:?}");
        let handed: Vec<(Weight, u64)> = traffic
            .handed(attempt)
            .map(|(weight, handed)| (weight, handed.canary.assigned + handed.baseline.assigned))
            .collect();
        let of = |percent| Weight::from_percent(percent).expect("a weight");
        assert_eq!(handed, [(of(20.0), 100_000), (of(50.0), 10_000)]);
    }
}

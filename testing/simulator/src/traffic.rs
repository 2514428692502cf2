//! Fake traffic: requests per side by the routes in force, with the failures a revision is given.
//!
//! It comes in two ways. The exact one draws no lots: shares and failures are exact, and a revision that fails
//! half of its requests can never look good; it suits thresholds, and scenarios. The other one draws, for each
//! request, its side, its outcome and how long it takes, all by the seed: what a sequential comparison stands
//! on. There an answer may come when the next segment has begun, and a request may hang.
//!
//! Where requests are counted is the business of `counting`.

use crate::counting::{Attempt, Compared, Counting, Handed, Place};
use crate::platform::Platform;
use crate::random::Random;
use crate::sampling::{Latencies, binomial};
use sluice_analysis::window::Snapshot;
use sluice_model::{Histogram, RevisionNumber, Routes, SideCounters, Weight};
use std::collections::BTreeMap;

/// How long a request hangs before the proxy gives it up.
pub const TIMEOUT_MS: i64 = 5_000;
/// The share of the users that carry the header which a match looks for.
const MATCHING: f64 = 0.01;

/// How a revision answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Share of its requests that fail, 0 to 1.
    pub errors: f64,
    /// Share of its requests that it refuses (4xx), 0 to 1.
    pub client_errors: f64,
    /// Share of its requests that hang until the proxy gives them up, 0 to 1; only in random traffic.
    pub hangs: f64,
    /// Latency of its answers, in milliseconds; half of them are slower.
    pub latency_ms: u64,
    /// Standard deviation of the logarithm of the latency; all are equal at 0, and in exact traffic.
    pub latency_spread: f64,
    /// Share of mirrored answers that differ, 0 to 1.
    pub differs: f64,
}

impl Default for Quality {
    fn default() -> Self {
        Self {
            errors: 0.0,
            client_errors: 0.0,
            hangs: 0.0,
            latency_ms: 10,
            latency_spread: 0.0,
            differs: 0.0,
        }
    }
}

/// A quality with what follows from it.
#[derive(Clone, Debug)]
struct Answering {
    quality: Quality,
    latencies: Latencies,
}

impl Answering {
    fn new(quality: Quality) -> Answering {
        let latencies = Latencies::new(quality.latency_ms * 1_000, quality.latency_spread);
        Answering { quality, latencies }
    }
}

/// Parts of requests that did not make a whole one yet.
#[derive(Clone, Copy, Debug, Default)]
struct Remainder {
    requests: f64,
    errors: f64,
    refused: f64,
    mirrored: f64,
    differing: f64,
}

/// Requests in flight, of one place.
#[derive(Clone, Copy, Debug)]
struct Pending {
    due_at: i64,
    place: Place,
    count: u64,
    hangs: bool,
}

/// The rollout whose requests are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) attempt: Attempt,
    pub(crate) canary: RevisionNumber,
    pub(crate) stable: RevisionNumber,
    /// Segments before this one are another attempt's.
    pub(crate) first_segment: u64,
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

    /// The proxy starts anew: its counters begin at zero, and what was in flight is gone.
    pub(crate) fn reset(&mut self, with_segments: bool) {
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

    /// Who gets which share of the requests: by weight, as copies, and by match, in addition.
    fn parts(&self, routes: &Routes, platform: &Platform) -> Vec<Part> {
        let mut parts = Vec::new();
        for (revision, weight) in &routes.weights {
            if *weight > Weight::ZERO {
                parts.push(Part {
                    place: Place {
                        revision: *revision,
                        segment: Some(routes.segment),
                        compared: self.compared(*revision, routes),
                    },
                    share: share(*weight),
                    by_weight: true,
                });
            }
        }
        let mut more = |revision, share| {
            let place = Place {
                revision,
                segment: self.counts_all.then_some(routes.segment),
                compared: None,
            };
            parts.push(Part {
                place,
                share,
                by_weight: false,
            });
        };
        // A copy is charged like any other request.
        if let Some(mirror) = &routes.mirror
            && platform.serves(mirror.revision)
        {
            more(mirror.revision, share(mirror.mirror.share));
        }
        for route in &routes.matches {
            more(route.revision, MATCHING);
        }
        parts
    }

    /// A request is part of a comparison when chance alone decided between canary and stable.
    fn compared(&self, revision: RevisionNumber, routes: &Routes) -> Option<Compared> {
        let watched = self.watched?;
        if routes.segment < watched.first_segment {
            return None;
        }
        let weight = |revision| routes.weights.get(&revision).copied().unwrap_or_default();
        let of_canary = weight(watched.canary);
        let shared = of_canary > Weight::ZERO
            && of_canary < Weight::FULL
            && weight(watched.stable) == of_canary.rest();
        let of_either = revision == watched.canary || revision == watched.stable;
        (shared && of_either).then_some(Compared {
            attempt: watched.attempt,
            weight: of_canary,
            is_canary: revision == watched.canary,
        })
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

    fn draw_sides(&mut self, all: u64, span_ms: i64, parts: &[Part], platform: &Platform) {
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
    fn late_answers(&mut self) {
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
                    finish(side, count, count, 0);
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
            finish(side, count, failed, refused);
            side.in_flight -= were_in_flight;
            for (bucket, count) in &taken {
                side.latency.add(*bucket, *count);
            }
        });
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

    fn draw(&mut self, count: u64, probability: f64) -> u64 {
        let dice = self.dice.as_mut();
        dice.map_or(0, |dice| binomial(dice, count, probability))
    }
}

/// A share of the requests.
#[derive(Clone, Copy, Debug)]
struct Part {
    place: Place,
    share: f64,
    by_weight: bool,
}

/// Requests are over, one way or the other.
fn finish(side: &mut SideCounters, count: u64, failed: u64, refused: u64) {
    side.requests += count;
    side.classes[1] += count - failed - refused;
    side.classes[3] += refused;
    side.classes[4] += failed;
}

fn share(weight: Weight) -> f64 {
    f64::from(weight.basis_points()) / 10_000.0
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

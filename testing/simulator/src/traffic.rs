//! Fake traffic: requests per side by the routes in force, with the failures a revision is given.
//!
//! Nothing is drawn by lot here: shares and failures are exact, so that a revision that fails half of its
//! requests can never look good.

use crate::platform::Platform;
use sluice_analysis::window::Snapshot;
use sluice_model::{Histogram, RevisionNumber, Routes, Weight};
use std::collections::BTreeMap;

/// How a revision answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Share of its requests that fail, 0 to 1.
    pub errors: f64,
    /// Latency of all its answers, in milliseconds.
    pub latency_ms: u64,
    /// Share of mirrored answers that differ, 0 to 1.
    pub differs: f64,
}

impl Default for Quality {
    fn default() -> Self {
        Self {
            errors: 0.0,
            latency_ms: 10,
            differs: 0.0,
        }
    }
}

/// Parts of requests that did not make a whole one yet.
#[derive(Clone, Copy, Debug, Default)]
struct Remainder {
    requests: f64,
    errors: f64,
    mirrored: f64,
    differing: f64,
}

/// The traffic of one service.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Requests per second.
    pub rate: f64,
    qualities: BTreeMap<RevisionNumber, Quality>,
    remainders: BTreeMap<RevisionNumber, Remainder>,
    counted: Snapshot,
    lost: f64,
}

impl Traffic {
    /// Steady traffic.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            ..Self::default()
        }
    }

    /// Sets how a revision answers from now on.
    pub fn set_quality(&mut self, revision: RevisionNumber, quality: Quality) {
        self.qualities.insert(revision, quality);
    }

    /// What was counted so far.
    #[must_use]
    pub fn counted(&self) -> &Snapshot {
        &self.counted
    }

    /// Requests so far that found no ready replica where the routes sent them.
    #[must_use]
    pub fn lost(&self) -> f64 {
        self.lost
    }

    /// The counters start at zero again, as after a restart of the proxy.
    pub fn reset(&mut self) {
        self.counted.counters.clear();
    }

    /// Lets `span_ms` of traffic pass under these routes.
    pub fn pass(&mut self, span_ms: i64, routes: &Routes, platform: &Platform) {
        if span_ms <= 0 || self.rate <= 0.0 {
            return;
        }
        let all = self.rate * span_ms as f64 / 1_000.0;
        if routes.weights.is_empty() {
            self.lost += all;
        }
        for (revision, weight) in &routes.weights {
            if *weight > Weight::ZERO {
                self.requests(*revision, all * weight.percent() / 100.0, platform);
            }
        }
        if let Some(mirror) = &routes.mirror
            && platform.serves(mirror.revision)
        {
            // A copy is charged like any other request, and compared.
            let copies = all * mirror.mirror.share.percent() / 100.0;
            self.requests(mirror.revision, copies, platform);
            if mirror.mirror.compare {
                self.compare(mirror.revision, copies);
            }
        }
        // A hundredth of the users carries the header that a match looks for.
        for route in &routes.matches {
            self.requests(route.revision, all * 0.01, platform);
        }
    }

    fn requests(&mut self, revision: RevisionNumber, amount: f64, platform: &Platform) {
        let quality = self.qualities.get(&revision).copied().unwrap_or_default();
        let errors = if platform.serves(revision) {
            quality.errors
        } else {
            self.lost += amount;
            1.0
        };
        let remainder = self.remainders.entry(revision).or_default();
        let requests = whole(&mut remainder.requests, amount);
        let failed = whole(&mut remainder.errors, requests as f64 * errors).min(requests);
        let side = self.counted.counters.entry(revision).or_default();
        side.requests += requests;
        side.classes[1] += requests - failed;
        side.classes[4] += failed;
        side.latency
            .add(Histogram::bucket_of(quality.latency_ms * 1_000), requests);
    }

    fn compare(&mut self, revision: RevisionNumber, amount: f64) {
        let quality = self.qualities.get(&revision).copied().unwrap_or_default();
        let remainder = self.remainders.entry(revision).or_default();
        let mirrored = whole(&mut remainder.mirrored, amount);
        let differing = whole(&mut remainder.differing, mirrored as f64 * quality.differs);
        let side = self.counted.counters.entry(revision).or_default();
        side.mirrored += mirrored;
        side.mirror_diffs += differing.min(mirrored);
    }
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
    use crate::random::Random;

    #[test]
    fn shares_and_failures_are_exact_over_time() {
        let canary = RevisionNumber(2);
        let mut platform = Platform::new(Random::new(1));
        platform.apply(0, &BTreeMap::from([(RevisionNumber(1), 1), (canary, 1)]));
        platform.advance(1_000);
        let weight = Weight::from_percent(5.0).expect("a weight");
        let weights = BTreeMap::from([(RevisionNumber(1), weight.rest()), (canary, weight)]);
        let routes = Routes {
            weights,
            ..Routes::default()
        };
        let mut traffic = Traffic::new(100.0);
        let quality = Quality {
            errors: 0.02,
            ..Quality::default()
        };
        traffic.set_quality(canary, quality);
        (0..1_000).for_each(|_| traffic.pass(100, &routes, &platform));
        let counters = &traffic.counted().counters;
        assert_eq!(
            (counters[&canary].requests, counters[&canary].errors()),
            (500, 10)
        );
        assert_eq!(counters[&RevisionNumber(1)].requests, 9_500);
    }
}

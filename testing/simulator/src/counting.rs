//! The fake proxy's counters: by revision, and by weight segment of what chance assigned. They begin again
//! with Sluice.
//!
//! Beside them stands what no restart forgets: everything that was handed out to an attempt of a rollout,
//! against which `watch` holds the evidence.

use sluice_analysis::window::Snapshot;
use sluice_model::{RevisionNumber, RolloutId, SideCounters, Weight};
use std::collections::BTreeMap;

/// Counters by segment that are remembered, as in the real proxy.
const SEGMENTS_MAX: usize = 64;

/// An attempt of a rollout.
pub type Attempt = (RolloutId, u32);

/// What both sides were handed out.
#[derive(Clone, Debug, Default)]
pub struct Handed {
    /// The canary.
    pub canary: SideCounters,
    /// The stable revision.
    pub baseline: SideCounters,
}

/// Where a request is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) revision: RevisionNumber,
    /// The weight segment, of a request that chance assigned.
    pub(crate) segment: Option<u64>,
    /// The comparison that it belongs to.
    pub(crate) compared: Option<Compared>,
}

/// A request's part in a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    pub(crate) attempt: Attempt,
    pub(crate) weight: Weight,
    pub(crate) is_canary: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting {
    totals: Snapshot,
    segments: BTreeMap<(u64, RevisionNumber), SideCounters>,
    handed: BTreeMap<(Attempt, Weight), Handed>,
}

impl Counting {
    /// Counts at every place that a request belongs to.
    pub(crate) fn count(&mut self, place: Place, count: impl Fn(&mut SideCounters)) {
        count(self.totals.counters.entry(place.revision).or_default());
        if let Some(segment) = place.segment {
            let Some(counters) = self.segment(segment, place.revision) else {
                return;
            };
            count(counters);
        }
        if let Some(compared) = place.compared {
            let key = (compared.attempt, compared.weight);
            let handed = self.handed.entry(key).or_default();
            count(if compared.is_canary {
                &mut handed.canary
            } else {
                &mut handed.baseline
            });
        }
    }

    /// The counters of a segment. Old ones are forgotten, and what is answered in them later is not counted.
    fn segment(&mut self, segment: u64, revision: RevisionNumber) -> Option<&mut SideCounters> {
        let key = (segment, revision);
        let newest = self
            .segments
            .last_key_value()
            .map(|((newest, _), _)| *newest);
        if !self.segments.contains_key(&key) {
            if newest.is_some_and(|newest| segment < newest) {
                return None;
            }
            if self.segments.len() >= SEGMENTS_MAX {
                self.segments.pop_first();
            }
        }
        Some(self.segments.entry(key).or_default())
    }

    /// By revision, matches and copies included.
    pub(crate) fn totals(&self) -> &Snapshot {
        &self.totals
    }

    /// One revision's in one segment.
    pub(crate) fn of_segment(
        &self,
        segment: u64,
        revision: RevisionNumber,
    ) -> Option<&SideCounters> {
        self.segments.get(&(segment, revision))
    }

    /// What an attempt was handed out, by weight.
    pub(crate) fn handed(&self, attempt: Attempt) -> impl Iterator<Item = (Weight, &Handed)> {
        let range = (attempt, Weight::ZERO)..=(attempt, Weight::FULL);
        let entries = self.handed.range(range);
        entries.map(|((_, weight), handed)| (*weight, handed))
    }

    /// Attempts but this one are over, or were never stored: their numbers may be given again.
    pub(crate) fn forget_but(&mut self, attempt: Option<Attempt>) {
        self.handed.retain(|(of, _), _| Some(*of) == attempt);
    }

    /// The counters start at zero again, as after a restart of the proxy. `with_segments` is what the real
    /// one does, and only a planted bug leaves it out.
    pub(crate) fn reset(&mut self, with_segments: bool) {
        self.totals.counters.clear();
        if with_segments {
            self.segments.clear();
        }
    }
}

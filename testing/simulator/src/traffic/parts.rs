//! Who gets which share of the requests, and which of them chance assigned to one of two compared revisions.

use super::Traffic;
use crate::counting::{Attempt, Compared, Place};
use crate::platform::Platform;
use sluice_model::{RevisionNumber, Routes, Weight};

/// The share of the users that carry the header which a match looks for.
const MATCHING: f64 = 0.01;

/// The rollout whose requests are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) attempt: Attempt,
    pub(crate) canary: RevisionNumber,
    pub(crate) stable: RevisionNumber,
    /// Segments before this one are another attempt's.
    pub(crate) first_segment: u64,
}

/// A share of the requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) share: f64,
    pub(super) by_weight: bool,
}

impl Traffic {
    /// Who gets which share of the requests: by weight, as copies, and by match, in addition.
    pub(super) fn parts(&self, routes: &Routes, platform: &Platform) -> Vec<Part> {
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
}

fn share(weight: Weight) -> f64 {
    f64::from(weight.basis_points()) / 10_000.0
}

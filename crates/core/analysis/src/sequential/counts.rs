//! What is counted for a sequential test: events on both sides at one weight.
//!
//! Here are the values and what makes them possible; what they prove is in [`super::betting`].

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What was counted while weight, ratio and margin stayed the same, of requests that were assigned
/// by chance. Requests that were pinned to a side (a header, a sticky session's later ones) do not
/// belong here: the proof rests on the draw.
///
/// The events are among the requests; a value that says otherwise cannot be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawCounts")]
pub struct Counts {
    canary_events: u64,
    baseline_events: u64,
    requests: u64,
}

/// The stored form of [`Counts`], before it is checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCounts {
    canary_events: u64,
    baseline_events: u64,
    requests: u64,
}

/// Counts or weights that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum BadCounts {
    /// More events than requests.
    #[error(
        "{canary_events} + {baseline_events} events among {requests} requests: count each request's outcome once, in the segment in which it was assigned"
    )]
    EventsAboveRequests {
        /// Events on the canary.
        canary_events: u64,
        /// Events on the baseline.
        baseline_events: u64,
        /// Requests on both sides.
        requests: u64,
    },
    /// More requests on one side than on both.
    #[error("{canary_requests} requests to the canary among {requests} in all")]
    SideAboveRequests {
        /// Requests to the canary.
        canary_requests: u64,
        /// Requests on both sides.
        requests: u64,
    },
    /// A weight that is no probability.
    #[error("a weight is the probability, 0 to 1, that a request goes to the canary, not {0}")]
    Weight(f64),
}

impl Counts {
    /// Nothing counted.
    pub const ZERO: Counts = Counts {
        canary_events: 0,
        baseline_events: 0,
        requests: 0,
    };

    /// Events on each side, and the requests of both sides together.
    ///
    /// # Errors
    /// More events than requests.
    pub const fn new(
        canary_events: u64,
        baseline_events: u64,
        requests: u64,
    ) -> Result<Counts, BadCounts> {
        match canary_events.checked_add(baseline_events) {
            Some(events) if events <= requests => Ok(Counts {
                canary_events,
                baseline_events,
                requests,
            }),
            _ => Err(BadCounts::EventsAboveRequests {
                canary_events,
                baseline_events,
                requests,
            }),
        }
    }

    /// Events on the canary.
    #[must_use]
    pub const fn canary_events(self) -> u64 {
        self.canary_events
    }

    /// Events on the baseline.
    #[must_use]
    pub const fn baseline_events(self) -> u64 {
        self.baseline_events
    }

    /// Requests on both sides, with and without the event.
    #[must_use]
    pub const fn requests(self) -> u64 {
        self.requests
    }

    /// Requests on both sides without the event.
    #[must_use]
    pub const fn quiet(self) -> u64 {
        self.requests - self.canary_events - self.baseline_events
    }

    /// Both together: more of the same segment.
    ///
    /// # Errors
    /// The sum does not fit; no proxy counts so far.
    pub fn plus(self, more: Counts) -> Result<Counts, BadCounts> {
        Counts::new(
            self.canary_events.saturating_add(more.canary_events),
            self.baseline_events.saturating_add(more.baseline_events),
            self.requests.saturating_add(more.requests),
        )
    }
}

impl TryFrom<RawCounts> for Counts {
    type Error = BadCounts;
    fn try_from(raw: RawCounts) -> Result<Self, Self::Error> {
        Counts::new(raw.canary_events, raw.baseline_events, raw.requests)
    }
}

/// One weight segment: the probability with which each of its requests went to the canary, and what
/// was counted. At a weight of 0 or 1 there is no concurrent comparison, and the segment proves
/// nothing either way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawSegment")]
pub struct Segment {
    weight: f64,
    counts: Counts,
}

/// The stored form of a [`Segment`], before it is checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSegment {
    weight: f64,
    counts: Counts,
}

impl Segment {
    /// `weight` is the router's probability at the time of the request, 0 to 1, and not the share
    /// that came of it.
    ///
    /// # Errors
    /// A weight that is no probability.
    pub fn new(weight: f64, counts: Counts) -> Result<Segment, BadCounts> {
        if (0.0..=1.0).contains(&weight) {
            Ok(Segment { weight, counts })
        } else {
            Err(BadCounts::Weight(weight))
        }
    }

    /// The probability, 0 to 1, that a request went to the canary.
    #[must_use]
    pub const fn weight(&self) -> f64 {
        self.weight
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }
}

impl TryFrom<RawSegment> for Segment {
    type Error = BadCounts;
    fn try_from(raw: RawSegment) -> Result<Self, Self::Error> {
        Segment::new(raw.weight, raw.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_have_been_counted_is_refused() {
        assert!(Counts::new(2, 3, 5).is_ok());
        assert!(Counts::new(2, 3, 4).is_err());
        assert!(Counts::new(u64::MAX, 1, u64::MAX).is_err());
        assert!(Counts::new(1, 0, 0).is_err());
        for weight in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Segment::new(weight, Counts::ZERO).is_err(), "{weight}");
        }
        for weight in [0.0, 0.05, 1.0] {
            assert!(Segment::new(weight, Counts::ZERO).is_ok(), "{weight}");
        }
        let most = Counts::new(u64::MAX, 0, u64::MAX).expect("events of all requests");
        assert!(most.plus(Counts::new(0, 1, 1).expect("one")).is_err());
    }

    #[test]
    fn the_stored_form_is_checked_as_well() {
        let text =
            r#"{"weight":0.05,"counts":{"canaryEvents":5,"baselineEvents":8,"requests":8000}}"#;
        let segment: Segment = serde_json::from_str(text).expect("a segment");
        assert_eq!(segment.counts(), Counts::new(5, 8, 8_000).expect("valid"));
        assert_eq!(serde_json::to_string(&segment).expect("text"), text);
        for broken in [
            text.replace("8000", "12"),
            text.replace("0.05", "1.5"),
            text.replace("8000", "-1"),
        ] {
            assert!(
                serde_json::from_str::<Segment>(&broken).is_err(),
                "{broken}"
            );
        }
    }
}

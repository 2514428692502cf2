//! What was counted of a revision within one minute: the history by which limits are tuned.

use crate::counters::{BUCKETS, Histogram, SideCounters};
use crate::ids::RevisionNumber;
use crate::millis;
use crate::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// The length of a [`Minute`].
pub const MINUTE: Duration = Duration::from_secs(60);

/// One minute of one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Minute {
    /// When it began; a whole minute of UTC.
    pub at: Timestamp,
    /// Of which revision.
    pub revision: RevisionNumber,
    /// The time that was covered: a minute, give or take the time between two looks.
    #[serde(with = "millis")]
    pub span: Duration,
    /// Whether a rollout was running at any time of it.
    pub rollout: bool,
    /// Whether the revision had all its replicas ready at every look.
    pub healthy: bool,
    /// Requests finished.
    pub requests: u64,
    /// Of these, by status class: index 0 is 1xx … index 4 is 5xx, as in [`SideCounters::classes`].
    pub classes: [u64; 5],
    /// Of the 5xx: not answered in time.
    pub timeouts: u64,
    /// Time to the response head, in microseconds; stored as the buckets that hold anything.
    #[serde(with = "occupied")]
    pub latency: Histogram,
    /// The highest CPU of all replicas together that was seen, in cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<f64>,
    /// The highest resident memory of a replica that was seen, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

impl Minute {
    /// The minute that begins at `at`, with what was counted in it.
    #[must_use]
    pub fn of(at: Timestamp, revision: RevisionNumber, counted: &SideCounters) -> Minute {
        Minute {
            at,
            revision,
            span: MINUTE,
            rollout: false,
            healthy: true,
            requests: counted.requests,
            classes: counted.classes,
            timeouts: counted.timeouts,
            latency: counted.latency.clone(),
            cpu_cores: None,
            memory_bytes: None,
        }
    }

    /// Whether it tells how the revision is when nothing is the matter with it: no rollout, no replica missing.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        self.healthy && !self.rollout
    }
}

/// The minute of UTC that a moment lies in.
#[must_use]
pub fn minute_of(now: Timestamp) -> Timestamp {
    let length = i64::try_from(MINUTE.as_millis()).unwrap_or(i64::MAX);
    Timestamp(now.0.div_euclid(length).saturating_mul(length))
}

/// Serde form of a [`Histogram`]: pairs of a bucket and its count, for the few buckets that hold anything.
mod occupied {
    use super::{BUCKETS, Deserialize, Deserializer, Histogram, Serializer};
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(all: &Histogram, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.occupied())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Histogram, D::Error> {
        let pairs: Vec<(usize, u64)> = Vec::deserialize(from)?;
        let mut all = Histogram::default();
        for (bucket, count) in pairs {
            if bucket >= BUCKETS {
                return Err(D::Error::custom(format!(
                    "there is no latency bucket {bucket}; the last one is {}",
                    BUCKETS - 1
                )));
            }
            all.add(bucket, count);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_stored_in_few_bytes_and_reads_back_the_same() {
        let mut counted = SideCounters {
            requests: 3,
            classes: [0, 2, 0, 0, 1],
            timeouts: 1,
            ..SideCounters::default()
        };
        for micros in [900, 1_000_000, 950] {
            counted.latency.record(micros);
        }
        let at = minute_of(Timestamp(1_795_273_567_089));
        assert_eq!(at.to_string(), "2026-11-21T15:06:00.000Z");
        let minute = Minute {
            memory_bytes: Some(4_096),
            ..Minute::of(at, RevisionNumber(7), &counted)
        };
        let text = serde_json::to_string(&minute).expect("JSON");
        assert!(text.len() < 250, "{text}");
        let read: Minute = serde_json::from_str(&text).expect("the same");
        assert_eq!(read, minute);
        assert_eq!(read.latency.total(), 3);
    }

    #[test]
    fn a_bucket_that_cannot_be_is_refused() {
        let minute = Minute::of(Timestamp(0), RevisionNumber(1), &SideCounters::default());
        let text = serde_json::to_string(&minute).expect("JSON");
        let broken = text.replace("\"latency\":[]", "\"latency\":[[400,1]]");
        assert_ne!(broken, text);
        let error = serde_json::from_str::<Minute>(&broken).expect_err("refused");
        assert!(error.to_string().contains("bucket 400"), "{error}");
    }
}

//! How long pods stay that nobody needs any more.

use crate::api::RolloutStrategy;
use sluice_model::time::Timestamp;
use std::time::Duration;

use super::exposure::has_explicit_abort_delay;

/// Seconds for which replaced or aborted pods stay where the strategy names none.
const DEFAULT_SECONDS: i32 = 30;

/// How long an aborted canary or preview keeps its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortDelay {
    /// For ever: the strategy says 0.
    Forever,
    /// For some time; none at all without a router.
    Seconds {
        /// How long.
        seconds: i32,
        /// Whether the strategy says so.
        explicit: bool,
    },
}

/// How long an aborted canary or preview keeps its pods.
#[must_use]
pub fn abort_delay(strategy: &RolloutStrategy) -> AbortDelay {
    let written = match (&strategy.blue_green, &strategy.canary) {
        (Some(blue_green), _) => blue_green.abort_scale_down_delay_seconds,
        (None, Some(canary)) if canary.traffic_routing.is_some() => {
            canary.abort_scale_down_delay_seconds
        }
        _ => {
            return AbortDelay::Seconds {
                seconds: 0,
                explicit: false,
            };
        }
    };
    match written {
        Some(0) => AbortDelay::Forever,
        Some(seconds) => AbortDelay::Seconds {
            seconds,
            explicit: true,
        },
        None => AbortDelay::Seconds {
            seconds: DEFAULT_SECONDS,
            explicit: false,
        },
    }
}

/// Whether the pods of an aborted canary or preview stay for a while. Those of a canary without a router
/// do not: they would serve. With dynamicStableScale only where the delay is explicit.
#[must_use]
pub fn delays_scale_down_on_abort(strategy: &RolloutStrategy) -> bool {
    if abort_delay(strategy) == AbortDelay::Forever {
        return false;
    }
    match &strategy.canary {
        Some(canary) => {
            canary.traffic_routing.is_some()
                && (!canary.dynamic_stable_scale || has_explicit_abort_delay(strategy))
        }
        None => strategy.blue_green.is_some(),
    }
}

/// How long the replaced revision keeps its pods: 30 s where the strategy names nothing else, and not at
/// all for a canary without a router.
#[must_use]
pub fn scale_down_delay(strategy: &RolloutStrategy) -> Duration {
    let seconds = match (&strategy.blue_green, &strategy.canary) {
        (_, Some(canary)) if canary.traffic_routing.is_some() => {
            canary.scale_down_delay_seconds.unwrap_or(DEFAULT_SECONDS)
        }
        (Some(blue_green), _) => blue_green
            .scale_down_delay_seconds
            .unwrap_or(DEFAULT_SECONDS),
        _ => 0,
    };
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// A ReplicaSet that is neither new nor stable and still has pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldReplicaSet {
    /// Pods that it should have.
    pub desired: i32,
    /// Until when it keeps them, if that was said.
    pub deadline: Option<Timestamp>,
}

/// What becomes of old ReplicaSets, newest revision first: for each its count, and until when it keeps
/// its pods. At most `limit` of them keep any.
///
/// One without a deadline gets one, if there is a delay. `kept` is the count of one within its deadline;
/// `None` for as many as it has.
#[must_use]
pub fn keep_old_pods(
    old: &[OldReplicaSet],
    delay: Duration,
    limit: Option<i32>,
    kept: Option<i32>,
    now: Timestamp,
) -> Vec<(i32, Option<Timestamp>)> {
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0));
    let mut keeping = 0;
    old.iter()
        .map(|set| {
            if set.desired == 0 && set.deadline.is_none() {
                return (0, None);
            }
            let is_new = set.deadline.is_none();
            if is_new && delay.is_zero() {
                return (0, None);
            }
            let deadline = set.deadline.unwrap_or_else(|| now.after(delay));
            if keeping >= limit {
                return (0, set.deadline);
            }
            keeping += 1;
            let count = match kept {
                _ if deadline <= now => 0,
                Some(count) if !is_new => count,
                _ => set.desired,
            };
            (count, Some(deadline))
        })
        .collect()
}

//! Evidence of a sequential comparison: counts from which its verdict can be computed again.

use crate::ids::RolloutId;
use crate::weight::Weight;
use serde::{Deserialize, Serialize};

/// What was counted at one weight of the canary, of the requests that chance assigned to a side. The
/// order in which the weights were in force does not matter to the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightCounts {
    /// The canary's share of the traffic.
    pub weight: Weight,
    /// Finished requests on the canary.
    pub canary_requests: u64,
    /// Of these, those with the event.
    pub canary_events: u64,
    /// Finished requests on the baseline.
    pub baseline_requests: u64,
    /// Of these, those with the event.
    pub baseline_events: u64,
}

/// Requests assigned to each side at one weight, finished or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SplitCounts {
    /// The canary's share of the traffic.
    pub weight: Weight,
    /// Assigned to the canary.
    pub canary: u64,
    /// Assigned to the baseline.
    pub baseline: u64,
}

/// What a sequential comparison stands on, since its rollout's attempt began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sequential {
    /// The rollout that was watched.
    pub rollout: RolloutId,
    /// Its attempt.
    pub attempt: u32,
    /// The canary's weight now.
    pub weight: Weight,
    /// By rising weight.
    pub counts: Vec<WeightCounts>,
    /// Requests that hang on the canary beyond what the baseline's tell to expect; "not worse" takes each of
    /// them for an event.
    pub hanging: u64,
    /// For latency: an event is a request that took longer than this, in microseconds. Absent for other
    /// metrics, and until enough of the baseline was seen.
    pub slower_than_micros: Option<u64>,
    /// The split by rising weight.
    pub split: Vec<SplitCounts>,
    /// Natural logarithm of the e-value against "the canary is not worse".
    pub log_e_worse: f64,
    /// Natural logarithm of the e-value against "the canary is beyond the accepted rate".
    pub log_e_not_worse: f64,
    /// Natural logarithm of the e-value against "the split follows the weights".
    pub log_e_split: f64,
    /// A forecast, and no part of the verdict: requests on both sides until "not worse" is expected to be proved, if
    /// the rates stay as they are. Absent when it is proved, or cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_left: Option<u64>,
}

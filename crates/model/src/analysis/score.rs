//! Evidence of a score: one value per period of each metric, on both sides.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All that a score depends on besides its settings, and what was made of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreFacts {
    /// The samples by the metric's name in the canary config.
    pub samples: BTreeMap<String, SideSamples>,
    /// The score of these samples; absent until there are enough.
    pub scored: Option<Scored>,
}

/// The samples of both sides over the same periods, oldest first; absent where a period had none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideSamples {
    /// The new side's.
    pub canary: Vec<Option<f64>>,
    /// The stable side's.
    pub baseline: Vec<Option<f64>>,
}

/// A score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scored {
    /// 0 to 100.
    pub score: f64,
    /// The metrics that count against it, each with how: `Error Rate (High)`.
    pub against: Vec<String>,
    /// Why the score is 0 whatever the rest says; empty otherwise.
    pub reason: String,
}

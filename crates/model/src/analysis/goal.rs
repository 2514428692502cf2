//! Evidence of a goal: how many of each side's users reached it.

use crate::weight::Weight;
use serde::{Deserialize, Serialize};

/// All that a goal's verdict depends on besides its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoalFacts {
    /// The canary's share of the users now; only who came at this weight is counted.
    pub weight: Weight,
    /// The new side.
    pub canary: Arm,
    /// The stable side.
    pub baseline: Arm,
}

/// One side. Users are counted where they are kept on their side, requests elsewhere; each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Arm {
    /// Who met this side.
    pub exposed: u64,
    /// Of these, who reached the goal.
    pub reached: u64,
}

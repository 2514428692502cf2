//! Evidence: what a verdict stands on, so that it can be shown, stored, and computed again.

mod alarm;
mod comparison;
mod goal;
mod outside;
mod score;
mod trend;

pub use alarm::{AlarmFacts, AlarmSettings, AlarmState, Breach, Datapoint, MissingData};
pub use comparison::{Sequential, SplitCounts, WeightCounts};
pub use goal::{Arm, GoalFacts};
pub use outside::{Answered, OutsideFacts};
pub use score::{ScoreFacts, Scored, SideSamples};
pub use trend::{Against, Look, LookPoint, Saturation, Slope, TrendFacts, TrendSettings, Unit};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a verdict stands on besides both sides' values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Evidence {
    /// Of a comparison request by request.
    Sequential(Sequential),
    /// Of growth towards a ceiling.
    Trend(TrendFacts),
    /// Of an alarm.
    Alarm(AlarmFacts),
    /// Of a goal.
    Goal(GoalFacts),
    /// Of a score.
    Score(ScoreFacts),
    /// Of an outside server's answer.
    Outside(OutsideFacts),
    /// Of a condition: the values of the variables that are known. Those of one side begin with `canary.` or
    /// `baseline.`.
    Values(BTreeMap<String, f64>),
}

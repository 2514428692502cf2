//! Evidence of an alarm: M of the last N datapoints beyond a threshold.

use crate::millis;
use crate::report::Verdict;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an alarm watches for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmSettings {
    /// Which side of the threshold is bad.
    pub breach: Breach,
    /// The threshold; finite.
    pub threshold: f64,
    /// Length of a period; at least a millisecond.
    #[serde(with = "millis")]
    pub period: Duration,
    /// N: datapoints that are evaluated, 1 to 1,440 (a day of minutes).
    pub evaluation_periods: u32,
    /// M: how many of them must breach, 1 to N.
    pub datapoints_to_alarm: u32,
    /// What a missing datapoint stands for.
    pub missing: MissingData,
}

/// Which values breach a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Breach {
    /// Greater ones.
    Above,
    /// Greater ones and the threshold itself.
    AtOrAbove,
    /// Smaller ones.
    Below,
    /// Smaller ones and the threshold itself.
    AtOrBelow,
}

/// What a missing datapoint stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// Nothing: when all are missing, there is not enough data.
    #[default]
    Missing,
    /// A bad value.
    Breaching,
    /// A good value.
    NotBreaching,
    /// The state stays as it is.
    Ignore,
}

/// The state of an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AlarmState {
    /// Too little is known.
    #[default]
    InsufficientData,
    /// Within the threshold.
    Ok,
    /// Beyond it, often enough.
    Alarm,
}

impl AlarmState {
    /// The same in the words of all checks.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            AlarmState::InsufficientData => Verdict::NoData,
            AlarmState::Ok => Verdict::Pass,
            AlarmState::Alarm => Verdict::Fail,
        }
    }
}

/// One period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Datapoint {
    /// When it ended.
    pub end: Timestamp,
    /// Its value; absent when it is missing. Never NaN.
    pub value: Option<f64>,
}

/// All that the state of an alarm depends on besides its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmFacts {
    /// The periods that are looked at, oldest first.
    pub datapoints: Vec<Datapoint>,
    /// Periods since the alarm began.
    pub periods: u64,
    /// The state before the last period, which is kept when missing data is ignored.
    pub before: AlarmState,
}

//! Evidence of a trend: a gauge that grows towards a ceiling.

use crate::millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a trend is held to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendSettings {
    /// Time over which the minimum is taken; longer than the time between two collections of garbage if
    /// possible, and with a few samples in it. More than zero.
    #[serde(with = "millis")]
    pub block: Duration,
    /// Age below which a replica is not judged.
    #[serde(with = "millis")]
    pub warm_up: Duration,
    /// Samples that a block needs to count; at least 1. The minimum of a single sample is not a floor.
    pub samples_per_block_min: u32,
    /// Share of harmless rollouts in which it may fail, over all looks together; above 0 and below 0.5.
    pub false_alarm_max: f64,
    /// How values are written in messages.
    pub unit: Unit,
}

impl Default for TrendSettings {
    fn default() -> Self {
        Self {
            block: Duration::from_secs(30),
            warm_up: Duration::from_secs(30),
            samples_per_block_min: 2,
            false_alarm_max: 0.0025,
            unit: Unit::Bytes,
        }
    }
}

/// How a gauge's values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Bytes, as KiB, MiB or GiB.
    #[default]
    Bytes,
    /// A number of things: descriptors, messages, connections.
    Count,
}

/// All that a trend's verdict depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendFacts {
    /// How values are written in the message.
    pub unit: Unit,
    /// The last planned look that could be taken.
    pub look: Option<Look>,
    /// Blocks of the new side known so far.
    pub known_blocks: u32,
    /// Time to the next planned look, or until there are blocks enough for the first one.
    #[serde(with = "millis")]
    pub next_look_in: Duration,
    /// The new side's present floor: the minimum of its last block.
    pub level: Option<f64>,
    /// Whether the floor has been at the limit for two blocks.
    pub saturation: Saturation,
    /// Where it must not get.
    pub limit: Option<f64>,
    /// Time for which the limit must not be reached.
    #[serde(with = "millis")]
    pub horizon: Duration,
    /// How long the new side has been silent, when that is too long.
    #[serde(with = "millis::option")]
    pub silent_for: Option<Duration>,
    /// Times that the new side's replica was restarted.
    pub restarts: u32,
    /// Blocks of the new side that had too few samples to count.
    pub thin_blocks: u64,
}

/// Which sides have been at the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Saturation {
    /// The new side is not.
    None,
    /// Only the new side.
    Canary,
    /// The stable side was, too, at the same age.
    Both,
}

/// What the new side's floor was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Against {
    /// A baseline of the same age: its floor is subtracted.
    Baseline,
    /// Nothing: no baseline of that age is known.
    Nothing,
}

/// One planned look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Its number, from 1.
    pub number: u32,
    /// Its share of the trend's whole level.
    pub level: f64,
    /// With what the floor was compared.
    pub against: Against,
    /// Length of a block.
    #[serde(with = "millis")]
    pub block: Duration,
    /// The block minima.
    pub points: Vec<LookPoint>,
    /// What they say.
    pub slope: Slope,
}

/// A block of a look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookPoint {
    /// Which life of the replica, from 0.
    pub life: u32,
    /// Blocks between the end of the warm-up and this one.
    pub index: u64,
    /// The new side's minimum.
    pub canary: f64,
    /// The baseline's minimum at the same age, where it is subtracted.
    pub baseline: Option<f64>,
}

/// A slope and how small it may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slope {
    /// The median slope, per second.
    pub per_second: f64,
    /// The one-sided lower confidence bound, per second; absent when there are too few pairs for one at
    /// this level.
    pub lower_bound: Option<f64>,
    /// The same at the level at which growth counts as likely (10 %): what is below zero here is not told from noise at all.
    pub likely_bound: Option<f64>,
}

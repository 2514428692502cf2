//! From what is known of a gauge to a verdict, with the evidence.
//!
//! Everything that the verdict depends on is in [`TrendFacts`], and [`TrendEvidence::replay`] gets the same
//! verdict from it again, bit for bit, years later. How the facts are collected is in the parent.

use super::looks;
use super::slope::{Slope, SlopePoint, theil_sen};
use super::words::{Unit, rough_span, whole_millis};
use serde::{Deserialize, Serialize};
use sluice_model::{Verdict, millis};
use std::time::Duration;

/// What the trend says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendVerdict {
    /// In the words of all checks.
    pub verdict: Verdict,
    /// Why.
    pub evidence: TrendEvidence,
}

/// Why a trend says what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendEvidence {
    /// Median slope at the last look, per second.
    pub slope_per_second: Option<f64>,
    /// Its lower confidence bound, per second.
    pub lower_bound: Option<f64>,
    /// Blocks that the last look used; those known so far while there was none.
    pub blocks: u32,
    /// Time from now until the limit is reached: at the lower bound if it is above zero, otherwise at the
    /// median slope. Absent when nothing grows or no limit is known.
    #[serde(with = "millis::option")]
    pub projected_exhaustion: Option<Duration>,
    /// The same for people.
    pub message: String,
    /// All that the verdict depends on.
    pub facts: TrendFacts,
}

impl TrendEvidence {
    /// The verdict again, from the stored block minima alone.
    #[must_use]
    pub fn replay(&self) -> TrendVerdict {
        let mut facts = self.facts.clone();
        facts.look = facts.look.and_then(Look::recomputed);
        facts.judge()
    }
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

impl Look {
    /// Takes a look at these points; `None` when they are too few for a slope.
    pub(super) fn taken(
        number: u32,
        level: f64,
        against: Against,
        block: Duration,
        points: Vec<LookPoint>,
    ) -> Option<Look> {
        let block_s = block.as_secs_f64();
        let series: Vec<SlopePoint> = points
            .iter()
            .map(|point| SlopePoint {
                stratum: point.life,
                at_s: point.index as f64 * block_s,
                value: point.canary - point.baseline.unwrap_or(0.0),
            })
            .collect();
        let slope = theil_sen(&series, level)?;
        Some(Look {
            number,
            level,
            against,
            block,
            points,
            slope,
        })
    }

    fn recomputed(self) -> Option<Look> {
        Look::taken(
            self.number,
            self.level,
            self.against,
            self.block,
            self.points,
        )
    }
}

impl TrendFacts {
    /// The verdict of these facts.
    #[must_use]
    pub fn judge(self) -> TrendVerdict {
        let slope = self.look.as_ref().map(|look| look.slope);
        let lower_bound = slope.and_then(|slope| slope.lower_bound);
        let rate = match (lower_bound, slope) {
            (Some(bound), _) if bound > 0.0 => Some(bound),
            (_, Some(slope)) if slope.per_second > 0.0 => Some(slope.per_second),
            _ => None,
        };
        let projected = |rate: f64| Some((self.limit? - self.level?).max(0.0) / rate);
        let projected_exhaustion = rate
            .and_then(projected)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(whole_millis);
        let (verdict, message) = self.reasoned(slope, lower_bound, projected);
        TrendVerdict {
            verdict,
            evidence: TrendEvidence {
                slope_per_second: slope.map(|slope| slope.per_second),
                lower_bound,
                blocks: match &self.look {
                    Some(look) => u32::try_from(look.points.len()).unwrap_or(u32::MAX),
                    None => self.known_blocks,
                },
                projected_exhaustion,
                message,
                facts: self,
            },
        }
    }

    fn reasoned(
        &self,
        slope: Option<Slope>,
        lower_bound: Option<f64>,
        projected: impl Fn(f64) -> Option<f64>,
    ) -> (Verdict, String) {
        let unit = self.unit;
        if let Some(limit) = self
            .limit
            .filter(|limit| !limit.is_finite() || *limit <= 0.0)
        {
            let text = format!("the limit {limit} is not a number above zero");
            return (Verdict::NoData, text);
        }
        if let Some(silent) = self.silent_for {
            let text = format!("no sample of the new side for {}", rough_span(silent));
            return (Verdict::NoData, text);
        }
        let limit = self.limit.map(|limit| unit.value(limit));
        match (self.saturation, &limit) {
            (Saturation::Canary, Some(limit)) => {
                let text = format!("has not been below its limit of {limit} for two blocks");
                return (Verdict::Fail, text);
            }
            (Saturation::Both, Some(limit)) => {
                let text = format!("at its limit of {limit}, and so was the stable side");
                return (Verdict::Inconclusive, text);
            }
            _ => {}
        }
        let (Some(look), Some(slope)) = (&self.look, slope) else {
            return (Verdict::NoData, self.waiting());
        };
        if self.level.is_none() {
            let text = format!("restarted; {}", self.waiting());
            return (Verdict::NoData, text);
        }
        let found = self.found(look, slope);
        let horizon_s = self.horizon.as_secs_f64();
        let reached = |rate: f64| projected(rate).filter(|seconds| *seconds < horizon_s);
        let proven = lower_bound.filter(|bound| *bound > 0.0);
        let limit = limit.unwrap_or_default();
        if let Some(bound) = proven {
            if self.limit.is_none() {
                let text = format!("{found}; no limit is known that it could reach");
                return (Verdict::Inconclusive, text);
            }
            if let Some(seconds) = reached(bound) {
                let text = format!(
                    "{found}: {limit} is reached within {}, sooner than in {}",
                    rough_span(Duration::try_from_secs_f64(seconds).unwrap_or_default()),
                    rough_span(self.horizon)
                );
                return (Verdict::Fail, text);
            }
        }
        let likely = slope.likely_bound.is_some_and(|bound| bound > 0.0);
        if likely && reached(slope.per_second).is_some() {
            let text = format!(
                "{found}: it may reach {limit} within {}; not proven",
                rough_span(self.horizon)
            );
            return (Verdict::Inconclusive, text);
        }
        (Verdict::Pass, found)
    }

    /// What there is not enough of yet.
    fn waiting(&self) -> String {
        let mut text = format!(
            "{} of {} blocks; the first answer in {}",
            self.known_blocks,
            looks::FIRST_LOOK_BLOCKS,
            rough_span(self.next_look_in)
        );
        if self.thin_blocks > 0 {
            text.push_str(&format!(
                " ({} blocks had too few samples)",
                self.thin_blocks
            ));
        }
        text
    }

    /// The slope in words.
    fn found(&self, look: &Look, slope: Slope) -> String {
        let bound = match slope.lower_bound {
            Some(bound) if bound > 0.0 => {
                format!("grows by {} or more", self.unit.rate(bound))
            }
            _ => "no growth is proven".to_owned(),
        };
        let against = match look.against {
            Against::Baseline => "more than a baseline of the same age",
            Against::Nothing => "without a baseline of that age",
        };
        format!(
            "{bound} ({} over {} blocks of {}, {against})",
            self.unit.rate(slope.per_second),
            look.points.len(),
            rough_span(look.block)
        )
    }
}

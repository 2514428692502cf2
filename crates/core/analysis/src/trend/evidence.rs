//! From what is known of a gauge to a verdict, with the evidence.
//!
//! Everything that the verdict depends on is in [`TrendFacts`], and [`replay`] gets the same verdict from it
//! again, bit for bit, years later. How the facts are collected is in the parent.

use super::looks;
use super::slope::{SlopePoint, theil_sen};
use super::words::{rate, rough_span, value, whole_millis};
use serde::{Deserialize, Serialize};
use sluice_model::analysis::{Against, Look, LookPoint, Saturation, Slope, TrendFacts};
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

/// The verdict of these facts again, from the stored block minima alone.
#[must_use]
pub fn replay(facts: &TrendFacts) -> TrendVerdict {
    let mut facts = facts.clone();
    facts.look = facts.look.and_then(|look| {
        let Look {
            number,
            level,
            against,
            block,
            points,
            ..
        } = look;
        take_look(number, level, against, block, points)
    });
    judge(facts)
}

/// Takes a look at these points; `None` when they are too few for a slope.
pub(super) fn take_look(
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

/// The verdict of these facts.
#[must_use]
pub fn judge(facts: TrendFacts) -> TrendVerdict {
    let slope = facts.look.as_ref().map(|look| look.slope);
    let lower_bound = slope.and_then(|slope| slope.lower_bound);
    let rate = match (lower_bound, slope) {
        (Some(bound), _) if bound > 0.0 => Some(bound),
        (_, Some(slope)) if slope.per_second > 0.0 => Some(slope.per_second),
        _ => None,
    };
    let projected = |rate: f64| Some((facts.limit? - facts.level?).max(0.0) / rate);
    let projected_exhaustion = rate
        .and_then(projected)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(whole_millis);
    let (verdict, message) = reasoned(&facts, slope, lower_bound, projected);
    TrendVerdict {
        verdict,
        evidence: TrendEvidence {
            slope_per_second: slope.map(|slope| slope.per_second),
            lower_bound,
            blocks: match &facts.look {
                Some(look) => u32::try_from(look.points.len()).unwrap_or(u32::MAX),
                None => facts.known_blocks,
            },
            projected_exhaustion,
            message,
            facts,
        },
    }
}

fn reasoned(
    facts: &TrendFacts,
    slope: Option<Slope>,
    lower_bound: Option<f64>,
    projected: impl Fn(f64) -> Option<f64>,
) -> (Verdict, String) {
    let unit = facts.unit;
    if let Some(limit) = facts
        .limit
        .filter(|limit| !limit.is_finite() || *limit <= 0.0)
    {
        let text = format!("the limit {limit} is not a number above zero");
        return (Verdict::NoData, text);
    }
    if let Some(silent) = facts.silent_for {
        let text = format!("no sample of the new side for {}", rough_span(silent));
        return (Verdict::NoData, text);
    }
    let limit = facts.limit.map(|limit| value(unit, limit));
    match (facts.saturation, &limit) {
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
    let (Some(look), Some(slope)) = (&facts.look, slope) else {
        return (Verdict::NoData, waiting(facts));
    };
    if facts.level.is_none() {
        let text = format!("restarted; {}", waiting(facts));
        return (Verdict::NoData, text);
    }
    let found = found(facts, look, slope);
    let horizon_s = facts.horizon.as_secs_f64();
    let reached = |rate: f64| projected(rate).filter(|seconds| *seconds < horizon_s);
    let proven = lower_bound.filter(|bound| *bound > 0.0);
    let limit = limit.unwrap_or_default();
    if let Some(bound) = proven {
        if facts.limit.is_none() {
            let text = format!("{found}; no limit is known that it could reach");
            return (Verdict::Inconclusive, text);
        }
        if let Some(seconds) = reached(bound) {
            let text = format!(
                "{found}: {limit} is reached within {}, sooner than in {}",
                rough_span(Duration::try_from_secs_f64(seconds).unwrap_or_default()),
                rough_span(facts.horizon)
            );
            return (Verdict::Fail, text);
        }
    }
    let likely = slope.likely_bound.is_some_and(|bound| bound > 0.0);
    if likely && reached(slope.per_second).is_some() {
        let text = format!(
            "{found}: it may reach {limit} within {}; not proven",
            rough_span(facts.horizon)
        );
        return (Verdict::Inconclusive, text);
    }
    (Verdict::Pass, found)
}

/// What there is not enough of yet.
fn waiting(facts: &TrendFacts) -> String {
    let mut text = format!(
        "{} of {} blocks; the first answer in {}",
        facts.known_blocks,
        looks::FIRST_LOOK_BLOCKS,
        rough_span(facts.next_look_in)
    );
    if facts.thin_blocks > 0 {
        text.push_str(&format!(
            " ({} blocks had too few samples)",
            facts.thin_blocks
        ));
    }
    text
}

/// The slope in words.
fn found(facts: &TrendFacts, look: &Look, slope: Slope) -> String {
    let bound = match slope.lower_bound {
        Some(bound) if bound > 0.0 => {
            format!("grows by {} or more", rate(facts.unit, bound))
        }
        _ => "no growth is proven".to_owned(),
    };
    let against = match look.against {
        Against::Baseline => "more than a baseline of the same age",
        Against::Nothing => "without a baseline of that age",
    };
    format!(
        "{bound} ({} over {} blocks of {}, {against})",
        rate(facts.unit, slope.per_second),
        look.points.len(),
        rough_span(look.block)
    )
}

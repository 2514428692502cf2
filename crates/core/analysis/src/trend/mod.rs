//! Growth towards a limit: memory, file descriptors, queue lengths (a leak, before it is an outage).
//!
//! A gauge of one replica of the new side is pushed with the replica's age, and the same of a fresh replica of the
//! stable side if there is one. Kept are minima of blocks of time (what stays occupied
//! after every collection), compared with the baseline at the same age, so that what every start
//! allocates is no leak (Matias, Andrzejak & Trivedi, ISSREW 2016). Their Theil–Sen slope (`slope`) is
//! looked at at planned times (`looks`), and its lower bound is drawn out to the limit (`evidence`):
//!
//! - *fail*: the bound is above zero and reaches the limit within the horizon; or the floor is at the limit
//!   already, and the stable side's is not;
//! - *inconclusive*: only the median slope does, and growth is at least likely; or growth is proven and no
//!   limit is known;
//! - *no data*: too few blocks, or silence, with the time that it still takes;
//! - *pass*: otherwise.
//!
//! The test is one for a fixed number of points: it is honest because looks are planned, and may be asked
//! for at every tick because between looks its answer stands. Without a baseline of the same age, growth that
//! will level off after the warm-up looks like a leak as long as it lasts; give such a service a longer
//! warm-up. What leaks on both sides alike is no difference, and passes. It knows no plan and no clock.

mod evidence;
mod floor;
mod looks;
mod slope;
mod words;

pub use evidence::{TrendEvidence, TrendVerdict, judge, replay};
pub use looks::FIRST_LOOK_BLOCKS;
pub use slope::{LIKELY_LEVEL, MEMORY_POINTS_MIN};
pub use sluice_model::analysis::{
    Against, Look, LookPoint, Saturation, Slope, TrendFacts, TrendSettings, Unit,
};

use evidence::take_look;
use floor::{Block, Floor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
pub(crate) use words::value;
use words::whole_millis;

/// Most blocks of a side: two hours of half-minute blocks. When they are full, neighbours are merged and blocks
/// are twice as long from there on.
pub const BLOCKS_MAX: u64 = 240;
/// Silence of this many blocks makes what is known too old to judge by.
pub const SILENT_BLOCKS: u32 = 4;
/// Blocks at the limit, one after the other, that count as saturated.
const SATURATED_BLOCKS: usize = 2;

/// Settings with which no trend can be told.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadTrendSettings {
    /// The block has no length.
    #[error("a block of a trend needs a length of at least a millisecond")]
    Block,
    /// The error rate is not one.
    #[error("the false-alarm rate of a trend lies above 0 and below 0.5, and is not {0}")]
    FalseAlarm(f64),
}

/// A sample that was not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadSample {
    /// Not a number, infinite, or absurdly large.
    #[error("the gauge's value {value} is not a number that a gauge can have")]
    NotFinite {
        /// The value.
        value: f64,
    },
    /// Below zero.
    #[error("the gauge's value {value} is below zero")]
    Negative {
        /// The value.
        value: f64,
    },
    /// Older than the last one, by less than a block: a late sample, not a restart.
    #[error("a sample at the age of {age:?} came after the one at {last:?}")]
    OutOfOrder {
        /// Its age.
        age: Duration,
        /// Age of the sample before.
        last: Duration,
    },
}

/// Which side a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The new side.
    Canary,
    /// The stable side: a replica that was started for comparison.
    Baseline,
}

/// The trend of one gauge. It can be stored and read back at any moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trend {
    settings: TrendSettings,
    block: Duration,
    canary: Floor,
    baseline: Floor,
    observed_before: Duration,
    look: Option<Look>,
}

impl Trend {
    /// A trend without samples.
    ///
    /// # Errors
    /// When no trend can be told with these settings.
    pub fn new(settings: TrendSettings) -> Result<Trend, BadTrendSettings> {
        if settings.block < Duration::from_millis(1) {
            return Err(BadTrendSettings::Block);
        }
        if !(settings.false_alarm_max > 0.0 && settings.false_alarm_max < 0.5) {
            return Err(BadTrendSettings::FalseAlarm(settings.false_alarm_max));
        }
        let settings = TrendSettings {
            block: whole_millis(settings.block),
            warm_up: whole_millis(settings.warm_up),
            ..settings
        };
        Ok(Trend {
            block: settings.block,
            settings,
            canary: Floor::default(),
            baseline: Floor::default(),
            observed_before: Duration::ZERO,
            look: None,
        })
    }

    /// Takes a sample: the gauge's value at an age of the replica. An age that is a block or more below the
    /// last one is a restart; [`Trend::restarted`] says it explicitly.
    ///
    /// # Errors
    /// When the sample is not taken; the trend is as it was.
    pub fn push(&mut self, side: Side, age: Duration, value: f64) -> Result<(), BadSample> {
        let observed = self.observed_of_life(self.canary.last_age());
        match side {
            Side::Canary => {
                if self.canary.push(&self.settings, self.block, age, value)? {
                    self.observed_before = self.observed_before.saturating_add(observed);
                }
            }
            Side::Baseline => {
                self.baseline.push(&self.settings, self.block, age, value)?;
            }
        }
        self.trim();
        Ok(())
    }

    /// The new side's age at its last sample.
    #[must_use]
    pub fn last_age(&self) -> Option<Duration> {
        self.canary.last_age()
    }

    /// The present length of a block.
    #[must_use]
    pub fn block(&self) -> Duration {
        self.block
    }

    /// The replica of this side was restarted: its age begins again. What was learnt before stays, as a series of its own.
    pub fn restarted(&mut self, side: Side) {
        match side {
            Side::Canary => {
                let observed = self.observed_of_life(self.canary.last_age());
                self.observed_before = self.observed_before.saturating_add(observed);
                self.canary.restart();
            }
            Side::Baseline => self.baseline.restart(),
        }
    }

    /// What the trend says when the new side's replica has this age: will the gauge reach `limit` within
    /// `horizon`? A planned look that has come due is taken; asking more often changes nothing.
    pub fn verdict(
        &mut self,
        now_age: Duration,
        limit: Option<f64>,
        horizon: Duration,
    ) -> TrendVerdict {
        judge(self.facts(now_age, limit, horizon))
    }

    /// What [`Trend::verdict`] judges.
    pub fn facts(
        &mut self,
        now_age: Duration,
        limit: Option<f64>,
        horizon: Duration,
    ) -> TrendFacts {
        let last_age = self.canary.last_age();
        let age = now_age.max(last_age.unwrap_or_default());
        self.canary.close_until(&self.settings, self.block, age);
        self.trim();
        let observed = self
            .observed_before
            .saturating_add(self.observed_of_life(Some(age)));
        let due = looks::due(observed, self.settings.block);
        let taken = self.look.as_ref().map_or(0, |look| look.number);
        if due.number > taken
            && let Some(look) = self.take_look(due.number)
        {
            self.look = Some(look);
        }
        let known = self.canary.blocks.len();
        let silence = last_age.map(|last| age.saturating_sub(last));
        let silence_max = self.block.saturating_mul(SILENT_BLOCKS);
        TrendFacts {
            unit: self.settings.unit,
            known_blocks: u32::try_from(known).unwrap_or(u32::MAX),
            next_look_in: whole_millis(self.next_look_in(due.next_at.saturating_sub(observed))),
            level: self.canary.recent(0).map(|block| block.minimum),
            saturation: self.saturation(limit),
            limit,
            horizon: whole_millis(horizon),
            silent_for: silence
                .filter(|silence| *silence > silence_max)
                .map(whole_millis),
            restarts: self.canary.restarts(),
            thin_blocks: self.canary.thin,
            look: self.look.clone(),
        }
    }

    /// Time in which the new side could be watched, of its present life.
    fn observed_of_life(&self, age: Option<Duration>) -> Duration {
        age.unwrap_or_default()
            .saturating_sub(self.settings.warm_up)
    }

    fn take_look(&self, number: u32) -> Option<Look> {
        let by_age = self.baseline_by_age();
        let point = |block: &Block, baseline: Option<f64>| LookPoint {
            life: block.life,
            index: block.index,
            canary: block.minimum,
            baseline,
        };
        let matched: Vec<LookPoint> = self
            .canary
            .blocks
            .iter()
            .filter_map(|block| {
                let baseline = by_age.get(&block.index)?;
                Some(point(block, Some(*baseline)))
            })
            .collect();
        let enough = |points: usize| points >= FIRST_LOOK_BLOCKS as usize;
        // Whether there is a baseline depends on what could be measured, never on what it said.
        let (against, points) =
            if enough(matched.len()) && matched.len() * 2 >= self.canary.blocks.len() {
                (Against::Baseline, matched)
            } else {
                let plain = self.canary.blocks.iter().map(|block| point(block, None));
                (Against::Nothing, plain.collect())
            };
        if !enough(points.len()) {
            return None;
        }
        let level = looks::level(number, self.settings.false_alarm_max);
        take_look(number, level, against, self.block, points)
    }

    /// The baseline's minima by age; of several lives the last one's.
    fn baseline_by_age(&self) -> BTreeMap<u64, f64> {
        let blocks = self.baseline.blocks.iter();
        blocks.map(|block| (block.index, block.minimum)).collect()
    }

    fn next_look_in(&self, planned: Duration) -> Duration {
        if self.look.is_some() {
            return planned;
        }
        let known = u32::try_from(self.canary.blocks.len()).unwrap_or(u32::MAX);
        let missing = FIRST_LOOK_BLOCKS.saturating_sub(known);
        planned.max(self.block.saturating_mul(missing))
    }

    fn saturation(&self, limit: Option<f64>) -> Saturation {
        let Some(limit) = limit else {
            return Saturation::None;
        };
        let recent: Option<Vec<Block>> = (0..SATURATED_BLOCKS)
            .map(|back| self.canary.recent(back))
            .collect();
        let Some(recent) = recent.filter(|all| all.iter().all(|block| block.minimum >= limit))
        else {
            return Saturation::None;
        };
        let by_age = self.baseline_by_age();
        let stable_too = recent.iter().any(|block| {
            by_age
                .get(&block.index)
                .is_some_and(|floor| *floor >= limit)
        });
        if stable_too {
            Saturation::Both
        } else {
            Saturation::Canary
        }
    }

    /// Keeps both sides within [`BLOCKS_MAX`]: by forgetting former lives, then by longer blocks.
    fn trim(&mut self) {
        while self.canary.span() >= BLOCKS_MAX {
            if !self.canary.forget_oldest_life() {
                self.canary.coarsen();
                self.baseline.coarsen();
                self.block = self.block.saturating_mul(2);
            }
        }
        while self.canary.blocks.len() as u64 > BLOCKS_MAX && self.canary.forget_oldest_life() {}
        let first = self.canary.first_index();
        self.baseline
            .keep_within(first, first.saturating_add(BLOCKS_MAX));
        while self.baseline.blocks.len() as u64 > BLOCKS_MAX && self.baseline.forget_oldest_life() {
        }
    }
}

//! Samples of a gauge to the minima of blocks of time: what stays occupied after every collection.
//!
//! A sample goes into its block at once and is forgotten; memory does not grow with the samples. Blocks
//! are counted from the end of the warm-up by the age of the replica, so that blocks of the two
//! sides with the same index have the same age.

use super::{BadSample, TrendSettings};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Largest value of a sample; what is beyond is not a gauge of this world.
pub(super) const VALUE_MAX: f64 = 1e30;

/// The minimum of a block that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Block {
    /// Which life of the replica, from 0: it rises when the replica is restarted.
    pub(super) life: u32,
    /// Blocks between the end of the warm-up and this one.
    pub(super) index: u64,
    /// Least value in it.
    pub(super) minimum: f64,
}

/// A block that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    index: u64,
    minimum: f64,
    samples: u32,
}

/// One side's blocks, by age.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Floor {
    open: Option<Open>,
    life: u32,
    last_age: Option<Duration>,
    /// Blocks that had too few samples.
    pub(super) thin: u64,
    /// Ended blocks, by life, then by index.
    pub(super) blocks: Vec<Block>,
}

impl Floor {
    /// Takes a sample; whether it began a new life of the replica.
    pub(super) fn push(
        &mut self,
        settings: &TrendSettings,
        block: Duration,
        age: Duration,
        value: f64,
    ) -> Result<bool, BadSample> {
        if !value.is_finite() || value > VALUE_MAX {
            return Err(BadSample::NotFinite { value });
        }
        if value < 0.0 {
            return Err(BadSample::Negative { value });
        }
        let mut restarted = false;
        if let Some(last) = self.last_age.filter(|last| age < *last) {
            if last - age < settings.block {
                return Err(BadSample::OutOfOrder { age, last });
            }
            self.restart();
            restarted = true;
        }
        self.last_age = Some(age);
        let Some(index) = index_of(settings, block, age) else {
            return Ok(restarted);
        };
        if self.open.is_some_and(|open| open.index != index) {
            self.close(settings);
        }
        let open = self.open.get_or_insert(Open {
            index,
            minimum: value,
            samples: 0,
        });
        open.minimum = open.minimum.min(value);
        open.samples = open.samples.saturating_add(1);
        Ok(restarted)
    }

    /// Ends the block that `age` lies behind, if one is open.
    pub(super) fn close_until(&mut self, settings: &TrendSettings, block: Duration, age: Duration) {
        let now = index_of(settings, block, age);
        if let (Some(open), Some(now)) = (self.open, now)
            && open.index < now
        {
            self.close(settings);
        }
    }

    /// The replica was restarted: its age starts again.
    pub(super) fn restart(&mut self) {
        self.open = None;
        self.last_age = None;
        self.life = self.life.saturating_add(1);
    }

    /// Age of the last sample.
    pub(super) fn last_age(&self) -> Option<Duration> {
        self.last_age
    }

    /// Times that the replica was restarted.
    pub(super) fn restarts(&self) -> u32 {
        self.life
    }

    /// The minimum of the last ended block of the present life, before which `back` others ended.
    pub(super) fn recent(&self, back: usize) -> Option<Block> {
        let block = self.blocks.iter().rev().nth(back)?;
        (block.life == self.life).then_some(*block)
    }

    /// Least index of a block.
    pub(super) fn first_index(&self) -> u64 {
        let indices = self.blocks.iter().map(|block| block.index);
        indices.min().unwrap_or(0)
    }

    /// From the first block's index to the last one's, in blocks.
    pub(super) fn span(&self) -> u64 {
        let indices = self.blocks.iter().map(|block| block.index);
        indices.max().unwrap_or(0) - self.first_index()
    }

    /// Drops the blocks of the oldest life, unless it is the only one that has any; whether it did.
    pub(super) fn forget_oldest_life(&mut self) -> bool {
        let (Some(first), Some(last)) = (self.blocks.first(), self.blocks.last()) else {
            return false;
        };
        let oldest = first.life;
        if oldest == last.life {
            return false;
        }
        self.blocks.retain(|block| block.life != oldest);
        true
    }

    /// Drops the blocks whose index is not in `from..to`.
    pub(super) fn keep_within(&mut self, from: u64, to: u64) {
        self.blocks
            .retain(|block| (from..to).contains(&block.index));
    }

    /// Halves the number of blocks: two neighbours become one of twice the length.
    pub(super) fn coarsen(&mut self) {
        let fine = std::mem::take(&mut self.blocks);
        for block in fine {
            self.add(Block {
                index: block.index / 2,
                ..block
            });
        }
        if let Some(open) = &mut self.open {
            open.index /= 2;
        }
    }

    fn close(&mut self, settings: &TrendSettings) {
        let Some(open) = self.open.take() else {
            return;
        };
        if open.samples < settings.samples_per_block_min {
            self.thin = self.thin.saturating_add(1);
            return;
        }
        self.add(Block {
            life: self.life,
            index: open.index,
            minimum: open.minimum,
        });
    }

    /// Adds a block, to the one of the same life and index if there is one.
    fn add(&mut self, block: Block) {
        let place = self
            .blocks
            .partition_point(|other| (other.life, other.index) < (block.life, block.index));
        match self.blocks.get_mut(place) {
            Some(other) if (other.life, other.index) == (block.life, block.index) => {
                other.minimum = other.minimum.min(block.minimum);
            }
            _ => self.blocks.insert(place, block),
        }
    }
}

/// The block in which `age` lies; `None` during the warm-up.
fn index_of(settings: &TrendSettings, block: Duration, age: Duration) -> Option<u64> {
    let since = age.checked_sub(settings.warm_up)?;
    let index = since.as_nanos() / block.as_nanos().max(1);
    Some(u64::try_from(index).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(samples: &[(u64, f64)]) -> Floor {
        let settings = TrendSettings {
            samples_per_block_min: 1,
            warm_up: Duration::from_secs(60),
            ..TrendSettings::default()
        };
        let mut floor = Floor::default();
        for (age_s, value) in samples {
            let age = Duration::from_secs(*age_s);
            floor
                .push(&settings, settings.block, age, *value)
                .expect("a good sample");
        }
        floor.close_until(&settings, settings.block, Duration::from_secs(10_000));
        floor
    }

    fn shown(floor: &Floor) -> Vec<(u32, u64, f64)> {
        let shown = |block: &Block| (block.life, block.index, block.minimum);
        floor.blocks.iter().map(shown).collect()
    }

    #[test]
    fn a_block_keeps_its_least_value_and_the_warm_up_is_dropped() {
        let floor = pushed(&[
            (0, 1.0),
            (59, 2.0),
            (60, 9.0),
            (75, 7.0),
            (89, 8.0),
            (90, 5.0),
        ]);
        assert_eq!(shown(&floor), [(0, 0, 7.0), (0, 1, 5.0)]);
    }

    #[test]
    fn an_age_that_starts_again_is_another_life() {
        let floor = pushed(&[(60, 9.0), (95, 9.5), (60, 3.0), (95, 4.0), (130, 5.0)]);
        assert_eq!(
            shown(&floor),
            [(0, 0, 9.0), (1, 0, 3.0), (1, 1, 4.0), (1, 2, 5.0)]
        );
        assert_eq!(floor.restarts(), 1);
    }

    #[test]
    fn neighbours_become_one_block_of_twice_the_length() {
        let mut floor = pushed(&[(60, 4.0), (90, 3.0), (120, 2.0), (180, 7.0)]);
        floor.coarsen();
        assert_eq!(shown(&floor), [(0, 0, 3.0), (0, 1, 2.0), (0, 2, 7.0)]);
    }
}

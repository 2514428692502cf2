//! When the trend is tested, and at which level.
//!
//! Theil–Sen's bound holds for a number of points that is fixed beforehand: who asks it at every tick
//! and stops at the first bad answer is wrong far more often than the level says. So the looks
//! are planned by time alone: the first at [`FIRST_LOOK_BLOCKS`] blocks, each next one half as much
//! later, in whole blocks (8, 12, 18, 27, 41 …). Each look has its
//! share of the whole level; the shares of all looks, however many there will be, add up to one, so that
//! by the union bound the whole rollout is wrong at most at that level. Most of it is spent at the
//! third look: there a leak that fills a usual limit within a day stands out first, and with fewer blocks
//! only one that is steep enough to be found at any level. Between two looks the last one's answer
//! stands.

use statrs::function::erf::erfc_inv;
use std::time::Duration;

/// Blocks before the first look: with fewer, the level of the first look is out of reach.
pub const FIRST_LOOK_BLOCKS: u32 = 8;

/// Shares of the level for the first looks.
const SHARES: [f64; 4] = [0.05, 0.1, 0.45, 0.2];
/// Share of the look after these, and what is left of it with every further one; together 0.2.
const LATER_SHARE: f64 = 0.06;
const LATER_RATIO: f64 = 0.7;

/// The looks that have come due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Number of the last one due, from 1; 0 when none is.
    pub(super) number: u32,
    /// Observed time at which the next one is due.
    pub(super) next_at: Duration,
}

/// The looks due after `observed`, for blocks of this length (a millisecond or more).
pub(super) fn due(observed: Duration, block: Duration) -> Due {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let block_ms = millis(block).max(1);
    let observed_blocks = millis(observed) / block_ms;
    let mut number = 0;
    let mut next = u64::from(FIRST_LOOK_BLOCKS);
    // Half as much again each time: some hundred rounds reach the longest time there is.
    while next <= observed_blocks {
        number += 1;
        next = next.saturating_add(next.div_ceil(2));
        if next == u64::MAX {
            break;
        }
    }
    Due {
        number,
        next_at: Duration::from_millis(block_ms.saturating_mul(next)),
    }
}

/// The level of one look (numbered from 1), of `whole` for all of them.
pub(super) fn level(number: u32, whole: f64) -> f64 {
    let index = number.saturating_sub(1) as usize;
    let share = SHARES.get(index).copied().unwrap_or_else(|| {
        let later = u16::try_from(index - SHARES.len()).unwrap_or(u16::MAX);
        LATER_SHARE * LATER_RATIO.powi(i32::from(later))
    });
    whole * share
}

/// The standard normal quantile that is exceeded with probability `level`.
pub(super) fn quantile_above(level: f64) -> f64 {
    std::f64::consts::SQRT_2 * erfc_inv(2.0 * level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_follow_the_time_and_nothing_else() {
        let block = Duration::from_secs(30);
        let expected_s = [240, 360, 540, 810, 1_230];
        for (index, at_s) in expected_s.into_iter().enumerate() {
            let number = u32::try_from(index + 1).expect("few");
            let at = Duration::from_secs(at_s);
            assert_eq!(due(at, block).number, number);
            assert_eq!(due(at - Duration::from_millis(1), block).number, number - 1);
        }
        assert_eq!(due(Duration::ZERO, block).next_at, Duration::from_secs(240));
        assert!(due(Duration::MAX, block).number < 200);
    }

    #[test]
    fn the_levels_of_all_looks_add_up_to_the_whole() {
        let sum: f64 = (1..=200).map(|number| level(number, 1.0)).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        assert!(level(u32::MAX, 1.0) >= 0.0);
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (level, quantile) in [(0.5, 0.0), (0.025, 1.959_964), (0.005, 2.575_829)] {
            let found = quantile_above(level);
            assert!((found - quantile).abs() < 1e-6, "{found} for {quantile}");
        }
    }
}

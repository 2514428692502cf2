//! Whether an assignment is neutral: uniform over all, and independent of who somebody is.
//!
//! Pearson's χ² tests (Pearson 1900; for tables see Agresti, "Categorical Data Analysis", §3.2). They are made once, over
//! a complete list, so that no correction for repeated looks is due; several of them share one level (Holm 1979).
//! How people are assigned is the routing's matter, and no part of this.

use statrs::distribution::{ChiSquared, ContinuousCDF};
use std::collections::BTreeMap;

/// Expected observations in a cell below which Pearson's approximation is not good enough (Cochran 1954).
const EXPECTED_MIN: f64 = 5.0;

/// A χ² test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquare {
    /// Sum of (observed − expected)² / expected.
    pub statistic: f64,
    /// Degrees of freedom.
    pub degrees: u64,
    /// Probability of a statistic at least as large by chance, 0 to 1.
    pub p: f64,
}

impl ChiSquare {
    fn new(statistic: f64, degrees: u64) -> Option<ChiSquare> {
        let distribution = ChiSquared::new(degrees as f64).ok()?;
        Some(ChiSquare {
            statistic,
            degrees,
            p: distribution.sf(statistic),
        })
    }
}

/// Whether counts fall as the shares say; the shares sum to 1. `None` when there is nothing to test: fewer than two
/// cells, or fewer than five observations expected in one.
#[must_use]
pub fn goodness_of_fit(counts: &[u64], shares: &[f64]) -> Option<ChiSquare> {
    let total: u64 = counts.iter().sum();
    if counts.len() != shares.len() || counts.len() < 2 {
        return None;
    }
    let mut statistic = 0.0;
    for (count, share) in counts.iter().zip(shares) {
        let expected = share * total as f64;
        if expected < EXPECTED_MIN {
            return None;
        }
        statistic += (*count as f64 - expected).powi(2) / expected;
    }
    ChiSquare::new(statistic, counts.len() as u64 - 1)
}

/// Whether the side is independent of an attribute: for each of its values, how many are on the canary and how many
/// are not. Values that are too rare for the test are taken together. `None` when less than two values, or one side, are
/// left.
#[must_use]
pub fn independence(values: &BTreeMap<String, (u64, u64)>) -> Option<ChiSquare> {
    let sum = |of: fn(&(u64, u64)) -> u64| values.values().map(of).sum::<u64>();
    let (canary, rest) = (sum(|it| it.0), sum(|it| it.1));
    let all = (canary + rest) as f64;
    if canary == 0 || rest == 0 {
        return None;
    }
    let share = canary as f64 / all;
    let is_rare =
        |(canary, rest): (u64, u64)| (canary + rest) as f64 * share.min(1.0 - share) < EXPECTED_MIN;
    let mut cells: Vec<(u64, u64)> = values
        .values()
        .copied()
        .filter(|it| !is_rare(*it))
        .collect();
    let rare = values.values().copied().filter(|it| is_rare(*it));
    let rare = rare.fold((0, 0), |sum: (u64, u64), it| (sum.0 + it.0, sum.1 + it.1));
    if !is_rare(rare) {
        cells.push(rare);
    } else if let Some(last) = cells.last_mut() {
        *last = (last.0 + rare.0, last.1 + rare.1);
    }
    if cells.len() < 2 {
        return None;
    }
    let statistic = cells
        .iter()
        .map(|(canary, rest)| {
            let of_value = (canary + rest) as f64;
            let (due_canary, due_rest) = (of_value * share, of_value * (1.0 - share));
            (*canary as f64 - due_canary).powi(2) / due_canary
                + (*rest as f64 - due_rest).powi(2) / due_rest
        })
        .sum();
    ChiSquare::new(statistic, cells.len() as u64 - 1)
}

/// Which of several tests stand out when all share one level (Holm's step-down procedure): true where the hypothesis
/// of neutrality is rejected.
#[must_use]
pub fn stand_out(p_values: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut rejected = vec![false; p_values.len()];
    for (rank, index) in order.into_iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        // A NaN stands for a test that says nothing.
        rejected[index] = p_values[index] <= level / left;
        if !rejected[index] {
            break;
        }
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_textbook_die_and_a_textbook_table() {
        // NIST/SEMATECH e-Handbook, critical values: χ²(5) = 11.070 and χ²(2) = 5.991 at 5 %.
        let fair = goodness_of_fit(&[100; 6], &[1.0 / 6.0; 6]).expect("a test");
        assert_eq!((fair.statistic, fair.degrees, fair.p), (0.0, 5, 1.0));
        for (statistic, degrees) in [(11.070, 5), (5.991, 2), (3.841, 1)] {
            let test = ChiSquare::new(statistic, degrees).expect("a test");
            assert!((test.p - 0.05).abs() < 1e-4, "{test:?}");
        }
        let loaded = goodness_of_fit(&[150, 90, 90, 90, 90, 90], &[1.0 / 6.0; 6]).expect("a test");
        assert!((loaded.statistic - 30.0).abs() < 1e-9 && loaded.p < 1e-4);
        assert_eq!(goodness_of_fit(&[4, 4], &[0.5, 0.5]), None, "too few");
        assert_eq!(goodness_of_fit(&[9], &[1.0]), None);
    }

    #[test]
    fn an_attribute_that_decides_the_side_is_found_and_one_that_does_not_is_not() {
        let table = |cells: &[(&str, u64, u64)]| {
            let cells = cells.iter();
            cells
                .map(|(name, a, b)| ((*name).to_owned(), (*a, *b)))
                .collect()
        };
        let even = independence(&table(&[("de", 50, 950), ("fr", 51, 949), ("se", 5, 95)]));
        assert!(even.expect("a test").p > 0.9);
        let skewed = independence(&table(&[("de", 90, 910), ("fr", 11, 989), ("se", 5, 95)]));
        assert!(skewed.expect("a test").p < 1e-9);
        // A hundred countries with a user each are one cell, not a hundred.
        let mut rare: BTreeMap<String, (u64, u64)> = (0..100)
            .map(|n| (n.to_string(), (n % 2, 1 - n % 2)))
            .collect();
        rare.insert("de".to_owned(), (50, 50));
        assert_eq!(independence(&rare).expect("a test").degrees, 1);
        assert_eq!(independence(&table(&[("de", 0, 9), ("fr", 0, 9)])), None);
        assert_eq!(independence(&table(&[("de", 50, 950)])), None);
    }

    #[test]
    fn several_tests_share_one_level() {
        assert_eq!(
            stand_out(&[0.04, 0.001, 0.02, f64::NAN], 0.01),
            [false, true, false, false]
        );
        assert_eq!(stand_out(&[0.004, 0.004], 0.01), [true, true]);
        assert_eq!(stand_out(&[], 0.01), Vec::<bool>::new());
    }
}

//! Ranks of one side's samples among both sides', ties sharing the mean of theirs: commons-math's
//! `NaturalRanking`, by one merge of two sorted sides. Sums of ranks are sums of halves, and exact.

/// The sum of the ranks that `first` has among both, equal samples sharing the mean of their ranks.
pub(crate) fn rank_sum(first: &[f64], second: &[f64]) -> f64 {
    ranks(&sorted(first), &sorted(second), 0.0).sum_of_first
}

/// Ranks of the first side among both.
pub(crate) struct Ranks {
    /// Sum of the ranks of the first side.
    pub(crate) sum_of_first: f64,
    /// Σ (t³ − t) over the groups of t equal samples.
    pub(crate) ties: f64,
}

/// Ranks `first`, each less `mu`, among `second`; both in order. Taking the same off each sample keeps
/// their order, rounding included, so one merge does.
pub(crate) fn ranks(first: &[f64], second: &[f64], mu: f64) -> Ranks {
    let mut ranks = Ranks {
        sum_of_first: 0.0,
        ties: 0.0,
    };
    let (mut x, mut y) = (0, 0);
    loop {
        let value = match (first.get(x), second.get(y)) {
            (Some(a), Some(b)) if (a - mu).total_cmp(b).is_le() => a - mu,
            (_, Some(b)) => *b,
            (Some(a), None) => a - mu,
            (None, None) => return ranks,
        };
        let before = (x + y) as f64;
        let in_first = equal_ahead(&first[x..], |a| a - mu, value);
        let in_second = equal_ahead(&second[y..], |b| b, value);
        let tied = (in_first + in_second) as f64;
        // The ranks before + 1 ..= before + tied have this mean; sums of halves are exact.
        ranks.sum_of_first += in_first as f64 * (before + (tied + 1.0) / 2.0);
        ranks.ties += tied * tied * tied - tied;
        x += in_first;
        y += in_second;
    }
}

/// How many samples from here on equal `value`. Zeros of different sign differ, as they do upstream.
fn equal_ahead(samples: &[f64], moved: impl Fn(f64) -> f64, value: f64) -> usize {
    samples
        .iter()
        .take_while(|sample| moved(**sample).total_cmp(&value).is_eq())
        .count()
}

/// In order, zeros by their sign.
pub(crate) fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        // Among 1 2 2 2 3 5: 1 → 1, each 2 → 3, 3 → 5, 5 → 6.
        assert_eq!(rank_sum(&[2.0, 5.0, 2.0], &[3.0, 2.0, 1.0]), 12.0);
        let ranks = ranks(&[2.0, 2.0, 5.0], &[1.0, 2.0, 3.0], 0.0);
        assert_eq!(ranks.ties, 24.0);
        // Less 1: 1 1 4 among 1 2 3, so that three share the ranks 1 to 3.
        let moved = super::ranks(&[2.0, 2.0, 5.0], &[1.0, 2.0, 3.0], 1.0);
        assert_eq!((moved.sum_of_first, moved.ties), (10.0, 24.0));
    }
}

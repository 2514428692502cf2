//! Is the traffic split as the weight says? The sample-ratio test.
//!
//! A comparison rests on each request having been drawn with the weight's probability. When the
//! canary gets more or fewer requests than that, for whatever reason, what was counted proves
//! nothing, and the rollout holds.
//!
//! [`SplitTest`] is for a canary whose weight changes; [`dirichlet_multinomial_log_e`] for any
//! number of groups with fixed shares. Both are e-processes: 1/E is a p-value at every look.

use super::numerics::log_sum_exp;
use thiserror::Error;

/// Tilts on each side; see [`TILT_RANGE`].
const TILTS_PER_SIDE: usize = 16;
const TILTS: usize = 2 * TILTS_PER_SIDE;

/// Smallest and largest tilt of the odds that are bet on, as logarithms: from half a percent, which
/// takes tens of millions of requests to see, to a factor of twenty, beside which a side without
/// any request looks much the same.
const TILT_RANGE: (f64, f64) = (0.005, 3.0);

/// What was counted of the split while the weight stayed the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitSegment {
    weight: f64,
    canary_requests: u64,
    requests: u64,
}

/// Counts or shares that cannot be.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum BadSplit {
    /// A weight that is no probability, or more requests on one side than in all.
    #[error(transparent)]
    Counts(#[from] super::BadCounts),
    /// Not one count for each share.
    #[error("{shares} shares, but {counts} counts")]
    Lengths {
        /// How many shares.
        shares: usize,
        /// How many counts.
        counts: usize,
    },
    /// A share that is not above 0, or shares that do not sum to 1.
    #[error("shares are above 0 and sum to 1; these sum to {0}")]
    Shares(f64),
    /// The prior's concentration.
    #[error("the concentration is a number above 0, not {0}")]
    Concentration(f64),
}

impl SplitSegment {
    /// `weight` is the router's probability, 0 to 1; `requests` are those of both sides.
    ///
    /// # Errors
    /// A weight that is no probability; more requests on the canary than in all.
    pub fn new(
        weight: f64,
        canary_requests: u64,
        requests: u64,
    ) -> Result<SplitSegment, super::BadCounts> {
        if !(0.0..=1.0).contains(&weight) {
            return Err(super::BadCounts::Weight(weight));
        }
        if canary_requests > requests {
            return Err(super::BadCounts::SideAboveRequests {
                canary_requests,
                requests,
            });
        }
        Ok(SplitSegment {
            weight,
            canary_requests,
            requests,
        })
    }
}

/// The sample-ratio test of a canary, over all weights it has had.
///
/// It is Lindon & Malek's test (arXiv 2011.03567) in their second form: under a tilt δ of the odds,
/// a request goes to the canary with probability we^δ/(we^δ+1−w). The mean over a grid of tilts,
/// instead of their Dirichlet prior on the shares, is what lets evidence go on from one weight to
/// the next without paying for a new prior at each.
///
/// A weight of 0 or 1 draws nothing, and proves nothing.
#[derive(Clone, Debug)]
pub struct SplitTest {
    closed: [f64; TILTS],
    largest: f64,
}

impl Default for SplitTest {
    fn default() -> Self {
        Self {
            closed: [0.0; TILTS],
            largest: 0.0,
        }
    }
}

impl SplitTest {
    /// A segment is over: its evidence is added for good.
    pub fn close(&mut self, segment: &SplitSegment) {
        self.closed = self.with(segment);
        self.largest = self.largest.max(self.log_e(None));
    }

    /// ln E over the closed segments and the live one.
    #[must_use]
    pub fn log_e(&self, live: Option<&SplitSegment>) -> f64 {
        let logs = live.map_or(self.closed, |segment| self.with(segment));
        log_sum_exp(&logs) - libm::log(TILTS as f64)
    }

    /// Looks at the live segment, and gives the p-value of all looks so far: 1/max E, at most 1.
    /// Under a right split it is ever below p with probability p at most.
    pub fn look(&mut self, live: &SplitSegment) -> f64 {
        self.largest = self.largest.max(self.log_e(Some(live)));
        libm::exp(-self.largest)
    }

    fn with(&self, segment: &SplitSegment) -> [f64; TILTS] {
        if segment.draws() {
            add(&self.closed, &TiltLogs::at(segment.weight), segment)
        } else {
            self.closed
        }
    }
}

impl SplitSegment {
    /// Whether the draw decided anything.
    fn draws(&self) -> bool {
        self.weight > 0.0 && self.weight < 1.0
    }
}

/// What one request adds to the logarithm of each tilt's likelihood ratio: the canary's share is
/// θe^δ/(1 + θ(e^δ − 1)), the rest's (1 − θ)/(…).
#[derive(Clone, Debug)]
struct TiltLogs {
    weight: f64,
    /// For a request to the canary; the tilt itself.
    canary: [f64; TILTS],
    /// For every request, to be taken off.
    every: [f64; TILTS],
}

impl TiltLogs {
    fn at(weight: f64) -> TiltLogs {
        let canary: [f64; TILTS] = std::array::from_fn(tilt);
        TiltLogs {
            weight,
            canary,
            every: canary.map(|tilt| libm::log1p(weight * libm::expm1(tilt))),
        }
    }
}

fn add(closed: &[f64; TILTS], logs: &TiltLogs, segment: &SplitSegment) -> [f64; TILTS] {
    let (canary, requests) = (segment.canary_requests as f64, segment.requests as f64);
    std::array::from_fn(|index| {
        closed[index] + (canary * logs.canary[index] - requests * logs.every[index])
    })
}

/// The test evaluated again and again over the same few weights: the same values as a [`SplitTest`] that was fed
/// with the same segments, to the bit.
#[derive(Clone, Debug, Default)]
pub struct PreparedSplit {
    logs: Vec<TiltLogs>,
}

/// Weights whose logarithms are kept; a plan has fewer steps.
const WEIGHTS_MAX: usize = 64;

impl PreparedSplit {
    /// ln E over these segments.
    pub fn log_e(&mut self, segments: &[SplitSegment]) -> f64 {
        let mut closed = [0.0; TILTS];
        for segment in segments.iter().filter(|segment| segment.draws()) {
            closed = add(&closed, self.at(segment.weight), segment);
        }
        log_sum_exp(&closed) - libm::log(TILTS as f64)
    }

    fn at(&mut self, weight: f64) -> &TiltLogs {
        let same = |logs: &TiltLogs| logs.weight.to_bits() == weight.to_bits();
        let place = self.logs.iter().position(same).unwrap_or_else(|| {
            if self.logs.len() == WEIGHTS_MAX {
                self.logs.remove(0);
            }
            self.logs.push(TiltLogs::at(weight));
            self.logs.len() - 1
        });
        &self.logs[place]
    }
}

/// The tilts: the same on both sides of none, in geometric steps.
fn tilt(index: usize) -> f64 {
    let step = (index / 2) as f64 / (TILTS_PER_SIDE - 1) as f64;
    let size = TILT_RANGE.0 * libm::pow(TILT_RANGE.1 / TILT_RANGE.0, step);
    if index.is_multiple_of(2) { size } else { -size }
}

/// ln E of counts in groups whose true shares should be `shares`, under a Dirichlet prior of mean
/// `shares` (Lindon & Malek, arXiv 2011.03567, the Dirichlet mixture; research/stats.md §2a): ln
/// B(kρ + x) − ln B(kρ) − Σ xᵢ ln ρᵢ.
///
/// `concentration` is k: 100 looks for small deviations, 10 for large ones. It is fixed before the
/// first count.
///
/// # Errors
/// Shares that are not above 0 or do not sum to 1, another number of counts, a concentration that
/// is not above 0.
pub fn dirichlet_multinomial_log_e(
    concentration: f64,
    shares: &[f64],
    counts: &[u64],
) -> Result<f64, BadSplit> {
    if shares.len() != counts.len() {
        return Err(BadSplit::Lengths {
            shares: shares.len(),
            counts: counts.len(),
        });
    }
    let sum: f64 = shares.iter().sum();
    if !shares.iter().all(|share| *share > 0.0) || (sum - 1.0).abs() > 1e-9 {
        return Err(BadSplit::Shares(sum));
    }
    if !(concentration > 0.0 && concentration.is_finite()) {
        return Err(BadSplit::Concentration(concentration));
    }
    let mut log_e = libm::lgamma(concentration);
    let mut total = 0.0;
    for (share, count) in shares.iter().zip(counts) {
        let (prior, count) = (concentration * share, *count as f64);
        log_e += libm::lgamma(prior + count) - libm::lgamma(prior) - count * libm::log(*share);
        total += count;
    }
    Ok(log_e - libm::lgamma(concentration + total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_prepared_gives_the_same_bits() {
        let mut prepared = PreparedSplit::default();
        for scale in [1, 10, 7_777] {
            let segments: Vec<SplitSegment> =
                [(0.0, 0), (0.01, 2), (0.05, 40), (0.5, 510), (1.0, 9)]
                    .into_iter()
                    .map(|(weight, canary)| {
                        SplitSegment::new(weight, canary * scale, 1_000 * scale).expect("valid")
                    })
                    .collect();
            let mut test = SplitTest::default();
            segments.iter().for_each(|segment| test.close(segment));
            assert_eq!(
                prepared.log_e(&segments).to_bits(),
                test.log_e(None).to_bits()
            );
        }
    }

    /// assuncaolfi/savvi @de1d0d22, examples/*.qmd, reduced to counts in research/stats.md,
    /// "Numeric anchors".
    #[test]
    fn values_of_savvi() {
        for (shares, counts, p_value) in [
            (vec![0.8, 0.2], vec![148, 62], 0.045_579_631_759_25),
            (
                vec![0.1, 0.4, 0.5],
                vec![40, 129, 233],
                0.048_455_911_059_70,
            ),
        ] {
            let log_e = dirichlet_multinomial_log_e(100.0, &shares, &counts).expect("valid");
            let computed = (-log_e).exp();
            assert!((computed - p_value).abs() < 1e-13, "{computed} {p_value}");
        }
    }

    #[test]
    fn shares_and_counts_must_fit() {
        for (concentration, shares, counts) in [
            (100.0, vec![0.5, 0.4], vec![1, 1]),
            (100.0, vec![1.0, 0.0], vec![1, 1]),
            (100.0, vec![f64::NAN, 0.5], vec![1, 1]),
            (100.0, vec![0.5, 0.5], vec![1]),
            (0.0, vec![0.5, 0.5], vec![1, 1]),
            (f64::INFINITY, vec![0.5, 0.5], vec![1, 1]),
        ] {
            let log_e = dirichlet_multinomial_log_e(concentration, &shares, &counts);
            assert!(log_e.is_err(), "{concentration} {shares:?} {counts:?}");
        }
        assert!(SplitSegment::new(0.5, 2, 1).is_err());
        assert!(SplitSegment::new(f64::NAN, 0, 1).is_err());
    }

    fn segment(weight: f64, canary: u64, requests: u64) -> SplitSegment {
        SplitSegment::new(weight, canary, requests).expect("valid")
    }

    #[test]
    fn a_wrong_split_is_told_over_all_weights_together() {
        // Each weight alone gives a canary a tenth too much, too little to be sure of.
        let mut test = SplitTest::default();
        let mut p_values = Vec::new();
        for weight in [0.05, 0.1, 0.25, 0.5] {
            let expected = (20_000.0 * weight) as u64;
            let tilted = segment(weight, expected + expected / 20, 20_000);
            let alone = SplitTest::default().look(&tilted);
            p_values.push(test.look(&tilted));
            test.close(&tilted);
            if weight < 0.25 {
                assert!(alone > 0.001, "weight {weight}: {alone}");
            }
        }
        assert!(p_values.is_sorted_by(|a, b| a >= b), "{p_values:?}");
        assert!(p_values[3] < 1e-6, "{p_values:?}");
    }

    #[test]
    fn an_exact_split_and_no_split_prove_nothing() {
        let mut test = SplitTest::default();
        for (weight, canary, requests) in [
            (0.0, 0, 1_000),
            (1.0, 1_000, 1_000),
            (0.05, 0, 0),
            (0.05, 5_000, 100_000),
            (0.5, 1_000_000_000, 2_000_000_000),
        ] {
            let segment = segment(weight, canary, requests);
            assert_eq!(test.look(&segment), 1.0, "{segment:?}");
            test.close(&segment);
            assert!(test.log_e(None).is_finite());
        }
        // A side that gets nothing is told soon, and what was once seen stays.
        let lost = segment(0.05, 0, 400);
        let mut test = SplitTest::default();
        assert!(test.look(&lost) < 0.001, "{}", test.look(&lost));
        assert!(test.look(&segment(0.05, 20, 800)) < 0.001);
    }
}

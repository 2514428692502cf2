//! The betting e-process: one number that says how much the requests so far speak against a
//! hypothesis, and may be looked at after every one of them.
//!
//! Its value E starts at 1, and under the hypothesis the probability that it *ever* reaches 1/α is
//! at most α (Ville's inequality), so acting when it does has error rate α however often one looks.
//! E is the mean of the wealth of [`super::bets`]. Wealth is multiplied up over requests, so it
//! carries over from one weight to the next: a segment's bets are those of its own weight, and bet
//! k of one segment goes on as bet k of the next.
//!
//! Several metrics are combined in [`super::mixture`]; when a decision can be expected is in
//! [`super::expectation`].

use super::bets::{BETS, Bets};
use super::counts::Segment;
use super::hypothesis::{BadHypothesis, Direction, Hypothesis};
use super::numerics::log_sum_exp;

/// The e-process of one metric in one direction, over the segments that are over.
///
/// Equal sequences of segments give equal results to the last bit, on every machine: all logarithms
/// and exponentials are computed in Rust and not by the system's library. A segment that is split
/// in two, or two that are merged, may differ in the last bits.
#[derive(Clone, Debug)]
pub struct Betting {
    hypothesis: Hypothesis,
    direction: Direction,
    /// Logarithm of each bet's wealth after the closed segments.
    closed: [f64; BETS],
    /// The bets of the weight used last; a cache, and never part of a result.
    bets: Option<Bets>,
}

impl Betting {
    /// No evidence yet.
    ///
    /// # Errors
    /// A ratio or a margin that cannot be tested.
    pub fn new(hypothesis: Hypothesis, direction: Direction) -> Result<Betting, BadHypothesis> {
        Ok(Betting {
            hypothesis: hypothesis.checked()?,
            direction,
            closed: [0.0; BETS],
            bets: None,
        })
    }

    /// What is tested.
    #[must_use]
    pub const fn hypothesis(&self) -> Hypothesis {
        self.hypothesis
    }

    /// Which way evidence is sought.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Computes the bets of a weight once, so that [`Betting::log_e`] of a live segment of that
    /// weight need not on every call. Changes no result; call it when a segment begins.
    pub fn prepare(&mut self, weight: f64) {
        if compares(weight) && !self.is_prepared(weight) {
            self.bets = Some(Bets::at(self.hypothesis, self.direction, weight));
        }
    }

    /// A segment is over: its evidence is added for good. Its weight stays prepared.
    pub fn close(&mut self, segment: &Segment) {
        self.prepare(segment.weight());
        self.closed = self.with(segment);
    }

    /// ln E over the closed segments and the live one. 0 without any evidence; a number always.
    #[must_use]
    pub fn log_e(&self, live: Option<&Segment>) -> f64 {
        log_sum_exp(&self.logs(live)) - libm::log(BETS as f64)
    }

    /// Logarithm of each bet's wealth over the closed segments and the live one.
    pub(super) fn logs(&self, live: Option<&Segment>) -> [f64; BETS] {
        live.map_or(self.closed, |segment| self.with(segment))
    }

    fn with(&self, segment: &Segment) -> [f64; BETS] {
        let weight = segment.weight();
        if !compares(weight) {
            return self.closed;
        }
        match &self.bets {
            Some(bets) if self.is_prepared(weight) => add(&self.closed, bets, segment),
            _ => {
                let bets = Bets::at(self.hypothesis, self.direction, weight);
                add(&self.closed, &bets, segment)
            }
        }
    }

    fn is_prepared(&self, weight: f64) -> bool {
        self.bets
            .as_ref()
            .is_some_and(|bets| bets.weight.to_bits() == weight.to_bits())
    }
}

/// ln E of segments in their order, from nothing but them: for replaying a decision. The same to
/// the bit as [`Betting`] after the same segments, whether the last one is closed or live.
///
/// # Errors
/// A ratio or a margin that cannot be tested.
pub fn log_e_of(
    hypothesis: Hypothesis,
    direction: Direction,
    segments: &[Segment],
) -> Result<f64, BadHypothesis> {
    let mut betting = Betting::new(hypothesis, direction)?;
    for segment in segments {
        betting.close(segment);
    }
    Ok(betting.log_e(None))
}

/// Whether both sides get requests at this weight.
pub(super) fn compares(weight: f64) -> bool {
    weight > 0.0 && weight < 1.0
}

/// ln of the mean of the bets' wealth.
pub(super) fn log_mean_of_bets(logs: &[f64; BETS]) -> f64 {
    log_sum_exp(logs) - libm::log(BETS as f64)
}

pub(super) fn add(closed: &[f64; BETS], bets: &Bets, segment: &Segment) -> [f64; BETS] {
    let counts = segment.counts();
    let canary = counts.canary_events() as f64;
    let baseline = counts.baseline_events() as f64;
    let quiet = counts.quiet() as f64;
    // One expression for live and closed segments, so that closing one changes no bit.
    std::array::from_fn(|bet| {
        closed[bet]
            + (canary * bets.canary[bet] + baseline * bets.baseline[bet] + quiet * bets.quiet[bet])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequential::Counts;
    use proptest::prelude::*;

    const SAME: Hypothesis = Hypothesis {
        ratio: 1.0,
        margin: 0.0,
    };

    fn segment(weight: f64, canary: u64, baseline: u64, requests: u64) -> Segment {
        let counts = Counts::new(canary, baseline, requests).expect("valid counts");
        Segment::new(weight, counts).expect("a valid weight")
    }

    /// The self-vectors: research/stats.md, "Numeric anchors", last paragraph; stats_sim/vec.py.
    #[test]
    fn reference_values() {
        for (canary, baseline, requests, weight, ratio, margin, expected) in [
            (5, 8, 8_000, 0.05, 1.0, 0.0, 5.429834),
            (2, 0, 40, 0.05, 1.0, 0.0, 4.800976),
            (11, 19, 19_410, 0.05, 1.5, 0.001, 5.487302),
            (0, 5, 5_000, 0.05, 1.0, 0.0, -1.369558),
        ] {
            let hypothesis = Hypothesis { ratio, margin };
            let segments = [segment(weight, canary, baseline, requests)];
            let log_e = log_e_of(hypothesis, Direction::Worse, &segments).expect("a test");
            assert!(
                (log_e - expected).abs() < 1e-6,
                "{canary}, {baseline} of {requests}: {log_e}, expected {expected}"
            );
        }
    }

    /// Without a margin, E is the likelihood ratio of "which side did each event come from",
    /// computed here from the two binomial probabilities alone (stats.md §2a).
    #[test]
    fn without_a_margin_it_is_the_conditional_binomial_likelihood_ratio() {
        for (weight, ratio, canary, baseline) in [
            (0.05, 1.0, 7, 30),
            (0.5, 2.0, 40, 11),
            (0.01, 1.25, 3, 700),
            (0.9, 0.5, 200, 9),
        ] {
            let null = weight * ratio / (weight * ratio + 1.0 - weight);
            let ratios: Vec<f64> = (0..BETS)
                .map(|bet| {
                    let lift = 1.2 * (200.0f64 / 1.2).powf(bet as f64 / 23.0);
                    let rate = weight * ratio * lift;
                    let share = rate / (rate + 1.0 - weight);
                    (share / null).powi(canary) * ((1.0 - share) / (1.0 - null)).powi(baseline)
                })
                .collect();
            let expected = (ratios.iter().sum::<f64>() / BETS as f64).ln();
            let hypothesis = Hypothesis { ratio, margin: 0.0 };
            let segments = [segment(weight, canary as u64, baseline as u64, 1_000_000)];
            let log_e = log_e_of(hypothesis, Direction::Worse, &segments).expect("a test");
            assert!((log_e - expected).abs() < 1e-9, "{log_e} {expected}");
        }
    }

    #[test]
    fn nothing_counted_proves_nothing() {
        for direction in [Direction::Worse, Direction::NotWorse] {
            let mut betting = Betting::new(SAME, direction).expect("a test");
            assert_eq!(betting.log_e(None), 0.0);
            assert_eq!(betting.log_e(Some(&segment(0.05, 0, 0, 0))), 0.0);
            for weight in [0.0, 1.0] {
                let alone = segment(weight, 7, 0, 100);
                assert_eq!(betting.log_e(Some(&alone)), 0.0, "weight {weight}");
                betting.close(&alone);
            }
            assert_eq!(betting.log_e(None), 0.0);
            let half = u64::MAX / 2;
            for (canary, baseline) in [(half, 0), (0, half), (half, half), (0, 0)] {
                let log_e = betting.log_e(Some(&segment(0.5, canary, baseline, u64::MAX)));
                assert!(
                    log_e.is_finite(),
                    "{direction:?} {canary} {baseline}: {log_e}"
                );
            }
        }
        let nonsense = Hypothesis {
            ratio: f64::NAN,
            margin: 0.0,
        };
        assert!(Betting::new(nonsense, Direction::Worse).is_err());
    }

    /// An outage of both sides is none of the canary's; of the canary alone it is told within a few
    /// requests.
    #[test]
    fn a_baseline_that_fails_itself_hides_only_what_it_shares() {
        let of = |canary, baseline| {
            let segments = [segment(0.05, canary, baseline, 1_000)];
            log_e_of(SAME, Direction::Worse, &segments).expect("a test")
        };
        assert!(of(50, 950) < 0.0, "all requests fail: {}", of(50, 950));
        assert!(of(15, 285) < 0.0, "30 % on both sides: {}", of(15, 285));
        assert!(
            of(50, 285) > 100f64.ln(),
            "100 % beside 30 %: {}",
            of(50, 285)
        );
        assert!(of(0, 950) < 0.0, "a canary better than its baseline");
    }

    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let weight = prop_oneof![Just(0.0), Just(1.0), Just(0.05), 0.001..0.999f64];
        let counts = (0..50u64, 0..50u64, 100..1_000_000u64);
        let one = (weight, counts).prop_map(|(weight, (canary, baseline, requests))| {
            segment(weight, canary, baseline, requests)
        });
        proptest::collection::vec(one, 1..8)
    }

    proptest! {
        /// What the decision log stores is what was decided on, to the bit: live, closed, prepared
        /// or replayed.
        #[test]
        fn a_replay_gives_the_same_bits(
            segments in segments(),
            ratio in 0.1..10.0f64,
            margin in prop_oneof![Just(0.0), 0.0..0.1f64],
        ) {
            let hypothesis = Hypothesis { ratio, margin };
            for direction in [Direction::Worse, Direction::NotWorse] {
                let replayed = log_e_of(hypothesis, direction, &segments).expect("a test");
                prop_assert!(replayed.is_finite());
                let mut betting = Betting::new(hypothesis, direction).expect("a test");
                let (live, earlier) = segments.split_last().expect("one at least");
                for segment in earlier {
                    betting.close(segment);
                }
                let unprepared = betting.log_e(Some(live));
                betting.prepare(live.weight());
                let prepared = betting.log_e(Some(live));
                betting.close(live);
                for value in [unprepared, prepared, betting.log_e(None)] {
                    prop_assert_eq!(value.to_bits(), replayed.to_bits());
                }
            }
        }

        /// The sums are the product over single requests, in any order within a segment.
        #[test]
        fn counting_is_multiplying_request_by_request(
            requests in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..60),
        ) {
            // Each request: which of two weights, which side, event or not.
            let hypothesis = Hypothesis { ratio: 1.5, margin: 0.01 };
            let weights = [0.1, 0.4];
            let mut products = [1.0f64; BETS];
            let mut counts = [[0u64; 3]; 2];
            for (second, canary, event) in requests {
                let weight = weights[usize::from(second)];
                let of_segment = &mut counts[usize::from(second)];
                of_segment[2] += 1;
                let value = match (canary, event) {
                    (true, true) => 1.0 / weight,
                    (false, true) => -hypothesis.ratio / (1.0 - weight),
                    (_, false) => 0.0,
                } - hypothesis.margin;
                if event {
                    of_segment[usize::from(!canary)] += 1;
                }
                for (bet, product) in products.iter_mut().enumerate() {
                    let lift = 1.2 * (200.0f64 / 1.2).powf(bet as f64 / 23.0);
                    let rate = weight * hypothesis.ratio * lift;
                    let allowed = weight * hypothesis.ratio + 1.0 - weight;
                    let share = rate / (rate + 1.0 - weight);
                    let best = (share * allowed - weight * hypothesis.ratio) / hypothesis.ratio;
                    let most = 0.999 / (hypothesis.ratio / (1.0 - weight) + hypothesis.margin);
                    *product *= 1.0 + best.min(most) * value;
                }
            }
            let expected = (products.iter().sum::<f64>() / BETS as f64).ln();
            let counted = [0, 1].map(|index| {
                let [canary, baseline, requests] = counts[index];
                segment(weights[index], canary, baseline, requests)
            });
            let log_e = log_e_of(hypothesis, Direction::Worse, &counted).expect("a test");
            prop_assert!((log_e - expected).abs() < 1e-9, "{} {}", log_e, expected);
        }
    }
}

//! The bets: how much is staked on one request, and what a request is then worth.
//!
//! One request, with A = 1 when it went to the canary (which has probability w), Y = 1 when the
//! event happened, and a hypothesis of ratio r and margin m, is worth
//!
//! > Z = A·Y/w − r·(1−A)·Y/(1−w) − m
//!
//! Under the hypothesis Z's expectation, given everything before, is at most 0, whatever the common
//! drift of both sides. So wealth that starts at 1 and is multiplied by 1 + λZ at each request does
//! not grow on average, for every stake 0 ≤ λ < 1/(r/(1−w) + m); the mean over several stakes does
//! not either (Waudby-Smith & Ramdas, arXiv 2010.09686; research/stats.md §2a). For the reverse
//! test the same holds of −Z, with 0 ≤ λ < 1/(1/w − m).
//!
//! Z takes three values, so three counters and three logarithms per stake say all; how they are
//! added up is in [`super::betting`].

use super::hypothesis::{Direction, Hypothesis};

/// Stakes side by side; their mean needs no choice in advance of how bad a bad release will be.
pub(super) const BETS: usize = 24;

/// Smallest and largest multiple of the allowed rate for which a stake of [`Direction::Worse`] is the
/// best one when there is no margin; the others lie between, in geometric steps.
const LIFTS: (f64, f64) = (1.2, 200.0);

/// Smallest and largest share of the largest stake for [`Direction::NotWorse`]; the others lie
/// between, in equal steps. Those of the research (geometric steps between the same ends) take a
/// third longer to accept a right release.
const FRACTIONS: (f64, f64) = (0.02, 0.98);

/// Largest share of the largest stake: what is left when a bet is lost is never zero.
const STAKE_MAX: f64 = 0.999;

/// What each outcome of a request adds to the logarithm of each bet's wealth, at one weight.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bets {
    pub(super) weight: f64,
    /// The event, on the canary.
    pub(super) canary: [f64; BETS],
    /// The event, on the baseline.
    pub(super) baseline: [f64; BETS],
    /// No event, on either side.
    pub(super) quiet: [f64; BETS],
}

impl Bets {
    /// The bets at a weight within (0, 1), of a checked hypothesis.
    pub(super) fn at(hypothesis: Hypothesis, direction: Direction, weight: f64) -> Bets {
        match direction {
            Direction::Worse => Bets::on_worse(hypothesis, weight),
            Direction::NotWorse => Bets::on_not_worse(hypothesis, weight),
        }
    }

    /// The stake for a lift ρ/r is the one under which, without a margin, wealth is the likelihood
    /// ratio of "an event is the canary's with probability wρ/(wρ+1−w)" against "… wr/(wr+1−w)": λ
    /// = (θ₁(wr+1−w) − wr)/r, here in a form that loses no digits for small weights.
    fn on_worse(hypothesis: Hypothesis, weight: f64) -> Bets {
        let Hypothesis { ratio, margin } = hypothesis;
        let rest = 1.0 - weight;
        let loss = ratio / rest + margin;
        Bets::from_stakes(weight, |index| {
            let lift = LIFTS.0 * libm::pow(LIFTS.1 / LIFTS.0, step(index));
            let best = rest * (lift - 1.0) / (weight * ratio * lift + rest);
            // Both are the stake over the weight, which stays a plain number as the weight goes to 0.
            let stake_over_weight = best.min(STAKE_MAX / (weight * loss));
            let stake = stake_over_weight * weight;
            (
                libm::log1p(stake_over_weight - stake * margin),
                libm::log1p(-stake * loss),
                libm::log1p(-stake * margin),
            )
        })
    }

    fn on_not_worse(hypothesis: Hypothesis, weight: f64) -> Bets {
        let Hypothesis { ratio, margin } = hypothesis;
        let gain = ratio / (1.0 - weight) + margin;
        Bets::from_stakes(weight, |index| {
            let fraction = FRACTIONS.0 + (FRACTIONS.1 - FRACTIONS.0) * step(index);
            let stake = fraction * weight / (1.0 - weight * margin);
            (
                libm::log1p(-fraction),
                libm::log1p(stake * gain),
                libm::log1p(stake * margin),
            )
        })
    }

    fn from_stakes(weight: f64, logs: impl Fn(usize) -> (f64, f64, f64)) -> Bets {
        let mut bets = Bets {
            weight,
            canary: [0.0; BETS],
            baseline: [0.0; BETS],
            quiet: [0.0; BETS],
        };
        for index in 0..BETS {
            let (canary, baseline, quiet) = logs(index);
            bets.canary[index] = canary;
            bets.baseline[index] = baseline;
            bets.quiet[index] = quiet;
        }
        bets
    }
}

/// How far the `index`-th of [`BETS`] lies between the first (0) and the last (1).
fn step(index: usize) -> f64 {
    index as f64 / (BETS - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The mean of what one request multiplies a bet's wealth by.
    fn mean_factor(bets: &Bets, bet: usize, canary: f64, baseline: f64) -> f64 {
        let (weight, rest) = (bets.weight, 1.0 - bets.weight);
        let quiet = weight * (1.0 - canary) + rest * (1.0 - baseline);
        weight * canary * bets.canary[bet].exp()
            + rest * baseline * bets.baseline[bet].exp()
            + quiet * bets.quiet[bet].exp()
    }

    proptest! {
        /// Fair at best: under the hypothesis no bet's wealth is expected to grow, by any request.
        #[test]
        fn no_bet_grows_under_its_hypothesis(
            weight in prop_oneof![1e-9..1.0f64, 0.001..0.999f64, 0.999_999..0.999_999_999f64],
            ratio in 0.01..20.0f64,
            margin in prop_oneof![Just(0.0), 0.0..0.99f64, 0.0..0.01f64],
            baseline in 0.0..=1.0f64,
            within in 0.0..=1.0f64,
        ) {
            let hypothesis = Hypothesis { ratio, margin };
            let limit = hypothesis.limit(baseline);
            let worse = Bets::at(hypothesis, Direction::Worse, weight);
            let not_worse = Bets::at(hypothesis, Direction::NotWorse, weight);
            let allowed = limit.min(1.0) * within;
            for bet in 0..BETS {
                let mean = mean_factor(&worse, bet, allowed, baseline);
                prop_assert!(mean <= 1.0 + 1e-9, "worse, bet {bet}: {mean}");
                if limit <= 1.0 {
                    let beyond = limit + (1.0 - limit) * within;
                    let mean = mean_factor(&not_worse, bet, beyond, baseline);
                    prop_assert!(mean <= 1.0 + 1e-9, "not worse, bet {bet}: {mean}");
                }
            }
        }

        /// No outcome ends a bet, and none is worth an infinite amount.
        #[test]
        fn every_logarithm_is_a_number(
            weight in prop_oneof![Just(f64::MIN_POSITIVE), Just(5e-324), Just(1.0 - f64::EPSILON / 2.0), 0.0001..0.9999f64],
            ratio in prop_oneof![Just(Hypothesis::RATIO_MIN), Just(Hypothesis::RATIO_MAX), 0.1..10.0f64],
            margin in prop_oneof![Just(0.0), Just(1.0 - f64::EPSILON / 2.0), 0.0..0.1f64],
        ) {
            for direction in [Direction::Worse, Direction::NotWorse] {
                let bets = Bets::at(Hypothesis { ratio, margin }, direction, weight);
                for value in bets.canary.iter().chain(&bets.baseline).chain(&bets.quiet) {
                    prop_assert!(value.is_finite(), "{direction:?} {bets:?}");
                }
            }
        }
    }
}

//! A test that is evaluated again and again over the same few weights.
//!
//! The same values as [`super::log_e_of`], to the bit; only the logarithms of the stakes, which depend on
//! nothing but hypothesis and weight, are computed once.

use super::bets::{BETS, Bets};
use super::betting::{add, compares, log_mean_of_bets};
use super::counts::Segment;
use super::hypothesis::{BadHypothesis, Direction, Hypothesis};

/// Weights whose stakes are kept; a plan has fewer steps.
const WEIGHTS_MAX: usize = 64;

/// See the module.
#[derive(Clone, Debug)]
pub struct Prepared {
    hypothesis: Hypothesis,
    direction: Direction,
    bets: Vec<Bets>,
}

impl Prepared {
    /// A test of a hypothesis.
    ///
    /// # Errors
    /// A hypothesis that cannot be tested.
    pub fn new(hypothesis: Hypothesis, direction: Direction) -> Result<Prepared, BadHypothesis> {
        Ok(Prepared {
            hypothesis: hypothesis.checked()?,
            direction,
            bets: Vec::new(),
        })
    }

    /// What is tested.
    #[must_use]
    pub const fn hypothesis(&self) -> Hypothesis {
        self.hypothesis
    }

    /// ln E over these segments.
    pub fn log_e(&mut self, segments: &[Segment]) -> f64 {
        let mut logs = [0.0; BETS];
        for segment in segments.iter().filter(|it| compares(it.weight())) {
            logs = add(&logs, self.bets_at(segment.weight()), segment);
        }
        log_mean_of_bets(&logs)
    }

    fn bets_at(&mut self, weight: f64) -> &Bets {
        let known = self
            .bets
            .iter()
            .position(|bets| bets.weight.to_bits() == weight.to_bits());
        let place = known.unwrap_or_else(|| {
            if self.bets.len() == WEIGHTS_MAX {
                self.bets.remove(0);
            }
            self.bets
                .push(Bets::at(self.hypothesis, self.direction, weight));
            self.bets.len() - 1
        });
        &self.bets[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequential::{Counts, log_e_of};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_prepared_gives_the_same_bits(
            looks in proptest::collection::vec(
                proptest::collection::vec((0..6usize, 0..50u64, 0..50u64, 100..1_000_000u64), 1..8),
                1..5,
            ),
            margin in prop_oneof![Just(0.0), 0.0..0.1f64],
        ) {
            let weights = [0.0, 0.01, 0.05, 0.25, 0.5, 1.0];
            for direction in [Direction::Worse, Direction::NotWorse] {
                let hypothesis = Hypothesis { ratio: 1.5, margin };
                let mut prepared = Prepared::new(hypothesis, direction).expect("a test");
                for look in &looks {
                    let segments: Vec<Segment> = look
                        .iter()
                        .map(|(weight, canary, baseline, requests)| {
                            let counts = Counts::new(*canary, *baseline, *requests).expect("valid");
                            Segment::new(weights[*weight], counts).expect("valid")
                        })
                        .collect();
                    let plain = log_e_of(hypothesis, direction, &segments).expect("a test");
                    prop_assert_eq!(prepared.log_e(&segments).to_bits(), plain.to_bits());
                }
            }
        }
    }
}

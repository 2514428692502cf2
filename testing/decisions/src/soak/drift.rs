//! How a service's troubles come and go, for both sides alike: a random walk of the rate, and outages.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// Standard deviation of a step of the rate's logarithm.
const STEP: f64 = 0.1;
/// The walk stays within this factor up and down.
const FACTOR_MAX: f64 = 10.0;
/// Probability with which an outage begins at a step.
const OUTAGE: f64 = 1.0 / 200.0;
/// Shortest and longest outage, in steps.
const OUTAGE_STEPS: (u32, u32) = (3, 30);
/// How much higher the rate is in an outage.
const OUTAGE_FACTOR: f64 = 30.0;

/// A rate as a multiple of its usual one.
#[derive(Debug)]
pub(super) struct Drift {
    log: f64,
    outage_steps: u32,
}

impl Drift {
    pub(super) const fn new() -> Self {
        Self {
            log: 0.0,
            outage_steps: 0,
        }
    }

    /// The next level.
    pub(super) fn next<R: Rng>(&mut self, random: &mut R) -> f64 {
        let step: f64 = StandardNormal.sample(random);
        let most = FACTOR_MAX.ln();
        self.log = (self.log + STEP * step).clamp(-most, most);
        if self.outage_steps > 0 {
            self.outage_steps -= 1;
        } else if random.random::<f64>() < OUTAGE {
            let (shortest, longest) = OUTAGE_STEPS;
            self.outage_steps = random.random_range(shortest..=longest);
        }
        let outage = if self.outage_steps > 0 {
            OUTAGE_FACTOR
        } else {
            1.0
        };
        self.log.exp() * outage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    #[test]
    fn rates_wander_and_outages_come_and_go() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(9);
        let mut drift = Drift::new();
        let levels: Vec<f64> = (0..20_000).map(|_| drift.next(&mut random)).collect();
        assert!(levels.iter().all(|level| (0.09..=301.0).contains(level)));
        let of = |low: f64, high: f64| {
            levels
                .iter()
                .filter(|level| (low..high).contains(*level))
                .count()
        };
        assert!(of(0.0, 0.2) > 500 && of(5.0, 10.0) > 500 && of(100.0, 301.0) > 100);
    }
}

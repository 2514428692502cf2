//! Chance for what is computed by drawing: the same figures for the same seed, on every machine.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Binomial, Distribution, Poisson};

/// Draws by a generator whose values are the same on every machine.
pub(super) struct Seeded(Xoshiro256PlusPlus);

impl Seeded {
    pub(super) fn new(seed: u64) -> Seeded {
        Seeded(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn binomial_of(&mut self, trials: u64, probability: f64) -> u64 {
        Binomial::new(trials, probability).map_or(0, |draws| draws.sample(&mut self.0))
    }
}

impl sluice_forecast::Chance for Seeded {
    fn poisson(&mut self, mean: f64) -> u64 {
        // A mean that no distribution has (0, or beyond 2^63) brings nobody.
        Poisson::new(mean).map_or(0, |stream| {
            let drawn: f64 = stream.sample(&mut self.0);
            drawn as u64
        })
    }

    fn binomial(&mut self, trials: u64, probability: f64) -> u64 {
        self.binomial_of(trials, probability)
    }
}

impl sluice_tuning::Chance for Seeded {
    fn binomial(&mut self, trials: u64, probability: f64) -> u64 {
        self.binomial_of(trials, probability)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0.random_range(0..bound.max(1))
    }
}

/// Seeds far from each other, and from those of another seed.
pub(super) fn seeds(seed: u64) -> impl Iterator<Item = u64> {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    std::iter::repeat_with(move || generator.next_u64())
}

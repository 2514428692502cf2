//! Requests of one tick by class, without drawing them one by one.
//!
//! Requests arrive as a Poisson process, and each is of a class by chance, independently. Then the
//! counts of the classes in a tick are independent and Poisson too, each with its share of the mean
//! (the thinning theorem: Kingman, Poisson Processes, 1993, §5.1), so that one draw per class is exact.

use rand::Rng;
use rand_distr::{Distribution, Poisson};

/// How many requests of each class a tick has.
#[derive(Clone, Debug)]
pub struct Thinned {
    classes: Vec<Option<Poisson<f64>>>,
}

impl Thinned {
    /// Requests with a mean of `mean` per tick, of which each class has a share.
    ///
    /// # Panics
    /// When the mean or a share is negative or not a finite number.
    #[must_use]
    pub fn new(mean: f64, shares: impl IntoIterator<Item = f64>) -> Self {
        let class = |share: f64| {
            let mean = mean * share;
            assert!(mean >= 0.0, "a class has a mean of {mean} per tick");
            (mean > 0.0).then(|| Poisson::new(mean).expect("the mean is positive and finite"))
        };
        Self {
            classes: shares.into_iter().map(class).collect(),
        }
    }

    /// Draws a tick: the class's number and its count, without the empty ones.
    pub fn draw<R: Rng>(&self, random: &mut R, mut each: impl FnMut(usize, u64)) {
        for (class, law) in self.classes.iter().enumerate() {
            let Some(law) = law else { continue };
            let count = law.sample(random) as u64;
            if count > 0 {
                each(class, count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    #[test]
    fn counts_have_the_mean_and_the_variance_of_their_class() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
        let means = [0.004, 0.9, 11.0, 13.0, 470.0];
        let thinned = Thinned::new(1.0, means);
        let rounds = 40_000;
        let mut sums = [[0.0; 2]; 5];
        for _ in 0..rounds {
            let mut counts = [0.0; 5];
            thinned.draw(&mut random, |class, count| counts[class] = count as f64);
            for (class, count) in counts.into_iter().enumerate() {
                sums[class][0] += count;
                sums[class][1] += (count - means[class]).powi(2);
            }
        }
        for (mean, [sum, squares]) in means.into_iter().zip(sums) {
            let rounds = f64::from(rounds);
            // Four standard errors: of the mean √(μ/n), of the variance √((μ + 2 μ²)/n).
            let off = (sum / rounds - mean).abs() / (mean / rounds).sqrt();
            assert!(off < 4.0, "mean {mean}: {off} standard errors off");
            let error = ((mean + 2.0 * mean * mean) / rounds).sqrt();
            let off = (squares / rounds - mean).abs() / error;
            assert!(off < 4.0, "variance {mean}: {off} standard errors off");
        }
    }

    #[test]
    fn a_class_without_a_share_has_no_requests() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let thinned = Thinned::new(1_000.0, [0.0, 1.0]);
        for _ in 0..100 {
            thinned.draw(&mut random, |class, _| assert_eq!(class, 1));
        }
    }
}

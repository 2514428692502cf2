//! Requests of one tick by class, without drawing each of many.
//!
//! Requests arrive as a Poisson process, and each is of a class by chance, independently. Then the
//! counts of the classes in a tick are independent and Poisson too, each with its share of the mean
//! (the thinning theorem: Kingman, Poisson Processes, 1993, §5.1), so that one draw per class is exact. Where
//! there are few requests it is quicker to draw how many, and then the class of each; that is the same law.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Poisson};

/// Up to this mean the class of each request is drawn.
const FEW: f64 = 4.0;

/// How many requests of each class a tick has.
#[derive(Clone, Debug)]
pub struct Thinned(Draws);

#[derive(Clone, Debug)]
enum Draws {
    /// No requests at all.
    None,
    /// How many requests, and where each class ends in the sum of the shares.
    Few(Poisson<f64>, Vec<f64>),
    /// How many of each class.
    Many(Vec<Option<Poisson<f64>>>),
}

impl Thinned {
    /// Requests of which each class has this mean per tick.
    ///
    /// # Panics
    /// When a mean is negative or not a finite number.
    #[must_use]
    pub fn new(means: impl IntoIterator<Item = f64>) -> Self {
        let means: Vec<f64> = means.into_iter().collect();
        let law = |mean: f64| {
            assert!(mean >= 0.0, "a mean of {mean} per tick");
            (mean > 0.0).then(|| Poisson::new(mean).expect("the mean is positive and finite"))
        };
        let mut total = 0.0;
        let sum_up = |mean: &f64| {
            total += mean;
            total
        };
        let sums: Vec<f64> = means.iter().map(sum_up).collect();
        Self(match law(total) {
            None => Draws::None,
            Some(law) if total <= FEW => {
                Draws::Few(law, sums.into_iter().map(|sum| sum / total).collect())
            }
            Some(_) => Draws::Many(means.into_iter().map(law).collect()),
        })
    }

    /// Draws a tick: numbers of classes with counts, which add up where a class comes more than once.
    pub fn draw<R: Rng>(&self, random: &mut R, mut each: impl FnMut(usize, u64)) {
        match &self.0 {
            Draws::None => {}
            Draws::Few(law, ends) => {
                for _ in 0..law.sample(random) as u64 {
                    let share: f64 = random.random();
                    // The last end is 1, or a rounding away from it.
                    let class = ends.iter().take_while(|end| share >= **end).count();
                    each(class.min(ends.len() - 1), 1);
                }
            }
            Draws::Many(laws) => {
                for (class, law) in laws.iter().enumerate() {
                    let count = law.as_ref().map_or(0, |law| law.sample(random) as u64);
                    if count > 0 {
                        each(class, count);
                    }
                }
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
        let rounds = 40_000;
        for means in [
            vec![0.004, 0.9, 11.0, 13.0, 470.0],
            vec![1.1, 0.0, 0.004, 0.7],
        ] {
            let thinned = Thinned::new(means.iter().copied());
            let mut sums = vec![[0.0; 2]; means.len()];
            let mut products = 0.0;
            for _ in 0..rounds {
                let mut counts = vec![0.0; means.len()];
                thinned.draw(&mut random, |class, count| counts[class] += count as f64);
                for ((count, mean), [sum, squares]) in counts.iter().zip(&means).zip(&mut sums) {
                    *sum += count;
                    *squares += (count - mean).powi(2);
                }
                products += (counts[0] - means[0]) * (counts[3] - means[3]);
            }
            let rounds = f64::from(rounds);
            for (mean, [sum, squares]) in means.iter().zip(sums) {
                // Four standard errors: of the mean √(μ/n), of the variance √((μ + 2 μ²)/n).
                let off = (sum / rounds - mean).abs();
                assert!(
                    off <= 4.0 * (mean / rounds).sqrt(),
                    "mean {mean}: {off} off"
                );
                let error = ((mean + 2.0 * mean * mean) / rounds).sqrt();
                let off = (squares / rounds - mean).abs();
                assert!(off <= 4.0 * error, "variance {mean}: {off} off");
            }
            let error = (means[0] * means[3] / rounds).sqrt();
            assert!(
                (products / rounds).abs() < 4.0 * error,
                "classes depend on each other"
            );
        }
    }

    #[test]
    fn a_class_without_a_share_has_no_requests() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        for mean in [0.0, 3.0, 1_000.0] {
            let thinned = Thinned::new([0.0, mean, 0.0]);
            for _ in 0..100 {
                thinned.draw(&mut random, |class, _| {
                    assert_eq!((class, mean > 0.0), (1, true))
                });
            }
        }
    }
}

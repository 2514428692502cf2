//! Exact draws for many requests at once: how many of them go to a side, fail, or take how long.
//!
//! A draw for a thousand requests costs about as much as one for ten, so that an hour of traffic is simulated
//! in milliseconds. Logarithms and gamma functions come from `libm`, which gives the same bits on every machine.

use crate::random::Random;
use sluice_model::Histogram;

/// Below this mean the draw counts up from 0; above, it begins at the likeliest number.
const COUNT_UP_BELOW: f64 = 16.0;

/// How many of `count` independent requests have something that each has with `probability`.
///
/// By inversion: exact up to the rounding of the probabilities, with about as many steps as the standard
/// deviation is wide.
#[must_use]
pub fn binomial(random: &mut Random, count: u64, probability: f64) -> u64 {
    // A probability that is no number counts as none.
    if count == 0 || probability.is_nan() || probability <= 0.0 {
        return 0;
    }
    if probability >= 1.0 {
        return count;
    }
    if probability > 0.5 {
        return count - binomial(random, count, 1.0 - probability);
    }
    if count as f64 * probability < COUNT_UP_BELOW {
        count_up(random, count, probability)
    } else {
        from_the_middle(random, count, probability)
    }
}

fn count_up(random: &mut Random, count: u64, probability: f64) -> u64 {
    let odds = probability / (1.0 - probability);
    let mut chance = libm::exp(count as f64 * libm::log1p(-probability));
    let mut left = random.unit();
    for drawn in 0..count {
        left -= chance;
        if left < 0.0 {
            return drawn;
        }
        chance *= odds * (count - drawn) as f64 / (drawn + 1) as f64;
        // What is left is rounding.
        if chance < f64::MIN_POSITIVE {
            return drawn;
        }
    }
    count
}

fn from_the_middle(random: &mut Random, count: u64, probability: f64) -> u64 {
    let n = count as f64;
    let odds = probability / (1.0 - probability);
    let middle = ((n + 1.0) * probability) as u64;
    let m = middle as f64;
    let most = libm::exp(
        libm::lgamma(n + 1.0) - libm::lgamma(m + 1.0) - libm::lgamma(n - m + 1.0)
            + m * libm::log(probability)
            + (n - m) * libm::log1p(-probability),
    );
    let mut left = random.unit() - most;
    if left < 0.0 {
        return middle;
    }
    let (mut low, mut below) = (middle, most);
    let (mut high, mut above) = (middle, most);
    while low > 0 || high < count {
        if low > 0 {
            below *= low as f64 / (odds * (count - low + 1) as f64);
            low -= 1;
            left -= below;
            if left < 0.0 {
                return low;
            }
        }
        if high < count {
            above *= odds * (count - high) as f64 / (high + 1) as f64;
            high += 1;
            left -= above;
            if left < 0.0 {
                return high;
            }
        }
        // What is left is rounding.
        if below.max(above) < 1e-18 {
            return middle;
        }
    }
    middle
}

/// A distribution of latencies: lognormal, in the buckets of a [`Histogram`], from its third quartile on; below
/// that in three lumps, which no check looks into.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies {
    /// Bucket, and the probability of it for what lies in none of those before.
    cells: Vec<(usize, f64)>,
}

/// Standard scores at which the lumps end; the last is the third quartile.
const LUMPS: [f64; 3] = [-0.6745, 0.0, 0.6745];
/// The standard score beyond which everything lies in one bucket: one request in thirty thousand.
const LAST: f64 = 4.0;

impl Latencies {
    /// Around `median_micros`; `spread` is the standard deviation of the logarithm, 0 when all are equal.
    #[must_use]
    pub fn new(median_micros: u64, spread: f64) -> Latencies {
        let at = |score: f64| {
            let micros = median_micros as f64 * libm::exp(spread * score);
            Histogram::bucket_of(micros as u64)
        };
        let first = at(LUMPS[2]);
        let last = at(LAST);
        if spread <= 0.0 || last <= first {
            return Latencies {
                cells: vec![(Histogram::bucket_of(median_micros), 1.0)],
            };
        }
        // Of each cell where it lies, and the probability to lie at or below its end.
        let mut ends: Vec<(usize, f64)> = Vec::new();
        let mut from = -2.0;
        for score in LUMPS {
            ends.push((at(f64::midpoint(from, score)), normal(score)));
            from = score;
        }
        for bucket in first..last {
            let end = Histogram::bucket_max(bucket) as f64 + 1.0;
            let score = libm::log(end / median_micros.max(1) as f64) / spread;
            ends.push((bucket, normal(score)));
        }
        ends.push((last, 1.0));
        let mut reached = 0.0;
        let cells = ends.into_iter().filter_map(|(bucket, upto)| {
            let share = (upto - reached) / (1.0 - reached);
            (share > 0.0).then(|| {
                reached = upto;
                (bucket, share)
            })
        });
        Latencies {
            cells: cells.collect(),
        }
    }

    /// Draws `count` of them, and tells each bucket with how many fall into it.
    pub fn draw(&self, random: &mut Random, count: u64, mut each: impl FnMut(usize, u64)) {
        let mut left = count;
        for (bucket, share) in &self.cells {
            if left == 0 {
                return;
            }
            let here = binomial(random, left, *share);
            if here > 0 {
                each(*bucket, here);
            }
            left -= here;
        }
    }
}

/// The standard normal distribution function.
fn normal(score: f64) -> f64 {
    0.5 * libm::erfc(-score / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance over many draws, each within five standard errors of what they should be.
    #[test]
    fn draws_have_the_mean_and_the_variance_of_a_binomial() {
        let mut random = Random::new(11);
        for (count, probability) in [
            (1, 0.3),
            (40, 0.02),
            (500, 0.05),
            (5_000, 0.25),
            (5_000, 0.9),
            (3_000_000, 0.001),
            (2_000_000, 0.5),
        ] {
            let draws = 4_000;
            let drawn: Vec<f64> = (0..draws)
                .map(|_| binomial(&mut random, count, probability) as f64)
                .collect();
            let mean = drawn.iter().sum::<f64>() / f64::from(draws);
            let squares = drawn.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
            let variance = squares / f64::from(draws - 1);
            let (expected, spread) = (
                count as f64 * probability,
                count as f64 * probability * (1.0 - probability),
            );
            let error = (spread / f64::from(draws)).sqrt();
            assert!(
                (mean - expected).abs() < 5.0 * error,
                "{count} × {probability}: mean {mean}, expected {expected}"
            );
            // The fourth moment of a binomial is at most three variances squared and one.
            let error = ((2.0 * spread * spread + spread) / f64::from(draws)).sqrt();
            assert!(
                (variance - spread).abs() < 5.0 * error,
                "{count} × {probability}: variance {variance}, expected {spread}"
            );
        }
    }

    /// Both ways of drawing give the same distribution: every number's frequency against its probability.
    #[test]
    fn small_and_large_means_are_drawn_alike() {
        let (count, probability, draws) = (60_u64, 0.25, 40_000);
        for draw in [count_up, from_the_middle] {
            let mut random = Random::new(5);
            let mut seen = vec![0.0_f64; count as usize + 1];
            for _ in 0..draws {
                seen[draw(&mut random, count, probability) as usize] += 1.0;
            }
            let mut chance = (1.0 - probability).powi(count as i32);
            for (number, seen) in seen.iter().enumerate() {
                let expected = chance * f64::from(draws);
                let error = expected.sqrt().max(1.0);
                assert!(
                    (seen - expected).abs() < 5.0 * error,
                    "{number}: {seen}, expected {expected}"
                );
                let n = number as f64;
                chance *= probability / (1.0 - probability) * (count as f64 - n) / (n + 1.0);
            }
        }
    }

    #[test]
    fn nothing_and_everything_are_certain() {
        let mut random = Random::new(1);
        for (count, probability, expected) in [
            (0, 0.5, 0),
            (9, 0.0, 0),
            (9, -1.0, 0),
            (9, f64::NAN, 0),
            (9, 1.0, 9),
            (9, 7.0, 9),
        ] {
            assert_eq!(binomial(&mut random, count, probability), expected);
        }
    }

    #[test]
    fn latencies_have_the_quantiles_of_their_distribution() {
        let latencies = Latencies::new(20_000, 0.6);
        let mut random = Random::new(3);
        let mut histogram = Histogram::default();
        latencies.draw(&mut random, 1_000_000, |bucket, count| {
            histogram.add(bucket, count)
        });
        assert_eq!(histogram.total(), 1_000_000);
        // 20 ms × exp(0.6 × 1.2816) and × exp(0.6 × 2.3263).
        for (quantile, expected) in [(0.9, 43_150.0), (0.99, 80_760.0)] {
            let seen = histogram.quantile(quantile).expect("observations") as f64;
            assert!(
                (seen / expected - 1.0).abs() < 0.07,
                "{quantile}: {seen}, expected {expected}"
            );
        }
        let mut equal = Histogram::default();
        Latencies::new(10_000, 0.0).draw(&mut random, 7, |bucket, count| equal.add(bucket, count));
        assert_eq!(equal.quantile(1.0), equal.quantile(0.0));
    }
}

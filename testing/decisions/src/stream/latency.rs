//! Latencies of the simulated requests: lognormal, as cells between thresholds that were frozen before the
//! release, and the exact 99th percentile of a minute, drawn from its law given the counts in the cells.

use rand::Rng;
use rand_distr::{Beta, Distribution};
use statrs::function::erf::{erfc, erfc_inv};

/// Median of the stable side, in milliseconds.
pub const MEDIAN_MS: f64 = 100.0;
/// Standard deviation of the logarithm (stats.md §6).
pub const SIGMA: f64 = 0.6;
/// Cells: up to the frozen median, up to the frozen 99th percentile, above.
pub const CELLS: usize = 3;
/// The quantiles at which the cells end.
const FROZEN: [f64; CELLS - 1] = [0.5, 0.99];

/// A lognormal law whose quantiles are those of the stable side times a factor.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    median_ms: f64,
    /// Where the cells end, as values of the distribution function: `0, …, 1`.
    ends: [f64; CELLS + 1],
}

impl Latency {
    /// The law of a side all of whose latencies are `factor` times those of the stable side.
    #[must_use]
    pub fn scaled(factor: f64) -> Self {
        let mut ends = [0.0, 0.0, 0.0, 1.0];
        for (end, frozen) in ends[1..].iter_mut().zip(FROZEN) {
            *end = normal_cdf(normal_quantile(frozen) - factor.ln() / SIGMA);
        }
        Self {
            median_ms: MEDIAN_MS * factor,
            ends,
        }
    }

    /// The share of the requests in each cell.
    #[must_use]
    pub fn shares(&self) -> [f64; CELLS] {
        std::array::from_fn(|cell| self.ends[cell + 1] - self.ends[cell])
    }

    /// The latency in milliseconds that a share `quantile` (above 0, below 1) of the requests keep.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.median_ms * (SIGMA * normal_quantile(quantile)).exp()
    }

    /// Draws the 99th percentile of requests of which so many lie in each cell, in milliseconds; `None`
    /// without requests.
    ///
    /// The percentile is the order statistic of rank ⌈0.99 n⌉. Given the counts, the requests within a
    /// cell are independent with the law restricted to it, so the order statistic of rank j among the c
    /// of its cell has the distribution function's value at a Beta(j, c + 1 − j) share of the cell.
    pub fn p99_ms<R: Rng>(&self, counts: [u64; CELLS], random: &mut R) -> Option<f64> {
        let total: u64 = counts.iter().sum();
        let rank = (total * 99).div_ceil(100);
        let mut before = 0;
        for (cell, count) in counts.into_iter().enumerate() {
            if rank > before && rank <= before + count {
                let within = rank - before;
                let law = Beta::new(within as f64, (count + 1 - within) as f64)
                    .expect("both parameters are at least 1");
                let (low, high) = (self.ends[cell], self.ends[cell + 1]);
                return Some(self.quantile_ms(low + (high - low) * law.sample(random)));
            }
            before += count;
        }
        None
    }
}

fn normal_cdf(z: f64) -> f64 {
    erfc(-z / std::f64::consts::SQRT_2) / 2.0
}

fn normal_quantile(share: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    #[test]
    fn exceedances_are_those_of_the_design() {
        // stats_sim/sim3.out: shares above the frozen p99 and p50 for each factor.
        for (factor, above_p99, above_p50) in [
            (1.0, 0.01, 0.5),
            (1.1, 0.0151, 0.563),
            (1.2, 0.0216, 0.619),
            (1.5, 0.0494, 0.750),
            (2.0, 0.1208, 0.876),
        ] {
            let [below, middle, above] = Latency::scaled(factor).shares();
            assert!((above - above_p99).abs() < 1e-4, "×{factor}: {above}");
            assert!((1.0 - below - above_p50).abs() < 1e-3, "×{factor}: {below}");
            assert!((below + middle + above - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_minutes_p99_has_the_law_of_the_order_statistic() {
        // Against latencies drawn one by one: the same mean and spread, for few and for many requests.
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for (factor, requests) in [(1.0, 12), (1.5, 150), (1.0, 1_000)] {
            let law = Latency::scaled(factor);
            let shares = law.shares();
            let rounds = 2_000;
            let (mut drawn, mut counted) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                let mut cells = [0; CELLS];
                let mut latencies: Vec<f64> = Vec::with_capacity(requests);
                for _ in 0..requests {
                    let share = rand::RngExt::random::<f64>(&mut random).max(1e-12);
                    latencies.push(law.quantile_ms(share).ln());
                    let ends = [shares[0], shares[0] + shares[1]];
                    cells[ends.iter().filter(|end| share > **end).count()] += 1;
                }
                latencies.sort_by(f64::total_cmp);
                counted.push(latencies[(requests * 99).div_ceil(100) - 1]);
                let p99 = law.p99_ms(cells, &mut random).expect("there are requests");
                drawn.push(p99.ln());
            }
            let mean = |of: &[f64]| of.iter().sum::<f64>() / rounds as f64;
            let deviation = |of: &[f64]| {
                let middle = mean(of);
                (of.iter().map(|one| (one - middle).powi(2)).sum::<f64>() / rounds as f64).sqrt()
            };
            let error = 4.0 * deviation(&counted) / f64::from(rounds).sqrt();
            assert!(
                (mean(&drawn) - mean(&counted)).abs() < error,
                "{requests} requests"
            );
            let ratio = deviation(&drawn) / deviation(&counted);
            assert!((0.9..1.1).contains(&ratio), "{requests} requests: {ratio}");
        }
        assert_eq!(Latency::scaled(1.0).p99_ms([0; CELLS], &mut random), None);
    }
}

//! Simulated requests, counted by tick: both sides at a constant rate and weight, the canary with its own
//! share of errors and its own latencies.
//!
//! Requests are independent of each other, and an outcome is known at once. `latency` has the law of
//! the latencies, `thinned` the draws. What is simulated for the long runs is in `soak`.

mod latency;
mod thinned;

pub use latency::{CELLS, Latency, MEDIAN_MS, SIGMA};
pub use thinned::Thinned;

use crate::tick::{Counts, MINUTE_US, Minute, Point, SECOND_US, TICK_US, Tick};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// What traffic looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// Requests per second, both sides together.
    pub per_second: f64,
    /// Share of the requests that goes to the canary, above 0 and below 1.
    pub weight: f64,
    /// Share of the stable side's requests that fail.
    pub baseline_errors: f64,
    /// Share of the canary's requests that fail.
    pub canary_errors: f64,
    /// The canary's latencies are the stable side's, times this.
    pub latency_factor: f64,
}

/// One side's requests: classes are `2 * cell + failed`.
#[derive(Debug)]
struct Side {
    thinned: Thinned,
    latency: Latency,
    minute: Counts,
    cells: [u64; CELLS],
}

impl Side {
    fn new(per_tick: f64, errors: f64, factor: f64) -> Self {
        let latency = Latency::scaled(factor);
        let shares = latency
            .shares()
            .map(|share| [share * (1.0 - errors), share * errors]);
        Self {
            thinned: Thinned::new(shares.into_iter().flatten().map(|share| share * per_tick)),
            latency,
            minute: Counts::default(),
            cells: [0; CELLS],
        }
    }

    fn tick(&mut self, random: &mut Xoshiro256PlusPlus) -> Counts {
        let mut counts = Counts::default();
        self.thinned.draw(random, |class, count| {
            let (cell, failed) = (class / 2, class % 2 == 1);
            counts.requests += count;
            counts.errors += if failed { count } else { 0 };
            counts.above_p50 += if cell >= 1 { count } else { 0 };
            counts.above_p99 += if cell >= 2 { count } else { 0 };
            self.cells[cell] += count;
        });
        self.minute += counts;
        counts
    }

    fn point(&mut self, random: &mut Xoshiro256PlusPlus) -> Point {
        let counts = std::mem::take(&mut self.minute);
        let cells = std::mem::take(&mut self.cells);
        Point {
            requests: counts.requests,
            errors: counts.errors,
            p99_ms: self.latency.p99_ms(cells, random),
        }
    }
}

/// An endless stream of ticks; the same seed gives the same one.
#[derive(Debug)]
pub struct Stream {
    weight: f64,
    canary: Side,
    baseline: Side,
    end_us: u64,
    random: Xoshiro256PlusPlus,
}

impl Stream {
    /// The stream of a seed.
    #[must_use]
    pub fn new(traffic: &Traffic, seed: u64) -> Self {
        let per_tick = traffic.per_second * TICK_US as f64 / SECOND_US as f64;
        Self {
            weight: traffic.weight,
            canary: Side::new(
                per_tick * traffic.weight,
                traffic.canary_errors,
                traffic.latency_factor,
            ),
            baseline: Side::new(
                per_tick * (1.0 - traffic.weight),
                traffic.baseline_errors,
                1.0,
            ),
            end_us: 0,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }
}

impl Iterator for Stream {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        self.end_us += TICK_US;
        let canary = self.canary.tick(&mut self.random);
        let baseline = self.baseline.tick(&mut self.random);
        let minute = self.end_us.is_multiple_of(MINUTE_US).then(|| Minute {
            canary: self.canary.point(&mut self.random),
            baseline: self.baseline.point(&mut self.random),
        });
        Some(Tick {
            end_us: self.end_us,
            weight: self.weight,
            canary,
            baseline,
            minute,
        })
    }
}

/// The seed of a run: different for each case and each run, also for neighbouring numbers.
#[must_use]
pub fn seed_of(seed: u64, case: u64, run: u64) -> u64 {
    // The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) between the parts.
    let mix = |number: u64| {
        let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    mix(mix(mix(seed) ^ case) ^ run)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAFFIC: Traffic = Traffic {
        per_second: 1_000.0,
        weight: 0.05,
        baseline_errors: 0.001,
        canary_errors: 0.01,
        latency_factor: 1.5,
    };

    #[test]
    fn an_hour_has_the_requests_errors_and_latencies_that_were_asked_for() {
        let mut sides = [Counts::default(); 2];
        for tick in Stream::new(&TRAFFIC, 7).take(36_000) {
            sides[0] += tick.canary;
            sides[1] += tick.baseline;
        }
        // Shares above the frozen quantiles: stats_sim/sim3.out.
        for (name, side, requests, errors, above_p50, above_p99) in [
            ("canary", sides[0], 180_000.0, 0.01, 0.750, 0.0494),
            ("baseline", sides[1], 3_420_000.0, 0.001, 0.5, 0.01),
        ] {
            for (what, count, mean) in [
                ("requests", side.requests, requests),
                ("errors", side.errors, requests * errors),
                ("above p50", side.above_p50, requests * above_p50),
                ("above p99", side.above_p99, requests * above_p99),
            ] {
                // Five standard deviations, and what the shares above are rounded by.
                let slack = 5.0 * f64::sqrt(mean) + 1e-3 * mean;
                assert!(
                    (count as f64 - mean).abs() < slack,
                    "{name}, {what}: {count}, not {mean}"
                );
            }
        }
    }

    #[test]
    fn minutes_sum_up_their_ticks() {
        let mut sum = [Counts::default(); 2];
        let mut minutes = 0;
        for tick in Stream::new(&TRAFFIC, 8).take(1_800) {
            sum[0] += tick.canary;
            sum[1] += tick.baseline;
            assert_eq!(tick.minute.is_some(), tick.end_us % MINUTE_US == 0);
            if let Some(minute) = tick.minute {
                let [canary, baseline] = std::mem::take(&mut sum);
                assert_eq!(
                    (minute.canary.requests, minute.canary.errors),
                    (canary.requests, canary.errors)
                );
                assert_eq!(minute.baseline.requests, baseline.requests);
                let p99 = minute.baseline.p99_ms.expect("there were requests");
                // The law's is 404 ms; of 57,000 requests a minute's has a standard error of 6 ms.
                assert!((370.0..440.0).contains(&p99), "{p99} ms");
                minutes += 1;
            }
        }
        assert_eq!(minutes, 3);
    }

    #[test]
    fn a_seed_decides_everything() {
        let of = |seed| {
            Stream::new(&TRAFFIC, seed)
                .take(700)
                .map(|tick| format!("{tick:?}"))
                .collect::<String>()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_ne!(seed_of(1, 2, 3), seed_of(1, 3, 2));
        assert_ne!(seed_of(1, 2, 3), seed_of(2, 1, 3));
    }
}

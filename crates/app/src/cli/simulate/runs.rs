//! Many runs on all cores: the same figures for the same seed, however many threads there are.
//!
//! Each run has a generator of its own, whose seed follows from the seed, the release and the number of the
//! run. What a run is, the forecast says (`sluice-forecast`).

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use rand_distr::{Binomial, Distribution, Poisson};
use sluice_forecast::{Chance, Course, Release, Run, simulate};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

/// Runs that a thread takes at a time.
const PORTION: u64 = 4;
/// Portions that may wait to be collected.
const WAITING_MAX: usize = 64;

/// Draws by a generator whose values are the same on every machine.
pub(super) struct Seeded(Xoshiro256PlusPlus);

impl Seeded {
    pub(super) fn new(seed: u64) -> Seeded {
        Seeded(Xoshiro256PlusPlus::seed_from_u64(seed))
    }
}

impl Chance for Seeded {
    fn poisson(&mut self, mean: f64) -> u64 {
        // A mean that no distribution has (0, or beyond 2^63) brings nobody.
        Poisson::new(mean).map_or(0, |stream| {
            let drawn: f64 = stream.sample(&mut self.0);
            drawn as u64
        })
    }

    fn binomial(&mut self, trials: u64, probability: f64) -> u64 {
        Binomial::new(trials, probability).map_or(0, |draws| draws.sample(&mut self.0))
    }
}

/// All runs of one release, in their order. `progress` hears of each portion, how many runs are done.
pub(super) fn all(
    course: &Course,
    release: Release,
    seed: u64,
    runs: u64,
    mut progress: impl FnMut(u64),
) -> Vec<Run> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    on_threads(course, release, seed, runs, threads, &mut progress)
}

fn on_threads(
    course: &Course,
    release: Release,
    seed: u64,
    runs: u64,
    threads: usize,
    progress: &mut impl FnMut(u64),
) -> Vec<Run> {
    let next = AtomicU64::new(0);
    let (done, collected) = mpsc::sync_channel::<(u64, Vec<Run>)>(WAITING_MAX);
    let mut portions = Vec::new();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                loop {
                    let from = next.fetch_add(PORTION, Ordering::Relaxed);
                    if from >= runs {
                        break;
                    }
                    let to = from.saturating_add(PORTION).min(runs);
                    let portion = (from..to)
                        .map(|run| simulate(course, release, &mut Seeded::new(seed_of(seed, run))))
                        .collect();
                    if done.send((from, portion)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        let mut finished = 0;
        for (from, portion) in collected {
            finished += portion.len() as u64;
            portions.push((from, portion));
            progress(finished);
        }
    });
    portions.sort_by_key(|(from, _)| *from);
    portions
        .into_iter()
        .flat_map(|(_, portion)| portion)
        .collect()
}

/// The seed of each release of a simulation, far from those of other seeds.
pub(super) fn seeds(seed: u64) -> impl Iterator<Item = u64> {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    std::iter::repeat_with(move || generator.next_u64())
}

fn seed_of(seed: u64, run: u64) -> u64 {
    seed.wrapping_add(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_forecast::{Latency, Traffic};

    #[test]
    fn the_runs_are_the_same_on_any_number_of_threads() {
        let text = "\
services:
  checkout: {run: [/bin/sleep, '9'], listen: 127.0.0.1:8080, release: {steps: [5, 50, 100], bake: 1m}}
";
        let document = sluice_native::parse("sluice.yaml", text, "/srv")
            .document
            .expect("valid");
        let traffic = Traffic {
            rate: 50.0,
            errors: 0.001,
            client_errors: 0.01,
            latency: Latency {
                median_micros: 2e4,
                p99_micros: 2e5,
            },
        };
        let course = Course::new(&document.services[0].plan, traffic, None).expect("a course");
        let release = Release::Failing(0.02);
        let mut told = Vec::new();
        let alone = on_threads(&course, release, 7, 21, 1, &mut |done| told.push(done));
        assert_eq!(told, [4, 8, 12, 16, 20, 21]);
        for threads in [2, 5] {
            let same = on_threads(&course, release, 7, 21, threads, &mut |_| {});
            assert_eq!(alone, same, "{threads} threads");
        }
        let other = on_threads(&course, release, 8, 21, 2, &mut |_| {});
        assert_ne!(alone, other);
    }
}

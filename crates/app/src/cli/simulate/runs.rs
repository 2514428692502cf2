//! Many runs of one release. What a run is, the forecast says (`sluice-forecast`).
//!
//! Each run has a generator of its own, whose seed follows from the seed, the release and the number of the run.

use crate::cli::chance::Seeded;
use crate::cli::parallel;
use sluice_forecast::{Course, Release, Run, simulate};

/// All runs of one release, in their order. `progress` hears how many runs are done.
pub(super) fn all(
    course: &Course,
    release: Release,
    seed: u64,
    runs: u64,
    progress: impl FnMut(u64),
) -> Vec<Run> {
    parallel::all(runs, |run| one(course, release, seed, run), progress)
}

fn one(course: &Course, release: Release, seed: u64, run: u64) -> Run {
    simulate(course, release, &mut Seeded::new(seed.wrapping_add(run)))
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
        let of = |seed, threads| {
            let work = |run| one(&course, release, seed, run);
            parallel::on_threads(21, threads, &work, &mut |_| {})
        };
        let alone = of(7, 1);
        for threads in [2, 5] {
            assert_eq!(alone, of(7, threads), "{threads} threads");
        }
        let other = of(8, 2);
        assert_ne!(alone, other);
    }
}

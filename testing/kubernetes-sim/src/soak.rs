//! Many seeds on all cores: what the soak and the tests share.

use crate::promises::{Reached, Violation};
use crate::run::{RunReport, Settings, run};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many seeds a worker takes at a time.
const BATCH: u64 = 4;
/// Every so many seeds one is run twice, to find what is not decided by the seed.
const TWICE_EVERY: u64 = 32;

/// A seed that broke a promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The promise.
    pub violation: Violation,
}

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Runs done.
    pub runs: u64,
    /// What was reached in them.
    pub reached: Reached,
    /// Rollouts by their phase at the end.
    pub phases: BTreeMap<String, u64>,
    /// The failures found, by rising seed; the search stops soon after the first.
    pub failures: Vec<Failure>,
}

impl Tally {
    fn add(&mut self, seed: u64, report: RunReport) {
        self.runs += 1;
        self.reached.add(report.reached);
        for phase in report.phases {
            *self.phases.entry(phase).or_default() += 1;
        }
        if let Some(violation) = report.violation {
            self.failures.push(Failure { seed, violation });
        }
    }
}

/// Runs `count` seeds from `first`, on `workers` threads, until one fails.
#[must_use]
pub fn soak(first: u64, count: u64, workers: usize, settings: &Settings) -> Tally {
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let end = first.saturating_add(count);
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    if from >= end {
                        return;
                    }
                    for seed in from..end.min(from.saturating_add(BATCH)) {
                        let report = checked(seed, settings);
                        failed.fetch_or(report.violation.is_some(), Ordering::Relaxed);
                        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                        tally.add(seed, report);
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.failures.sort_by_key(|failure| failure.seed);
    tally
}

/// One run; now and then it is done twice and compared.
#[must_use]
pub fn checked(seed: u64, settings: &Settings) -> RunReport {
    let mut report = run(seed, settings);
    if seed.is_multiple_of(TWICE_EVERY) && report.violation.is_none() {
        let again = run(seed, settings);
        if again.digest != report.digest {
            report.violation = Some(Violation {
                at_ms: 0,
                promise: "a seed decides everything",
                seen: format!("digests {:x} and {:x}", report.digest, again.digest),
            });
        }
    }
    report
}

/// The command that tells a seed write by write.
#[must_use]
pub fn told(seed: u64) -> String {
    format!("cargo run --release -p sluice-kubernetes-sim -- --seed {seed} --trace")
}

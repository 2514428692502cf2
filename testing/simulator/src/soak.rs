//! Many seeds on all cores: what `sluice-simulate`, the soak and the tests share.

use crate::rules::RuleCounts;
use crate::run::{RunReport, Settings, run};
use crate::watch::{Comparisons, Violation};
use crate::weather::Fault;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many seeds a worker takes at a time.
const BATCH: u64 = 16;
/// Every so many seeds one is run twice, to find what is not decided by the seed.
const TWICE_EVERY: u64 = 64;

/// A seed that broke a promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The service.
    pub service: String,
    /// The promise.
    pub violation: Violation,
}

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Runs done.
    pub runs: u64,
    /// Turns taken in them.
    pub turns: u64,
    /// How often each rule stands in the logs.
    pub rules: RuleCounts,
    /// How often Sluice was killed.
    pub crashes: u64,
    /// How often a decision was acted on that could not be stored.
    pub retreats: u64,
    /// Services of which no request could be lost.
    pub lossless: u64,
    /// What became of comparisons.
    pub comparisons: Comparisons,
    /// The failures found, by rising seed; the search stops soon after the first.
    pub failures: Vec<Failure>,
}

impl Tally {
    /// Adds another tally, of other seeds.
    pub fn merge(&mut self, other: Tally) {
        self.runs += other.runs;
        self.turns += other.turns;
        self.rules.add(&other.rules);
        self.crashes += other.crashes;
        self.retreats += other.retreats;
        self.lossless += other.lossless;
        self.comparisons.add(other.comparisons);
        self.failures.extend(other.failures);
    }

    fn add(&mut self, seed: u64, report: RunReport) {
        self.runs += 1;
        self.turns += report.turns;
        self.rules.add(&report.rules);
        self.crashes += report.crashes;
        self.retreats += report.retreats;
        self.lossless += report.lossless;
        self.comparisons.add(report.comparisons);
        if let Some((service, violation)) = report.violation {
            self.failures.push(Failure {
                seed,
                service,
                violation,
            });
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
                        let mut tally = tally.lock().unwrap_or_else(|it| it.into_inner());
                        tally.add(seed, report);
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(|it| it.into_inner());
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
            let violation = Violation {
                at: 0,
                promise: "a seed decides everything",
                seen: format!("digests {:x} and {:x}", report.digest, again.digest),
            };
            report.violation = Some(("all".to_owned(), violation));
        }
    }
    report
}

/// The command that runs a seed again.
#[must_use]
pub fn reproduce(seed: u64) -> String {
    format!("cargo xtask soak simulator --first {seed} --count 1")
}

/// The command that tells a seed turn by turn, under these settings.
#[must_use]
pub fn told(seed: u64, settings: &Settings) -> String {
    let mut command = format!(
        "cargo run --release -p sluice-simulator --bin sluice-simulate -- --seed {seed} --trace"
    );
    for (name, fault) in Fault::ALL {
        if !settings.faults.has(fault) {
            command.push_str(&format!(" --without {name}"));
        }
    }
    if !settings.operators {
        command.push_str(" --no-operators");
    }
    if settings.services_max != Settings::default().services_max {
        command.push_str(&format!(" --services-max {}", settings.services_max));
    }
    if let Some(bug) = settings.bug {
        command.push_str(&format!(" --planted-bug {}", bug.name()));
    }
    command
}

//! A sample of seeds keeps every promise, and reaches what it is there for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sluice_kubernetes_sim::soak::{self, Tally};
use sluice_kubernetes_sim::{Faults, Settings, run};

/// Seeds of the sample: enough to reach everything, few enough for a build without optimization.
const SEEDS: u64 = 160;

fn sample(seeds: u64, settings: &Settings) -> Tally {
    let workers = std::thread::available_parallelism().unwrap().get();
    let tally = soak::soak(1, seeds, workers, settings);
    let told: Vec<String> = tally
        .failures
        .iter()
        .map(|failure| {
            let violation = &failure.violation;
            let again = soak::told(failure.seed);
            format!("{}: {}\n  told: {again}", violation.promise, violation.seen)
        })
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    tally
}

#[test]
fn whatever_goes_wrong_no_promise_is_broken() {
    let tally = sample(SEEDS, &Settings::default());
    let reached = tally.reached;
    assert!(
        reached.promotions > 100
            && reached.aborts > 20
            && reached.failed_analyses > 10
            && reached.crashes > 50
            && reached.takeovers > 20
            && reached.switches > 300,
        "{reached:?}"
    );
    for phase in ["Healthy", "Paused", "Degraded"] {
        assert!(tally.phases.contains_key(phase), "no run ended {phase}");
    }
}

#[test]
fn in_fine_weather_every_run_ends_and_says_how() {
    let settings = Settings {
        faults: Faults::NONE,
        users: false,
        ..Settings::default()
    };
    let tally = sample(SEEDS / 4, &settings);
    assert!(tally.reached.promotions > SEEDS / 4, "{:?}", tally.reached);
    assert_eq!(tally.reached.crashes, 0);
}

#[test]
fn a_seed_decides_everything() {
    let settings = Settings::default();
    let digests = || -> Vec<u64> { (1..8).map(|seed| run(seed, &settings).digest).collect() };
    let first = digests();
    assert_eq!(first, digests());
    let different: std::collections::BTreeSet<&u64> = first.iter().collect();
    assert_eq!(different.len(), first.len(), "and each seed is another run");
}

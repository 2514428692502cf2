//! A sample of seeds keeps every promise, and reaches what it is there for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sluice_model::Rule;
use sluice_simulator::soak::{self, Tally};
use sluice_simulator::watch::Comparisons;
use sluice_simulator::{Fault, Faults, Settings, run};

/// Seeds of each sample: enough to reach every rule, few enough for a build without optimization.
const SEEDS: u64 = 500;

fn sample(settings: &Settings) -> Tally {
    let workers = std::thread::available_parallelism().unwrap().get();
    let tally = soak::soak(1, SEEDS, workers, settings);
    let told: Vec<String> = tally
        .failures
        .iter()
        .map(|failure| {
            let violation = &failure.violation;
            let again = soak::reproduce(failure.seed);
            format!(
                "{}: {}\n  again: {again}",
                violation.promise, violation.seen
            )
        })
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    tally
}

#[test]
fn whatever_goes_wrong_no_promise_is_broken_and_every_rule_is_reached() {
    let tally = sample(&Settings::default());
    let missed: Vec<Rule> = tally
        .rules
        .iter()
        .filter(|(_, count)| *count == 0)
        .map(|(rule, _)| rule)
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
    assert!(
        tally.crashes > 100 && tally.retreats > 10 && tally.lossless > 50,
        "{tally:?}"
    );
    let Comparisons {
        passed,
        failed,
        carried,
    } = tally.comparisons;
    assert!(
        passed > 100 && failed > 10 && carried > 40,
        "{:?}",
        tally.comparisons
    );
}

#[test]
fn in_fine_weather_nothing_is_taken_back_for_its_quality() {
    let settings = Settings {
        faults: Faults::NONE,
        operators: false,
        ..Settings::default()
    };
    let tally = sample(&settings);
    let wrong = [
        Rule::CheckFailed,
        Rule::CrashLoop,
        Rule::NothingReady,
        Rule::HookFailed,
    ];
    for (rule, count) in tally.rules.iter() {
        assert!(
            !wrong.contains(&rule) || count == 0,
            "{count} times {rule:?}"
        );
        assert!(
            rule != Rule::Promoted || count > SEEDS,
            "only {count} promotions"
        );
    }
}

#[test]
fn nothing_that_happens_to_sluice_itself_makes_a_canary_look_bad() {
    let of_the_canary = [
        Fault::Flapping,
        Fault::CrashLoops,
        Fault::NeverReady,
        Fault::Kills,
        Fault::BadRevisions,
        // A retreat that could not be stored is forgotten when Sluice is killed; a stale view is the platform's.
        Fault::StoreOutages,
        Fault::StaleObservations,
    ];
    let settings = Settings {
        faults: of_the_canary.into_iter().fold(Faults::ALL, Faults::without),
        ..Settings::default()
    };
    let tally = sample(&settings);
    let wrong = [Rule::CheckFailed, Rule::CrashLoop, Rule::NothingReady];
    for (rule, count) in tally.rules.iter().filter(|(rule, _)| wrong.contains(rule)) {
        assert_eq!(count, 0, "{rule:?}");
    }
    assert!(tally.crashes > 100);
}

#[test]
fn a_seed_decides_everything() {
    let settings = Settings::default();
    let digests: Vec<u64> = (1..50).map(|seed| run(seed, &settings).digest).collect();
    let again: Vec<u64> = (1..50).map(|seed| run(seed, &settings).digest).collect();
    assert_eq!(digests, again);
    let different: std::collections::BTreeSet<u64> = digests.iter().copied().collect();
    assert_eq!(
        different.len(),
        digests.len(),
        "and each seed is another run"
    );
}

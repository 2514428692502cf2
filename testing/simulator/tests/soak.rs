//! Many seeds, for `cargo xtask soak simulator`: `SLUICE_SOAK_FIRST` is the first, `SLUICE_SOAK_COUNT` how many.
#![allow(clippy::print_stdout, reason = "a failure tells how to repeat it")]

use sluice_simulator::{Settings, shrink, soak};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
#[ignore = "long: run by `cargo xtask soak simulator`"]
fn many_seeds_keep_every_promise() {
    let (first, count) = (
        number("SLUICE_SOAK_FIRST", 1),
        number("SLUICE_SOAK_COUNT", 100_000),
    );
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let settings = Settings::default();
    let tally = soak::soak(first, count, workers, &settings);
    for failure in &tally.failures {
        let violation = &failure.violation;
        println!(
            "seed {}, {} at {} ms",
            failure.seed, failure.service, violation.at
        );
        println!("  {}: {}", violation.promise, violation.seen);
        println!("  again: {}", soak::reproduce(failure.seed));
        println!(
            "  told:  {}",
            soak::told(failure.seed, &shrink::shrink(failure.seed, &settings))
        );
    }
    assert!(
        tally.failures.is_empty(),
        "{} seeds broke a promise",
        tally.failures.len()
    );
    assert_eq!(tally.runs, count);
}

//! Many seeds, for `cargo xtask soak kubernetes`: `SLUICE_SOAK_FIRST` is the first, `SLUICE_SOAK_COUNT` how many.
#![allow(clippy::print_stdout, reason = "a failure tells how to repeat it")]

use sluice_kubernetes_sim::{Settings, soak};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
#[ignore = "long: run by `cargo xtask soak kubernetes`"]
fn many_seeds_keep_every_promise() {
    let (first, count) = (
        number("SLUICE_SOAK_FIRST", 1),
        number("SLUICE_SOAK_COUNT", 20_000),
    );
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let tally = soak::soak(first, count, workers, &Settings::default());
    for failure in &tally.failures {
        let violation = &failure.violation;
        println!("seed {}, at {} ms", failure.seed, violation.at_ms);
        println!("  {}: {}", violation.promise, violation.seen);
        println!("  told: {}", soak::told(failure.seed));
    }
    println!("{:?} {:?}", tally.phases, tally.reached);
    assert!(
        tally.failures.is_empty(),
        "{} seeds broke a promise",
        tally.failures.len()
    );
    assert_eq!(tally.runs, count);
}

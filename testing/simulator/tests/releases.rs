//! Good releases are promoted, bad ones are caught, and an error rate that is not kept is noticed. A sample of what
//! `sluice-simulate releases` and `cargo xtask soak releases` do at length.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sluice_model::plan::Limit;
use sluice_simulator::releases::case::{Bad, Case, Judged};
use sluice_simulator::releases::release::{End, release};
use sluice_simulator::releases::tally::{Proved, Tally};
use sluice_simulator::releases::{bad, good};

fn workers() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

#[test]
fn good_releases_are_promoted() {
    let tally = good(1, 100, workers(), Judged::Comparisons);
    assert!(tally.holds(), "{tally} {:?}", tally.wrong);
    assert_eq!(tally.promoted + tally.taken_back, 100, "{tally}");
}

#[test]
fn bad_releases_are_caught() {
    for one in Bad::ALL.into_iter().filter(|bad| bad.rate >= 1_000.0) {
        let detection = bad(one, 1, 6, workers(), Judged::Comparisons);
        assert_eq!(detection.caught(), 1.0, "{detection}");
        assert!(detection.seconds(1.0) < 120.0, "{detection}");
    }
}

#[test]
fn an_error_rate_that_is_not_kept_is_noticed() {
    let mut tally = Tally::default();
    for seed in 1..=40 {
        let mut case = Case::good(seed, Judged::Comparisons);
        for check in case.plan.steps.iter_mut().flat_map(|step| &mut step.checks) {
            if let Limit::NotWorse(limit) = &mut check.limit {
                // Half of all good releases may be taken back, instead of one in a hundred.
                limit.alpha = 0.5;
            }
        }
        tally.add(seed, &release(&case, seed));
    }
    assert_eq!(tally.verdict(), Proved::Broken, "{tally}");
}

#[test]
fn a_release_is_decided_by_its_seed() {
    let case = Case::good(5, Judged::Defaults);
    let once = release(&case, 5);
    assert_eq!(once, release(&case, 5));
    assert_ne!(once, release(&case, 6));
    assert!(matches!(once.end, End::Promoted), "{once:?}");
}

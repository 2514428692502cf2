//! A simulation that finds nothing proves nothing: each bug planted on purpose is found, by the promise that it
//! breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sluice_simulator::soak;
use sluice_simulator::{Bug, Fault, Settings, shrink};

/// The seeds in which each bug must show itself.
const SEEDS: u64 = 400;

fn found(bug: Bug) -> Option<soak::Failure> {
    let settings = Settings {
        bug: Some(bug),
        ..Settings::default()
    };
    soak::soak(1, SEEDS, 2, &settings)
        .failures
        .into_iter()
        .next()
}

#[test]
fn every_planted_bug_is_found() {
    for (name, bug) in Bug::ALL {
        let failure = found(bug).unwrap_or_else(|| panic!("{name} was not found in {SEEDS} seeds"));
        let expected: &[&str] = match bug {
            Bug::ActsBeforePersisting => &["what is stored is never behind what is acted on"],
            Bug::KeepsWeightOnAbort => &[
                "an aborted canary has no traffic",
                "what is stored is never behind what is acted on",
            ],
            Bug::IgnoresFreshness => &["evidence is from the step's own traffic"],
            Bug::ReleasesStableEarly => &["the stable side keeps its capacity"],
            Bug::TrafficBeforeCapacity => &[
                "capacity before traffic",
                "nothing goes forward while held or unsettled",
            ],
            Bug::MatchesOutlive => &["matches, copies and preview end with the rollout"],
            Bug::LosesAnswers => &["a command that counts as answered has an answer"],
            Bug::RepeatsEntries => &[
                "the log neither loses nor repeats a start",
                "the log neither loses nor repeats an end",
            ],
            Bug::Oversleeps => &["a service comes to rest", "what is waited for is said"],
            Bug::HiddenState => &["a seed decides everything"],
            Bug::CountsRestartTwice | Bug::KeepsEvidenceOfAttempt | Bug::CountsMatches => {
                &["evidence never counts a request twice"]
            }
            Bug::ForgetsEvidenceOfStep => &["evidence is carried over steps and restarts"],
            Bug::JudgesBySmallerWeight => &["a decision can be judged again from its evidence"],
        };
        let promise = failure.violation.promise;
        assert!(
            expected.contains(&promise),
            "{name} was found as `{promise}`, seed {}",
            failure.seed
        );
    }
}

#[test]
fn a_failure_shrinks_to_what_matters_and_still_fails() {
    let settings = Settings {
        bug: Some(Bug::ReleasesStableEarly),
        ..Settings::default()
    };
    let seed = found(Bug::ReleasesStableEarly).unwrap().seed;
    let smaller = shrink::shrink(seed, &settings);
    let kinds = Fault::ALL
        .iter()
        .filter(|(_, fault)| smaller.faults.has(*fault))
        .count();
    assert!(
        kinds < Fault::ALL.len() / 2,
        "{kinds} kinds of faults are left"
    );
    assert!(sluice_simulator::run(seed, &smaller).violation.is_some());
    let told = soak::told(seed, &smaller);
    assert!(
        told.contains("--planted-bug releases-stable-early") && told.contains("--without"),
        "{told}"
    );
}

//! A simulation that finds nothing proves nothing: each bug planted on purpose is found, by the promise that it
//! breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sluice_kubernetes_sim::{Bug, Settings, soak};

/// The seeds in which each bug must show itself: some need a controller to lose its memory at the right moment.
const SEEDS: u64 = 160;

#[test]
fn every_planted_bug_is_found() {
    for (name, bug) in Bug::ALL {
        let settings = Settings {
            bug: Some(bug),
            ..Settings::default()
        };
        let workers = std::thread::available_parallelism().unwrap().get();
        let tally = soak::soak(1, SEEDS, workers, &settings);
        let failure = tally
            .failures
            .first()
            .unwrap_or_else(|| panic!("{name} was not found in {SEEDS} seeds"));
        let expected: &[&str] = match bug {
            Bug::ExceedsSurge => &["a canary has at most replicas and maxSurge pods"],
            Bug::ScalesDownTooFar => &[
                "a canary keeps replicas without maxUnavailable available",
                "stable keeps the pods that its weight needs",
                "the active ReplicaSet keeps its pods",
            ],
            Bug::TrustsFailedAnalysis => &["an analysis that failed is not successful"],
            Bug::NamesAtRandom => &["a template has one ReplicaSet"],
            Bug::SwitchesEarly => &["a Service leads to available pods"],
            Bug::LosesNotices => &[
                "traffic follows pods",
                "a Rollout comes to rest, and says why",
                "a status counts the pods that there are",
                "a status is about the newest spec",
                "a new controller finds everything done",
            ],
            Bug::PromotesEarly => &["what becomes stable has all its pods"],
            Bug::SeesChangesThatAreNone | Bug::PollsInsteadOfWatching => {
                &["a controller asks for nothing while nothing changes"]
            }
            Bug::ForgetsMessages => &["nobody is notified twice"],
        };
        let promise = failure.violation.promise;
        assert!(
            expected.contains(&promise),
            "{name} was found as `{promise}`, seed {}",
            failure.seed
        );
    }
}

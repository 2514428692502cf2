//! What cannot be tuned, and histories with nothing in them.

use crate::processes::{Course, Process, check, plan, tuned};
use sluice_model::Minute;
use sluice_model::plan::{Exposure, Limit, Metric};
use sluice_tuning::{Tuning, Untunable};

const PROCESS: Process = Process {
    rate: 5.0,
    errors: 0.01,
    course: Course::Steady,
};

#[test]
fn what_gives_nothing_to_tune_is_told() {
    let minutes = PROCESS.minutes(10, 1);
    let refused = |plan, minutes: Vec<Minute>, target| Tuning::new(&plan, minutes, target).err();
    for target in [0.0, -0.1, 0.6, f64::NAN] {
        assert!(matches!(
            refused(plan(&[]), minutes.clone(), target),
            Some(Untunable::Target(_))
        ));
    }
    let mut at_once = plan(&[]);
    at_once.steps = vec![at_once.steps.remove(2)];
    assert_eq!(
        refused(at_once.clone(), minutes.clone(), 0.1),
        Some(Untunable::NoSplit)
    );
    at_once.steps[0].exposure = Exposure::Recreate;
    assert_eq!(
        refused(at_once, minutes.clone(), 0.1),
        Some(Untunable::NoSplit)
    );
    let in_pieces: Vec<Minute> = minutes.iter().step_by(2).cloned().collect();
    assert_eq!(
        refused(plan(&[]), in_pieces, 0.1),
        Some(Untunable::TooShort {
            minutes: 2,
            recorded: 5
        })
    );
    assert_eq!(
        refused(plan(&[]), Vec::new(), 0.1),
        Some(Untunable::TooShort {
            minutes: 2,
            recorded: 0
        })
    );
    let quiet: Vec<Minute> = Process {
        rate: 1e-9,
        ..PROCESS
    }
    .minutes(10, 1);
    assert_eq!(refused(plan(&[]), quiet, 0.1), Some(Untunable::NoRequests));
}

#[test]
fn minutes_of_rollouts_and_of_missing_replicas_are_no_history() {
    let calm = PROCESS.minutes(200, 2);
    let mut mixed = calm.clone();
    for (number, minute) in mixed.iter_mut().enumerate() {
        minute.rollout = (50..60).contains(&number);
        minute.healthy = !(80..90).contains(&number);
        if !minute.is_usual() {
            minute.classes = [0, 0, 0, 0, minute.requests];
        }
    }
    let checks = [check("limit", Metric::ErrorRatio, Limit::Max(0.5))];
    let findings = tuned(&plan(&checks), mixed, 0.1, 3);
    let coverage = findings.coverage;
    let counts = (coverage.minutes, coverage.in_rollouts, coverage.unhealthy);
    assert_eq!(counts, (180, 10, 10));
    assert_eq!(findings.present[0].alarms.unwrap().count, 0);
}

#[test]
fn a_service_without_failures_gets_limits_all_the_same() {
    let process = Process {
        errors: 0.0,
        ..PROCESS
    };
    let findings = tuned(&plan(&[]), process.minutes(200, 4), 0.1, 5);
    let error = findings
        .proposals
        .iter()
        .find(|it| it.check.as_str() == "error-limit")
        .unwrap();
    assert_eq!(error.limit, Limit::Max(0.001));
    assert_eq!(error.alarms.count, 0);
}

#[test]
fn limits_for_which_too_few_requests_come_are_named() {
    let checks = [check("limit", Metric::ErrorRatio, Limit::Max(0.5))];
    let notes = |rate: f64| {
        let process = Process { rate, ..PROCESS };
        tuned(&plan(&checks), process.minutes(40, 6), 0.1, 7).notes
    };
    let few = notes(2.0);
    let named = |start: &str| few.iter().any(|note| note.starts_with(start));
    assert!(
        named("`limit` needs 100 requests, and about 30 come"),
        "{few:?}"
    );
    assert!(named("limits that are proposed need 100"), "{few:?}");
    assert!(!notes(50.0).iter().any(|note| note.contains("100 requests")));
}

//! The figures of simulations against those that are promised: error rates, times, and what never ends.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Binomial, Distribution, Poisson};
use sluice_forecast::{
    Chance, Course, Ending, Latency, Release, Run, Summary, Traffic, outlook, simulate,
};
use sluice_model::plan::{
    CanarySize, Check, Exposure, Limit, Metric, NotWorse, OnTrouble, RolloutHooks, Step, Strategy,
};
use sluice_model::routes::Assignment;
use sluice_model::{CheckName, Plan, Weight};
use std::collections::BTreeMap;
use std::time::Duration;

struct Seeded(Xoshiro256PlusPlus);

impl Chance for Seeded {
    fn poisson(&mut self, mean: f64) -> u64 {
        let stream = Poisson::new(mean).expect("a mean above 0");
        let drawn: f64 = stream.sample(&mut self.0);
        drawn as u64
    }
    fn binomial(&mut self, trials: u64, probability: f64) -> u64 {
        let draws = Binomial::new(trials, probability).expect("a probability");
        draws.sample(&mut self.0)
    }
}

const TRAFFIC: Traffic = Traffic {
    rate: 200.0,
    errors: 0.001,
    client_errors: 0.01,
    latency: Latency {
        median_micros: 20_000.0,
        p99_micros: 200_000.0,
    },
};

fn step(percent: f64, bake_s: u64, checks: &[Check]) -> Step {
    Step {
        name: format!("{percent} %"),
        exposure: Exposure::Split {
            weight: Weight::from_percent(percent).expect("a weight"),
            matches: Vec::new(),
            mirror: None,
            canary: CanarySize::ByWeight,
            preview: false,
        },
        bake: Duration::from_secs(bake_s),
        checks: checks.to_vec(),
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        strategy: Strategy::Canary,
        replicas: 4,
        steps,
        assignment: Assignment::default(),
        checks: Vec::new(),
        hooks: RolloutHooks::default(),
        progress_deadline: Duration::from_secs(60),
        min_ready: Duration::ZERO,
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: Duration::ZERO,
        keep_aborted: Duration::ZERO,
        stuck_after: Duration::from_secs(600),
        slow_after: Duration::from_secs(1_800),
        crash_loop_restarts: 3,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}

fn check(name: &str, metric: Metric, limit: Limit) -> Check {
    Check {
        name: CheckName(name.into()),
        metric,
        limit,
        window: Duration::from_secs(60),
        samples_min: 100,
        on_fail: OnTrouble::Abort,
    }
}

/// The comparisons of a document that says nothing of checks.
fn defaults() -> Vec<Check> {
    let of = |ratio, margin, accept_margin| {
        Limit::NotWorse(NotWorse {
            ratio,
            margin,
            accept_ratio: 1.5,
            accept_margin,
            alpha: 0.01,
            beta: 0.05,
            share: 1.0 / 3.0,
        })
    };
    vec![
        check("errors", Metric::ErrorRatio, of(1.0, 0.0, 0.005)),
        check(
            "client-errors",
            Metric::ClientErrorRatio,
            of(1.25, 0.005, 0.02),
        ),
        check("latency-p99", Metric::Latency(0.99), of(1.25, 0.005, 0.02)),
    ]
}

fn course(plan: &Plan, traffic: Traffic, hours: u64) -> Course {
    let horizon = Duration::from_secs(hours * 3_600);
    Course::new(plan, traffic, Some(horizon)).expect("a course")
}

fn runs(course: &Course, release: Release, seeds: std::ops::Range<u64>) -> Vec<Run> {
    seeds
        .map(|seed| {
            let mut chance = Seeded(Xoshiro256PlusPlus::seed_from_u64(seed));
            simulate(course, release, &mut chance)
        })
        .collect()
}

/// docs/document.md, "Default checks": the share of all rollouts is bounded whatever the length.
#[test]
fn a_good_release_is_taken_back_in_at_most_the_promised_share() {
    let checks = defaults();
    let steps = vec![
        step(5.0, 120, &checks),
        step(25.0, 120, &checks),
        step(50.0, 120, &checks),
        step(100.0, 0, &[]),
    ];
    let course = course(&plan(steps), TRAFFIC, 24);
    let summary = Summary::of(&runs(&course, Release::AsGood, 0..500));
    // At a rate of exactly one in a hundred, 12 or more of 500 happen less than one time in a hundred.
    assert!(summary.taken_back.count <= 11, "{:?}", summary.taken_back);
    assert_eq!(summary.undecided.count, 0, "{summary:?}");
    assert_eq!(summary.promoted.count + summary.taken_back.count, 500);
}

/// docs/document.md, "Default checks", last paragraph: at 5 % weight and 0.1 % failures.
#[test]
fn bad_releases_are_found_about_when_the_reference_says() {
    let steps = vec![step(5.0, 1_000_000, &defaults()), step(100.0, 0, &[])];
    let course = course(&plan(steps), TRAFFIC, 200);
    for (fails, count, median, p90) in [
        (0.05, 300, 800.0, 2_200.0),
        (0.01, 200, 8_000.0, 20_000.0),
        (0.003, 60, 91_000.0, 200_000.0),
    ] {
        let summary = Summary::of(&runs(&course, Release::Failing(fails), 0..count));
        assert_eq!(summary.taken_back.count, count, "{fails}");
        let found = summary.detect_seconds.expect("found");
        let requests = |seconds: f64| seconds * TRAFFIC.rate;
        for (what, seconds, told) in [("median", found.median, median), ("p90", found.p90, p90)] {
            let ratio = requests(seconds) / told;
            assert!(
                (0.6..1.6).contains(&ratio),
                "{fails}: {what} after {} requests, {told} are told",
                requests(seconds)
            );
        }
        let exposed = summary.exposed.expect("exposed").median;
        let due = requests(found.median) * 0.05;
        assert!((0.8..1.25).contains(&(exposed / due)), "{exposed} {due}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let steps = vec![step(5.0, 600, &defaults()), step(100.0, 0, &[])];
    let course = course(&plan(steps), TRAFFIC, 24);
    let once = runs(&course, Release::Failing(0.01), 0..20);
    assert_eq!(once, runs(&course, Release::Failing(0.01), 0..20));
    assert_ne!(once, runs(&course, Release::Failing(0.01), 20..40));
}

#[test]
fn a_slower_release_is_found_by_the_comparison_of_latency() {
    let steps = vec![step(25.0, 1_800, &defaults()), step(100.0, 0, &[])];
    let course = course(&plan(steps), TRAFFIC, 24);
    let summary = Summary::of(&runs(&course, Release::Slower(2.0), 0..30));
    let by: Vec<(&str, u64)> = summary
        .by
        .iter()
        .map(|(name, n)| (name.0.as_str(), *n))
        .collect();
    assert_eq!(by, [("latency-p99", 30)]);
}

#[test]
fn thresholds_are_held_over_their_window() {
    let absolute = check("limit", Metric::ErrorRatio, Limit::Max(0.05));
    let relative = Limit::RelativeMax {
        factor: 2.0,
        margin: 0.01,
    };
    let relative = check("relative", Metric::ErrorRatio, relative);
    let paused = Check {
        on_fail: OnTrouble::Pause,
        ..check("held", Metric::ErrorRatio, Limit::Max(0.05))
    };
    let slow = check("slow", Metric::Latency(0.95), Limit::Max(500.0));
    let rate = check("rate", Metric::RequestRate, Limit::Min(100.0));
    for (checks, release, expected) in [
        (&absolute, Release::Failing(0.5), Some("limit")),
        (&absolute, Release::Failing(0.01), None),
        (&relative, Release::Failing(0.1), Some("relative")),
        (&relative, Release::AsGood, None),
        (&paused, Release::Failing(0.5), Some("held")),
        (&slow, Release::AsGood, None),
        (&slow, Release::Slower(10.0), Some("slow")),
        // A quarter of 200 a second.
        (&rate, Release::AsGood, Some("rate")),
    ] {
        let checks = std::slice::from_ref(checks);
        let steps = vec![step(25.0, 120, checks), step(100.0, 0, &[])];
        let course = course(&plan(steps), TRAFFIC, 1);
        for run in runs(&course, release, 0..10) {
            let name = match &run.ending {
                Ending::TakenBack(check) => Some(check.0.as_str()),
                Ending::Held(check) => {
                    assert_eq!(check.0, "held");
                    Some(check.0.as_str())
                }
                Ending::Promoted => None,
                Ending::Undecided => panic!("{checks:?} {run:?}"),
            };
            assert_eq!(name, expected, "{checks:?} {release:?}");
        }
    }
}

#[test]
fn what_cannot_be_decided_before_the_deadline_says_how_many_requests_it_needs() {
    let steps = vec![
        step(5.0, 60, &defaults()),
        step(50.0, 60, &defaults()),
        step(100.0, 0, &[]),
    ];
    let slow = Traffic {
        rate: 0.5,
        ..TRAFFIC
    };
    let plan = Plan {
        deadline: Some(Duration::from_secs(600)),
        ..plan(steps)
    };
    let course = Course::new(&plan, slow, None).expect("a course");
    let told = outlook(&course);
    assert_eq!(told.promoted, None);
    let [warning] = told.warnings.as_slice() else {
        panic!("{:?}", told.warnings);
    };
    let requests = told.steps[0].requests.expect("a number").to_string();
    for part in [&requests, "`errors`", "`5 %`", "deadline (10m)"] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    let summary = Summary::of(&runs(&course, Release::AsGood, 0..20));
    assert_eq!(summary.undecided.count, 20, "{summary:?}");
}

#[test]
fn what_is_expected_is_about_what_is_simulated() {
    let steps = vec![
        step(5.0, 10, &defaults()),
        step(50.0, 10, &defaults()),
        step(100.0, 0, &[]),
    ];
    let course = course(&plan(steps), TRAFFIC, 24);
    let told = outlook(&course);
    assert_eq!(told.warnings, Vec::<String>::new());
    let expected = told.promoted.expect("promoted").as_secs_f64();
    let summary = Summary::of(&runs(&course, Release::AsGood, 0..60));
    let found = summary.promote_seconds.expect("promoted").median;
    let ratio = expected / found;
    assert!((0.6..1.8).contains(&ratio), "{expected} {found}");
}

#[test]
fn a_window_that_never_holds_enough_requests_is_told() {
    let limit = check("limit", Metric::ErrorRatio, Limit::Max(0.05));
    let steps = vec![step(5.0, 120, &[limit]), step(100.0, 0, &[])];
    // 3 a second at 5 % within a minute: 9 of 100.
    let few = Traffic {
        rate: 3.0,
        ..TRAFFIC
    };
    let course = course(&plan(steps), few, 1);
    let told = outlook(&course);
    assert_eq!(told.promoted, None);
    let warning = told.warnings.concat();
    assert!(
        warning.contains("`limit` needs 100 requests within 1m, and about 9"),
        "{warning}"
    );
    let summary = Summary::of(&runs(&course, Release::AsGood, 0..10));
    assert_eq!(summary.undecided.count, 10, "{summary:?}");
}

#[test]
fn a_plan_that_judges_nothing_is_told_so() {
    let steps = vec![step(5.0, 10, &[]), step(100.0, 0, &[])];
    let course = course(&plan(steps), TRAFFIC, 1);
    let warnings = outlook(&course).warnings;
    assert!(warnings.concat().contains("however bad"), "{warnings:?}");
    let run = &runs(&course, Release::Failing(1.0), 0..1)[0];
    assert_eq!(run.ending, Ending::Promoted);
}

#[test]
fn what_is_not_simulated_is_said_and_does_not_stop_a_run() {
    let mut only_match = step(
        0.0,
        30,
        &[check("errors", Metric::ErrorRatio, Limit::Max(0.01))],
    );
    only_match.gate = Some(sluice_model::plan::Gate {
        name: "look".into(),
        timeout: None,
        on_timeout: OnTrouble::Abort,
    });
    let memory = check("memory", Metric::Memory, Limit::Max(1e9));
    let steps = vec![only_match, step(50.0, 30, &[memory]), step(100.0, 0, &[])];
    let course = course(&plan(steps), TRAFFIC, 1);
    let notes = course.notes().join("\n");
    for part in ["gates", "`errors` in step `0 %`", "`memory`"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let run = &runs(&course, Release::Failing(1.0), 0..1)[0];
    assert_eq!(run.ending, Ending::Promoted);
    assert_eq!(run.at, Duration::from_secs(60));
    // 30 s at 100 a second; the last step is over at once.
    assert!((2_500..3_500).contains(&run.exposed), "{run:?}");
    assert_eq!(run.exposed, run.failed);
}

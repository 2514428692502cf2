//! Comparisons, whose evidence is carried from step to step.

use crate::plans::{canary, errors};
use crate::world::World;
use sluice_model::plan::{Check, Limit, NotWorse};
use sluice_model::{
    CheckName, Evidence, Measurement, RolloutId, Rule, Sequential, Side, Timestamp, Weight,
    WeightCounts,
};
use std::time::Duration;

fn comparison() -> Check {
    Check {
        limit: Limit::NotWorse(NotWorse {
            ratio: 1.0,
            margin: 0.0,
            accept_ratio: 1.5,
            accept_margin: 0.005,
            alpha: 0.01,
            beta: 0.05,
            share: 1.0,
        }),
        ..errors("errors")
    }
}

/// Evidence for "not worse" at a weight, of that attempt of the first real rollout.
fn not_worse(percent: f64, rollout: RolloutId, attempt: u32) -> Measurement {
    let weight = Weight::from_percent(percent).expect("a weight");
    let side = |count| Side {
        value: Some(0.0),
        count,
    };
    Measurement {
        canary: side(5_000),
        baseline: side(5_000),
        from: Timestamp(0),
        // Seen at any time that the test comes to.
        window: Duration::from_secs(100 * 365 * 86_400),
        evidence: Some(Evidence::Sequential(Sequential {
            rollout,
            attempt,
            weight,
            counts: vec![WeightCounts {
                weight,
                canary_requests: 5_000,
                canary_events: 0,
                baseline_requests: 5_000,
                baseline_events: 0,
            }],
            hanging: 0,
            slower_than_micros: None,
            split: Vec::new(),
            log_e_worse: -1.0,
            log_e_not_worse: 10.0,
            log_e_split: 0.0,
            requests_left: None,
        })),
    }
}

/// A canary of two shared steps without bakes, and the measurement that it is given.
fn given(percent: f64, attempt: u32) -> World {
    let mut plan = canary(&[5.0, 50.0, 100.0]);
    for step in &mut plan.steps {
        step.bake = Duration::ZERO;
    }
    plan.checks = vec![comparison()];
    let mut world = World::new(&plan);
    world.deploy(2);
    let rollout = world.status.running().expect("it runs").id;
    let name = CheckName("errors".to_owned());
    let measurement = not_worse(percent, rollout, attempt);
    world.observation.measurements.insert(name, measurement);
    world.pass(3);
    world
}

#[test]
fn a_step_entered_just_now_does_not_pass_on_the_evidence_of_the_one_before() {
    let world = given(5.0, 1);
    assert_eq!((world.place().as_str(), world.weight(2)), ("2 bake", 50.0));
    assert_eq!(world.count(Rule::Promoted), 0);
}

#[test]
fn evidence_for_another_weight_or_attempt_does_not_count() {
    for (percent, attempt) in [(50.0, 1), (5.0, 2)] {
        let world = given(percent, attempt);
        assert_eq!((world.place().as_str(), world.weight(2)), ("1 bake", 5.0));
    }
}

//! Growing shares: capacity before traffic, bakes, checks, matches, mirrors, sizes.

use crate::plans::{canary, errors, errors_against_stable, percent, seconds, split, step};
use crate::world::World;
use sluice_model::plan::{CanarySize, Exposure, OnTrouble};
use sluice_model::routes::{Condition, Mirror, RequestMatch, TextMatch};
use sluice_model::view::Phase;
use sluice_model::{RevisionNumber, Rule, Timestamp, Verdict};
use std::time::Duration;

#[test]
fn weights_grow_step_by_step_and_the_stable_side_keeps_its_capacity() {
    let mut world = World::new(&canary(&[5.0, 25.0, 50.0, 100.0]));
    world.deploy(2);
    for (weight, replicas) in [(5.0, 1), (25.0, 3), (50.0, 5), (100.0, 10)] {
        assert_eq!((world.weight(2), world.wanted(2)), (weight, replicas));
        assert_eq!(world.wanted(1), 10);
        assert_eq!(world.phase().0, Phase::Progressing);
        world.pass(10);
    }
    assert_eq!(
        (world.stable(), world.weight(2), world.wanted(1)),
        (2, 100.0, 0)
    );
    assert_eq!(world.phase().0, Phase::Healthy);
    assert_eq!(
        world.rules(),
        [
            vec![Rule::RolloutStarted],
            [Rule::CapacityReady, Rule::StepEntered, Rule::StepPassed].repeat(4),
            vec![Rule::Promoted],
        ]
        .concat()
    );
}

#[test]
fn no_traffic_before_capacity() {
    let mut world = World::new(&canary(&[50.0, 100.0]));
    world.follow = false;
    world.deploy(2);
    for available in 0..5 {
        world.replicas(2, 5, 5, available);
        world.pass(1);
        assert_eq!(
            (world.place().as_str(), world.weight(2)),
            ("1 scaling", 0.0)
        );
    }
    world.replicas(2, 5, 5, 5);
    world.pass(1);
    assert_eq!((world.place().as_str(), world.weight(2)), ("1 bake", 50.0));
    world.pass(10);
    assert_eq!(
        (world.place().as_str(), world.weight(2)),
        ("2 scaling", 50.0)
    );
    assert_eq!(world.wanted(2), 10);
}

#[test]
fn the_size_of_a_canary() {
    for (size, weight, expected) in [
        (CanarySize::ByWeight, 0.0, 1),
        (CanarySize::ByWeight, 1.0, 1),
        (CanarySize::ByWeight, 11.0, 2),
        (CanarySize::Full, 1.0, 10),
        (CanarySize::Count(3), 1.0, 3),
        (CanarySize::Count(3), 50.0, 5),
    ] {
        let mut plan = canary(&[weight, 100.0]);
        let exposure = &mut plan.steps[0].exposure;
        if let Exposure::Split { canary, .. } = exposure {
            *canary = size;
        }
        let mut world = World::new(&plan);
        world.deploy(2);
        assert_eq!(world.wanted(2), expected, "{size:?} at {weight} %");
    }
}

#[test]
fn a_step_waits_for_its_checks() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(1_000);
    assert_eq!((world.place().as_str(), world.weight(2)), ("1 bake", 10.0));
    assert!(
        world.phase().1.contains("no data yet"),
        "{}",
        world.phase().1
    );
    world.measure("errors", 0.0, 0.0);
    world.turn();
    assert_eq!(world.weight(2), 100.0);
    let passed = world
        .log
        .iter()
        .find(|it| it.rule == Rule::StepPassed)
        .unwrap();
    assert_eq!(
        passed.evidence[0].verdict,
        Verdict::Pass,
        "the evidence is in the log"
    );
}

#[test]
fn a_failing_check_takes_the_canary_back_at_once() {
    for at_second in [1, 5, 9] {
        let mut plan = canary(&[10.0, 100.0]);
        plan.steps[0].checks = vec![errors("errors")];
        let mut world = World::new(&plan);
        world.deploy(2);
        world.pass(at_second);
        world.measure("errors", 0.02, 0.0);
        let decision = world.decide_once();
        assert_eq!((world.weight(1), world.weight(2)), (100.0, 0.0));
        assert!(decision.retreat, "it needs no store");
        assert_eq!(world.wanted(1), 10);
        assert!(
            world
                .message(Rule::Aborted)
                .contains("check `errors` failed: 2.00 %")
        );
        assert_eq!(world.phase().0, Phase::Degraded);
    }
}

#[test]
fn the_checks_of_the_traffic_that_flows_are_judged_while_the_next_step_prepares() {
    let mut plan = canary(&[10.0, 50.0, 100.0]);
    plan.steps[0].checks = vec![errors("first")];
    let mut world = World::new(&plan);
    world.follow = false;
    world.deploy(2);
    world.replicas(2, 1, 1, 1);
    world.measure("first", 0.0, 0.0);
    world.pass(11);
    assert_eq!(world.place(), "2 scaling");
    world.measure("first", 0.3, 0.0);
    world.pass(1);
    assert_eq!(world.place(), "aborted");
}

#[test]
fn what_a_failing_check_does_is_said_by_the_check() {
    let mut plan = canary(&[10.0, 100.0]);
    let mut check = errors("errors");
    check.on_fail = OnTrouble::Pause;
    plan.checks = vec![check];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.measure("errors", 0.5, 0.0);
    world.pass(30);
    assert_eq!(
        (world.place().as_str(), world.weight(2)),
        ("1 bake held", 10.0)
    );
    assert_eq!(world.count(Rule::CheckFailed), 1, "said once");
    world.measure("errors", 0.0, 0.0);
    world.resume();
    world.pass(10);
    assert_eq!(world.weight(2), 100.0);
}

#[test]
fn the_present_steps_word_counts_when_a_check_stands_in_several_steps() {
    let mut plan = canary(&[10.0, 50.0, 100.0]);
    plan.steps[0].checks = vec![errors("errors")];
    let mut check = errors("errors");
    check.on_fail = OnTrouble::Pause;
    plan.steps[1].checks = vec![check];
    let mut world = World::new(&plan);
    world.measure("errors", 0.0, 0.0);
    world.deploy(2);
    world.pass(11);
    world.measure("errors", 0.5, 0.0);
    world.pass(1);
    assert_eq!(world.place(), "2 bake held");
}

#[test]
fn comparisons_are_not_judged_at_full_weight() {
    let mut plan = canary(&[50.0, 100.0]);
    plan.checks = vec![errors_against_stable("errors")];
    let mut world = World::new(&plan);
    world.measure("errors", 0.01, 0.01);
    world.deploy(2);
    world.pass(10);
    assert_eq!(world.weight(2), 100.0);
    world.measure("errors", 0.9, 0.0);
    world.pass(10);
    assert_eq!(world.stable(), 2, "there is no concurrent baseline");
}

#[test]
fn what_was_measured_before_the_steps_traffic_is_not_believed() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.measure("errors", 0.0, 0.0);
    world.turn();
    let stale = world.observation.measurements.clone();
    world.measure_nothing();
    world.skip(60);
    world.deploy(2);
    world.observation.measurements = stale.clone();
    world.pass(60);
    assert_eq!(world.place(), "1 bake", "a stale pass");
    world.observation.measurements = stale;
    let measurement = world.observation.measurements.values_mut().next().unwrap();
    measurement.canary.value = Some(1.0);
    world.pass(1);
    assert_eq!(world.place(), "1 bake", "a stale failure");
    let measurement = world.observation.measurements.values_mut().next().unwrap();
    measurement.from = Timestamp(i64::MAX);
    world.pass(1);
    assert_eq!(world.place(), "1 bake", "one from the future");
}

#[test]
fn a_hold_does_not_blind_the_checks() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pause();
    world.pass(100);
    world.resume();
    world.measure("errors", 0.5, 0.0);
    world.turn();
    assert_eq!(
        world.place(),
        "aborted",
        "measured since the step's traffic began"
    );
}

#[test]
fn a_retry_does_not_believe_the_failed_attempts_measurements() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.measure("errors", 0.5, 0.0);
    world.deploy(2);
    world.pass(1);
    assert_eq!(world.place(), "aborted");
    world.measure_nothing();
    world.skip(1);
    world.retry();
    assert_eq!((world.place().as_str(), world.weight(2)), ("1 bake", 10.0));
}

#[test]
fn checks_of_the_whole_plan_do_not_wait_where_the_canary_has_no_users() {
    let mut plan = canary(&[0.0, 10.0, 100.0]);
    plan.checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(20);
    assert_eq!((world.place().as_str(), world.weight(2)), ("2 bake", 10.0));
}

fn by_header() -> RequestMatch {
    let name = "x-canary".to_owned();
    let value = TextMatch::Exact("yes".to_owned());
    RequestMatch {
        all: vec![Condition::Header { name, value }],
    }
}

#[test]
fn matches_and_mirrors_belong_to_their_step() {
    let mut plan = canary(&[0.0, 10.0, 100.0]);
    let share = percent(20.0);
    let copies = Mirror {
        share,
        unsafe_methods: false,
        compare: true,
    };
    if let Exposure::Split {
        matches, mirror, ..
    } = &mut plan.steps[0].exposure
    {
        *matches = vec![by_header()];
        *mirror = Some(copies);
    }
    let mut world = World::new(&plan);
    world.broken.insert(2);
    world.deploy(2);
    let routes = |world: &World| world.last.desired.routes.clone();
    assert!(
        routes(&world).matches.is_empty(),
        "not before the capacity is there"
    );
    world.broken.clear();
    world.pass(1);
    assert_eq!(routes(&world).matches[0].revision, RevisionNumber(2));
    assert_eq!(routes(&world).mirror.unwrap().revision, RevisionNumber(2));
    assert_eq!(world.wanted(2), 1, "copies need a replica");
    world.pass(10);
    assert!(routes(&world).matches.is_empty() && routes(&world).mirror.is_none());

    world.retry_from_abort();
    assert_eq!(routes(&world).matches.len(), 1);
    world.abort();
    assert!(routes(&world).matches.is_empty() && routes(&world).mirror.is_none());
}

impl World {
    fn retry_from_abort(&mut self) {
        self.abort();
        self.retry();
    }
}

#[test]
fn a_match_alone_is_traffic_that_needs_a_ready_replica() {
    let mut plan = canary(&[0.0, 100.0]);
    if let Exposure::Split { matches, .. } = &mut plan.steps[0].exposure {
        *matches = vec![by_header()];
    }
    let mut world = World::new(&plan);
    world.deploy(2);
    world.broken.insert(2);
    world.pass(1);
    assert_eq!(world.count(Rule::NothingReady), 1);
}

#[test]
fn a_ramp_keeps_its_salt_and_another_rollout_splits_anew() {
    let mut world = World::new(&canary(&[5.0, 50.0, 100.0]));
    world.deploy(2);
    let first = world.last.desired.routes.clone();
    assert_eq!(first.canary, Some(RevisionNumber(2)));
    world.pass(10);
    let second = world.last.desired.routes.clone();
    assert_eq!(second.salt, first.salt);
    assert!(
        second.segment > first.segment,
        "each change of the weights is a segment"
    );
    world.deploy(3);
    assert_ne!(world.last.desired.routes.salt, first.salt);
}

#[test]
fn the_promotion_needs_every_replica() {
    let mut world = World::new(&canary(&[100.0]));
    world.follow = false;
    world.deploy(2);
    world.replicas(2, 10, 10, 10);
    world.pass(5);
    world.replicas(2, 10, 9, 9);
    world.pass(60);
    assert_eq!(world.place(), "1 bake");
    assert!(
        world.phase().1.contains("9 of 10 replicas"),
        "{}",
        world.phase().1
    );
    world.replicas(2, 10, 10, 10);
    world.pass(1);
    assert_eq!(world.stable(), 2);
}

#[test]
fn a_bake_is_not_cut_short() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.steps[0] = step("10 %", split(10.0), 3_600);
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(3_599);
    assert_eq!(world.place(), "1 bake");
    world.now = world.now.after(Duration::from_millis(999));
    world.turn();
    assert_eq!(world.place(), "1 bake");
    assert_eq!(
        world.last.wake_at,
        Some(world.now.after(Duration::from_millis(1)))
    );
    world.now = world.now.after(Duration::from_millis(1));
    world.turn();
    assert_eq!(world.place(), "2 bake");
}

#[test]
fn an_aborted_canary_stays_for_a_look_without_traffic() {
    let mut plan = canary(&[20.0, 100.0]);
    plan.keep_aborted = seconds(30);
    let mut world = World::new(&plan);
    world.deploy(2);
    world.abort();
    assert_eq!((world.wanted(2), world.weight(2)), (2, 0.0));
    world.pass(30);
    assert_eq!(
        (world.wanted(2), world.count(Rule::CapacityReleased)),
        (0, 1)
    );
}

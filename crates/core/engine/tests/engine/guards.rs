//! What takes a canary back by itself, and the warnings.

use crate::plans::{canary, seconds};
use crate::world::World;
use sluice_model::Rule;
use sluice_model::plan::OnTrouble;

#[test]
fn a_crash_loop_takes_the_canary_back_and_names_the_cause() {
    let mut world = World::new(&canary(&[50.0, 100.0]));
    world.broken.insert(2);
    world.deploy(2);
    world.counts(2).last_failure = Some("exit code 3".to_owned());
    world.counts(2).restarts_max = 4;
    world.pass(1);
    assert_eq!(world.place(), "1 scaling");
    world.counts(2).restarts_max = 5;
    world.pass(1);
    assert_eq!(world.place(), "aborted");
    let message = world.message(Rule::CrashLoop);
    assert!(
        message.contains("restarted 5 times: exit code 3"),
        "{message}"
    );
}

#[test]
fn restarts_count_within_a_step() {
    let mut world = World::new(&canary(&[50.0, 60.0, 100.0]));
    world.deploy(2);
    world.counts(2).restarts_max = 4;
    world.pass(10);
    assert_eq!(world.place(), "2 bake");
    world.counts(2).restarts_max = 8;
    world.pass(5);
    assert_eq!(world.place(), "2 bake", "four in each step");
    world.counts(2).restarts_max = 9;
    world.pass(1);
    assert_eq!(world.place(), "aborted");
}

#[test]
fn a_retry_is_not_judged_by_the_crashes_before_it() {
    let mut plan = canary(&[50.0, 100.0]);
    plan.keep_aborted = seconds(600);
    let mut world = World::new(&plan);
    world.deploy(2);
    world.counts(2).restarts_max = 7;
    world.pass(1);
    assert_eq!(world.place(), "aborted");
    world.retry();
    world.pass(1);
    assert_eq!(world.place(), "1 bake");
    world.counts(2).restarts_max = 12;
    world.pass(1);
    assert_eq!(world.place(), "aborted");
}

#[test]
fn traffic_without_a_ready_replica_goes_back() {
    let mut world = World::new(&canary(&[10.0, 100.0]));
    world.deploy(2);
    world.broken.insert(2);
    world.pass(1);
    assert_eq!(
        (world.place().as_str(), world.weight(1)),
        ("aborted", 100.0)
    );
    assert_eq!(world.count(Rule::NothingReady), 1);
}

#[test]
fn replicas_that_do_not_come_within_the_deadline() {
    let mut world = World::new(&canary(&[50.0, 100.0]));
    world.follow = false;
    world.deploy(2);
    world.pass(50);
    world.replicas(2, 5, 3, 3);
    world.pass(60);
    assert_eq!(
        world.place(),
        "1 scaling",
        "each further replica gives the next its time"
    );
    world.replicas(2, 5, 2, 2);
    world.pass(1);
    world.replicas(2, 5, 3, 3);
    world.pass(1);
    assert_eq!(world.place(), "aborted", "one that comes and goes is none");
    let message = world.message(Rule::ProgressDeadline);
    assert!(
        message.contains("within 1m") && message.contains("of 5 replicas"),
        "{message}"
    );
}

#[test]
fn a_rollout_that_takes_too_long() {
    for (on_deadline, place) in [
        (OnTrouble::Abort, "aborted"),
        (OnTrouble::Pause, "1 bake held"),
        (OnTrouble::Continue, "1 bake"),
    ] {
        let mut plan = canary(&[10.0, 100.0]);
        plan.steps[0].bake = seconds(100);
        plan.deadline = Some(seconds(50));
        plan.on_deadline = on_deadline;
        let mut world = World::new(&plan);
        world.deploy(2);
        world.pass(50);
        assert_eq!(world.place(), "1 bake");
        world.pass(10);
        assert_eq!(world.place(), place);
        assert_eq!(
            world.count(Rule::RolloutDeadline),
            1,
            "{on_deadline:?}: said once"
        );
    }
}

#[test]
fn a_rollout_resumed_after_its_deadline_goes_on() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.steps[0].bake = seconds(100);
    plan.deadline = Some(seconds(50));
    plan.on_deadline = OnTrouble::Pause;
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(60);
    world.resume();
    world.pass(100);
    assert_eq!(world.stable(), 2);
}

#[test]
fn slow_and_stuck_are_said_once() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.steps[0].bake = seconds(100);
    plan.stuck_after = seconds(30);
    plan.slow_after = seconds(200);
    plan.progress_deadline = seconds(10_000);
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(99);
    assert_eq!(
        world.count(Rule::StuckWarning),
        0,
        "a bake is no standstill"
    );
    world.broken.insert(2);
    world.follow = false;
    world.pass(40);
    assert_eq!(
        (world.place().as_str(), world.count(Rule::StuckWarning)),
        ("2 scaling", 1)
    );
    world.pass(100);
    assert_eq!(
        (
            world.count(Rule::StuckWarning),
            world.count(Rule::SlowWarning)
        ),
        (1, 1)
    );
    world.pass(500);
    assert_eq!(
        (
            world.count(Rule::StuckWarning),
            world.count(Rule::SlowWarning)
        ),
        (1, 1)
    );
}

#[test]
fn a_hold_is_not_stuck() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.stuck_after = seconds(30);
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pause();
    world.pass(300);
    assert_eq!(world.count(Rule::StuckWarning), 0);
    world.resume();
    world.pass(5);
    assert_eq!(world.count(Rule::StuckWarning), 0);
}

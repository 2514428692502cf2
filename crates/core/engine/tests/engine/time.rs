//! Time that goes wrong, and a world that is not known.

use crate::plans::{blue_green, canary, errors, gate, hook, seconds};
use crate::world::World;
use sluice_model::plan::OnTrouble;
use sluice_model::{EffectOutcome, Rule};

#[test]
fn a_clock_that_goes_back_neither_cuts_a_bake_short_nor_prolongs_it() {
    for back in [2, 3_600] {
        let mut world = World::new(&canary(&[10.0, 100.0]));
        world.deploy(2);
        world.pass(4);
        world.skip(-back);
        assert_eq!(world.count(Rule::ClockMoved), 1);
        world.pass(5);
        assert_eq!(world.place(), "1 bake", "{back} s back");
        world.pass(1);
        assert_eq!(world.place(), "2 bake", "{back} s back");
    }
}

#[test]
fn a_small_step_back_is_corrected_without_a_word() {
    let mut world = World::new(&canary(&[10.0, 100.0]));
    world.deploy(2);
    world.pass(9);
    world.now = world.now.shifted(-500);
    world.turn();
    assert_eq!(world.count(Rule::ClockMoved), 0);
    world.now = world.now.shifted(999);
    world.turn();
    assert_eq!(world.place(), "1 bake");
    world.now = world.now.shifted(1);
    world.turn();
    assert_eq!(world.place(), "2 bake");
}

#[test]
fn after_a_gap_the_rollout_continues_where_it_stood() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.deadline = Some(seconds(60));
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(4);
    world.skip(7_200);
    assert_eq!(
        (world.place().as_str(), world.count(Rule::ClockMoved)),
        ("1 bake", 1)
    );
    world.pass(5);
    assert_eq!(world.place(), "1 bake", "only watched time counts");
    world.pass(11);
    assert_eq!(
        world.stable(),
        2,
        "and the gap does not count for the deadline"
    );
}

#[test]
fn measurements_from_before_a_gap_count_if_they_are_the_steps_own() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.skip(7_200);
    world.measure("errors", 0.4, 0.0);
    world.turn();
    assert_eq!(world.place(), "aborted");
}

#[test]
fn a_gap_does_not_answer_a_gate_nor_fail_a_hook() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.steps[0].before = vec![hook("smoke")];
    plan.steps[0].gate = Some(gate(Some(30), OnTrouble::Abort));
    let mut world = World::new(&plan);
    world.deploy(2);
    world.skip(7_200);
    assert_eq!(world.place(), "1 before");
    world.answer_hook(EffectOutcome::Succeeded);
    world.pass(10);
    assert_eq!(world.place(), "1 gate");
    world.skip(7_200);
    assert_eq!(world.place(), "1 gate");
    world.pass(31);
    assert_eq!(world.place(), "aborted");
}

#[test]
fn a_hold_over_a_gap_is_still_a_hold() {
    let mut world = World::new(&canary(&[10.0, 100.0]));
    world.deploy(2);
    world.pass(4);
    world.pause();
    world.pass(10);
    world.skip(7_200);
    world.pass(10);
    world.resume();
    world.pass(5);
    assert_eq!(world.place(), "1 bake");
    world.pass(1);
    assert_eq!(world.place(), "2 bake");
}

#[test]
fn the_warm_side_is_kept_for_its_time_when_the_clock_goes_back() {
    let mut world = World::new(&blue_green());
    world.hooks = Some(EffectOutcome::Succeeded);
    world.deploy(2);
    world.promote();
    world.pass(5);
    world.skip(-1_000);
    world.pass(59);
    assert_eq!(world.wanted(1), 3);
    world.pass(1);
    assert_eq!(world.wanted(1), 0);
}

#[test]
fn until_every_replica_was_looked_at_only_operators_move_things() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.measure("errors", 0.0, 0.0);
    world.deploy(2);
    world.observation.settled = false;
    world.follow = false;
    world.observation.replicas.clear();
    world.pass(100);
    assert_eq!(
        (world.place().as_str(), world.weight(2), world.wanted(1)),
        ("1 bake", 10.0, 10)
    );
    world.measure("errors", 1.0, 0.0);
    world.pass(1);
    assert_eq!(world.place(), "1 bake");
    world.abort();
    assert_eq!((world.weight(1), world.wanted(1)), (100.0, 10));
}

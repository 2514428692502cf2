//! Gates: approvals, and what happens when nobody answers.

use crate::plans::{canary, errors, gate, seconds};
use crate::world::World;
use sluice_model::Rule;
use sluice_model::plan::{OnTrouble, Plan};
use sluice_model::view::Phase;

fn gated(timeout_s: Option<u64>, on_timeout: OnTrouble) -> Plan {
    let mut plan = canary(&[10.0, 100.0]);
    plan.steps[0].gate = Some(gate(timeout_s, on_timeout));
    plan
}

#[test]
fn a_gate_waits_and_goes_on_when_approved() {
    let mut world = World::new(&gated(None, OnTrouble::Abort));
    world.deploy(2);
    world.pass(10_000);
    assert_eq!((world.place().as_str(), world.weight(2)), ("1 gate", 10.0));
    assert_eq!(world.phase().0, Phase::Paused);
    assert_eq!(world.count(Rule::GateWaiting), 1);
    assert_eq!(world.count(Rule::StuckWarning), 1, "somebody should look");
    world.promote();
    assert_eq!(world.weight(2), 100.0);
    assert_eq!(world.count(Rule::GateAnswered), 1);
}

#[test]
fn a_gate_that_nobody_answers() {
    for (on_timeout, place, weight) in [
        (OnTrouble::Abort, "aborted", 0.0),
        (OnTrouble::Pause, "1 gate held", 10.0),
        (OnTrouble::Continue, "2 bake", 100.0),
    ] {
        let mut world = World::new(&gated(Some(60), on_timeout));
        world.deploy(2);
        world.pass(10);
        world.pass(60);
        assert_eq!(world.place(), "1 gate", "{on_timeout:?}");
        world.pass(1);
        assert_eq!(
            (world.place().as_str(), world.weight(2)),
            (place, weight),
            "{on_timeout:?}"
        );
        assert_eq!(
            world.message(Rule::GateTimedOut).split(';').next().unwrap(),
            "nobody answered gate `go` within 1m"
        );
    }
}

#[test]
fn a_gate_that_was_held_asks_again_for_its_full_time() {
    let mut world = World::new(&gated(Some(60), OnTrouble::Pause));
    world.deploy(2);
    world.pass(200);
    assert_eq!(world.place(), "1 gate held");
    world.resume();
    world.pass(60);
    assert_eq!(
        world.place(),
        "1 gate",
        "a minute to answer from the resume on"
    );
    world.pass(1);
    assert_eq!(
        (world.place().as_str(), world.count(Rule::GateTimedOut)),
        ("1 gate held", 2)
    );
    world.promote();
    assert_eq!(world.weight(2), 100.0, "a held gate can be approved");
}

#[test]
fn a_pause_at_a_gate_stops_its_time() {
    let mut world = World::new(&gated(Some(60), OnTrouble::Abort));
    world.deploy(2);
    world.pass(40);
    world.pause();
    world.pass(500);
    world.resume();
    world.pass(29);
    assert_eq!(world.place(), "1 gate");
    world.pass(2);
    assert_eq!(world.place(), "aborted");
}

#[test]
fn time_at_a_gate_does_not_count_for_the_deadline_held_or_not() {
    let mut plan = gated(None, OnTrouble::Abort);
    plan.deadline = Some(seconds(60));
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(500);
    world.pause();
    world.pass(500);
    assert_eq!(world.place(), "1 gate held");
    world.resume();
    world.pass(500);
    world.promote();
    world.pass(10);
    assert_eq!(world.stable(), 2, "{:?}", world.log);
}

#[test]
fn checks_still_guard_the_canary_at_a_gate() {
    let mut plan = gated(None, OnTrouble::Abort);
    plan.steps[0].checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.measure("errors", 0.0, 0.0);
    world.deploy(2);
    world.pass(30);
    assert_eq!(world.place(), "1 gate");
    world.measure("errors", 0.4, 0.0);
    world.pass(1);
    assert_eq!(world.place(), "aborted");
}

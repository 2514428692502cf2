//! Blue-green and undo: a second full side, one switch, and back at once.

use crate::plans::{blue_green, canary, seconds};
use crate::world::World;
use sluice_model::view::Phase;
use sluice_model::{EffectOutcome, RevisionNumber, Rule};

#[test]
fn preview_then_hook_then_gate_then_switch() {
    let mut world = World::new(&blue_green());
    world.broken.insert(2);
    world.deploy(2);
    assert_eq!(world.place(), "1 scaling");
    assert_eq!(
        (world.wanted(1), world.wanted(2), world.weight(2)),
        (3, 3, 0.0)
    );
    let preview = |world: &World| world.last.desired.routes.preview.map(|revision| revision.0);
    assert_eq!(preview(&world), Some(1), "the preview is not there yet");
    world.broken.clear();
    world.pass(1);
    assert_eq!(
        (world.place().as_str(), preview(&world)),
        ("1 after", Some(2))
    );
    world.answer_hook(EffectOutcome::Succeeded);
    assert_eq!(
        (world.place().as_str(), world.phase().0),
        ("1 gate", Phase::Paused)
    );
    world.pass(1_000);
    assert_eq!((world.place().as_str(), world.weight(2)), ("1 gate", 0.0));
    world.promote();
    assert_eq!((world.place().as_str(), world.weight(2)), ("2 bake", 100.0));
    world.pass(5);
    assert_eq!((world.place().as_str(), world.stable()), ("promoted", 2));
    assert_eq!(preview(&world), Some(2));
    assert_eq!(world.wanted(1), 3, "the old side is kept warm");
    world.pass(59);
    assert_eq!(world.wanted(1), 3);
    world.pass(1);
    assert_eq!(
        (world.wanted(1), world.count(Rule::CapacityReleased)),
        (0, 1)
    );
}

fn promoted() -> World {
    let mut world = World::new(&blue_green());
    world.hooks = Some(EffectOutcome::Succeeded);
    world.deploy(2);
    world.promote();
    world.pass(5);
    assert_eq!(world.stable(), 2);
    world.log.clear();
    world
}

#[test]
fn an_undo_to_a_warm_side_switches_without_a_new_process_or_a_wait() {
    let mut world = promoted();
    world.follow = false;
    world.undo(None);
    assert_eq!((world.stable(), world.weight(1)), (1, 100.0));
    assert_eq!(world.status.former.first(), Some(&RevisionNumber(2)));
    assert_eq!(
        world.wanted(2),
        3,
        "and the other way round, should the undo be wrong"
    );
    assert_eq!(world.count(Rule::Promoted), 1);
}

#[test]
fn an_undo_to_a_cold_side_brings_it_up_first() {
    let mut world = promoted();
    world.pass(100);
    world.broken.insert(1);
    world.undo(None);
    assert_eq!(
        (world.wanted(1), world.weight(1), world.weight(2)),
        (3, 0.0, 100.0)
    );
    world.broken.clear();
    world.pass(1);
    assert_eq!((world.stable(), world.weight(1)), (1, 100.0));
}

#[test]
fn the_warm_side_is_kept_while_an_undo_to_it_runs() {
    let mut world = promoted();
    world.broken.insert(1);
    world.pass(1);
    world.undo(None);
    world.pass(58);
    assert_eq!(world.wanted(1), 3);
    let wake = world.last.wake_at.unwrap();
    assert!(
        wake.since(world.now) >= seconds(1),
        "the end of the warm time wakes nobody meanwhile"
    );
    world.broken.clear();
    world.pass(1);
    assert_eq!(world.stable(), 1);
}

#[test]
fn an_undo_finds_an_old_crash_forgiven() {
    let mut world = promoted();
    world.counts(1).restarts_max = 40;
    world.undo(None);
    assert_eq!(
        world.stable(),
        1,
        "those restarts were long ago: {:?}",
        world.log
    );
}

#[test]
fn a_canary_is_undone_to_any_revision() {
    let mut world = World::new(&canary(&[50.0, 100.0]));
    for revision in [2, 3, 4] {
        world.deploy(revision);
        world.pass(20);
        assert_eq!(world.stable(), revision);
    }
    world.undo(Some(1));
    assert_eq!(world.stable(), 1);
    let former: Vec<u32> = world.status.former.iter().map(|it| it.0).collect();
    assert_eq!(former, [4, 3, 2]);
    world.undo(None);
    assert_eq!(world.stable(), 4);
}

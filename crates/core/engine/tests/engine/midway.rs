//! Other plans in the middle of a rollout: a new revision, stable again, an undo.

use crate::plans::{canary, hook, rolling};
use crate::world::World;
use sluice_model::plan::Strategy;
use sluice_model::view::Phase;
use sluice_model::{EffectOutcome, RevisionNumber, Rule};

#[test]
fn a_new_revision_takes_the_place_of_a_canary_from_its_own_first_step() {
    let mut world = World::new(&canary(&[10.0, 50.0, 100.0]));
    world.plan(3, |plan| *plan = canary(&[20.0, 100.0]));
    world.deploy(2);
    world.pass(11);
    world.deploy(3);
    assert_eq!(
        (world.weight(1), world.weight(2), world.weight(3)),
        (80.0, 0.0, 20.0)
    );
    assert_eq!((world.wanted(1), world.wanted(2)), (10, 0));
    assert_eq!(world.count(Rule::RolloutSuperseded), 1);
    assert_eq!(world.status.rollout.as_ref().unwrap().steps, 2);
    world.pass(20);
    assert_eq!(world.stable(), 3);
    assert_eq!(
        world.status.former,
        [RevisionNumber(1)],
        "revision 2 was never stable"
    );
}

#[test]
fn the_strategy_shown_is_that_of_the_new_revision() {
    let mut world = World::new(&rolling(10, 1, 0));
    world.plan(2, |plan| *plan = canary(&[10.0, 100.0]));
    world.deploy(2);
    let rollout = world.status.rollout.as_ref().unwrap();
    assert_eq!((rollout.strategy, rollout.steps), (Strategy::Canary, 2));
}

#[test]
fn stable_again_in_the_middle_is_no_failure() {
    for undo in [false, true] {
        let mut world = World::new(&canary(&[10.0, 100.0]));
        world.deploy(2);
        world.pass(5);
        if undo {
            world.undo(None);
        } else {
            world.deploy(1);
        }
        assert_eq!(
            (world.place().as_str(), world.weight(1)),
            ("aborted", 100.0)
        );
        assert_eq!(world.count(Rule::ReturnedToStable), 1);
        assert_eq!(world.phase().0, Phase::Healthy);
    }
}

#[test]
fn an_undo_in_the_middle_to_an_older_revision_skips_the_plan() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.hooks.start = vec![hook("start")];
    let mut world = World::new(&plan);
    world.hooks = Some(EffectOutcome::Succeeded);
    world.deploy(2);
    world.pass(20);
    world.hooks = None;
    world.deploy(3);
    world.undo(Some(1));
    assert_eq!((world.stable(), world.weight(1)), (1, 100.0));
    assert_eq!(world.wanted(3), 0);
}

#[test]
fn a_new_revision_in_the_middle_of_a_rolling_rollout_waits_for_the_stable_side() {
    let mut world = World::new(&rolling(4, 1, 0));
    world.follow = false;
    world.deploy(2);
    world.replicas(1, 2, 2, 2);
    world.replicas(2, 2, 2, 2);
    world.pass(1);
    world.deploy(3);
    assert_eq!(
        (world.wanted(1), world.wanted(2), world.wanted(3)),
        (4, 2, 0)
    );
    assert_eq!(world.weight(2), 50.0);
    world.follow = true;
    world.pass(3);
    assert_eq!((world.stable(), world.wanted(2)), (3, 0));
}

#[test]
fn the_same_revision_again_after_an_abort_is_a_new_rollout() {
    let mut world = World::new(&canary(&[10.0, 100.0]));
    world.deploy(2);
    world.abort();
    world.deploy(2);
    let rollout = world.status.rollout.as_ref().unwrap();
    assert_eq!((rollout.id.0, rollout.attempt), (3, 1));
    world.pass(20);
    assert_eq!(world.stable(), 2);
}

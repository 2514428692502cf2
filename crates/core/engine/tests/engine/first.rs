//! The first revision of a service: there is nothing to go back to.

use crate::plans::{blue_green, canary, recreate, rolling};
use crate::world::World;
use sluice_model::command::CommandKind;
use sluice_model::plan::OnTrouble;
use sluice_model::view::Phase;
use sluice_model::{RevisionNumber, Rule};

#[test]
fn the_first_revision_comes_up_at_once_whatever_the_plan() {
    for plan in [
        canary(&[5.0, 100.0]),
        rolling(3, 1, 0),
        recreate(1),
        blue_green(),
    ] {
        let mut world = World::empty(&plan);
        world.deploy(1);
        assert_eq!(
            (world.stable(), world.weight(1)),
            (1, 100.0),
            "{:?}",
            plan.strategy
        );
        assert_eq!(world.wanted(1), plan.replicas);
        assert_eq!(world.phase().0, Phase::Healthy);
    }
}

#[test]
fn a_first_revision_that_never_gets_ready_is_tried_for_ever_and_said_once() {
    let mut plan = rolling(2, 1, 0);
    plan.deadline = Some(crate::plans::seconds(100));
    plan.on_deadline = OnTrouble::Abort;
    let mut world = World::empty(&plan);
    world.broken.insert(1);
    world.deploy(1);
    assert_eq!((world.wanted(1), world.phase().0), (2, Phase::Progressing));
    world.pass(400);
    world.counts(1).restarts_max = 50;
    world.pass(400);
    assert_eq!((world.place().as_str(), world.wanted(1)), ("1 scaling", 2));
    assert_eq!(world.phase().0, Phase::Degraded);
    assert_eq!(
        world.count(Rule::ProgressDeadline) + world.count(Rule::CrashLoop),
        1
    );
    assert_eq!(world.count(Rule::RolloutDeadline), 1);
    world.broken.clear();
    world.pass(1);
    assert_eq!((world.stable(), world.phase().0), (1, Phase::Healthy));
}

#[test]
fn a_first_revision_can_be_aborted_tried_again_and_replaced() {
    let mut world = World::empty(&canary(&[10.0, 100.0]));
    world.broken.insert(1);
    world.deploy(1);
    world.abort();
    assert_eq!(world.wanted(1), 0);
    assert!(world.last.desired.routes.weights.is_empty());
    assert_eq!(world.phase().0, Phase::Degraded);
    world.retry();
    assert_eq!((world.place().as_str(), world.wanted(1)), ("1 scaling", 10));
    world.deploy(2);
    assert_eq!(
        (world.stable(), world.wanted(1), world.weight(2)),
        (2, 0, 100.0)
    );
}

#[test]
fn there_is_nothing_to_undo_yet() {
    let mut world = World::empty(&canary(&[100.0]));
    world.broken.insert(1);
    world.deploy(1);
    let why = world.refused(CommandKind::Undo { to: None });
    assert!(why.contains("no stable revision to go back to"), "{why}");
    world.undo(Some(2));
    assert_eq!(world.status.stable, Some(RevisionNumber(2)));
}

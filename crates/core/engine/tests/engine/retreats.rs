//! Which decisions may be acted on although they cannot be stored: those that only take away.

use crate::plans::{blue_green, canary, recreate, rolling};
use crate::world::World;
use sluice_model::command::CommandKind;
use sluice_model::plan::Exposure;
use sluice_model::routes::{Condition, RequestMatch};
use sluice_model::{EffectOutcome, RevisionNumber};

fn deploy(revision: u32) -> CommandKind {
    CommandKind::Deploy {
        revision: RevisionNumber(revision),
    }
}

fn abort() -> CommandKind {
    CommandKind::Abort {
        reason: "bad".to_owned(),
    }
}

#[test]
fn an_abort_is_a_retreat() {
    for plan in [
        canary(&[10.0, 100.0]),
        rolling(4, 1, 0),
        recreate(2),
        blue_green(),
    ] {
        let mut world = World::new(&plan);
        world.broken.insert(2);
        world.deploy(2);
        world.command_only(abort());
        assert!(world.last.retreat, "{:?}", plan.strategy);
    }
}

#[test]
fn what_gives_traffic_or_a_new_stable_side_is_not() {
    let mut world = World::new(&canary(&[10.0, 100.0]));
    world.command_only(deploy(2));
    assert!(!world.last.retreat, "a start changes the salt only");
    world.turn();
    assert_eq!(world.weight(2), 10.0);
    assert!(!world.last.retreat);
    world.pass(9);
    world.now = world.now.shifted(1_000);
    let decision = world.decide_once();
    assert_eq!(
        (world.place().as_str(), decision.retreat),
        ("2 scaling", false)
    );
    world.pass(10);
    world.now = world.now.shifted(1_000);
    let decision = world.decide_once();
    assert_eq!(
        (world.stable(), decision.retreat),
        (2, false),
        "a promotion"
    );
}

#[test]
fn what_takes_here_and_gives_there_is_not_either() {
    let mut plan = canary(&[0.0, 10.0, 100.0]);
    if let Exposure::Split { matches, .. } = &mut plan.steps[0].exposure {
        let any_of = vec!["ada".to_owned()];
        matches.push(RequestMatch {
            all: vec![Condition::User { any_of }],
        });
    }
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(9);
    world.now = world.now.shifted(1_000);
    let decision = world.decide_once();
    assert_eq!(world.weight(2), 10.0);
    assert!(decision.desired.routes.matches.is_empty() && !decision.retreat);
}

#[test]
fn a_preview_is_traffic_too() {
    let mut world = World::new(&blue_green());
    world.hooks = Some(EffectOutcome::Running);
    world.broken.insert(2);
    world.deploy(2);
    world.broken.clear();
    world.follow = false;
    world.replicas(2, 3, 3, 3);
    let decision = world.decide_once();
    assert_eq!(decision.desired.routes.preview, Some(RevisionNumber(2)));
    assert!(!decision.retreat);
}

#[test]
fn replicas_that_leave_take_their_traffic_along() {
    let mut world = World::new(&rolling(4, 1, 0));
    world.follow = false;
    world.deploy(2);
    world.replicas(1, 2, 2, 2);
    world.replicas(2, 2, 2, 2);
    world.pass(1);
    world.replicas(2, 2, 1, 1);
    let decision = world.decide_once();
    assert!(world.weight(2) < 50.0 && decision.retreat);
    world.replicas(2, 2, 2, 2);
    assert!(!world.decide_once().retreat);
}

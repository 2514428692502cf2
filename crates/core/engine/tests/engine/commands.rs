//! What operators ask for.

use crate::plans::{canary, errors, gate, hook, rolling, seconds, step};
use crate::world::World;
use sluice_model::command::CommandKind;
use sluice_model::plan::{Exposure, OnTrouble};
use sluice_model::view::Phase;
use sluice_model::{Command, CommandId, RevisionNumber, Rule};

#[test]
fn a_hold_keeps_the_traffic_and_does_not_count() {
    let mut world = World::new(&canary(&[10.0, 100.0]));
    world.deploy(2);
    world.pass(4);
    world.pause();
    world.pass(500);
    assert_eq!(
        (world.place().as_str(), world.weight(2)),
        ("1 bake held", 10.0)
    );
    assert_eq!(world.phase().0, Phase::Paused);
    world.resume();
    world.pass(5);
    assert_eq!(
        world.place(),
        "1 bake",
        "4 s before and 5 s after the hold are 9 of 10"
    );
    world.pass(1);
    assert_eq!(world.place(), "2 bake");
}

#[test]
fn a_hold_stops_no_guard() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pause();
    world.measure("errors", 0.5, 0.0);
    world.pass(1);
    assert_eq!((world.place().as_str(), world.weight(2)), ("aborted", 0.0));
}

#[test]
fn promote_skips_what_is_left_of_a_step() {
    let mut plan = canary(&[10.0, 50.0, 100.0]);
    plan.checks = vec![errors("errors")];
    plan.steps[1].after = vec![hook("after")];
    plan.steps[2].before = vec![hook("before")];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.promote();
    assert_eq!((world.place().as_str(), world.weight(2)), ("2 bake", 50.0));
    world.pause();
    world.promote();
    assert_eq!(world.place(), "3 before", "a promotion ends a hold");
    assert_eq!(world.weight(2), 50.0);
    world.promote();
    assert_eq!((world.place().as_str(), world.stable()), ("promoted", 2));
    assert_eq!(world.count(Rule::StepSkipped), 3);
}

#[test]
fn promote_never_moves_traffic_to_replicas_that_are_not_there() {
    let mut world = World::new(&canary(&[10.0, 100.0]));
    world.broken.insert(2);
    world.deploy(2);
    let why = world.refused(CommandKind::Promote { full: false });
    assert!(why.contains("not available yet"), "{why}");

    let mut world = World::new(&canary(&[100.0]));
    world.follow = false;
    world.deploy(2);
    world.replicas(2, 10, 10, 10);
    world.pass(1);
    world.replicas(2, 10, 3, 3);
    let why = world.refused(CommandKind::Promote { full: false });
    assert!(why.contains("3 of 10 replicas"), "{why}");
}

#[test]
fn promote_before_a_replacing_step_skips_its_hooks_not_its_replicas() {
    let mut plan = rolling(3, 1, 0);
    plan.steps[0].before = vec![hook("backup")];
    let mut world = World::new(&plan);
    world.follow = false;
    world.deploy(2);
    assert_eq!(world.place(), "1 before");
    world.promote();
    assert_eq!((world.place().as_str(), world.stable()), ("1 scaling", 1));
    assert_eq!((world.wanted(1), world.weight(1)), (3, 100.0));
}

#[test]
fn promote_fully_skips_the_plan_but_not_the_capacity() {
    let mut plan = canary(&[10.0, 50.0, 100.0]);
    plan.checks = vec![errors("errors")];
    plan.steps[0].gate = Some(gate(None, OnTrouble::Abort));
    let mut world = World::new(&plan);
    world.deploy(2);
    world.broken.insert(3);
    world.deploy(3);
    world.promote_fully();
    world.pass(10);
    assert_eq!(
        (world.wanted(3), world.weight(3), world.stable()),
        (10, 0.0, 1)
    );
    assert!(
        world
            .refused(CommandKind::Promote { full: true })
            .contains("already")
    );
    world.broken.clear();
    world.pass(1);
    assert_eq!((world.stable(), world.weight(3)), (3, 100.0));
}

#[test]
fn promote_fully_keeps_the_share_while_the_rest_starts() {
    let mut world = World::new(&canary(&[10.0, 50.0, 100.0]));
    world.follow = false;
    world.deploy(2);
    world.replicas(2, 1, 1, 1);
    world.pass(1);
    world.promote_fully();
    world.pass(1);
    assert_eq!((world.weight(2), world.wanted(2)), (10.0, 10));
    world.replicas(2, 10, 10, 10);
    world.pass(1);
    assert_eq!(world.stable(), 2);
}

#[test]
fn promote_fully_of_a_rolling_rollout_still_rolls() {
    let mut plan = rolling(4, 1, 0);
    plan.hooks.start = vec![hook("start")];
    let mut world = World::new(&plan);
    world.follow = false;
    world.deploy(2);
    assert_eq!(world.place(), "start");
    world.promote_fully();
    assert_eq!(
        (world.wanted(1), world.wanted(2), world.weight(1)),
        (4, 1, 100.0)
    );
}

#[test]
fn abort_says_why_and_retry_starts_at_the_first_step() {
    let mut world = World::new(&canary(&[10.0, 50.0, 100.0]));
    world.deploy(2);
    world.pass(11);
    world.abort();
    assert_eq!((world.weight(1), world.wanted(2)), (100.0, 0));
    assert!(world.message(Rule::Aborted).contains("looks odd"));
    assert_eq!(world.log.last().unwrap().actor.as_deref(), Some("ada"));
    world.retry();
    assert_eq!((world.place().as_str(), world.weight(2)), ("1 bake", 10.0));
    let rollout = world.status.rollout.as_ref().unwrap();
    assert_eq!(
        (rollout.id.0, rollout.attempt),
        (2, 2),
        "the same rollout, another attempt"
    );
    world.pass(30);
    assert_eq!(world.stable(), 2);
}

#[test]
fn a_restart_is_the_deployment_of_a_new_revision() {
    let mut world = World::new(&rolling(3, 1, 0));
    world.deploy(2);
    world.pass(1);
    assert_eq!(world.stable(), 2);
    assert_eq!(world.weight(2), 100.0);
}

#[test]
fn commands_that_make_no_sense_are_refused_and_change_nothing() {
    let reason = || "no".to_owned();
    let deploy = |revision| CommandKind::Deploy {
        revision: RevisionNumber(revision),
    };
    let undo = |to: Option<u32>| CommandKind::Undo {
        to: to.map(RevisionNumber),
    };
    let mut world = World::new(&canary(&[10.0, 100.0]));
    for (kind, expected) in [
        (deploy(1), "stable one already"),
        (CommandKind::Pause { reason: None }, "no rollout to pause"),
        (CommandKind::Resume, "no rollout to resume"),
        (
            CommandKind::Promote { full: false },
            "no rollout to promote",
        ),
        (CommandKind::Promote { full: true }, "no rollout to promote"),
        (
            CommandKind::Abort { reason: reason() },
            "no rollout to abort",
        ),
        (CommandKind::Retry, "only an aborted rollout"),
        (undo(None), "no former revision"),
        (undo(Some(1)), "stable one already"),
    ] {
        let name = format!("{kind:?}");
        let why = world.refused(kind);
        assert!(why.contains(expected), "{name}: {why}");
    }
    world.deploy(2);
    for (kind, expected) in [
        (deploy(2), "being rolled out already"),
        (undo(Some(2)), "being rolled out already"),
        (CommandKind::Resume, "not held"),
        (CommandKind::Retry, "only an aborted rollout"),
    ] {
        let why = world.refused(kind);
        assert!(why.contains(expected), "{why}");
    }
    world.pause();
    let why = world.refused(CommandKind::Pause { reason: None });
    assert!(why.contains("held already"), "{why}");
}

#[test]
fn several_commands_are_answered_in_order_and_each_once() {
    let mut world = World::new(&canary(&[10.0, 100.0]));
    let first = world.status.last_command.0;
    let kinds = [
        CommandKind::Resume,
        CommandKind::Deploy {
            revision: RevisionNumber(2),
        },
        CommandKind::Pause { reason: None },
        CommandKind::Resume,
    ];
    let commands = kinds
        .into_iter()
        .zip(first + 1..)
        .map(|(kind, id)| Command {
            id: CommandId(id),
            actor: "ada".to_owned(),
            at: world.now,
            kind,
        });
    world.observation.commands = commands.collect();
    let mut answered = Vec::new();
    for _ in 0..4 {
        let decision = world.decide_once();
        answered.extend(
            decision
                .report
                .commands
                .iter()
                .map(|answer| answer.id.0 - first),
        );
    }
    assert_eq!(answered, [1, 2, 3, 4]);
    assert_eq!(
        world.rules(),
        [
            Rule::CommandRefused,
            Rule::RolloutStarted,
            Rule::Paused,
            Rule::Resumed
        ]
    );
}

#[test]
fn a_canary_that_ends_with_a_rolling_step_keeps_its_share_on_the_way() {
    let mut plan = canary(&[20.0]);
    let exposure = Exposure::Rolling {
        max_surge: 2,
        max_unavailable: 0,
    };
    let mut last = step("roll", exposure, 0);
    last.before = vec![hook("backup")];
    plan.steps.push(last);
    plan.progress_deadline = seconds(600);
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(11);
    assert_eq!(world.place(), "2 before");
    assert_eq!(
        (world.weight(2), world.wanted(2), world.wanted(1)),
        (20.0, 2, 10)
    );
    world.promote();
    world.pass(1);
    assert_eq!(world.stable(), 2);
}

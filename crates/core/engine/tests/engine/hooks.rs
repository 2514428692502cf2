//! Hooks: what runs when, and what an outcome, or none, means.

use crate::plans::{canary, hook, rolling, seconds};
use crate::world::World;
use sluice_engine::ANSWER_SLACK;
use sluice_model::plan::{Hook, OnTrouble, Plan};
use sluice_model::{EffectAction, EffectOutcome, Rule};

fn failed() -> EffectOutcome {
    EffectOutcome::Failed {
        message: "exit code 1".to_owned(),
    }
}

fn with_before(hook: Hook) -> Plan {
    let mut plan = canary(&[10.0, 100.0]);
    plan.steps[0].before = vec![hook];
    plan
}

fn running(world: &World) -> Vec<&str> {
    world
        .last
        .effects
        .iter()
        .map(|effect| effect.id.as_str())
        .collect()
}

#[test]
fn hooks_run_in_their_places_and_order() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.hooks.start = vec![hook("a"), hook("b")];
    plan.steps[0].before = vec![hook("c")];
    plan.steps[0].after = vec![hook("d")];
    plan.hooks.promoted = vec![hook("e")];
    let mut world = World::new(&plan);
    world.deploy(2);
    let mut order = Vec::new();
    for _ in 0..5 {
        world.pass(11);
        assert_eq!(
            world.last.effects.len(),
            1,
            "one at a time: {}",
            world.place()
        );
        let EffectAction::Hook { name, .. } = &world.last.effects[0].action;
        order.push((name.clone(), world.weight(2)));
        world.answer_hook(EffectOutcome::Succeeded);
        if world.place() == "2 bake" {
            world.pass(10);
        }
    }
    let expected = [
        ("a", 0.0),
        ("b", 0.0),
        ("c", 0.0),
        ("d", 10.0),
        ("e", 100.0),
    ];
    assert_eq!(
        order,
        expected.map(|(name, weight)| (name.to_owned(), weight))
    );
    assert!(running(&world).is_empty());
    assert_eq!(world.count(Rule::HookSucceeded), 5);
}

#[test]
fn a_hook_that_fails_does_what_it_says() {
    for (on_failure, place, weight) in [
        (OnTrouble::Abort, "aborted", 0.0),
        (OnTrouble::Pause, "1 before held", 0.0),
        (OnTrouble::Continue, "1 bake", 10.0),
    ] {
        let mut failing = hook("smoke");
        failing.on_failure = on_failure;
        let mut world = World::new(&with_before(failing));
        world.deploy(2);
        world.answer_hook(failed());
        assert_eq!(
            (world.place().as_str(), world.weight(2)),
            (place, weight),
            "{on_failure:?}"
        );
        assert!(
            world
                .message(Rule::HookFailed)
                .contains("hook `smoke` failed: exit code 1")
        );
    }
}

#[test]
fn a_hook_that_held_the_rollout_runs_again_on_resume() {
    let mut failing = hook("smoke");
    failing.on_failure = OnTrouble::Pause;
    let mut world = World::new(&with_before(failing));
    world.deploy(2);
    let first = running(&world)[0].to_owned();
    world.answer_hook(failed());
    assert!(running(&world).is_empty(), "nothing runs while it is held");
    world.pass(200);
    assert_eq!(
        world.last.wake_at,
        Some(world.now.after(seconds(1))),
        "and nobody is woken for it"
    );
    world.resume();
    assert_ne!(
        running(&world)[0],
        first,
        "another try has another identity"
    );
    world.answer_hook(EffectOutcome::Succeeded);
    assert_eq!(world.place(), "1 bake");
}

#[test]
fn a_hook_is_tried_as_often_as_it_says() {
    let mut failing = hook("smoke");
    failing.retries = 2;
    let mut world = World::new(&with_before(failing));
    world.deploy(2);
    for _ in 0..2 {
        world.answer_hook(failed());
        assert_eq!(world.place(), "1 before");
    }
    world.answer_hook(failed());
    assert_eq!(world.place(), "aborted");
}

#[test]
fn an_answer_that_never_comes_is_a_failure() {
    let mut world = World::new(&with_before(hook("smoke")));
    world.deploy(2);
    let effect = world.last.effects[0].id.clone();
    world
        .observation
        .effects
        .insert(effect, EffectOutcome::Running);
    let patience = seconds(30) + ANSWER_SLACK;
    world.pass(patience.as_secs());
    assert_eq!(world.place(), "1 before");
    world.pass(1);
    assert_eq!(world.place(), "aborted");
    assert!(
        world
            .message(Rule::HookFailed)
            .contains("no answer came in time")
    );
}

#[test]
fn an_answer_that_comes_late_is_not_taken_for_the_next_tries() {
    let mut slow = hook("smoke");
    slow.retries = 1;
    let mut world = World::new(&with_before(slow));
    world.deploy(2);
    let first = world.last.effects[0].id.clone();
    world.pass(41);
    assert_eq!(running(&world).len(), 1);
    assert_ne!(world.last.effects[0].id, first);
    world
        .observation
        .effects
        .insert(first, EffectOutcome::Succeeded);
    world.pass(1);
    assert_eq!(world.place(), "1 before");
    world.answer_hook(EffectOutcome::Succeeded);
    assert_eq!(world.place(), "1 bake");
}

#[test]
fn a_new_target_does_not_start_the_old_plans_hooks() {
    let mut plan = canary(&[10.0, 100.0]);
    plan.hooks.start = vec![hook("old")];
    let mut world = World::new(&plan);
    world.plan(2, |plan| plan.hooks.start = vec![hook("new")]);
    let outcome = world.command_only(sluice_model::CommandKind::Deploy {
        revision: sluice_model::RevisionNumber(2),
    });
    assert_eq!(outcome, sluice_model::CommandOutcome::Accepted);
    assert!(
        running(&world).is_empty(),
        "the plan at hand is still that of revision 1"
    );
    world.turn();
    let EffectAction::Hook { name, .. } = &world.last.effects[0].action;
    assert_eq!(name, "new");
    assert_eq!(world.status.rollout.as_ref().unwrap().steps, 2);
}

#[test]
fn closing_hooks_change_nothing() {
    for aborted in [true, false] {
        let mut plan = canary(&[100.0]);
        plan.hooks.promoted = vec![hook("promoted"), hook("tell")];
        plan.hooks.aborted = vec![hook("aborted"), hook("tell")];
        let mut world = World::new(&plan);
        world.deploy(2);
        world.pass(5);
        if aborted {
            world.abort();
        } else {
            world.pass(5);
        }
        let stable = world.stable();
        world.answer_hook(failed());
        assert_eq!(running(&world).len(), 1, "the next one still runs");
        world.answer_hook(EffectOutcome::Succeeded);
        assert!(running(&world).is_empty());
        assert_eq!(world.stable(), stable);
        assert_eq!(world.last.wake_at, None, "at rest");
    }
}

#[test]
fn start_hooks_run_while_the_stable_side_is_restored_and_are_told_once() {
    let mut plan = rolling(4, 1, 0);
    plan.hooks.start = vec![hook("backup")];
    let mut world = World::new(&plan);
    world.follow = false;
    world.deploy(2);
    world.answer_hook(EffectOutcome::Succeeded);
    world.replicas(1, 1, 1, 1);
    world.replicas(2, 3, 3, 3);
    world.pass(1);
    world.deploy(3);
    world.log.clear();
    assert_eq!(running(&world).len(), 1);
    world.answer_hook(EffectOutcome::Succeeded);
    world.pass(100);
    assert_eq!(world.place(), "start");
    assert_eq!(world.count(Rule::HookSucceeded), 1);
    world.replicas(1, 4, 4, 4);
    world.pass(1);
    assert_eq!(world.place(), "1 scaling");
}

#[test]
fn a_hook_of_the_last_step_is_told_once_while_the_promotion_lacks_a_replica() {
    let mut plan = canary(&[100.0]);
    plan.steps[0].after = vec![hook("verify")];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(10);
    world.follow = false;
    world.replicas(2, 10, 9, 9);
    world.answer_hook(EffectOutcome::Succeeded);
    world.pass(10);
    assert_eq!(
        (world.place().as_str(), world.count(Rule::HookSucceeded)),
        ("1 after", 1)
    );
    world.replicas(2, 10, 10, 10);
    world.pass(1);
    assert_eq!(world.stable(), 2);
}

#[test]
fn a_replica_that_leaves_while_hooks_run_is_waited_for() {
    let mut world = World::new(&with_before(hook("smoke")));
    world.plan(2, |plan| plan.progress_deadline = seconds(20));
    world.deploy(2);
    world.follow = false;
    world.replicas(2, 1, 0, 0);
    world.answer_hook(EffectOutcome::Succeeded);
    world.pass(15);
    assert_eq!((world.place().as_str(), world.weight(2)), ("1 before", 0.0));
    world.replicas(2, 1, 1, 1);
    world.pass(1);
    assert_eq!((world.place().as_str(), world.weight(2)), ("1 bake", 10.0));
    assert_eq!(world.count(Rule::HookSucceeded), 1);

    let mut world = World::new(&with_before(hook("smoke")));
    world.deploy(2);
    world.follow = false;
    world.replicas(2, 1, 0, 0);
    world.answer_hook(EffectOutcome::Succeeded);
    world.pass(61);
    assert_eq!(world.place(), "aborted", "not for ever");
}

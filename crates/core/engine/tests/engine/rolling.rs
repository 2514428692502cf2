//! Replicas replaced in place: rolling and recreate, and the way back.

use crate::plans::{errors, errors_against_stable, recreate, rolling, seconds};
use crate::world::World;
use sluice_model::plan::Plan;
use sluice_model::{RevisionNumber, Rule};

/// A rolling rollout with replicas that move one by one, as slowly as they can: each wanted start and
/// each stop is one event. Returns the lowest and highest number of replicas on the way.
fn roll(mut plan: Plan, old_replicas: u32) -> (u32, u32, World) {
    plan.progress_deadline = seconds(10_000);
    let mut world = World::empty(&plan);
    world.plan(1, |plan| plan.replicas = old_replicas);
    world.deploy(1);
    world.follow = false;
    world.deploy(2);
    let (mut fewest, mut most) = (u32::MAX, 0);
    for _ in 0..200 {
        let (old, new) = (world.counts(1).running, world.counts(2).running);
        let available = old + world.counts(2).available;
        fewest = fewest.min(available);
        most = most.max(old + new);
        if world.place() == "promoted" && old == 0 {
            return (fewest, most, world);
        }
        // One thing happens at a time: a new one becomes available, one starts, an old one leaves.
        let (old_wanted, new_wanted) = (world.wanted(1), world.wanted(2));
        if world.counts(2).available < new {
            let available = world.counts(2).available + 1;
            world.replicas(2, new, available, available);
        } else if new < new_wanted {
            let available = world.counts(2).available;
            world.replicas(2, new + 1, available, available);
        } else if old > old_wanted {
            world.replicas(1, old - 1, old - 1, old - 1);
        }
        world.pass(1);
    }
    panic!("it does not end: {} {:?}", world.place(), world.last);
}

#[test]
fn a_rolling_rollout_stays_within_its_bounds() {
    for (replicas, surge, unavailable) in [
        (1, 1, 0),
        (1, 0, 1),
        (1, 1, 1),
        (2, 1, 0),
        (3, 0, 1),
        (3, 1, 1),
        (10, 3, 2),
        (10, 0, 10),
        (10, 10, 0),
        (4, 0, 0), // not a valid plan; counts as a surge of one
    ] {
        let (fewest, most, world) = roll(rolling(replicas, surge, unavailable), replicas);
        let name = format!("{replicas} replicas, surge {surge}, unavailable {unavailable}");
        let surge = if surge + unavailable == 0 { 1 } else { surge };
        assert!(
            fewest >= replicas.saturating_sub(unavailable),
            "{name}: only {fewest} available"
        );
        assert!(
            most <= replicas + surge,
            "{name}: {most} replicas at a time"
        );
        assert_eq!(world.stable(), 2, "{name}");
        assert_eq!(world.weight(2), 100.0, "{name}");
    }
}

#[test]
fn a_rolling_rollout_to_another_size_never_lacks_capacity() {
    for (old, new) in [(10, 2), (2, 10), (3, 1), (1, 3)] {
        let (fewest, most, world) = roll(rolling(new, 1, 0), old);
        assert!(
            fewest >= old.min(new),
            "{old} to {new}: only {fewest} available"
        );
        assert!(most <= old.max(new) + 1, "{old} to {new}: {most} replicas");
        assert_eq!(world.status.stable_replicas, new);
    }
}

#[test]
fn traffic_follows_the_replicas() {
    let mut world = World::new(&rolling(4, 1, 0));
    world.follow = false;
    world.deploy(2);
    assert_eq!(
        (world.weight(1), world.wanted(1), world.wanted(2)),
        (100.0, 4, 1)
    );
    world.replicas(2, 1, 1, 0);
    world.pass(1);
    assert_eq!(world.weight(2), 0.0, "ready is not yet available");
    world.replicas(2, 1, 1, 1);
    world.pass(1);
    assert_eq!((world.weight(2), world.wanted(1)), (25.0, 3));
}

#[test]
fn an_abort_gives_the_stable_side_its_replicas_back_before_the_others_leave() {
    let mut world = World::new(&rolling(4, 1, 0));
    world.follow = false;
    world.deploy(2);
    world.replicas(1, 1, 1, 1);
    world.replicas(2, 3, 3, 3);
    world.pass(1);
    assert_eq!(world.weight(2), 75.0);
    world.abort();
    assert_eq!(
        (world.wanted(1), world.wanted(2)),
        (4, 3),
        "both sides serve meanwhile"
    );
    assert_eq!(world.weight(2), 75.0);
    world.replicas(1, 4, 3, 3);
    world.pass(1);
    assert_eq!(world.weight(2), 25.0);
    world.replicas(1, 4, 4, 4);
    world.pass(1);
    assert_eq!(
        (world.wanted(1), world.wanted(2), world.weight(1)),
        (4, 0, 100.0)
    );
    assert_eq!(world.count(Rule::CapacityRestored), 1);
}

#[test]
fn an_abort_never_gives_the_other_side_more_than_it_had() {
    let mut world = World::new(&rolling(10, 0, 5));
    world.follow = false;
    world.deploy(2);
    world.replicas(1, 5, 5, 5);
    world.replicas(2, 5, 5, 0);
    world.pass(1);
    assert_eq!(world.weight(2), 0.0);
    world.abort();
    assert_eq!(world.weight(1), 100.0);
}

#[test]
fn a_restart_in_the_middle_moves_nothing_until_every_replica_was_looked_at() {
    let mut world = World::new(&rolling(4, 1, 0));
    world.follow = false;
    world.deploy(2);
    world.replicas(1, 1, 1, 1);
    world.replicas(2, 3, 3, 3);
    world.pass(1);
    world.observation.settled = false;
    world.replicas(1, 1, 0, 0);
    world.replicas(2, 3, 0, 0);
    world.pass(3);
    assert_eq!(
        (world.weight(2), world.wanted(1), world.wanted(2)),
        (75.0, 1, 3)
    );
    world.observation.settled = true;
    world.replicas(1, 1, 1, 1);
    world.replicas(2, 3, 3, 3);
    world.pass(1);
    assert_eq!(
        (world.weight(2), world.wanted(1), world.wanted(2)),
        (75.0, 1, 4)
    );
}

#[test]
fn with_nothing_left_ready_the_stable_side_is_restored() {
    let mut world = World::new(&rolling(2, 1, 0));
    world.plan(2, |plan| plan.steps[0].bake = seconds(60));
    world.deploy(2);
    world.pass(1);
    assert_eq!(world.place(), "1 bake");
    world.broken.insert(2);
    world.pass(2);
    assert_eq!(world.place(), "aborted");
    assert_eq!(world.count(Rule::NothingReady), 1);
    assert_eq!(
        (world.weight(1), world.wanted(1), world.wanted(2)),
        (100.0, 2, 0)
    );
}

#[test]
fn a_comparison_with_stable_is_judged_only_while_both_sides_serve() {
    let mut plan = rolling(4, 1, 0);
    plan.checks = vec![errors_against_stable("errors")];
    let mut world = World::new(&plan);
    world.deploy(2);
    world.pass(1);
    assert_eq!(
        world.place(),
        "promoted",
        "nothing to compare with once all is replaced"
    );

    let mut world = World::new(&plan);
    world.follow = false;
    world.deploy(2);
    world.replicas(1, 3, 3, 3);
    world.replicas(2, 1, 1, 1);
    world.measure("errors", 0.5, 0.01);
    world.pass(2);
    assert_eq!(world.place(), "aborted");
}

#[test]
fn recreate_starts_nothing_before_the_old_side_is_gone() {
    let mut world = World::new(&recreate(2));
    world.follow = false;
    world.deploy(2);
    assert_eq!((world.wanted(1), world.wanted(2)), (0, 0));
    assert!(
        world.last.desired.routes.weights.is_empty(),
        "nothing can serve"
    );
    world.replicas(1, 0, 0, 0);
    world.counts(1).stopping = 2;
    world.pass(1);
    assert_eq!(world.wanted(2), 0, "the old ones still stop");
    world.counts(1).stopping = 0;
    world.pass(1);
    assert_eq!((world.wanted(2), world.weight(2)), (2, 100.0));
    world.replicas(2, 2, 2, 2);
    world.pass(1);
    assert_eq!(world.stable(), 2);
}

#[test]
fn a_recreate_that_fails_goes_back_the_same_way() {
    let mut world = World::new(&recreate(2));
    world.broken.insert(2);
    world.deploy(2);
    world.pass(59);
    assert_eq!(world.place(), "1 scaling");
    world.follow = false;
    world.pass(3);
    assert_eq!(world.place(), "aborted");
    assert_eq!(world.wanted(1), 0, "the two must not run side by side");
    world.observation.replicas.remove(&RevisionNumber(2));
    world.pass(1);
    assert_eq!((world.wanted(1), world.weight(1)), (2, 100.0));
    world.replicas(1, 2, 2, 2);
    world.pass(1);
    assert_eq!(world.count(Rule::CapacityRestored), 1);
}

#[test]
fn a_new_rollout_waits_until_the_stable_side_is_whole_again() {
    let mut world = World::new(&rolling(4, 1, 0));
    world.follow = false;
    world.deploy(2);
    world.replicas(1, 1, 1, 1);
    world.replicas(2, 3, 3, 3);
    world.pass(1);
    for undo in [false, true] {
        if undo {
            world.undo(Some(4));
        } else {
            world.deploy(3);
        }
        world.pass(100);
        assert_eq!(world.place(), "start", "undo: {undo}");
        assert_eq!(
            (world.wanted(1), world.wanted(2), world.wanted(3)),
            (4, 3, 0)
        );
    }
    world.replicas(1, 4, 4, 4);
    world.pass(2);
    assert_eq!(world.place(), "1 scaling");
    assert_eq!(world.wanted(4), 0, "the replicas of revision 2 still count");
    world.observation.replicas.remove(&RevisionNumber(2));
    world.pass(1);
    assert_eq!(world.wanted(4), 1);
}

#[test]
fn a_recreate_keeps_nothing_warm_that_would_stand_in_its_way() {
    let mut plan = recreate(2);
    plan.keep_warm = seconds(3_600);
    let mut world = World::new(&plan);
    world.plan(2, |plan| *plan = crate::plans::blue_green());
    world.hooks = Some(sluice_model::EffectOutcome::Succeeded);
    world.deploy(2);
    world.promote();
    world.pass(5);
    assert_eq!(
        (world.stable(), world.wanted(1)),
        (2, 2),
        "revision 1 is warm"
    );
    world.broken.insert(1);
    world.pass(1);
    world.undo(None);
    world.pass(1);
    world.abort();
    assert_eq!(
        (world.weight(2), world.wanted(2), world.wanted(1)),
        (100.0, 3, 0)
    );

    world.deploy(3);
    world.pass(1);
    assert_eq!(
        (world.stable(), world.wanted(2)),
        (3, 0),
        "and neither does the next one"
    );
}

#[test]
fn the_outage_of_a_recreate_is_not_held_against_the_new_revision() {
    let mut plan = recreate(2);
    plan.steps[0].bake = seconds(30);
    plan.steps[0].checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.broken.insert(2);
    world.measure("errors", 1.0, 0.0);
    world.deploy(2);
    world.pass(20);
    assert_eq!(
        world.place(),
        "1 scaling",
        "nobody was served, which was to be expected"
    );
    world.broken.clear();
    world.measure("errors", 0.0, 0.0);
    world.pass(10);
    assert_eq!(world.place(), "1 bake");
    world.measure("errors", 1.0, 0.0);
    world.pass(1);
    assert_eq!(world.place(), "aborted", "but what fails later is");
}

#[test]
fn neither_is_that_of_a_rolling_rollout_that_may_drop_all_its_replicas() {
    let mut plan = rolling(1, 0, 1);
    plan.steps[0].checks = vec![errors("errors")];
    let mut world = World::new(&plan);
    world.broken.insert(2);
    world.measure("errors", 1.0, 0.0);
    world.deploy(2);
    world.pass(20);
    assert_eq!(world.place(), "1 scaling");
    world.broken.clear();
    world.pass(2);
    assert_eq!(
        world.place(),
        "aborted",
        "once it serves, failures are its own"
    );
}

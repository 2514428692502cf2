//! One turn of a blue-green rollout: the preview gets its pods, then the active Service switches.

use super::pauses::{self, SWITCH};
use super::turn::Turn;
use super::{analyses, conditions, metadata, promotion, restart, scaling, services, status};
use crate::api::BlueGreenStrategy;
use std::time::Duration;

pub(super) fn run(turn: &mut Turn<'_>) {
    let Some(strategy) = &turn.rollout.spec.strategy.blue_green else {
        return;
    };
    services::preview(turn);
    lead_back(turn, strategy);
    analyses::forget_of_aborted(turn);
    if status::is_new_template(turn) {
        sync_status(turn, strategy);
        return;
    }
    restart::run(turn);
    scaling::blue_green(turn);
    pause(turn, strategy);
    switch(turn, strategy);
    analyses::run(turn);
    metadata::sync(turn);
    sync_status(turn, strategy);
}

/// A Service that was created again leads to stable, which it led to before: nothing else was verified.
fn lead_back(turn: &mut Turn<'_>, strategy: &BlueGreenStrategy) {
    let is_lost = services::hash_of(turn, &strategy.active_service).is_empty();
    if is_lost && promotion::has_serving_stable(turn) {
        let hash = turn.rollout.status.stable_rs.clone();
        services::switch(turn, &strategy.active_service, &hash);
    }
}

/// Whether the new side has the pods that it should have before the switch.
fn is_ready(turn: &Turn<'_>) -> bool {
    let wanted = scaling::preview(turn);
    turn.new_set().is_some_and(|set| {
        let pods = set.pods();
        set.is_counted() && pods.desired == wanted && pods.available == wanted
    })
}

/// Whether nothing has to be waited for: it goes back, it is promoted in full, or it is active already.
fn is_fast(turn: &Turn<'_>, strategy: &BlueGreenStrategy) -> bool {
    let active = services::hash_of(turn, &strategy.active_service);
    promotion::fast_rollback(turn).is_some()
        || turn.rollout.status.promote_full
        || active.is_empty()
        || active == turn.new_hash()
}

/// Whether the switch waits at all, for a time or for somebody.
fn waits(strategy: &BlueGreenStrategy) -> bool {
    strategy.auto_promotion_enabled == Some(false) || strategy.auto_promotion_seconds > 0
}

fn pause(turn: &mut Turn<'_>, strategy: &BlueGreenStrategy) {
    let status = &turn.rollout.status;
    if status.abort || !is_ready(turn) || pauses::is_halted(turn.rollout) {
        return;
    }
    if is_fast(turn, strategy) || status.blue_green.scale_up_preview_check_point || !waits(strategy)
    {
        turn.pauses.remove(SWITCH);
        return;
    }
    if !analyses::is_pre_done(turn) {
        return;
    }
    let since = pauses::condition(status, SWITCH).map(|condition| condition.start_time.0);
    match since {
        Some(_) if is_pause_over(turn, strategy) => turn.pauses.remove(SWITCH),
        Some(since) => wake_at_switch(turn, strategy, since),
        None if !status.controller_pause => {
            turn.pauses.add(SWITCH);
            let now = turn.now;
            wake_at_switch(turn, strategy, now);
        }
        None => {}
    }
}

fn wake_at_switch(
    turn: &mut Turn<'_>,
    strategy: &BlueGreenStrategy,
    since: sluice_model::time::Timestamp,
) {
    if let Ok(seconds @ 1..) = u64::try_from(strategy.auto_promotion_seconds) {
        turn.wake(since.after(Duration::from_secs(seconds)).shifted(1));
    }
}

/// Whether the switch need not wait longer: its time is up, or somebody let it go on.
fn is_pause_over(turn: &Turn<'_>, strategy: &BlueGreenStrategy) -> bool {
    let status = &turn.rollout.status;
    let since = pauses::condition(status, SWITCH).map(|condition| condition.start_time.0);
    if turn.pauses.any_added() {
        return false;
    }
    if status.blue_green.scale_up_preview_check_point {
        return true;
    }
    if strategy.auto_promotion_enabled == Some(false) {
        return status.controller_pause && since.is_none();
    }
    let Ok(seconds @ 1..) = u64::try_from(strategy.auto_promotion_seconds) else {
        return true;
    };
    match since {
        Some(since) => turn.now > since.after(Duration::from_secs(seconds)),
        // Let go on before its time.
        None => status.controller_pause,
    }
}

fn switch(turn: &mut Turn<'_>, strategy: &BlueGreenStrategy) {
    if turn.rollout.status.abort {
        // Stable's pods count, and not those of the side that failed.
        if !pauses::is_halted(turn.rollout) {
            let needs_pods = turn.replicas() > 0;
            services::ensure(turn, &strategy.active_service, turn.stable, needs_pods);
        }
        return;
    }
    let is_saturated = turn
        .new_set()
        .is_some_and(|set| conditions::is_saturated(set, turn.replicas()));
    if pauses::is_halted(turn.rollout) || !is_ready(turn) || !is_saturated {
        return;
    }
    let mut hash = services::hash_of(turn, &strategy.active_service);
    if is_fast(turn, strategy) || is_pause_over(turn, strategy) && analyses::is_pre_done(turn) {
        hash = turn.new_hash();
    }
    services::switch(turn, &strategy.active_service, &hash);
}

fn sync_status(turn: &mut Turn<'_>, strategy: &BlueGreenStrategy) {
    status::base(turn);
    let rollout = turn.rollout;
    turn.next.stable_rs = rollout.status.stable_rs.clone();
    if status::is_new_template(turn) {
        status::reset(turn);
    }
    if rollout.status.promote_full || promotion::within_window(turn) {
        turn.pauses.clear();
        turn.pauses.remove_abort();
    }
    turn.next.blue_green.preview_selector = services::hash_of(turn, &strategy.preview_service);
    turn.next.blue_green.active_selector = services::hash_of(turn, &strategy.active_service);
    match promotion::due(turn) {
        Some(reason) => promotion::promote(turn, &reason),
        None => {
            turn.next.blue_green.scale_up_preview_check_point = is_past_checkpoint(turn, strategy);
        }
    }
    count(turn);
    status::persist(turn);
}

/// Whether the preview was enough, and is to get all its pods: it stays so until the switch.
fn is_past_checkpoint(turn: &Turn<'_>, strategy: &BlueGreenStrategy) -> bool {
    let Some(preview) = strategy.preview_replica_count else {
        return false;
    };
    // What is tried again begins anew, once users are on stable.
    let active = services::hash_of(turn, &strategy.active_service);
    if turn.is_aborted() && active != turn.new_hash() {
        return false;
    }
    if turn.rollout.status.blue_green.scale_up_preview_check_point {
        return true;
    }
    if pauses::is_halted(turn.rollout) {
        return false;
    }
    let available = turn.new_pods().map_or(0, |pods| pods.available);
    let waits_no_more =
        is_fast(turn, strategy) || analyses::is_pre_done(turn) && is_pause_over(turn, strategy);
    waits_no_more && available == preview
}

/// What autoscalers and people count: the active side, or all where there is none yet.
fn count(turn: &mut Turn<'_>) {
    let active = &turn.next.blue_green.active_selector;
    let set = turn
        .sets
        .iter()
        .find(|set| !active.is_empty() && set.hash() == active);
    if let Some(set) = set {
        turn.next.hpa_replicas = set.status.replicas;
        turn.next.selector = status::selector_text(&set.spec.selector);
        turn.next.available_replicas = set.status.available_replicas;
        turn.next.ready_replicas = set.status.ready_replicas;
    } else {
        turn.next.hpa_replicas = turn.sum(|set| set.status.replicas);
        let selector = turn.rollout.spec.selector.clone().unwrap_or_default();
        turn.next.selector = status::selector_text(&selector);
        turn.next.available_replicas = turn.sum(|set| set.status.available_replicas);
    }
}

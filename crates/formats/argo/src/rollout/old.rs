//! Pods of revisions that are neither new nor stable.

use super::scaling::{self, scale, set_deadline};
use super::turn::Turn;
use super::{analyses, pauses, services};
use crate::workload::{MoveBounds, OldReplicaSet, keep_old_pods, scale_down_delay};

/// Takes pods of old revisions away, those that nobody needs. True when something was scaled.
pub(super) fn scale_down(turn: &mut Turn<'_>) -> bool {
    let old: Vec<usize> = turn
        .others()
        .into_iter()
        .filter(|at| turn.sets[*at].desired() > 0)
        .collect();
    if old.is_empty() {
        return false;
    }
    if turn.strategy().is_some() {
        of_canary(turn, old)
    } else {
        of_blue_green(turn, old)
    }
}

fn of_canary(turn: &mut Turn<'_>, mut old: Vec<usize>) -> bool {
    let is_routed = turn
        .strategy()
        .is_some_and(|canary| canary.traffic_routing.is_some());
    if !is_routed && scaling::has_old_counts(turn) {
        return false;
    }
    let cleaned = without_unavailable(turn, &old);
    let bounds = MoveBounds::of(&turn.rollout.spec.strategy, turn.replicas());
    let least = turn.replicas().saturating_sub(bounds.unavailable);
    // Pods above the desired number are about to end, whatever the last count said.
    let mut spare = turn.sum(|set| set.status.available_replicas.min(set.desired())) - least;
    if spare <= 0 {
        return false;
    }
    newest_first(turn, &mut old);
    if is_routed {
        old.retain(|at| !is_referenced(turn, *at));
        return routed(turn, &old) || cleaned;
    }
    let mut scaled = cleaned;
    for at in old {
        let pods = turn.sets[at].desired();
        if spare <= 0 {
            break;
        }
        if pods == 0 {
            continue;
        }
        let count = (pods - spare).max(0);
        if scale(turn, at, count) {
            spare -= pods - count;
            scaled = true;
        }
    }
    scaled
}

/// A revision between two updates has no traffic, and goes at once; the former stable one after its delay.
fn routed(turn: &mut Turn<'_>, old: &[usize]) -> bool {
    let dynamic = turn
        .strategy()
        .is_some_and(|canary| canary.dynamic_stable_scale);
    let is_promoted = turn.is_fully_promoted();
    let (former, between): (Vec<usize>, Vec<usize>) = old
        .iter()
        .copied()
        .partition(|at| is_promoted || !turn.sets[*at].deadline_text().is_empty());
    let mut scaled = false;
    for at in between {
        scaled |= scale(turn, at, 0);
    }
    if dynamic {
        for at in former {
            scaled |= scale(turn, at, 0);
        }
        return scaled;
    }
    keep(turn, &former, None) || scaled
}

fn of_blue_green(turn: &mut Turn<'_>, mut old: Vec<usize>) -> bool {
    let Some(blue_green) = &turn.rollout.spec.strategy.blue_green else {
        return false;
    };
    if pauses::condition(&turn.rollout.status, pauses::ANALYSIS).is_some() {
        return false;
    }
    let waits_for_verdict = blue_green.post_promotion_analysis.is_some()
        && blue_green.scale_down_delay_seconds.is_none()
        && !analyses::skips_post(turn)
        && !analyses::is_successful(turn.runs.post);
    if waits_for_verdict {
        return false;
    }
    newest_first(turn, &mut old);
    old.retain(|at| !is_referenced(turn, *at));
    let replicas = turn.replicas();
    keep(turn, &old, Some(replicas))
}

/// Keeps old pods for the delay, as many ReplicaSets as the limit allows.
fn keep(turn: &mut Turn<'_>, old: &[usize], kept: Option<i32>) -> bool {
    let strategy = &turn.rollout.spec.strategy;
    let limit = match (&strategy.canary, &strategy.blue_green) {
        (Some(canary), _) => canary.scale_down_delay_revision_limit,
        (None, Some(blue_green)) => blue_green.scale_down_delay_revision_limit,
        (None, None) => None,
    };
    let delay = scale_down_delay(strategy);
    let sets: Vec<OldReplicaSet> = old
        .iter()
        .map(|at| OldReplicaSet {
            desired: turn.sets[*at].desired(),
            deadline: turn.sets[*at].deadline(),
        })
        .collect();
    let counts = keep_old_pods(&sets, delay, limit, kept, turn.now);
    let mut scaled = false;
    for ((at, set), (count, deadline)) in old.iter().zip(sets).zip(counts) {
        if set.deadline.is_none() && deadline.is_some() && count > 0 {
            set_deadline(turn, *at, delay);
        } else if let Some(deadline) = deadline.filter(|_| count > 0) {
            turn.wake(deadline);
        }
        if count != set.desired {
            scaled |= scale(turn, *at, count);
        }
    }
    scaled
}

/// Takes away pods that are not available, of old revisions: they serve nobody and would hold up the rest.
fn without_unavailable(turn: &mut Turn<'_>, old: &[usize]) -> bool {
    let mut by_age = old.to_vec();
    by_age.sort_by_key(|at| turn.sets[*at].created_at());
    let mut scaled = false;
    for at in by_age {
        let pods = turn.sets[at].pods();
        if pods.available < pods.desired {
            scaled |= scale(turn, at, pods.available);
        }
    }
    scaled
}

fn newest_first(turn: &Turn<'_>, old: &mut [usize]) {
    old.sort_by_key(|at| {
        let set = &turn.sets[*at];
        std::cmp::Reverse((set.revision(), set.created_at()))
    });
}

/// Whether requests may still reach a revision: by a Service, or by the status, which has the hashes that
/// routers were told.
fn is_referenced(turn: &Turn<'_>, at: usize) -> bool {
    let hash = turn.sets[at].hash();
    if hash.is_empty() {
        return false;
    }
    let status = &turn.rollout.status;
    let weights = status.canary.weights.as_ref();
    let noted = [
        &status.stable_rs,
        &status.current_pod_hash,
        &status.blue_green.active_selector,
        &status.blue_green.preview_selector,
    ];
    noted.into_iter().any(|noted| noted == hash)
        || weights.is_some_and(|weights| {
            weights.canary.pod_template_hash == hash || weights.stable.pod_template_hash == hash
        })
        || leads_to(turn, hash)
}

/// Whether a Service leads to a hash. Of two that take turns, the one whose turn it is: the other gets no requests
/// beyond its weight, which the status has.
fn leads_to(turn: &Turn<'_>, hash: &str) -> bool {
    let takes_turns = turn
        .strategy()
        .is_some_and(|canary| canary.ping_pong.is_some());
    let (stable, _) = services::pair(turn, true);
    let names = if takes_turns {
        vec![stable.as_str()]
    } else {
        services::service_names(turn.rollout)
    };
    names
        .into_iter()
        .any(|name| services::hash_of(turn, name) == hash)
}

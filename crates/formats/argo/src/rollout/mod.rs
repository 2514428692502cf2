//! What a Rollout needs next: `decide` looks at the Rollout and all that belongs to it, and says which
//! writes follow, in which order, and what its status is then.
//!
//! Where a Rollout stands is in its status and in its ReplicaSets' annotations, in the fields that Argo's
//! clients read and write, and nowhere else: so another controller can go on at any time, Argo's or a newer
//! one of ours. A decision may be cut off after any write; the next one sees what is there and goes on.
//! Deciding twice on the same world gives the same writes.
//!
//! Read `turn` for what a decision collects, then `canary` and `blue_green` for the order of what is looked
//! at; everything else is one subject a file. `world` is what goes in.

mod affinity;
mod analyses;
mod blue_green;
mod canary;
mod claims;
mod conditions;
mod duration;
mod experiments;
mod history;
mod metadata;
mod obstacles;
mod old;
mod paused;
mod pauses;
mod phase;
mod promotion;
mod restart;
mod retreat;
mod revision;
mod scaling;
mod services;
mod status;
mod step_hash;
mod traffic;
mod turn;
mod validity;
mod workload_ref;
mod world;
mod write;

pub use phase::step_text;
pub use restart::needs_pods;
pub use revision::{candidate_name, creation_failed, owner as owner_reference};
pub use services::service_names;
pub use status::selector_text;
pub use step_hash::step_hash;
pub use traffic::Routing;
pub use validity::template_beside_workload;
pub use workload_ref::with_current_template;
pub use world::*;
pub use write::*;

use crate::api::RolloutStatus;
use sluice_model::time::Timestamp;
use turn::Turn;

/// What follows for a Rollout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// What is to be written, in this order; nothing after a write that failed.
    pub writes: Vec<Write>,
    /// When to decide again if nothing happens before.
    pub wake_at: Option<Timestamp>,
    /// Whether all else waits because pods are evicted: when each eviction is refused, it is decided again at once, with
    /// [`World::evictions_refused`].
    pub only_evicts: bool,
}

/// What follows for a Rollout now.
#[must_use]
pub fn decide(world: &World, now: Timestamp) -> Decision {
    let mut turn = Turn::new(world, now);
    run(&mut turn);
    turn.finish()
}

fn run(turn: &mut Turn<'_>) {
    if turn.rollout.metadata.is_deleting() {
        return;
    }
    if turn.rollout.status == RolloutStatus::default() {
        let metadata = &turn.rollout.metadata;
        let message = format!(
            "Rollout resource added to informer: {}/{}",
            metadata.namespace, metadata.name
        );
        turn.event("RolloutAddedToInformer", message);
    }
    if let Some(problem) = validity::problem(turn.world) {
        validity::refuse(turn, &problem);
        return;
    }
    validity::warn_of_what_is_left_out(turn);
    let hash = match turn.hash.clone() {
        Ok(hash) => hash,
        Err(misfit) => {
            let problem = validity::misfit(turn.rollout, &misfit);
            validity::refuse(turn, &problem);
            return;
        }
    };
    if claims::settle(turn) {
        return;
    }
    if turn.new.is_none() {
        revision::create(turn, &hash);
        return;
    }
    if turn.rollout.spec.replicas.is_none() {
        let remove = validity::left_out_of_own_template(turn.world);
        turn.write(Write::DefaultReplicas { remove });
        return;
    }
    if paused::note(turn) {
        return;
    }
    revision::sync(turn);
    if scaling::is_scaling_event(turn) {
        scaling::scale_only(turn);
    } else if turn.rollout.spec.strategy.blue_green.is_some() {
        blue_green::run(turn);
    } else {
        canary::run(turn);
    }
}

//! The hash by which a change of the steps is seen.

use crate::api::Rollout;
use crate::go_json;
use crate::template::safe_fnv;
use serde_json::json;

/// The hash of a canary's steps, as Argo's controller computes it; empty without a canary strategy.
///
/// Both controllers must agree on it, or taking over in the middle of a rollout starts its steps anew. It is
/// FNV-1a (32 bits) over the steps as Go writes them; no steps are `null`.
#[must_use]
pub fn step_hash(rollout: &Rollout) -> String {
    let strategy = &rollout.spec.strategy;
    let (None, Some(canary)) = (&strategy.blue_green, &strategy.canary) else {
        return String::new();
    };
    let steps = Some(&canary.steps).filter(|steps| !steps.is_empty());
    let written = go_json::steps(&json!(steps));
    let written = written.expect("what was read into steps has the types of their fields");
    safe_fnv(written.text.bytes())
}

//! Which ReplicaSets are the Rollout's: it adopts those that its selector fits and nobody controls, and lets go those of
//! its own that the selector does not fit. One that somebody else controls is left alone.
//!
//! So it is with all controllers of Kubernetes (`ControllerRefManager`), and with Argo's: after a Rollout was deleted with
//! `--cascade=orphan` and created again, its pods run on.

use super::revision;
use super::turn::Turn;
use super::world::ReplicaSet;
use super::write::Write;
use serde_json::{Value, json};

const OWNERS: &str = "/metadata/ownerReferences";

/// Adopts and lets go; true when something has to be written, and everything else waits: it follows from what there is.
pub(super) fn settle(turn: &mut Turn<'_>) -> bool {
    let rollout = turn.rollout;
    let world = turn.world;
    let Some(selector) = &rollout.spec.selector else {
        return false;
    };
    let fits = |set: &ReplicaSet| selector.matches(&set.metadata.labels);
    let lost = world.replica_sets.iter().filter(|set| !fits(set));
    let releases = lost.filter_map(|set| {
        Some(Write::PatchReplicaSet {
            name: set.metadata.name.clone(),
            operations: release(set, &rollout.metadata.uid)?,
        })
    });
    let orphans = world.orphans.iter();
    let found = orphans.filter(|set| fits(set) && !set.metadata.is_deleting());
    let adoptions = found.map(|set| Write::AdoptReplicaSet {
        name: set.metadata.name.clone(),
        operations: adopt(set, &revision::owner(rollout)),
    });
    let writes: Vec<Write> = releases.chain(adoptions).collect();
    let is_settled = writes.is_empty();
    for write in writes {
        turn.write(write);
    }
    !is_settled
}

fn owners(set: &ReplicaSet) -> &[Value] {
    let owners = set.metadata.rest.get("ownerReferences");
    owners.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The operations hold for the version that was seen: somebody else may adopt it meanwhile.
fn at_version(set: &ReplicaSet) -> Value {
    let version = set.metadata.rest.get("resourceVersion");
    json!({"op": "test", "path": "/metadata/resourceVersion", "value": version})
}

fn adopt(set: &ReplicaSet, owner: &Value) -> Vec<Value> {
    let operation = if owners(set).is_empty() {
        json!({"op": "add", "path": OWNERS, "value": [owner]})
    } else {
        json!({"op": "add", "path": format!("{OWNERS}/-"), "value": owner})
    };
    vec![at_version(set), operation]
}

fn release(set: &ReplicaSet, uid: &str) -> Option<Vec<Value>> {
    let at = owners(set).iter().position(|owner| owner["uid"] == uid)?;
    let operation = json!({"op": "remove", "path": format!("{OWNERS}/{at}")});
    Some(vec![at_version(set), operation])
}

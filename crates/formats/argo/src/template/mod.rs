//! Whether two pod templates mean the same, whatever was written out and what was left to defaults.
//!
//! A ReplicaSet's template has been through an API server: defaults are filled in, amounts are rewritten,
//! the controller added labels and a rule. A Rollout that is taken over from another controller, or by a
//! newer version of this one, must find its ReplicaSets again by what they run; a hash of the text re-rolls
//! everything when the text of a default changes (Argo's issues 88, 1356, 4696).
//!
//! `normal` writes a template in its normal form, `quantity` reads amounts, `injected` takes away what a
//! controller added, `hash` names a new ReplicaSet, `odd_amounts` takes away what is no amount.

mod hash;
mod injected;
mod normal;
mod odd_amounts;
mod quantity;

use crate::api::PodTemplate;
use crate::crd::{Definitions, Place};
use serde_json::Value;

pub use crate::go_json::Misfit;
pub use hash::safe_fnv;
pub use hash::template_hash;
pub use injected::{sync_metadata, without_anti_affinity, without_ephemeral};
pub use odd_amounts::without_odd_amounts;

/// Whether a ReplicaSet's template is the one that is wanted.
///
/// Defaults, amounts (`1` and `1000m`), empty and absent values, and the hash label make no difference.
/// A field that is not known to Kubernetes 1.34 makes none when only `live` has it: a newer API server
/// filled it in.
#[must_use]
pub fn same_template(wanted: &PodTemplate, live: &PodTemplate) -> bool {
    let (wanted, live) = (normal::normal(wanted), normal::normal(live));
    wanted == live || same_but_unknown(&wanted, &live, Definitions::new().pod_template())
}

fn same_but_unknown(wanted: &Value, live: &Value, definition: Place<'_>) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            let all_there = wanted.keys().all(|key| live.contains_key(key));
            all_there
                && live.iter().all(
                    |(key, live)| match (wanted.get(key), definition.field(key)) {
                        (Some(wanted), Some(field)) => same_but_unknown(wanted, live, field),
                        (Some(wanted), None) => wanted == live,
                        (None, field) => field.is_none(),
                    },
                )
        }
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len()
                && wanted
                    .iter()
                    .zip(live)
                    .all(|(wanted, live)| same_but_unknown(wanted, live, definition.item()))
        }
        _ => wanted == live,
    }
}

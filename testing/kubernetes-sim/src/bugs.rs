//! Bugs planted on purpose, to show that the simulation finds their kind.
//!
//! They sit in the fake server around the production code: what it writes, or hears, is changed on the way.

use crate::promises::selected;
use crate::world::World;
use serde_json::{Value, json};
use sluice_argo::notification::NOTIFIED;
use sluice_kubernetes::api::{Key, Patch};
use sluice_kubernetes::resource::{ANALYSIS_RUN, REPLICA_SET, ROLLOUT, SERVICE};

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Scales up by more pods than were decided.
    ExceedsSurge,
    /// Scales to nothing what was to lose some pods.
    ScalesDownTooFar,
    /// Takes a failed analysis for a good one.
    TrustsFailedAnalysis,
    /// Names ReplicaSets at random, and forgets its own.
    NamesAtRandom,
    /// Leads a Service to the newest ReplicaSet, whatever its pods.
    SwitchesEarly,
    /// Does not hear of some changes.
    LosesNotices,
    /// Becomes stable at once.
    PromotesEarly,
    /// Takes a write that stored nothing for a change, and looks again.
    SeesChangesThatAreNone,
    /// Asks for an object again and again instead of watching it.
    PollsInsteadOfWatching,
    /// Does not keep which messages it has sent.
    ForgetsMessages,
}

impl Bug {
    /// All of them with their names.
    pub const ALL: [(&'static str, Bug); 10] = [
        ("exceeds-surge", Bug::ExceedsSurge),
        ("scales-down-too-far", Bug::ScalesDownTooFar),
        ("trusts-failed-analysis", Bug::TrustsFailedAnalysis),
        ("names-at-random", Bug::NamesAtRandom),
        ("switches-early", Bug::SwitchesEarly),
        ("loses-notices", Bug::LosesNotices),
        ("promotes-early", Bug::PromotesEarly),
        ("sees-changes-that-are-none", Bug::SeesChangesThatAreNone),
        ("polls-instead-of-watching", Bug::PollsInsteadOfWatching),
        ("forgets-messages", Bug::ForgetsMessages),
    ];

    /// The bug of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Bug> {
        let mut all = Self::ALL.into_iter();
        all.find(|(known, _)| *known == name).map(|(_, bug)| bug)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, bug)| *bug == self)
            .map_or("", |(name, _)| name)
    }

    /// Changes a patch on its way to the store.
    pub(crate) fn on_patch(self, world: &World, key: &Key, patch: &mut Patch) {
        let now = world.store.get(key);
        match (self, patch) {
            (Bug::ExceedsSurge | Bug::ScalesDownTooFar, Patch::Operations(operations))
                if key.resource == REPLICA_SET =>
            {
                self.on_scale(now, operations);
            }
            (Bug::TrustsFailedAnalysis, Patch::Merge(patch))
                if key.resource == ANALYSIS_RUN && patch["status"]["phase"] == "Failed" =>
            {
                patch["status"]["phase"] = json!("Successful");
            }
            (Bug::SwitchesEarly, Patch::Merge(patch)) if key.resource == SERVICE => {
                let sets = world.store.of_kind(REPLICA_SET);
                let sets = sets.filter(|(set, _)| set.namespace == key.namespace);
                let newest = sets.max_by_key(|(_, set)| {
                    set["metadata"]["creationTimestamp"]
                        .as_str()
                        .unwrap_or_default()
                });
                if let Some((_, set)) = newest
                    && !selected(patch).is_empty()
                {
                    let label = sluice_argo::api::POD_TEMPLATE_HASH_LABEL;
                    patch["spec"]["selector"][label] = set["metadata"]["labels"][label].clone();
                }
            }
            (Bug::ForgetsMessages, Patch::Merge(patch)) if key.resource == ROLLOUT => {
                if let Some(annotations) = patch["metadata"]["annotations"].as_object_mut() {
                    annotations.remove(NOTIFIED);
                }
            }
            (Bug::PromotesEarly, Patch::Merge(patch)) if key.resource == ROLLOUT => {
                let hash = patch["status"]["currentPodHash"].clone();
                if hash.is_string() {
                    patch["status"]["stableRS"] = hash;
                }
            }
            _ => {}
        }
    }

    /// Changes the answer to a patch that changed nothing.
    pub(crate) fn on_same(self, same: &mut Value) {
        if self == Bug::SeesChangesThatAreNone {
            // Older than what is known, so that nothing is learnt of it, and another version than before.
            same["metadata"]["resourceVersion"] = json!("1");
        }
    }

    fn on_scale(self, now: Option<&Value>, operations: &mut [Value]) {
        let before = now
            .and_then(|set| set["spec"]["replicas"].as_i64())
            .unwrap_or(0);
        for operation in operations {
            if operation["op"] != "replace" || operation["path"] != "/spec/replicas" {
                continue;
            }
            let wanted = operation["value"].as_i64().unwrap_or(0);
            if self == Bug::ExceedsSurge && wanted > before {
                operation["value"] = json!(wanted + 3);
            } else if self == Bug::ScalesDownTooFar && wanted < before {
                operation["value"] = json!(0);
            }
        }
    }
}

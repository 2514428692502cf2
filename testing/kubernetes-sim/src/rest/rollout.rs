//! What must be when nothing goes wrong any more and nobody asks for anything: the Rollout is where it is going
//! to stay, its status tells the truth, and says why.

use crate::manifests::{NAME, NAMESPACE, ingress, key, rollout_key};
use crate::promises::{canary_weight, selected};
use crate::world::World;
use serde_json::Value;
use sluice_argo::api::{POD_TEMPLATE_HASH_LABEL, Rollout};
use sluice_argo::rollout::service_names;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{REPLICA_SET, SERVICE};

/// What is broken, if anything is.
pub(crate) fn broken(world: &World) -> Option<(&'static str, String)> {
    let object = world.store.get(&rollout_key())?;
    let rollout: Rollout = match serde_json::from_value(object.clone()) {
        Ok(rollout) => rollout,
        Err(cause) => return Some(("a Rollout stays readable", cause.to_string())),
    };
    let rest = Rest::of(world, &rollout);
    rest.phase()
        .or_else(|| rest.counts())
        .or_else(|| rest.aborted())
        .or_else(|| rest.healthy())
        .or_else(|| rest.history())
}

/// A Rollout at rest.
struct Rest<'a> {
    world: &'a World,
    rollout: &'a Rollout,
    sets: Vec<(&'a Key, &'a Value)>,
}

impl<'a> Rest<'a> {
    fn of(world: &'a World, rollout: &'a Rollout) -> Self {
        let uid = rollout.metadata.uid.as_str();
        let sets = world.store.of_kind(REPLICA_SET);
        let sets = sets.filter(|(_, set)| set["metadata"]["ownerReferences"][0]["uid"] == uid);
        Rest {
            world,
            rollout,
            sets: sets.collect(),
        }
    }

    fn hash(set: &Value) -> &str {
        set["metadata"]["labels"][POD_TEMPLATE_HASH_LABEL]
            .as_str()
            .unwrap_or_default()
    }

    fn desired(&self, hash: &str) -> i64 {
        let of_hash = self.sets.iter().filter(|(_, set)| Self::hash(set) == hash);
        of_hash
            .map(|(_, set)| set["spec"]["replicas"].as_i64().unwrap_or(1))
            .sum()
    }

    fn leads_to(&self, service: &str) -> String {
        let service = self.world.store.get(&key(SERVICE, service));
        service.map(selected).unwrap_or_default().to_owned()
    }

    /// The weight that the canary's Ingress really has.
    fn weight(&self) -> i32 {
        let ingress = key(ingress(), &format!("{NAME}-shop-canary"));
        self.world.store.get(&ingress).map_or(0, canary_weight)
    }

    fn phase(&self) -> Option<(&'static str, String)> {
        let status = &self.rollout.status;
        let is_final = ["Healthy", "Paused", "Degraded"].contains(&status.phase.as_str());
        let has_reason = status.phase == "Healthy" || !status.message.is_empty();
        if !is_final || !has_reason {
            let seen = format!("{}: {}", status.phase, status.message);
            return Some(("a Rollout comes to rest, and says why", seen));
        }
        let generation = self.rollout.metadata.generation.unwrap_or(0).to_string();
        if status.observed_generation != generation {
            let seen = format!(
                "generation {generation}, observed {}",
                status.observed_generation
            );
            return Some(("a status is about the newest spec", seen));
        }
        None
    }

    fn counts(&self) -> Option<(&'static str, String)> {
        let status = &self.rollout.status;
        if status.message.starts_with("InvalidSpec") {
            return None;
        }
        let now = crate::clock::now();
        let of = |hash: Option<&str>| -> i32 {
            let sets = self
                .sets
                .iter()
                .filter(|(_, set)| hash.is_none_or(|hash| Self::hash(set) == hash));
            sets.map(|(key, set)| self.world.cluster.count(key, set, now).existing)
                .sum()
        };
        let (all, updated) = (of(None), of(Some(&status.current_pod_hash)));
        let is_canary = self.rollout.spec.strategy.canary.is_some();
        if status.updated_replicas != updated || is_canary && status.replicas != all {
            let seen = format!(
                "{} of {} pods, and there are {updated} of {all}",
                status.updated_replicas, status.replicas
            );
            return Some(("a status counts the pods that there are", seen));
        }
        None
    }

    fn aborted(&self) -> Option<(&'static str, String)> {
        let (spec, status) = (&self.rollout.spec, &self.rollout.status);
        if !status.abort || status.stable_rs.is_empty() || spec.paused {
            return None;
        }
        let stable = status.stable_rs.as_str();
        if self.desired(stable) != i64::from(spec.replicas()) {
            let seen = format!("{} of {} pods", self.desired(stable), spec.replicas());
            return Some(("an abort brings stable back in full", seen));
        }
        if let Some(blue_green) = &spec.strategy.blue_green {
            let active = self.leads_to(&blue_green.active_service);
            return (active != stable).then(|| {
                (
                    "an abort leads users to stable",
                    format!("{active}, not {stable}"),
                )
            });
        }
        let canary = spec.strategy.canary.as_ref()?;
        if canary.traffic_routing.is_none() {
            let others: i64 = self
                .sets
                .iter()
                .map(|(_, set)| self.desired(Self::hash(set)))
                .sum();
            let others = others - self.desired(stable);
            return (others != 0).then(|| {
                (
                    "an abort leads users to stable",
                    format!("{others} other pods"),
                )
            });
        }
        (self.weight() != 0).then(|| {
            (
                "an abort leads users to stable",
                format!("weight {}", self.weight()),
            )
        })
    }

    fn healthy(&self) -> Option<(&'static str, String)> {
        let (spec, status) = (&self.rollout.spec, &self.rollout.status);
        if status.phase != "Healthy" {
            return None;
        }
        const PROMISE: &str = "a healthy Rollout is complete";
        let hash = status.current_pod_hash.as_str();
        if status.stable_rs != hash {
            return Some((
                PROMISE,
                format!("stable is {}, and {hash} is wanted", status.stable_rs),
            ));
        }
        for (key, set) in &self.sets {
            let wanted = if Self::hash(set) == hash {
                i64::from(spec.replicas())
            } else {
                0
            };
            let has = set["spec"]["replicas"].as_i64().unwrap_or(1);
            if has != wanted {
                return Some((
                    PROMISE,
                    format!("{} has {has} pods, not {wanted}", key.name),
                ));
            }
        }
        for service in service_names(self.rollout) {
            let leads_to = self.leads_to(service);
            // Without pods there is nothing to lead to.
            if leads_to != hash && spec.replicas() > 0 {
                return Some((
                    PROMISE,
                    format!("{service} leads to '{leads_to}', not to {hash}"),
                ));
            }
        }
        if self.weight() != 0 {
            return Some((PROMISE, format!("the canary's weight is {}", self.weight())));
        }
        let image = self
            .rollout
            .spec
            .template
            .0
            .get("spec")
            .cloned()
            .unwrap_or_default();
        let image = &image["containers"][0]["image"];
        let set = self.sets.iter().find(|(_, set)| Self::hash(set) == hash);
        let running =
            set.map(|(_, set)| &set["spec"]["template"]["spec"]["containers"][0]["image"]);
        (running != Some(image))
            .then(|| (PROMISE, format!("{running:?} runs, and {image} is wanted")))
    }

    fn history(&self) -> Option<(&'static str, String)> {
        let limit = usize::try_from(self.rollout.spec.revision_history_limit()).unwrap_or(0);
        let status = &self.rollout.status;
        let used = if status.stable_rs == status.current_pod_hash {
            1
        } else {
            2
        };
        if status.phase == "Healthy" && self.sets.len() > limit + used {
            let seen = format!("{} ReplicaSets of {NAMESPACE}/{NAME}", self.sets.len());
            return Some(("old revisions go", seen));
        }
        None
    }
}

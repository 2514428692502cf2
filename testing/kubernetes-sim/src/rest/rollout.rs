//! A Rollout at rest: it is where it is going to stay, and its status says so.

use super::{Broken, is_owned_by};
use crate::app::App;
use crate::manifests::split;
use crate::promises::selected;
use crate::world::World;
use serde_json::Value;
use sluice_argo::api::{POD_TEMPLATE_HASH_LABEL, Rollout};
use sluice_argo::rollout::{REVISION, service_names};
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{REPLICA_SET, SERVICE};

/// What is broken of a Rollout, if anything is.
pub(super) fn broken(world: &World, app: App, rollout: &Rollout) -> Option<Broken> {
    let rest = Rest::of(world, app, rollout);
    rest.phase()
        .or_else(|| rest.counts())
        .or_else(|| rest.aborted())
        .or_else(|| rest.healthy())
        .or_else(|| rest.labels())
        .or_else(|| rest.workload())
        .or_else(|| rest.history())
}

/// A Rollout at rest.
struct Rest<'a> {
    world: &'a World,
    app: App,
    rollout: &'a Rollout,
    sets: Vec<(&'a Key, &'a Value)>,
}

impl<'a> Rest<'a> {
    fn of(world: &'a World, app: App, rollout: &'a Rollout) -> Self {
        let uid = rollout.metadata.uid.as_str();
        let sets = world.store.of_kind(REPLICA_SET);
        let sets = sets.filter(|(_, set)| is_owned_by(set, uid));
        Rest {
            world,
            app,
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
        let service = self.world.store.get(&self.app.key(SERVICE, service));
        service.map(selected).unwrap_or_default().to_owned()
    }

    /// The share of the traffic that a router leads elsewhere than to a revision.
    fn strays(&self, hash: &str) -> i32 {
        let split = split(&self.world.store, self.app);
        let others = split.iter().filter(|to| to.hash != hash);
        others.map(|to| to.weight).sum()
    }

    /// The Services that users reach when a revision is stable.
    fn services(&self) -> Vec<&str> {
        let canary = self.rollout.spec.strategy.canary.as_ref();
        match canary.and_then(|canary| canary.ping_pong.as_ref()) {
            Some(turns) if self.rollout.status.canary.stable_ping_pong == "ping" => {
                vec![&turns.ping_service]
            }
            Some(turns) => vec![&turns.pong_service],
            None => service_names(self.rollout),
        }
    }

    fn phase(&self) -> Option<Broken> {
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

    fn counts(&self) -> Option<Broken> {
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

    fn aborted(&self) -> Option<Broken> {
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
        let strays = self.strays(stable);
        (strays != 0 && spec.replicas() > 0).then(|| {
            let seen = format!("weight {strays} elsewhere");
            ("an abort leads users to stable", seen)
        })
    }

    fn healthy(&self) -> Option<Broken> {
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
        for service in self.services() {
            let leads_to = self.leads_to(service);
            // Without pods there is nothing to lead to.
            if leads_to != hash && spec.replicas() > 0 {
                return Some((
                    PROMISE,
                    format!("{service} leads to '{leads_to}', not to {hash}"),
                ));
            }
        }
        let strays = self.strays(hash);
        if strays != 0 && spec.replicas() > 0 {
            return Some((PROMISE, format!("weight {strays} leads elsewhere")));
        }
        let workload = self.world.store.get(&self.app.workload());
        let rollout = self.world.store.get(&self.app.rollout());
        let wanted = workload
            .or(rollout)
            .map(|it| &it["spec"]["template"]["spec"]);
        let image = wanted.map_or(&Value::Null, |spec| &spec["containers"][0]["image"]);
        let set = self.sets.iter().find(|(_, set)| Self::hash(set) == hash);
        let running =
            set.map(|(_, set)| &set["spec"]["template"]["spec"]["containers"][0]["image"]);
        (running != Some(image))
            .then(|| (PROMISE, format!("{running:?} runs, and {image} is wanted")))
    }

    /// Pods have the labels of their role.
    fn labels(&self) -> Option<Broken> {
        let canary = self.rollout.spec.strategy.canary.as_ref()?;
        let wanted = &canary.stable_metadata.as_ref()?.labels;
        let status = &self.rollout.status;
        if status.phase != "Healthy" {
            return None;
        }
        let selector = format!("{POD_TEMPLATE_HASH_LABEL}={}", status.stable_rs);
        let world = self.world;
        let pods = world
            .cluster
            .list(&world.store, self.app.namespace, &selector);
        let without = pods.iter().find(|pod| {
            let labels = &pod["metadata"]["labels"];
            wanted
                .iter()
                .any(|(label, value)| labels[label] != value.as_str())
        })?;
        let seen = without["metadata"].to_string();
        Some(("stable pods have stable's labels", seen))
    }

    /// A Deployment whose place the Rollout took has no pods left, if that was asked for.
    fn workload(&self) -> Option<Broken> {
        let reference = self.rollout.spec.workload_ref.as_ref()?;
        let workload = self.world.store.get(&self.app.workload())?;
        let left = workload["spec"]["replicas"].as_i64().unwrap_or(1);
        let is_first = self.rollout.metadata.annotations.get(REVISION)? == "1";
        let is_asked = ["onsuccess", "progressively"].contains(&reference.scale_down.as_str());
        let is_done = self.rollout.status.phase == "Healthy" && is_first;
        (is_asked && is_done && left > 0).then(|| {
            (
                "a Deployment ends once the Rollout is there",
                format!("{left} pods"),
            )
        })
    }

    fn history(&self) -> Option<Broken> {
        let limit = usize::try_from(self.rollout.spec.revision_history_limit()).unwrap_or(0);
        let status = &self.rollout.status;
        let used = if status.stable_rs == status.current_pod_hash {
            1
        } else {
            2
        };
        if status.phase == "Healthy" && self.sets.len() > limit + used {
            let seen = format!("{} ReplicaSets", self.sets.len());
            return Some(("old revisions go", seen));
        }
        None
    }
}

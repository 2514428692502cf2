//! What is told of Rollouts and Experiments; of analyses, see `analyses`. It is read from the cache when it is asked for, so that nothing is
//! kept for it, and nothing outlives its object. Of each object only the fields that are told are parsed.

use super::text::{Family, Samples};
use crate::api::Key;
use crate::cache::Cache;
use crate::resource::{EXPERIMENT, ROLLOUT, Resource};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sluice_argo::rollout::INSTANCE_ID_LABEL;
use std::collections::{BTreeMap, BTreeSet};

/// Fields of which only the names matter.
pub(super) type Fields = BTreeMap<String, Option<IgnoredAny>>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    labels: BTreeMap<String, String>,
}

impl Metadata {
    pub(super) fn is_of(&self, instance_id: &str) -> bool {
        let label = self.labels.get(INSTANCE_ID_LABEL);
        label.map_or("", String::as_str) == instance_id
    }
}

pub(super) fn names(fields: &Fields) -> impl Iterator<Item = &str> {
    let named = fields.iter().filter(|(_, value)| value.is_some());
    named.map(|(name, _)| name.as_str())
}

/// The objects of a kind, in the form in which they are told.
pub(super) fn each<T: DeserializeOwned, F>(
    cache: &Cache,
    resource: &Resource,
    tell: impl Fn(Key, T) -> Option<F>,
) -> Vec<F> {
    let keys = cache.keys(resource).into_iter();
    keys.filter_map(|key| {
        let object = cache.get::<T>(&key)?;
        tell(key, object)
    })
    .collect()
}

/// A Rollout.
pub(crate) struct RolloutFacts {
    key: Key,
    strategy: &'static str,
    router: &'static str,
    phase: &'static str,
    desired: i32,
    replicas: i32,
    available: i32,
    updated: i32,
}

#[derive(Deserialize)]
struct RolloutObject {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: RolloutSpec,
    #[serde(default)]
    status: RolloutStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RolloutSpec {
    replicas: Option<i32>,
    strategy: Strategy,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Strategy {
    blue_green: Option<IgnoredAny>,
    canary: Option<Canary>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Canary {
    traffic_routing: Option<Fields>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RolloutStatus {
    replicas: i32,
    available_replicas: i32,
    updated_replicas: i32,
    conditions: Vec<Condition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    reason: String,
}

/// Argo's names of routers, the last one that is there counts. Those without a name here are told as none,
/// as Argo's controller does.
const ROUTERS: [(&str, &str); 6] = [
    ("alb", "ALB"),
    ("ambassador", "Ambassador"),
    ("istio", "Istio"),
    ("nginx", "Nginx"),
    ("smi", "SMI"),
    ("appMesh", "AppMesh"),
];

impl Strategy {
    fn name(&self) -> &'static str {
        match (&self.blue_green, &self.canary) {
            (Some(_), _) => "blueGreen",
            (None, Some(_)) => "canary",
            (None, None) => "none",
        }
    }

    fn router(&self) -> &'static str {
        let canary = self.canary.as_ref().filter(|_| self.blue_green.is_none());
        let Some(routing) = canary.and_then(|canary| canary.traffic_routing.as_ref()) else {
            return "";
        };
        let named: BTreeSet<&str> = names(routing).collect();
        let mut routers = ROUTERS.iter().rev();
        routers
            .find(|(field, _)| named.contains(field))
            .map_or("", |(_, name)| name)
    }
}

/// The phase as the metrics name it, which is not the one of the status.
fn rollout_phase(conditions: &[Condition]) -> &'static str {
    let of_type = |kind: &str| conditions.iter().find(|condition| condition.r#type == kind);
    if of_type("InvalidSpec").is_some() {
        return "InvalidSpec";
    }
    match of_type("Progressing").map(|condition| condition.reason.as_str()) {
        Some("NewReplicaSetAvailable") => "Completed",
        Some("RolloutPaused") => "Paused",
        Some("ReplicaSetCreateError") => "Error",
        Some("ProgressDeadlineExceeded") => "Timeout",
        Some("RolloutAborted") => "Abort",
        _ => "Progressing",
    }
}

/// The Rollouts of an instance.
pub(crate) fn rollouts(cache: &Cache, instance_id: &str) -> Vec<RolloutFacts> {
    each(cache, &ROLLOUT, |key, object: RolloutObject| {
        let RolloutObject {
            metadata,
            spec,
            status,
        } = object;
        metadata.is_of(instance_id).then(|| RolloutFacts {
            key,
            strategy: spec.strategy.name(),
            router: spec.strategy.router(),
            phase: rollout_phase(&status.conditions),
            desired: spec.replicas.unwrap_or(1),
            replicas: status.replicas,
            available: status.available_replicas,
            updated: status.updated_replicas,
        })
    })
}

macro_rules! replicas {
    ($name:literal, $what:literal, $count:expr) => {
        Family::gauge($name, $what, |rollout: &RolloutFacts, samples| {
            let labels = [
                ("namespace", &*rollout.key.namespace),
                ("name", &*rollout.key.name),
            ];
            let count: fn(&RolloutFacts) -> i32 = $count;
            samples.put(&labels, f64::from(count(rollout)));
        })
    };
}

/// The phases that `rollout_phase` tells.
const ROLLOUT_PHASES: [&str; 6] = [
    "Completed",
    "Progressing",
    "Paused",
    "Timeout",
    "Error",
    "Abort",
];

/// What is told of Rollouts.
pub(crate) const ROLLOUTS: [Family<RolloutFacts>; 6] = [
    Family::gauge(
        "rollout_info",
        "Rollouts with their strategy, router and phase.",
        |rollout, samples| {
            let labels = [
                ("namespace", &*rollout.key.namespace),
                ("name", &*rollout.key.name),
                ("strategy", rollout.strategy),
                ("traffic_router", rollout.router),
                ("phase", rollout.phase),
            ];
            samples.put(&labels, 1.0);
        },
    ),
    replicas!(
        "rollout_info_replicas_available",
        "Available pods of Rollouts.",
        |rollout| rollout.available
    ),
    replicas!(
        "rollout_info_replicas_unavailable",
        "Pods of Rollouts that are not available.",
        |rollout| rollout.replicas.saturating_sub(rollout.available)
    ),
    replicas!(
        "rollout_info_replicas_desired",
        "Pods that Rollouts ask for.",
        |rollout| rollout.desired
    ),
    replicas!(
        "rollout_info_replicas_updated",
        "Pods of Rollouts that are of the newest template.",
        |rollout| rollout.updated
    ),
    Family::gauge(
        "rollout_phase",
        "Whether Rollouts are in a phase; rollout_info tells the same.",
        |rollout, samples| {
            for phase in ROLLOUT_PHASES {
                let labels = [
                    ("namespace", &*rollout.key.namespace),
                    ("name", &*rollout.key.name),
                    ("strategy", rollout.strategy),
                    ("phase", phase),
                ];
                samples.put_flag(&labels, phase == rollout.phase);
            }
        },
    ),
];

/// An Experiment.
pub(crate) struct ExperimentFacts {
    key: Key,
    phase: String,
}

#[derive(Deserialize)]
struct ExperimentObject {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: ExperimentStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExperimentStatus {
    phase: String,
}

/// The Experiments of an instance.
pub(crate) fn experiments(cache: &Cache, instance_id: &str) -> Vec<ExperimentFacts> {
    each(cache, &EXPERIMENT, |key, object: ExperimentObject| {
        let phase = object.status.phase;
        let is_own = object.metadata.is_of(instance_id);
        is_own.then_some(ExperimentFacts { key, phase })
    })
}

const EXPERIMENT_PHASES: [&str; 5] = ["Pending", "Error", "Successful", "Running", "Inconclusive"];

/// What is told of Experiments.
pub(crate) const EXPERIMENTS: [Family<ExperimentFacts>; 2] = [
    Family::gauge(
        "experiment_info",
        "Experiments with their phase.",
        |experiment, samples| info(&experiment.key, &experiment.phase, samples),
    ),
    Family::gauge(
        "experiment_phase",
        "Whether Experiments are in a phase; experiment_info tells the same.",
        |experiment, samples| {
            phases(
                &experiment.key,
                &experiment.phase,
                &EXPERIMENT_PHASES,
                samples,
            );
        },
    ),
];

/// Tells the phase as a label.
pub(super) fn info(key: &Key, phase: &str, samples: &mut Samples<'_>) {
    let labels = [
        ("namespace", &*key.namespace),
        ("name", &*key.name),
        ("phase", phase),
    ];
    samples.put(&labels, 1.0);
}

/// Tells of each phase whether it is the one.
pub(super) fn phases(key: &Key, phase: &str, told: &[&str], samples: &mut Samples<'_>) {
    for one in told {
        let labels = [
            ("namespace", &*key.namespace),
            ("name", &*key.name),
            ("phase", one),
        ];
        samples.put_flag(&labels, is_phase(phase, one));
    }
}

/// Whether a phase, unset when nothing was looked at yet, is one of those that are told.
pub(super) fn is_phase(phase: &str, told: &str) -> bool {
    phase == told || phase.is_empty() && told == "Pending"
}

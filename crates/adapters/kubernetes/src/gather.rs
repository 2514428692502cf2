//! The world of one Rollout, from what is known of the cluster.

use crate::api::{Api, ApiError, Key};
use crate::cache::{Cache, is_owned, version_of};
use crate::resource::{
    ANALYSIS_RUN, ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE, EXPERIMENT, POD, REPLICA_SET,
    ROLLOUT, Resource, SERVICE, workload,
};
use serde_json::Value;
use sluice_argo::api::{
    AnalysisTemplate, AnalysisTemplateRef, LabelSelector, ObjectMeta, POD_TEMPLATE_HASH_LABEL,
    PodTemplate, Rollout, Time,
};
use sluice_argo::rollout::{
    MANAGED_BY, Pod, ReplicaSet, Service, Workload, World, candidate_name, needs_pods,
    selector_text, service_names, template_beside_workload, with_current_template,
};
use sluice_argo::template::without_odd_amounts;
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// A Rollout's world, and what it needs watched that is not watched yet.
pub(crate) struct Gathered {
    pub(crate) world: World,
    /// The versions of what may be patched: the Rollout and its Services.
    pub(crate) versions: HashMap<Key, u64>,
    /// Kinds that have to be watched before a decision can be made.
    pub(crate) missing: Vec<Resource>,
    /// Pods that are left out because they cannot be read, each with its cause.
    pub(crate) unreadable: Vec<String>,
}

/// What is known about a Rollout and what belongs to it.
///
/// # Errors
/// When its pods are needed and cannot be listed.
pub(crate) async fn world<A: Api>(
    api: &A,
    cache: &Cache,
    mut rollout: Rollout,
    now: Timestamp,
) -> Result<Gathered, ApiError> {
    let namespace = rollout.metadata.namespace.clone();
    let uid = rollout.metadata.uid.clone();
    let mut gathered = Gathered {
        world: World::default(),
        versions: HashMap::new(),
        missing: Vec::new(),
        unreadable: Vec::new(),
    };
    let key = Key::new(ROLLOUT, &namespace, &rollout.metadata.name);
    let version = rollout.metadata.version();
    gathered
        .versions
        .extend(version.map(|version| (key, version)));
    gathered.world.problem = template_beside_workload(&rollout);
    // Going back does not need the workload.
    let is_needed = !rollout.status.abort;
    gathered.world.problem = gathered
        .world
        .problem
        .or_else(|| forbidden(cache, &rollout).filter(|_| is_needed));
    gathered.world.workload = resolve(cache, &mut rollout, &mut gathered.missing);
    let replica_sets: Vec<ReplicaSet> = cache.owned(&uid, &REPLICA_SET);
    if gathered.world.workload.is_none() && rollout.spec.workload_ref.is_some() {
        with_current_template(&mut rollout, &replica_sets);
    }
    gathered.world.left_out = without_odd_amounts(&mut rollout.spec.template);
    // Without a name the Rollout is refused, which the decision says.
    gathered.world.name_taken = candidate_name(&rollout).is_ok_and(|candidate| {
        let mut own = replica_sets.iter();
        let key = Key::new(REPLICA_SET, &namespace, &candidate);
        own.all(|set| set.metadata.name != candidate) && cache.version(&key).is_some()
    });
    for name in service_names(&rollout) {
        let key = Key::new(SERVICE, &namespace, name);
        if let Some(found) = cache.get::<Value>(&key) {
            gathered.versions.insert(key, version_of(&found));
            let service = service(&found);
            gathered.world.services.insert(name.to_owned(), service);
        }
    }
    gathered.world.runs = cache.owned(&uid, &ANALYSIS_RUN);
    gathered.world.experiments = cache.owned(&uid, &EXPERIMENT);
    gathered.world.templates = templates(cache, &rollout);
    if needs_pods(&rollout, now) {
        for pod in pods(api, &rollout, &replica_sets).await? {
            match pod {
                Ok(pod) => gathered.world.pods.push(pod),
                Err(cause) => gathered.unreadable.push(cause),
            }
        }
    }
    gathered.world.orphans = cache.orphans(&namespace);
    gathered.world.replica_sets = replica_sets;
    gathered.world.rollout = rollout;
    Ok(gathered)
}

/// What is wrong when the kind of the workload that a Rollout refers to may not be listed.
fn forbidden(cache: &Cache, rollout: &Rollout) -> Option<String> {
    let reference = rollout.spec.workload_ref.as_ref()?;
    let resource = workload(&reference.api_version, &reference.kind)?;
    (cache.is_refused(&resource) && !cache.is_synced(&resource)).then(|| {
        format!(
            "spec.workloadRef: {} may not be listed; allow the controller to get, list and watch them",
            resource.plural
        )
    })
}

/// Puts the template and selector of the workload that a Rollout refers to into it.
fn resolve(cache: &Cache, rollout: &mut Rollout, missing: &mut Vec<Resource>) -> Option<Workload> {
    let reference = rollout.spec.workload_ref.as_ref()?;
    let resource = workload(&reference.api_version, &reference.kind)?;
    if !cache.is_synced(&resource) {
        if !cache.is_refused(&resource) {
            missing.push(resource);
        }
        return None;
    }
    let key = Key::new(resource, &rollout.metadata.namespace, &reference.name);
    let found: Value = cache.get(&key)?;
    let template = match found.pointer("/spec/template") {
        Some(template) => template,
        None => found.get("template")?,
    };
    let template: PodTemplate = serde_json::from_value(template.clone()).ok()?;
    if rollout.spec.template == PodTemplate::default() {
        rollout.spec.template = template;
    }
    let selector: Option<LabelSelector> = found
        .pointer("/spec/selector")
        .and_then(|selector| serde_json::from_value(selector.clone()).ok());
    if rollout.spec.selector.is_none() {
        rollout.spec.selector = selector;
    }
    let number = |path: &str| found.pointer(path).and_then(Value::as_i64);
    Some(Workload {
        generation: number("/metadata/generation").unwrap_or(0),
        replicas: number("/spec/replicas").and_then(|replicas| i32::try_from(replicas).ok()),
    })
}

fn service(object: &Value) -> Service {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let selector = object.pointer("/spec/selector");
    let annotations = object.pointer("/metadata/annotations");
    Service {
        hash: text(selector.and_then(|selector| selector.get(POD_TEMPLATE_HASH_LABEL)))
            .unwrap_or_default(),
        managed_by: text(annotations.and_then(|annotations| annotations.get(MANAGED_BY))),
    }
}

/// The analysis templates that a Rollout names, and those that they name.
fn templates(cache: &Cache, rollout: &Rollout) -> Vec<AnalysisTemplate> {
    let mut wanted: Vec<AnalysisTemplateRef> = Vec::new();
    let strategy = &rollout.spec.strategy;
    if let Some(canary) = &strategy.canary {
        let beside = canary.analysis.iter().map(|analysis| &analysis.analysis);
        let between = canary
            .steps
            .iter()
            .filter_map(|step| step.analysis.as_ref());
        for analysis in beside.chain(between) {
            wanted.extend(analysis.templates.iter().cloned());
        }
    }
    if let Some(blue_green) = &strategy.blue_green {
        let before = blue_green.pre_promotion_analysis.iter();
        for analysis in before.chain(&blue_green.post_promotion_analysis) {
            wanted.extend(analysis.templates.iter().cloned());
        }
    }
    templates_of(cache, &rollout.metadata.namespace, wanted)
}

/// The analysis templates that are named in a namespace, and those that they name.
pub(crate) fn templates_of(
    cache: &Cache,
    namespace: &str,
    mut wanted: Vec<AnalysisTemplateRef>,
) -> Vec<AnalysisTemplate> {
    let mut found: BTreeMap<Key, AnalysisTemplate> = BTreeMap::new();
    while let Some(reference) = wanted.pop() {
        let of_cluster = reference.cluster_scope == Some(true);
        let key = if of_cluster {
            Key::new(CLUSTER_ANALYSIS_TEMPLATE, "", &reference.template_name)
        } else {
            Key::new(ANALYSIS_TEMPLATE, namespace, &reference.template_name)
        };
        if found.contains_key(&key) {
            continue;
        }
        if let Some(template) = cache.get::<AnalysisTemplate>(&key) {
            wanted.extend(template.spec.templates.iter().cloned());
            found.insert(key, template);
        }
    }
    found.into_values().collect()
}

async fn pods<A: Api>(
    api: &A,
    rollout: &Rollout,
    sets: &[ReplicaSet],
) -> Result<Vec<Result<Pod, String>>, ApiError> {
    let selector = rollout.spec.selector.clone().unwrap_or_default();
    let namespace = &rollout.metadata.namespace;
    let objects = api.list(&POD, namespace, &selector_text(&selector)).await?;
    Ok(objects
        .iter()
        .filter_map(|object| pod(object, sets).transpose())
        .collect())
}

/// A pod; `None` when it is none of these ReplicaSets'.
///
/// # Errors
/// Which pod cannot be read, and why.
fn pod(object: &Value, sets: &[ReplicaSet]) -> Result<Option<Pod>, String> {
    let is_owner = |set: &&ReplicaSet| is_owned(object, &set.metadata.uid);
    let Some(set) = sets.iter().find(is_owner) else {
        return Ok(None);
    };
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    let metadata: ObjectMeta = serde_json::from_value(metadata).map_err(|cause| {
        let name = &object["metadata"]["name"];
        format!("the pod {name} of {} cannot be read and is not restarted: metadata: {cause}; delete the pod", set.metadata.name)
    })?;
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let since = ready
        .and_then(|condition| condition["lastTransitionTime"].as_str())
        .and_then(|text| Time::parse(text).ok());
    Ok(Some(Pod {
        replica_set: set.metadata.name.clone(),
        created_at: metadata.creation_timestamp.unwrap_or_default().0,
        deleting: metadata.is_deleting(),
        ready_since: since.map(|time| time.0),
        name: metadata.name,
    }))
}

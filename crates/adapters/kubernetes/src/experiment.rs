//! One Experiment: look, decide, write.

use crate::api::{Api, ApiError, Key, Patch, Reason};
use crate::cache::is_owned;
use crate::gather;
use crate::reconcile::{Look, Reconciler};
use crate::resource::{ANALYSIS_RUN, REPLICA_SET, ROLLOUT, SERVICE};
use serde_json::{Value, json};
use sluice_argo::api::{AnalysisRun, Experiment, ObjectMeta, Rollout, Time};
use sluice_argo::event::Event;
use sluice_argo::experiment::{
    ExperimentDecision, ExperimentWorld, ExperimentWrite, OwnedService, Refusal, Refused,
    TEMPLATE_NAME, decide, replica_set_name,
};
use sluice_argo::rollout::{ReplicaSet, SCALE_DOWN_DEADLINE};
use sluice_model::time::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What an API server refused of each Experiment, since its status was stored.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<Key, Of>>);

#[derive(Clone, Debug, Default)]
struct Of {
    refused: Vec<Refusal>,
    taken_runs: BTreeSet<String>,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Of>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, key: &Key) -> Of {
        self.lock().get(key).cloned().unwrap_or_default()
    }

    fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// How much is known of an Experiment.
    fn count(&self, key: &Key) -> usize {
        let all = self.lock();
        all.get(key)
            .map_or(0, |of| of.refused.len() + of.taken_runs.len())
    }

    fn note(&self, key: &Key, refusal: Refusal) {
        self.lock()
            .entry(key.clone())
            .or_default()
            .refused
            .push(refusal);
    }

    fn note_taken(&self, key: &Key, run: String) {
        let mut all = self.lock();
        all.entry(key.clone()).or_default().taken_runs.insert(run);
    }
}

/// Looks at an Experiment, and does what follows.
pub(crate) async fn look<A: Api>(
    reconciler: &Reconciler<'_, A>,
    refusals: &Refusals,
    key: &Key,
    now: Timestamp,
) -> Look {
    let Some(experiment) = reconciler.cache.get::<Experiment>(key) else {
        refusals.forget(key);
        return Look::done(None);
    };
    if !reconciler.is_own(&experiment.metadata.labels) {
        return Look::done(None);
    }
    match carry_out(reconciler, refusals, key, &experiment, now).await {
        Ok((true, _)) => Look::again(),
        Ok((false, decision)) => Look::done(decision.wake_at.map(|at| at.since(now))),
        Err(cause) => {
            tracing::warn!(%key, %cause, "an experiment is tried again");
            reconciler.tell_refusal(key, &experiment.metadata.uid, &cause);
            Look::failed(cause.retry_after)
        }
    }
}

async fn carry_out<A: Api>(
    reconciler: &Reconciler<'_, A>,
    refusals: &Refusals,
    key: &Key,
    experiment: &Experiment,
    now: Timestamp,
) -> Result<(bool, ExperimentDecision), ApiError> {
    let cache = reconciler.cache;
    let uid = &experiment.metadata.uid;
    let namespace = &key.namespace;
    let known = refusals.of(key);
    let replica_sets: Vec<ReplicaSet> = cache.owned(uid, &REPLICA_SET);
    let taken_replica_sets = experiment
        .spec
        .templates
        .iter()
        .map(|template| replica_set_name(experiment, template))
        .filter(|name| !replica_sets.iter().any(|set| set.metadata.name == *name))
        .filter(|name| {
            cache
                .version(&Key::new(REPLICA_SET, namespace, name))
                .is_some()
        })
        .collect();
    let templates = gather::templates_of(
        cache,
        namespace,
        experiment
            .spec
            .analyses
            .iter()
            .map(|analysis| sluice_argo::api::AnalysisTemplateRef {
                template_name: analysis.template_name.clone(),
                cluster_scope: analysis.cluster_scope,
            })
            .collect(),
    );
    let decision = decide(
        &ExperimentWorld {
            experiment,
            replica_sets,
            services: cache
                .owned::<Value>(uid, &SERVICE)
                .iter()
                .filter_map(owned_service)
                .collect(),
            runs: runs(reconciler, experiment).await?,
            templates: &templates,
            taken_replica_sets,
            taken_runs: known.taken_runs,
            refused: &known.refused,
        },
        now,
    );
    let mut changed = false;
    for write in decision.writes.clone() {
        let starts_run = matches!(write, ExperimentWrite::CreateRun { .. });
        let before = refusals.count(key);
        changed |= carry_out_one(reconciler, refusals, key, experiment, write).await?;
        if starts_run && refusals.count(key) > before {
            // What follows believes in the run. The next look knows better.
            return Ok((true, decision));
        }
    }
    Ok((changed, decision))
}

/// Its runs. One that its status names and that is not known yet is asked for.
async fn runs<A: Api>(
    reconciler: &Reconciler<'_, A>,
    experiment: &Experiment,
) -> Result<Vec<AnalysisRun>, ApiError> {
    let metadata = &experiment.metadata;
    let mut runs: Vec<AnalysisRun> = reconciler.cache.owned(&metadata.uid, &ANALYSIS_RUN);
    for noted in &experiment.status.analysis_runs {
        let name = &noted.analysis_run;
        if name.is_empty() || runs.iter().any(|run| run.metadata.name == *name) {
            continue;
        }
        let key = Key::new(ANALYSIS_RUN, &metadata.namespace, name);
        match reconciler.api.get(&key).await {
            Ok(found) if is_owned(&found, &metadata.uid) => {
                runs.extend(serde_json::from_value(found).ok());
            }
            Ok(_somebody_else_s) => {}
            Err(cause) if cause.reason == Reason::NotFound => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(runs)
}

fn owned_service(object: &Value) -> Option<OwnedService> {
    let metadata: ObjectMeta = serde_json::from_value(object.get("metadata")?.clone()).ok()?;
    Some(OwnedService {
        template: metadata.annotations.get(TEMPLATE_NAME)?.clone(),
        name: metadata.name,
    })
}

async fn carry_out_one<A: Api>(
    reconciler: &Reconciler<'_, A>,
    refusals: &Refusals,
    key: &Key,
    experiment: &Experiment,
    write: ExperimentWrite,
) -> Result<bool, ApiError> {
    let namespace = key.namespace.as_str();
    let uid = &experiment.metadata.uid;
    let refused = |name: String, what: Refused, done: Result<bool, ApiError>| match done {
        Err(cause) if cause.reason == Reason::Refused => {
            refusals.note(
                key,
                Refusal {
                    name,
                    what,
                    cause: cause.message,
                },
            );
            // The next look tells it in the status.
            Ok(true)
        }
        Err(cause) if cause.reason == Reason::AlreadyExists => Ok(true),
        done => done,
    };
    match write {
        ExperimentWrite::CreateReplicaSet { template, object } => {
            let done = reconciler.create(REPLICA_SET, namespace, &object).await;
            refused(template, Refused::CreateReplicaSet, done)
        }
        ExperimentWrite::ScaleReplicaSet {
            template,
            name,
            from,
            to,
        } => {
            let operations = vec![
                json!({"op": "test", "path": "/spec/replicas", "value": from}),
                json!({"op": "replace", "path": "/spec/replicas", "value": to}),
            ];
            let target = Key::new(REPLICA_SET, namespace, &name);
            let done = reconciler
                .patch(&target, None, &Patch::Operations(operations))
                .await;
            refused(template, Refused::ScaleReplicaSet, done)
        }
        ExperimentWrite::SetDeadline { name, deadline } => {
            let text = deadline.map(|at| Time(at).to_string());
            let patch = json!({"metadata": {"annotations": {SCALE_DOWN_DEADLINE: text}}});
            let target = Key::new(REPLICA_SET, namespace, &name);
            reconciler.patch(&target, None, &Patch::Merge(patch)).await
        }
        ExperimentWrite::CreateService { template, object } => {
            let done = reconciler.create(SERVICE, namespace, &object).await;
            // A Service of that name which is not its own stays in the way.
            let done = match done {
                Err(cause) if cause.reason == Reason::AlreadyExists => {
                    Err(ApiError::new(Reason::Refused, cause.message))
                }
                done => done,
            };
            refused(template, Refused::CreateService, done)
        }
        ExperimentWrite::DeleteService { template, name } => {
            let done = reconciler
                .delete(&Key::new(SERVICE, namespace, &name))
                .await;
            refused(template, Refused::DeleteService, done)
        }
        ExperimentWrite::CreateRun { analysis, run } => {
            let done = reconciler
                .create(ANALYSIS_RUN, namespace, &json!(run))
                .await;
            if let Err(cause) = &done
                && cause.reason == Reason::AlreadyExists
            {
                let target = Key::new(ANALYSIS_RUN, namespace, &run.metadata.name);
                let found = reconciler.api.get(&target).await?;
                if is_owned(&found, uid) {
                    // Its answer was lost.
                    reconciler.learn(&ANALYSIS_RUN, found);
                } else {
                    refusals.note_taken(key, run.metadata.name.clone());
                }
            }
            refused(analysis, Refused::CreateRun, done)
        }
        ExperimentWrite::TerminateRun { analysis, name } => {
            let target = Key::new(ANALYSIS_RUN, namespace, &name);
            let done = reconciler.terminate(&target).await;
            refused(analysis, Refused::TerminateRun, done)
        }
        ExperimentWrite::Status(status) => {
            let changed = reconciler
                .write_plain_status(
                    key,
                    &experiment.metadata,
                    &json!(experiment.status),
                    &json!(status),
                )
                .await?;
            refusals.forget(key);
            Ok(changed)
        }
        ExperimentWrite::Event(event) => {
            reconciler.events.record(key, uid, event);
            Ok(false)
        }
        ExperimentWrite::RolloutEvent { rollout, event } => {
            tell_rollout(reconciler, namespace, &rollout, event);
            Ok(false)
        }
    }
}

fn tell_rollout<A: Api>(
    reconciler: &Reconciler<'_, A>,
    namespace: &str,
    rollout: &str,
    event: Event,
) {
    let key = Key::new(ROLLOUT, namespace, rollout);
    if let Some(rollout) = reconciler.cache.get::<Rollout>(&key) {
        reconciler.events.record(&key, &rollout.metadata.uid, event);
    }
}

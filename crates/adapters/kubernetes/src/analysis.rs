//! One AnalysisRun: look, measure, judge, write.

use crate::api::{Api, ApiError, Key, Reason};
use crate::cache::Cache;
use crate::job;
use crate::lookup::{ApiLookup, SecretKeys};
use crate::measure::{self, Measure, Question};
use crate::queue::{Outcome, Queue};
use crate::reconcile::{Look, Reconciler};
use crate::resource::{JOB, SECRET};
use serde_json::json;
use sluice_argo::analysis_run::{Measured, RunInput, Task, Work, decide};
use sluice_argo::api::{AnalysisRun, Measurement};
use sluice_argo::arguments::{Secrets, secret_references};
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// The measurements that are under way, and those that are not stored yet.
#[derive(Debug, Default)]
pub(crate) struct Measurements(Mutex<HashMap<Key, Of>>);

/// Those of one run.
#[derive(Debug, Default)]
struct Of {
    under_way: BTreeMap<(String, WorkKind), AbortHandle>,
    measured: Vec<Measured>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum WorkKind {
    Start,
    Resume,
    Terminate,
}

impl From<Work> for WorkKind {
    fn from(work: Work) -> Self {
        match work {
            Work::Start => WorkKind::Start,
            Work::Resume => WorkKind::Resume,
            Work::Terminate => WorkKind::Terminate,
        }
    }
}

impl Measurements {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Of>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measured(&self, run: &Key) -> Vec<Measured> {
        self.lock()
            .get(run)
            .map(|of| of.measured.clone())
            .unwrap_or_default()
    }

    /// Those that are stored need not be kept.
    fn stored(&self, run: &Key, count: usize) {
        if let Some(of) = self.lock().get_mut(run) {
            of.measured.drain(..count.min(of.measured.len()));
        }
    }

    fn finished(&self, run: &Key, kind: WorkKind, measured: Measured) {
        let mut all = self.lock();
        // A run that was forgotten meanwhile does not come back by this.
        if let Some(of) = all.get_mut(run) {
            of.under_way.remove(&(measured.metric.clone(), kind));
            of.measured.push(measured);
        }
    }

    /// Ends what is under way for a run that is not there any more.
    pub(crate) fn forget(&self, run: &Key) {
        if let Some(of) = self.lock().remove(run) {
            for (_, handle) in of.under_way {
                handle.abort();
            }
        }
    }

    /// Ends what is under way and no longer wanted.
    fn keep_only(&self, run: &Key, tasks: &[Task]) {
        let mut all = self.lock();
        let of = all.entry(run.clone()).or_default();
        of.under_way.retain(|(metric, kind), handle| {
            let wanted = tasks
                .iter()
                .any(|task| task.metric.name == *metric && WorkKind::from(task.work) == *kind);
            if !wanted {
                handle.abort();
            }
            wanted
        });
    }

    fn is_under_way(&self, run: &Key, task: &Task) -> bool {
        let name = (task.metric.name.clone(), task.work.into());
        let all = self.lock();
        all.get(run).is_some_and(|of| {
            let is_measured = of
                .measured
                .iter()
                .any(|measured| measured.metric == task.metric.name && measured.work == task.work);
            is_measured || of.under_way.contains_key(&name)
        })
    }
}

/// What measuring needs, shared with the tasks that do it.
pub(crate) struct Analyst<A> {
    pub(crate) api: A,
    pub(crate) source: Arc<dyn Measure>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) measurements: Arc<Measurements>,
    pub(crate) clock: fn() -> Timestamp,
}

impl<A: Api + Clone> Analyst<A> {
    /// Looks at a run, and does what follows.
    pub(crate) async fn run(&self, reconciler: &Reconciler<'_, A>, key: &Key) -> Look {
        let cache: &Cache = reconciler.cache;
        let Some(run) = cache.get::<AnalysisRun>(key) else {
            self.measurements.forget(key);
            return Look::done(None);
        };
        if !reconciler.is_own(&run.metadata.labels) {
            return Look::done(None);
        }
        let uid = run.metadata.uid.clone();
        match self.look(reconciler, key, run).await {
            Ok(look) => look,
            Err(cause) => {
                tracing::warn!(%key, %cause, "an analysis run is tried again");
                reconciler.tell_refusal(key, &uid, &cause);
                Look::failed(cause.retry_after)
            }
        }
    }

    async fn look(
        &self,
        reconciler: &Reconciler<'_, A>,
        key: &Key,
        run: AnalysisRun,
    ) -> Result<Look, ApiError> {
        let uses_jobs = run
            .spec
            .metrics
            .iter()
            .any(|metric| metric.provider.job.is_some());
        if uses_jobs && !reconciler.cache.is_synced(&JOB) {
            return Ok(Look::waits_for(JOB));
        }
        let secrets = self.secrets(&run).await?;
        let now = (self.clock)();
        let mut measured = self.measurements.measured(key);
        let own = measured.len();
        if uses_jobs {
            measured.extend(job::ended_ones(reconciler.cache, &run, now));
        }
        let decision = decide(&RunInput {
            run: &run,
            secrets: &secrets,
            measured: &measured,
            now,
        });
        let changed = reconciler
            .write_plain_status(
                key,
                &run.metadata,
                &json!(run.status),
                &json!(decision.status),
            )
            .await?;
        self.measurements.stored(key, own);
        for event in decision.events {
            reconciler.events.record(key, &run.metadata.uid, event);
        }
        for old in &decision.collect {
            if let Some(job) = job::key_of(&run, old) {
                reconciler.delete(&job).await?;
            }
        }
        if decision.delete_at.is_some_and(|at| at <= now) {
            reconciler.delete(key).await?;
            return Ok(Look::done(None));
        }
        self.measurements.keep_only(key, &decision.tasks);
        let run = Arc::new(AnalysisRun {
            status: decision.status,
            ..run
        });
        for task in decision.tasks {
            if !self.measurements.is_under_way(key, &task) {
                self.begin(key, Arc::clone(&run), task);
            }
        }
        if run.status.phase.is_completed() {
            self.measurements.forget(key);
        }
        if changed {
            return Ok(Look::again());
        }
        Ok(Look {
            outcome: Outcome::Done(decision.wake_at.map(|at| at.since(now))),
            missing: Vec::new(),
        })
    }

    fn begin(&self, key: &Key, run: Arc<AnalysisRun>, task: Task) {
        let (api, source) = (self.api.clone(), Arc::clone(&self.source));
        let (queue, measurements) = (Arc::clone(&self.queue), Arc::clone(&self.measurements));
        let clock = self.clock;
        let name = (task.metric.name.clone(), WorkKind::from(task.work));
        let owner = key.clone();
        // The lock is held until the handle is noted: a task that ends at once waits for it.
        let mut all = self.measurements.lock();
        let handle = tokio::spawn(async move {
            let kind = task.work.into();
            let measured = carry_out(&api, &*source, &run, task, clock).await;
            measurements.finished(&owner, kind, measured);
            queue.add(&owner);
        });
        let of = all.entry(key.clone()).or_default();
        of.under_way.insert(name, handle.abort_handle());
    }

    /// The secrets that a run's arguments refer to.
    async fn secrets(&self, run: &AnalysisRun) -> Result<Secrets, ApiError> {
        let mut secrets = Secrets::none();
        if run.status.phase.is_completed() {
            return Ok(secrets);
        }
        for reference in secret_references(&run.spec.args) {
            let key = Key::new(SECRET, &run.metadata.namespace, &reference.name);
            match self.api.get(&key).await {
                Ok(object) => match SecretKeys::of(&object).get(&reference.key) {
                    Some(value) => secrets.insert(reference, value.to_owned()),
                    None => secrets.insert_missing(
                        reference,
                        format!(
                            "key '{}' does not exist in secret '{}'",
                            reference.key, reference.name
                        ),
                    ),
                },
                Err(cause) if matches!(cause.reason, Reason::NotFound | Reason::Refused) => {
                    secrets.insert_missing(reference, cause.to_string());
                }
                Err(cause) => return Err(cause),
            }
        }
        Ok(secrets)
    }
}

async fn carry_out<A: Api>(
    api: &A,
    source: &dyn Measure,
    run: &AnalysisRun,
    task: Task,
    clock: fn() -> Timestamp,
) -> Measured {
    let metric = &task.metric;
    let before = || task.measurement.clone().unwrap_or_default();
    let (measurement, metadata): (Measurement, BTreeMap<String, String>) =
        match (task.work, &metric.provider.job) {
            (Work::Start, Some(job)) => {
                let started = job::start(api, run, metric, job, clock()).await;
                (started, BTreeMap::new())
            }
            (Work::Resume, Some(_)) => {
                let looked = job::resume(api, run, before(), clock()).await;
                (looked, BTreeMap::new())
            }
            (Work::Start | Work::Resume, None) => {
                let question = Question {
                    metric,
                    run,
                    before: task.measurement.as_ref(),
                    lookup: &ApiLookup(api),
                    now: clock(),
                };
                measure::measure(source, question, clock).await
            }
            (Work::Terminate, _) => {
                let ended = job::terminate(api, run, before(), clock()).await;
                (ended, BTreeMap::new())
            }
        };
    Measured {
        metric: metric.name.clone(),
        work: task.work,
        measurement,
        metadata,
    }
}

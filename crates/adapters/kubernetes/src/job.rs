//! Jobs that are measurements: good when they complete.

use crate::api::{Api, ApiError, Key, Reason};
use crate::cache::{Cache, is_owned};
use crate::measure::fail;
use crate::resource::{JOB, POD};
use serde_json::{Value, json};
use sluice_argo::analysis_run::{Measured, Work};
use sluice_argo::api::{
    API_VERSION, AnalysisPhase, AnalysisRun, JobMetric, LabelSelector, Measurement, Metric, Time,
};
use sluice_argo::rollout::selector_text;
use sluice_argo::template::safe_fnv;
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

const JOB_NAME: &str = "job-name";
const JOB_NAMESPACE: &str = "job-namespace";
const RUN_UID: &str = "analysisrun.argoproj.io/uid";
const METRIC_NAME: &str = "analysisrun.argoproj.io/metric-name";
/// The longest name that fits into a label.
const NAME_MAX: usize = 63;
/// Reasons for which a container never starts by itself.
const STUCK: [&str; 3] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"];

/// Creates the Job of a measurement.
pub(crate) async fn start<A: Api>(
    api: &A,
    run: &AnalysisRun,
    metric: &Metric,
    job: &JobMetric,
    now: Timestamp,
) -> Measurement {
    let mut measurement = Measurement {
        phase: AnalysisPhase::Running,
        started_at: Some(Time(now)),
        ..Measurement::default()
    };
    let namespace = &run.metadata.namespace;
    let name = name(run, &metric.name);
    let object = object(run, metric, job, &name);
    let created = match api.create(&JOB, namespace, &object).await {
        Err(cause) if cause.reason == Reason::AlreadyExists => {
            is_own(
                api,
                run,
                &metric.name,
                &Key::new(JOB, namespace, &name),
                cause,
            )
            .await
        }
        created => created.map(drop),
    };
    match created {
        Ok(()) => {
            measurement.metadata = BTreeMap::from([
                (JOB_NAME.to_owned(), name),
                (JOB_NAMESPACE.to_owned(), namespace.clone()),
            ]);
            measurement.resume_at = Some(Time(now));
        }
        Err(cause) => fail(&mut measurement, cause.to_string()),
    }
    measurement
}

/// A Job of the name that this run created before for the metric, and did not note, is taken for the new one.
async fn is_own<A: Api>(
    api: &A,
    run: &AnalysisRun,
    metric: &str,
    key: &Key,
    cause: ApiError,
) -> Result<(), ApiError> {
    let existing = api.get(key).await?;
    let is_own = is_owned(&existing, &run.metadata.uid);
    let is_of_metric = existing["metadata"]["annotations"][METRIC_NAME] == metric;
    if is_own && is_of_metric {
        Ok(())
    } else {
        Err(cause)
    }
}

/// `<run's identity>.<metric>.<number>`, where the number is that of the measurement. The name of a metric that is too long ends
/// with its hash: others may begin as it does, and Argo takes one's Job for the other's.
fn name(run: &AnalysisRun, metric: &str) -> String {
    let results = &run.status.metric_results;
    let result = results.iter().find(|result| result.name == metric);
    let number = result.map_or(0, |result| result.count + result.error) + 1;
    let uid = &run.metadata.uid;
    let frame = uid.len() + number.to_string().len() + 2;
    let room = NAME_MAX.saturating_sub(frame);
    if metric.chars().count() <= room {
        return format!("{uid}.{metric}.{number}");
    }
    let hash = safe_fnv(metric.bytes());
    let kept = room.saturating_sub(hash.len() + 1);
    let begin: String = metric.chars().take(kept).collect();
    // A part of a name ends with a letter or a digit.
    let begin = begin.trim_end_matches(|last: char| !last.is_ascii_alphanumeric());
    format!("{uid}.{begin}-{hash}.{number}")
}

fn object(run: &AnalysisRun, metric: &Metric, job: &JobMetric, name: &str) -> Value {
    let mut labels = job.metadata.labels.clone();
    labels.insert(RUN_UID.to_owned(), run.metadata.uid.clone());
    let mut annotations = job.metadata.annotations.clone();
    annotations.extend([
        (
            "analysisrun.argoproj.io/name".to_owned(),
            run.metadata.name.clone(),
        ),
        (
            "analysisrun.argoproj.io/namespace".to_owned(),
            run.metadata.namespace.clone(),
        ),
        (METRIC_NAME.to_owned(), metric.name.clone()),
    ]);
    let mut spec = Value::Object(job.spec.0.clone());
    spec["template"]["metadata"]["labels"][RUN_UID] = json!(run.metadata.uid);
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": run.metadata.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": API_VERSION,
                "kind": "AnalysisRun",
                "name": run.metadata.name,
                "uid": run.metadata.uid,
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": spec,
    })
}

/// The Job of a measurement.
pub(crate) fn key_of(run: &AnalysisRun, measurement: &Measurement) -> Option<Key> {
    let name = measurement.metadata.get(JOB_NAME)?;
    let namespace = measurement
        .metadata
        .get(JOB_NAMESPACE)
        .unwrap_or(&run.metadata.namespace);
    Some(Key::new(JOB, namespace, name))
}

/// Looks at the Job of a measurement again.
pub(crate) async fn resume<A: Api>(
    api: &A,
    run: &AnalysisRun,
    mut measurement: Measurement,
    now: Timestamp,
) -> Measurement {
    let Some(key) = key_of(run, &measurement) else {
        fail(
            &mut measurement,
            "the measurement does not say which Job it is".to_owned(),
        );
        return measurement;
    };
    match look(api, &key).await {
        Ok(State::Ended(phase)) => {
            measurement.phase = phase;
            measurement.finished_at = Some(Time(now));
        }
        Ok(State::Stuck(why)) => {
            measurement.phase = AnalysisPhase::Inconclusive;
            measurement.message = why;
            measurement.finished_at = Some(Time(now));
        }
        Ok(State::Running) => {
            let started = measurement.started_at.map_or(now, |time| time.0);
            // The longer it runs, the less often it is looked at, besides at its own changes.
            let seconds = (2.0 * now.since(started).as_secs_f64()).sqrt();
            let delay = std::time::Duration::from_secs_f64(seconds.clamp(1.0, 300.0));
            measurement.resume_at = Some(Time(now.after(delay)));
        }
        Err(cause) if cause.reason == Reason::NotFound => {
            fail(&mut measurement, cause.to_string());
            measurement.finished_at = Some(Time(now));
        }
        // No answer says nothing about the Job.
        Err(cause) => tracing::warn!(%key, %cause, "a Job cannot be looked at"),
    }
    measurement
}

enum State {
    Running,
    Ended(AnalysisPhase),
    Stuck(String),
}

async fn look<A: Api>(api: &A, key: &Key) -> Result<State, ApiError> {
    let job = api.get(key).await?;
    if let Some(phase) = ended(&job) {
        return Ok(State::Ended(phase));
    }
    let selector: Option<LabelSelector> = job
        .pointer("/spec/selector")
        .and_then(|selector| serde_json::from_value(selector.clone()).ok());
    let Some(selector) = selector else {
        return Ok(State::Running);
    };
    let pods = api
        .list(&POD, &key.namespace, &selector_text(&selector))
        .await?;
    let stuck = pods.iter().find_map(stuck);
    Ok(stuck.map_or(State::Running, State::Stuck))
}

/// How a Job ended, if it did.
fn ended(job: &Value) -> Option<AnalysisPhase> {
    let conditions = job.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .filter(|condition| condition["status"] == "True")
        .find_map(|condition| match condition["type"].as_str() {
            Some("Complete") => Some(AnalysisPhase::Successful),
            Some("Failed") => Some(AnalysisPhase::Failed),
            _ => None,
        })
}

/// Measurements of a run whose Job is known to have ended: they need not wait until they are looked at again.
pub(crate) fn ended_ones(cache: &Cache, run: &AnalysisRun, now: Timestamp) -> Vec<Measured> {
    let results = run.status.metric_results.iter();
    results
        .filter_map(|result| {
            let last = result.measurements.last()?;
            let pending = last.finished_at.is_none().then_some(last)?;
            let job: Value = cache.get(&key_of(run, pending)?)?;
            let measurement = Measurement {
                phase: ended(&job)?,
                finished_at: Some(Time(now)),
                ..pending.clone()
            };
            Some(Measured {
                metric: result.name.clone(),
                work: Work::Resume,
                measurement,
                metadata: BTreeMap::new(),
            })
        })
        .collect()
}

/// Why a pod never starts, if it does not.
fn stuck(pod: &Value) -> Option<String> {
    let name = pod.pointer("/metadata/name").and_then(Value::as_str)?;
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|field| pod.pointer(&format!("/status/{field}"))?.as_array())
        .flatten()
        .find_map(|container| {
            let waiting = container.pointer("/state/waiting")?;
            let reason = waiting["reason"]
                .as_str()
                .filter(|reason| STUCK.contains(reason))?;
            let message = waiting["message"].as_str().unwrap_or_default();
            Some(format!(
                "Pod {name}, container {} has terminal error ({reason}): {message}",
                container["name"].as_str().unwrap_or_default()
            ))
        })
}

/// Ends the Job of a measurement.
pub(crate) async fn terminate<A: Api>(
    api: &A,
    run: &AnalysisRun,
    mut measurement: Measurement,
    now: Timestamp,
) -> Measurement {
    if let Some(key) = key_of(run, &measurement)
        && let Err(cause) = api.delete(&key, None).await
        && cause.reason != Reason::NotFound
    {
        tracing::warn!(%key, %cause, "a Job is not deleted");
        fail(&mut measurement, format!("its Job is not deleted: {cause}"));
        measurement.finished_at = Some(Time(now));
        return measurement;
    }
    measurement.phase = AnalysisPhase::Inconclusive;
    measurement.finished_at = Some(Time(now));
    measurement
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with_uid(uid: &str) -> AnalysisRun {
        let mut run = AnalysisRun::default();
        run.metadata.uid = uid.to_owned();
        run
    }

    /// Argo cuts names off, and takes the Job of one metric for the other's.
    #[test]
    fn jobs_of_metrics_that_begin_alike_have_different_names() {
        let run = run_with_uid("7b0e7c3e-4bb8-4f3c-9d20-5d5f6b0f8c11");
        let api = name(&run, "integration-test-payments-api");
        let web = name(&run, "integration-test-payments-web");
        assert_ne!(api, web);
        for name in [api, web, name(&run, "integration-test-payme-----------")] {
            assert!(name.len() <= NAME_MAX, "{name}");
            let ends_well = |part: &str| part.ends_with(|last: char| last.is_ascii_alphanumeric());
            assert!(name.split('.').all(ends_well), "{name}");
        }
        let short = name(&run, "smoke");
        assert_eq!(short, format!("{}.smoke.1", run.metadata.uid));
    }
}

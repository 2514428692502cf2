//! What the controller needs of metric servers.

use crate::lookup::Lookup;
use sluice_argo::api::{AnalysisPhase, AnalysisRun, Measurement, Metric, Time};
use sluice_argo::condition;
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The longest time for one call, whatever its provider allows.
pub const MEASURE_MAX: Duration = Duration::from_secs(120);

/// What is asked of a metric server.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The metric with all values in place, secrets included: not to be stored or printed.
    pub metric: &'a Metric,
    /// The run as it is stored.
    pub run: &'a AnalysisRun,
    /// The unfinished measurement that is looked at again; `None` when one is begun.
    pub before: Option<&'a Measurement>,
    /// Reads what the provider names by itself.
    pub lookup: &'a dyn Lookup,
    /// Now.
    pub now: Timestamp,
}

/// What a metric server answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value as it is stored and shown.
    pub text: String,
    /// What it means.
    pub meaning: Meaning,
    /// What the provider notes about the metric, as the query with its arguments.
    pub metadata: BTreeMap<String, String>,
    /// What it notes about this measurement, as the server's warnings. Replaces what an unfinished measurement
    /// had under the same names.
    pub notes: BTreeMap<String, String>,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// What the metric's conditions say of this value.
    ByConditions(condition::Value),
    /// What the provider itself says, and why.
    Decided(AnalysisPhase, String),
    /// Nothing yet, and why: the measurement is not finished and looked at again at this moment.
    Unfinished(Timestamp, String),
}

/// An answer that comes.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send + 'a>>;

/// Asks metric servers. Jobs are the controller's own.
pub trait Measure: Send + Sync + 'static {
    /// Measures a metric once, or looks at an unfinished measurement again. What a secret of the provider is
    /// in does not show in the answer, nor in the error, which says cause and next step.
    fn measure<'a>(&'a self, question: Question<'a>) -> Answering<'a>;
}

/// Measures a metric, and says what the value means.
pub(crate) async fn measure(
    source: &dyn Measure,
    question: Question<'_>,
    clock: fn() -> Timestamp,
) -> (Measurement, BTreeMap<String, String>) {
    let answer = tokio::time::timeout(MEASURE_MAX, source.measure(question)).await;
    let now = clock();
    let mut measurement = question.before.cloned().unwrap_or_else(|| Measurement {
        started_at: Some(Time(question.now)),
        ..Measurement::default()
    });
    measurement.finished_at = Some(Time(now));
    measurement.resume_at = None;
    let outcome = match answer {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", MEASURE_MAX.as_secs())),
    };
    let answer = match outcome {
        Ok(answer) => answer,
        Err(cause) => {
            fail(&mut measurement, cause);
            return (measurement, BTreeMap::new());
        }
    };
    measurement.value = answer.text;
    measurement.metadata.extend(answer.notes);
    match answer.meaning {
        Meaning::ByConditions(value) => {
            let metric = question.metric;
            let (success, failure) = (&metric.success_condition, &metric.failure_condition);
            match condition::assess(success, failure, &value, now) {
                Ok(phase) => measurement.phase = phase,
                Err(cause) => fail(&mut measurement, cause),
            }
        }
        Meaning::Decided(phase, why) => {
            measurement.phase = phase;
            measurement.message = why;
        }
        Meaning::Unfinished(resume_at, why) => {
            measurement.phase = AnalysisPhase::Running;
            measurement.message = why;
            measurement.finished_at = None;
            measurement.resume_at = Some(Time(resume_at));
        }
    }
    (measurement, answer.metadata)
}

/// The measurement is in error.
pub(crate) fn fail(measurement: &mut Measurement, cause: String) {
    measurement.phase = AnalysisPhase::Error;
    measurement.message = cause;
}

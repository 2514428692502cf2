//! What the controller needs of metric servers.

use sluice_argo::api::{Measurement, Metric, Time};
use sluice_argo::condition;
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The longest time for one measurement, whatever its provider allows.
const MEASURE_MAX: Duration = Duration::from_secs(120);

/// What a metric server answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value as it is stored and shown.
    pub text: String,
    /// The value as conditions see it.
    pub value: condition::Value,
    /// What the provider notes, as the query with its arguments.
    pub metadata: BTreeMap<String, String>,
}

/// An answer that comes.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send + 'a>>;

/// Asks metric servers. Jobs are the controller's own.
pub trait Measure: Send + Sync + 'static {
    /// Measures a metric once. Its texts have all values in place; Secrets that the provider names by itself
    /// are in `namespace`.
    fn measure<'a>(
        &'a self,
        metric: &'a Metric,
        namespace: &'a str,
        now: Timestamp,
    ) -> Answering<'a>;
}

/// Measures a metric, and says what the value means by its conditions.
pub(crate) async fn measure(
    source: &dyn Measure,
    metric: &Metric,
    namespace: &str,
    clock: fn() -> Timestamp,
) -> (Measurement, BTreeMap<String, String>) {
    let started = clock();
    let answer =
        tokio::time::timeout(MEASURE_MAX, source.measure(metric, namespace, started)).await;
    let now = clock();
    let mut measurement = Measurement {
        started_at: Some(Time(started)),
        finished_at: Some(Time(now)),
        ..Measurement::default()
    };
    let outcome = match answer {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", MEASURE_MAX.as_secs())),
    };
    let (assessed, metadata) = match outcome {
        Ok(answer) => {
            measurement.value = answer.text;
            let (success, failure) = (&metric.success_condition, &metric.failure_condition);
            let assessed = condition::assess(success, failure, &answer.value, now);
            (assessed, answer.metadata)
        }
        Err(cause) => (Err(cause), BTreeMap::new()),
    };
    match assessed {
        Ok(phase) => measurement.phase = phase,
        Err(cause) => fail(&mut measurement, cause),
    }
    (measurement, metadata)
}

/// The measurement is in error.
pub(crate) fn fail(measurement: &mut Measurement, cause: String) {
    measurement.phase = sluice_argo::api::AnalysisPhase::Error;
    measurement.message = cause;
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::{Reading, SecretKeys};

    const NOW: Timestamp = Timestamp(1_795_273_567_000);

    /// A cluster in which nothing is.
    struct Nowhere;

    impl Lookup for Nowhere {
        fn secret<'a>(&'a self, _: &'a str, _: &'a str) -> Reading<'a, SecretKeys> {
            Box::pin(async { Err("there is no Secret".to_owned()) })
        }

        fn canary_weight<'a>(&'a self, _: &'a AnalysisRun) -> Reading<'a, Option<f64>> {
            Box::pin(async { Ok(None) })
        }
    }

    struct Says(Result<Meaning, String>);

    impl Measure for Says {
        fn measure<'a>(&'a self, _: Question<'a>) -> Answering<'a> {
            Box::pin(async {
                Ok(Answer {
                    text: "text".to_owned(),
                    meaning: self.0.clone()?,
                    metadata: BTreeMap::new(),
                    notes: BTreeMap::from([("kept".to_owned(), "new".to_owned())]),
                })
            })
        }
    }

    #[tokio::test]
    async fn a_measurement_ends_by_conditions_or_by_its_provider_or_is_looked_at_again() {
        let later = NOW.after(Duration::from_secs(30));
        let decided = |phase| Ok(Meaning::Decided(phase, "why".to_owned()));
        for (says, phase, kept) in [
            (
                Ok(Meaning::ByConditions(condition::Value::Float(1.0))),
                AnalysisPhase::Successful,
                "new",
            ),
            (
                Ok(Meaning::ByConditions(condition::Value::Float(0.0))),
                AnalysisPhase::Failed,
                "new",
            ),
            (
                Ok(Meaning::ByConditions("a".into())),
                AnalysisPhase::Error,
                "new",
            ),
            (
                decided(AnalysisPhase::Inconclusive),
                AnalysisPhase::Inconclusive,
                "new",
            ),
            (
                Ok(Meaning::Unfinished(later, "why".to_owned())),
                AnalysisPhase::Running,
                "new",
            ),
            // What was noted before an error is there for the next measurement.
            (Err("no answer".to_owned()), AnalysisPhase::Error, "old"),
        ] {
            let metric = Metric {
                success_condition: "result > 0.5".to_owned(),
                ..Metric::default()
            };
            let before = Measurement {
                started_at: Some(Time(Timestamp(0))),
                resume_at: Some(Time(NOW)),
                metadata: BTreeMap::from([("kept".to_owned(), "old".to_owned())]),
                ..Measurement::default()
            };
            let question = Question {
                metric: &metric,
                run: &AnalysisRun::default(),
                before: Some(&before),
                lookup: &Nowhere,
                now: NOW,
            };
            let (measured, _) = measure(&Says(says.clone()), question, || NOW).await;
            assert_eq!(measured.phase, phase, "{says:?}");
            assert_eq!(measured.started_at, before.started_at, "{says:?}");
            assert_eq!(measured.metadata["kept"], kept, "{says:?}");
            let is_over = phase != AnalysisPhase::Running;
            assert_eq!(
                measured.finished_at,
                is_over.then_some(Time(NOW)),
                "{says:?}"
            );
            assert_eq!(
                measured.resume_at,
                (!is_over).then_some(Time(later)),
                "{says:?}"
            );
        }
    }
}

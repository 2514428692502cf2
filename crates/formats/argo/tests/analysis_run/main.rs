//! AnalysisRuns, from their first decision to their end. The situations are those of Argo's own tests
//! (`analysis/analysis_test.go`), told as stories.

mod dry_runs;
mod ends;
mod keeping;
mod limits;
mod properties;
mod schedule;
mod secrets;
mod specs;

use serde_json::{Value, json};
use sluice_argo::analysis_run::{Measured, RunDecision, RunInput, Task, Work, decide};
use sluice_argo::api::{AnalysisPhase, AnalysisRun, Measurement, MetricResult, SecretKeyRef, Time};
use sluice_argo::arguments::Secrets;
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

const START: Timestamp = Timestamp(1_764_000_000_000);

/// A run whose status is stored after each decision, as a cluster would: in JSON.
struct Story {
    run: AnalysisRun,
    now: Timestamp,
    secrets: Secrets,
    decision: RunDecision,
}

impl Story {
    fn of(spec: Value) -> Self {
        let run = json!({"metadata": {"name": "run", "namespace": "ns", "uid": "u"}, "spec": spec});
        let mut story = Story::unstarted(run, START);
        story.decide(&[]);
        story
    }

    fn unstarted(run: Value, now: Timestamp) -> Self {
        Story {
            run: serde_json::from_value(run).expect("a run"),
            now,
            secrets: Secrets::none(),
            decision: RunDecision::default(),
        }
    }

    /// One metric, with Prometheus where nothing else is said.
    fn metric(patch: Value) -> Self {
        Story::of(json!({"metrics": [metric("m", patch)]}))
    }

    fn decide(&mut self, measured: &[Measured]) {
        let input = RunInput {
            run: &self.run,
            secrets: &self.secrets,
            measured,
            now: self.now,
        };
        self.decision = decide(&input);
        assert_eq!(self.decision, decide(&input), "deciding twice is the same");
        let stored = serde_json::to_value(&self.decision.status).expect("JSON");
        self.run.status = serde_json::from_value(stored).expect("a status");
        // What is stored says the same: nothing is new until something happens.
        let again = decide(&RunInput {
            run: &self.run,
            secrets: &self.secrets,
            measured: &[],
            now: self.now,
        });
        assert_eq!(again.status, self.run.status);
        assert_eq!(again.tasks, self.decision.tasks);
        assert_eq!(again.wake_at.is_some(), self.decision.wake_at.is_some());
        assert_eq!(again.events, []);
    }

    fn after(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.shifted(seconds * 1_000);
        self.decide(&[]);
        self
    }

    /// Everything that is due is measured, and comes out so.
    fn measures(&mut self, phase: &str) -> &mut Self {
        let names: Vec<String> = self
            .decision
            .tasks
            .iter()
            .map(|task| task.metric.name.clone())
            .collect();
        assert!(!names.is_empty(), "nothing is due");
        let outcomes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), phase)).collect();
        self.measures_each(&outcomes)
    }

    fn measures_each(&mut self, outcomes: &[(&str, &str)]) -> &mut Self {
        let measured: Vec<Measured> = outcomes
            .iter()
            .map(|(name, phase)| {
                let task = self.task(name);
                let measurement = measurement(phase, task.measurement.as_ref());
                measured(&task, measurement)
            })
            .collect();
        self.decide(&measured);
        self
    }

    fn task(&self, name: &str) -> Task {
        let mut tasks = self.decision.tasks.iter();
        let found = tasks.find(|task| task.metric.name == name);
        found.unwrap_or_else(|| panic!("{name} is not due")).clone()
    }

    fn terminates(&mut self) -> &mut Self {
        self.run.spec.terminate = true;
        self.decide(&[]);
        self
    }

    fn due(&self) -> Vec<(&str, Work)> {
        let tasks = self.decision.tasks.iter();
        tasks
            .map(|task| (task.metric.name.as_str(), task.work))
            .collect()
    }

    fn phase(&self) -> &str {
        self.run.status.phase.as_str()
    }

    fn message(&self) -> &str {
        &self.run.status.message
    }

    fn result(&self, name: &str) -> &MetricResult {
        let mut results = self.run.status.metric_results.iter();
        results
            .find(|result| result.name == name)
            .expect("measured")
    }

    fn wakes_in(&self) -> Option<i64> {
        let wake_at = self.decision.wake_at?;
        Some((wake_at.0 - self.now.0) / 1_000)
    }

    fn events(&self) -> Vec<String> {
        let events = self.decision.events.iter();
        events
            .map(|event| {
                let kind = if event.warning { "Warning" } else { "Normal" };
                format!("{kind} {}: {}", event.reason, event.message)
            })
            .collect()
    }

    /// The run after these measurements, one interval of 60 s after the other; an error waits its 10 s.
    fn plays(patch: Value, phases: &[&str]) -> Self {
        let mut story = Story::metric(patch);
        for (at, phase) in phases.iter().enumerate() {
            if at > 0 {
                story.after(60);
            }
            assert_ne!(story.due(), [], "{phases:?}: the run ended before {at}");
            story.measures(phase);
        }
        story
    }
}

fn metric(name: &str, patch: Value) -> Value {
    let mut metric = json!({"name": name, "provider": {"prometheus": {"query": "up"}}});
    for (key, value) in patch.as_object().expect("an object") {
        metric[key] = value.clone();
    }
    metric
}

fn measurement(phase: &str, before: Option<&Measurement>) -> Measurement {
    let before = before.cloned().unwrap_or_default();
    let (phase, message) = match phase.split_once(": ") {
        Some((phase, message)) => (phase, message),
        None => (phase, ""),
    };
    Measurement {
        phase: AnalysisPhase::from(phase.to_owned()),
        message: message.to_owned(),
        ..before
    }
}

fn measured(task: &Task, measurement: Measurement) -> Measured {
    Measured {
        metric: task.metric.name.clone(),
        work: task.work,
        measurement,
        metadata: BTreeMap::new(),
    }
}

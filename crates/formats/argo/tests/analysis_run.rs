//! AnalysisRuns, from their first decision to their end. The situations are those of Argo's own tests
//! (`analysis/analysis_test.go`), told as stories.

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

mod schedule {
    use super::*;

    #[test]
    fn all_metrics_begin_at_once() {
        let story = Story::of(
            json!({"metrics": [metric("a", json!({})), metric("b", json!({"interval": "60s"}))]}),
        );
        assert_eq!(story.due(), [("a", Work::Start), ("b", Work::Start)]);
        assert_eq!(story.phase(), "Running");
        assert_eq!(story.run.status.started_at, Some(Time(START)));
        assert_eq!(story.decision.wake_at, None);
        assert_eq!(story.events(), [""; 0]);
    }

    #[test]
    fn without_an_interval_it_is_measured_once() {
        let mut story = Story::metric(json!({}));
        story.measures("Successful");
        assert_eq!(story.phase(), "Successful");
        assert_eq!(story.due(), []);
    }

    #[test]
    fn with_an_interval_it_is_measured_again_after_it() {
        let mut story = Story::metric(json!({"interval": "60s"}));
        story.measures("Successful");
        assert_eq!(story.wakes_in(), Some(60));
        story.after(59);
        assert_eq!(story.due(), []);
        assert_eq!(story.wakes_in(), Some(1));
        story.after(1);
        assert_eq!(story.due(), [("m", Work::Start)]);
    }

    #[test]
    fn an_error_is_repeated_after_ten_seconds_whatever_the_interval() {
        for interval in ["1h", "1s"] {
            let mut story = Story::metric(json!({"interval": interval, "count": 3}));
            story.measures("Error");
            assert_eq!(story.wakes_in(), Some(10), "{interval}");
        }
        let mut story = Story::metric(json!({}));
        story.measures("Error").after(10);
        assert_eq!(story.due(), [("m", Work::Start)]);
    }

    #[test]
    fn the_first_measurement_waits_for_the_initial_delay() {
        let mut story = Story::of(json!({"metrics": [
            metric("now", json!({})), metric("later", json!({"initialDelay": "30s", "interval": "60s"}))
        ]}));
        assert_eq!(story.due(), [("now", Work::Start)]);
        assert_eq!(story.wakes_in(), Some(30));
        story.measures("Successful");
        assert_eq!(story.phase(), "Running");
        story.after(30);
        assert_eq!(story.due(), [("later", Work::Start)]);
        story.measures("Successful");
        assert_eq!(story.wakes_in(), Some(60));
    }

    #[test]
    fn the_earliest_metric_wakes() {
        let mut story = Story::of(json!({"metrics": [
            metric("a", json!({"interval": "90s"})),
            metric("b", json!({"interval": "60s"})),
            metric("c", json!({"initialDelay": "70s"}))
        ]}));
        story.measures("Successful");
        assert_eq!(story.wakes_in(), Some(60));
    }

    #[test]
    fn absurd_intervals_make_no_hot_loop() {
        for interval in ["0s", "1ns", "-5m"] {
            let mut story = Story::metric(json!({"interval": interval}));
            story.measures("Successful");
            assert_eq!(story.wakes_in(), Some(1), "{interval}");
        }
    }

    #[test]
    fn an_unfinished_measurement_is_looked_at_when_it_asks_for_it() {
        let mut story = Story::metric(json!({"interval": "60s"}));
        let task = story.task("m");
        let pending = Measurement {
            resume_at: Some(Time(START.shifted(20_000))),
            ..measurement("Running", None)
        };
        story.decide(&[measured(&task, pending)]);
        assert_eq!(story.due(), []);
        assert_eq!(story.wakes_in(), Some(20));
        assert_eq!(story.result("m").phase, AnalysisPhase::Running);
        story.after(20);
        assert_eq!(story.due(), [("m", Work::Resume)]);
        story.measures("Successful");
        assert_eq!(story.result("m").measurements.len(), 1);
        assert_eq!(story.result("m").count, 1);
        assert_eq!(
            story.result("m").measurements[0].started_at,
            Some(Time(START))
        );
    }

    /// A Job has no deadline here: it runs until it ends, however long.
    #[test]
    fn an_unfinished_measurement_without_a_time_is_looked_at_at_once() {
        let mut story = Story::metric(json!({}));
        story.measures("Running").after(86_400);
        assert_eq!(story.due(), [("m", Work::Resume)]);
        assert_eq!(story.wakes_in(), None);
        assert_eq!(story.phase(), "Running");
    }

    /// A crash between measuring and storing: the measurement is due again.
    #[test]
    fn what_was_not_stored_is_due_again() {
        let mut story = Story::metric(json!({"interval": "60s"}));
        story.after(300);
        assert_eq!(story.due(), [("m", Work::Start)]);
    }

    #[test]
    fn a_result_that_is_not_of_this_run_changes_nothing() {
        let mut story = Story::metric(json!({"interval": "60s"}));
        let task = story.task("m");
        let stranger = Measured {
            metric: "stranger".to_owned(),
            ..measured(&task, measurement("Failed", None))
        };
        let resumed = Measured {
            work: Work::Resume,
            ..measured(&task, measurement("Failed", None))
        };
        story.decide(&[stranger, resumed]);
        assert_eq!(story.run.status.metric_results, []);
    }
}

mod limits {
    use super::*;

    /// The phase of the run after these measurements.
    #[test]
    fn counts_and_limits_decide() {
        let f = "Failed";
        let s = "Successful";
        let e = "Error";
        let i = "Inconclusive";
        for (patch, phases, expected) in [
            // failureLimit, 0 where none is written
            (json!({"interval": "60s"}), vec![f], "Failed"),
            (json!({"interval": "60s"}), vec![s], "Running"),
            (
                json!({"interval": "60s", "failureLimit": 2}),
                vec![f, f],
                "Running",
            ),
            (
                json!({"interval": "60s", "failureLimit": 2}),
                vec![f, s, f, f],
                "Failed",
            ),
            (
                json!({"interval": "60s", "failureLimit": "2"}),
                vec![f, f, f],
                "Failed",
            ),
            // -1 tolerates any number
            (
                json!({"interval": "60s", "failureLimit": -1, "consecutiveSuccessLimit": 2}),
                vec![f, f, f, f, s],
                "Running",
            ),
            // inconclusiveLimit
            (json!({"interval": "60s"}), vec![i], "Inconclusive"),
            (
                json!({"interval": "60s", "inconclusiveLimit": 1}),
                vec![i, s],
                "Running",
            ),
            (
                json!({"interval": "60s", "inconclusiveLimit": 1}),
                vec![i, s, i],
                "Inconclusive",
            ),
            // consecutiveErrorLimit, 4 where none is written
            (json!({"interval": "60s"}), vec![e, e, e, e], "Running"),
            (json!({"interval": "60s"}), vec![e, e, e, e, e], "Error"),
            (
                json!({"interval": "60s"}),
                vec![e, e, e, e, s, e],
                "Running",
            ),
            (
                json!({"interval": "60s", "consecutiveErrorLimit": 0}),
                vec![e],
                "Error",
            ),
            (
                json!({"interval": "60s", "consecutiveErrorLimit": 5}),
                vec![e, e, e, e, e],
                "Running",
            ),
            // count; errors do not count
            (json!({"interval": "60s", "count": 2}), vec![s], "Running"),
            (
                json!({"interval": "60s", "count": 2}),
                vec![s, s],
                "Successful",
            ),
            (
                json!({"interval": "60s", "count": 2}),
                vec![s, e, e, s],
                "Successful",
            ),
            (
                json!({"interval": "60s", "count": 3, "failureLimit": 2}),
                vec![f, f, s],
                "Successful",
            ),
            (json!({"count": 1}), vec![s], "Successful"),
            // consecutiveSuccessLimit
            (
                json!({"interval": "60s", "consecutiveSuccessLimit": 3}),
                vec![s, s],
                "Running",
            ),
            (
                json!({"interval": "60s", "consecutiveSuccessLimit": 3}),
                vec![s, s, s],
                "Successful",
            ),
            (
                json!({"interval": "60s", "failureLimit": -1, "consecutiveSuccessLimit": 2}),
                vec![s, f, s, s],
                "Successful",
            ),
            (
                json!({"interval": "60s", "consecutiveSuccessLimit": 2}),
                vec![s, e, s, s],
                "Successful",
            ),
            (
                json!({"interval": "60s", "inconclusiveLimit": 3, "consecutiveSuccessLimit": 2}),
                vec![s, i, s],
                "Running",
            ),
            (
                json!({"interval": "60s", "failureLimit": -1, "consecutiveSuccessLimit": 3, "count": 4}),
                vec![s, f, s, s],
                "Failed",
            ),
            // Both limits, and neither is reached when the count is
            (
                json!({"interval": "60s", "failureLimit": 1, "consecutiveSuccessLimit": 3, "count": 4}),
                vec![s, f, s, s],
                "Inconclusive",
            ),
            (
                json!({"interval": "60s", "failureLimit": 1, "consecutiveSuccessLimit": 3, "count": 4}),
                vec![s, s, s],
                "Successful",
            ),
            (
                json!({"interval": "60s", "failureLimit": 1, "consecutiveSuccessLimit": 3, "count": 4}),
                vec![s, f, f],
                "Failed",
            ),
            (
                json!({"interval": "60s", "consecutiveSuccessLimit": 0, "count": 1}),
                vec![s],
                "Successful",
            ),
        ] {
            let story = Story::plays(patch.clone(), &phases);
            assert_eq!(story.phase(), expected, "{patch}: {phases:?}");
        }
    }

    #[test]
    fn every_measurement_is_counted() {
        let story = Story::plays(
            json!({"interval": "60s", "failureLimit": 5, "inconclusiveLimit": 5}),
            &[
                "Error",
                "Error",
                "Successful",
                "Successful",
                "Failed",
                "Inconclusive",
                "Error",
            ],
        );
        let result = story.result("m");
        assert_eq!((result.count, result.error), (4, 3));
        assert_eq!(
            (result.successful, result.failed, result.inconclusive),
            (2, 1, 1)
        );
        assert_eq!(
            (result.consecutive_error, result.consecutive_success),
            (1, 0)
        );
        assert_eq!(result.measurements.len(), 7);
        assert!(
            result
                .measurements
                .iter()
                .all(|one| one.finished_at.is_some())
        );
    }

    #[test]
    fn the_message_says_which_limit_and_why() {
        let e = "Error: no such host";
        for (patch, phases, expected) in [
            (
                json!({"interval": "60s"}),
                vec!["Failed"],
                "Metric \"m\" assessed Failed due to failed (1) > failureLimit (0)",
            ),
            (
                json!({"interval": "60s"}),
                vec!["Inconclusive"],
                "Metric \"m\" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)",
            ),
            (
                json!({"interval": "60s"}),
                vec![e, e, e, e, e],
                "Metric \"m\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): \"Error Message: no such host\"",
            ),
            (
                json!({"interval": "60s", "failureLimit": -1, "consecutiveSuccessLimit": 2, "count": 2}),
                vec!["Successful", "Failed"],
                "Metric \"m\" assessed Failed due to consecutiveSuccess (0) < consecutiveSuccessLimit (2)",
            ),
            (json!({"count": 1}), vec!["Successful"], ""),
        ] {
            let story = Story::plays(patch, &phases);
            assert_eq!(story.message(), expected);
        }
    }
}

mod ends {
    use super::*;

    #[test]
    fn the_worst_metric_is_the_run() {
        let all = ["Successful", "Inconclusive", "Error", "Failed"];
        for (left, one) in all.iter().enumerate() {
            for (right, other) in all.iter().enumerate() {
                let strict = json!({"consecutiveErrorLimit": 0});
                let mut story = Story::of(
                    json!({"metrics": [metric("a", strict.clone()), metric("b", strict)]}),
                );
                story.measures_each(&[("a", one), ("b", other)]);
                assert_eq!(story.phase(), all[left.max(right)], "{one} and {other}");
                assert_eq!(story.run.status.completed_at, Some(Time(START)));
            }
        }
    }

    #[test]
    fn it_runs_while_a_metric_does() {
        let mut story = Story::of(json!({"metrics": [
            metric("once", json!({})), metric("often", json!({"interval": "60s"}))
        ]}));
        story.measures("Successful");
        assert_eq!(story.phase(), "Running");
        assert_eq!(story.run.status.completed_at, None);
        let summary = &story.run.status.run_summary;
        assert_eq!((summary.count, summary.successful), (2, 1));
    }

    #[test]
    fn a_metric_that_goes_wrong_ends_the_others() {
        let mut story = Story::of(json!({"metrics": [
            metric("bad", json!({})), metric("endless", json!({"interval": "60s"})),
            metric("delayed", json!({"initialDelay": "1h"}))
        ]}));
        story.measures_each(&[("bad", "Failed"), ("endless", "Successful")]);
        assert_eq!(story.phase(), "Failed");
        assert_eq!(story.result("endless").phase, AnalysisPhase::Successful);
        assert_eq!(
            story.events(),
            [
                "Warning MetricFailed: Metric 'bad' Completed. Result: Failed",
                "Normal MetricSuccessful: Metric 'endless' Completed. Result: Successful",
                "Warning AnalysisRunFailed: Analysis Completed. Result: Failed",
            ]
        );
        let summary = &story.run.status.run_summary;
        assert_eq!(
            (summary.count, summary.successful, summary.failed),
            (3, 1, 1)
        );
    }

    #[test]
    fn what_is_unfinished_is_ended_first() {
        let mut story = Story::of(json!({"metrics": [
            metric("bad", json!({})), metric("job", json!({"provider": {"job": {"spec": {}}}}))
        ]}));
        story.measures_each(&[("bad", "Failed"), ("job", "Running")]);
        assert_eq!(story.phase(), "Running");
        assert_eq!(story.due(), [("job", Work::Terminate)]);
        story.measures("Inconclusive");
        assert_eq!(story.phase(), "Failed");
        assert_eq!(story.result("job").phase, AnalysisPhase::Inconclusive);
        assert_eq!(
            story.result("job").measurements[0].message,
            "Metric Terminated"
        );
    }

    #[test]
    fn a_run_can_be_terminated() {
        let mut story = Story::metric(json!({"interval": "60s"}));
        story.measures("Successful").terminates();
        assert_eq!(story.phase(), "Successful");
        assert_eq!(story.message(), "Run Terminated");
        assert_eq!(
            story.events(),
            [
                "Normal MetricSuccessful: Metric 'm' Completed. Result: Successful",
                "Normal AnalysisRunSuccessful: Analysis Completed. Result: Successful",
            ]
        );
    }

    #[test]
    fn a_run_that_was_terminated_before_it_measured_is_no_failure() {
        let mut story = Story::metric(json!({"interval": "60s"}));
        story.terminates();
        assert_eq!(story.phase(), "Successful");
        assert_eq!(story.message(), "Run Terminated");
    }

    #[test]
    fn a_job_is_ended_with_its_run() {
        let mut story =
            Story::metric(json!({"provider": {"prometheus": null, "job": {"spec": {}}}}));
        story.measures("Running").terminates();
        assert_eq!(story.due(), [("m", Work::Terminate)]);
        assert_eq!(story.phase(), "Running");
        story.measures("Successful");
        assert_eq!(story.phase(), "Successful");
        assert_eq!(
            story.result("m").measurements[0].message,
            "Metric Terminated"
        );
    }

    #[test]
    fn an_error_of_ending_it_keeps_its_message() {
        let mut story = Story::metric(json!({"consecutiveErrorLimit": 0}));
        story.measures("Running").terminates();
        story.measures("Error: forbidden");
        assert_eq!(story.phase(), "Error");
        assert_eq!(story.result("m").measurements[0].message, "forbidden");
    }

    /// argoproj/argo-rollouts#4479
    #[test]
    fn all_measurements_in_error_is_not_successful() {
        let e = "Error: no data";
        let many = json!({"interval": "60s", "count": 5, "failureLimit": 2});
        let endless = json!({"interval": "60s", "failureLimit": 9});
        for (patch, phases, expected) in [
            (many.clone(), vec![e, e, e, "Failed"], "Failed"),
            (many.clone(), vec!["Failed", e], "Error"),
            (many.clone(), vec![e, e], "Error"),
            (endless.clone(), vec![e, e], "Error"),
            (many, vec![e, "Successful", e], "Successful"),
            (
                endless,
                vec!["Failed", "Successful", "Failed"],
                "Successful",
            ),
        ] {
            let mut story = Story::plays(patch, &phases);
            assert_eq!(story.phase(), "Running", "{phases:?}");
            story.terminates();
            assert_eq!(story.phase(), expected, "{phases:?}");
        }
        let mut story = Story::metric(json!({"interval": "60s"}));
        story.measures(e).terminates();
        assert_eq!(
            story.message(),
            "Metric \"m\" assessed Error due to no successful measurement: 0 failed, 0 inconclusive, 1 in error: \"Error Message: no data\""
        );
    }

    #[test]
    fn a_run_that_has_ended_never_changes() {
        let mut story = Story::metric(json!({"interval": "60s"}));
        let task = story.task("m");
        story.measures("Failed");
        let before = story.run.status.clone();
        story.after(600);
        story.decide(&[measured(&task, measurement("Successful", None))]);
        story.terminates();
        assert_eq!(story.run.status, before);
        assert_eq!(story.due(), []);
        assert_eq!(story.decision.wake_at, None);
    }

    #[test]
    fn a_run_that_is_being_deleted_is_left_alone() {
        let run = json!({
            "metadata": {"name": "run", "deletionTimestamp": "2026-11-22T00:00:00Z"},
            "spec": {"metrics": [metric("m", json!({}))]}
        });
        let mut story = Story::unstarted(run, START);
        story.decide(&[]);
        assert_eq!(story.due(), []);
        assert_eq!(story.phase(), "");
    }
}

mod dry_runs {
    use super::*;

    fn spec(names: &[&str], dry: &str) -> Value {
        let metrics: Vec<Value> = names.iter().map(|name| metric(name, json!({}))).collect();
        json!({"metrics": metrics, "dryRun": [{"metricName": dry}]})
    }

    #[test]
    fn they_have_no_consequences() {
        let mut story = Story::of(spec(&["dry", "real"], "dry"));
        story.measures_each(&[("dry", "Failed: too high"), ("real", "Successful")]);
        assert_eq!(story.phase(), "Successful");
        assert_eq!(story.message(), "");
        assert!(story.result("dry").dry_run);
        assert!(!story.result("real").dry_run);
        assert_eq!(
            story.result("dry").message,
            "Metric assessed Failed due to failed (1) > failureLimit (0)"
        );
        let status = &story.run.status;
        assert_eq!(
            (status.run_summary.count, status.run_summary.successful),
            (1, 1)
        );
        let dry = status.dry_run_summary.as_ref().expect("it is written");
        assert_eq!((dry.count, dry.failed), (1, 1));
    }

    #[test]
    fn a_run_of_nothing_else_is_successful() {
        let mut story = Story::of(spec(&["a", "b"], ".*"));
        story.measures_each(&[("a", "Failed"), ("b", "Inconclusive")]);
        assert_eq!(story.phase(), "Successful");
        let dry = story
            .run
            .status
            .dry_run_summary
            .clone()
            .expect("it is written");
        assert_eq!((dry.count, dry.failed, dry.inconclusive), (2, 1, 1));
        assert_eq!(story.run.status.run_summary.count, 0);
    }

    #[test]
    fn the_run_waits_for_them() {
        let mut story = Story::of(spec(&["dry", "real"], "dry"));
        story.measures_each(&[("real", "Successful")]);
        assert_eq!(story.phase(), "Running");
        story.after(0).measures_each(&[("dry", "Successful")]);
        assert_eq!(story.phase(), "Successful");
    }

    #[test]
    fn one_that_goes_wrong_ends_no_other() {
        let mut story = Story::of(json!({
            "metrics": [metric("dry", json!({})), metric("real", json!({"interval": "60s"}))],
            "dryRun": [{"metricName": "dry"}]
        }));
        story.measures_each(&[("dry", "Failed"), ("real", "Successful")]);
        assert_eq!(story.phase(), "Running");
        assert_eq!(story.wakes_in(), Some(60));
    }
}

mod specs {
    use super::*;

    #[test]
    fn one_that_makes_no_sense_ends_the_run_at_once() {
        let m = || metric("m", json!({}));
        for (spec, expected) in [
            (
                json!({"metrics": []}),
                "Analysis spec invalid: no metrics specified",
            ),
            (
                json!({"metrics": [m(), m()]}),
                "Analysis spec invalid: metrics[1].name: another metric is called `m` too",
            ),
            (
                json!({"metrics": [metric("m", json!({"provider": {}}))]}),
                "Analysis spec invalid: metrics[0].provider: no provider is named",
            ),
            (
                json!({"metrics": [metric("m", json!({"interval": "soon"}))]}),
                "Analysis spec invalid: metrics[0].interval: ",
            ),
            (
                json!({"metrics": [m()], "dryRun": [{"metricName": "nope"}]}),
                "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)",
            ),
            (
                json!({"metrics": [m()], "measurementRetention": [{"metricName": "nope", "limit": 1}]}),
                "Analysis spec invalid: measurementRetention[0]: Rule didn't match any metric name(s)",
            ),
            (
                json!({"metrics": [metric("m", json!({"interval": "{{args.nope}}"}))]}),
                "Unable to resolve metric arguments: failed to resolve {{args.nope}}",
            ),
            (
                json!({"metrics": [m()], "args": [{"name": "a"}]}),
                "Unable to resolve metric arguments: argument \"a\" was not supplied",
            ),
        ] {
            let story = Story::of(spec.clone());
            assert_eq!(story.phase(), "Error", "{spec}");
            assert!(story.message().starts_with(expected), "{}", story.message());
            assert_eq!(
                story.events(),
                ["Warning AnalysisRunError: Analysis Completed. Result: Error"]
            );
            assert_eq!(story.due(), []);
            assert_eq!(story.run.status.completed_at, Some(Time(START)));
        }
    }

    #[test]
    fn arguments_are_in_place_when_something_is_measured() {
        let story = Story::of(json!({
            "metrics": [metric("m", json!({
                "count": "{{args.count}}", "interval": "{{args.every}}",
                "provider": {"prometheus": {"query": "up{job='{{args.job}}'}"}}
            }))],
            "args": [{"name": "count", "value": "2"}, {"name": "every", "value": "60s"}, {"name": "job", "value": "shop"}]
        }));
        let prometheus = story.task("m").metric.provider.prometheus.expect("it is");
        assert_eq!(prometheus.query, "up{job='shop'}");
        let mut story = story;
        story.measures("Successful");
        assert_eq!((story.phase(), story.wakes_in()), ("Running", Some(60)));
        story.after(60).measures("Successful");
        assert_eq!(story.phase(), "Successful");
    }
}

mod secrets {
    use super::*;

    fn token() -> SecretKeyRef {
        serde_json::from_value(json!({"name": "web", "key": "token"})).expect("a reference")
    }

    fn run() -> Value {
        json!({
            "metadata": {"name": "run"},
            "spec": {
                "metrics": [metric("m", json!({"interval": "60s", "provider": {"web": {"url": "http://x/?t={{args.token}}"}, "prometheus": null}}))],
                "args": [{"name": "token", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}}]
            }
        })
    }

    #[test]
    fn they_reach_the_measurement_and_nothing_else() {
        let mut story = Story::unstarted(run(), START);
        story.secrets.insert(&token(), "s3cret".to_owned());
        story.decide(&[]);
        let task = story.task("m");
        let web = task.metric.provider.web.clone().expect("it is");
        assert_eq!(web.url, "http://x/?t=s3cret");
        assert!(!format!("{:?}", story.decision).contains("s3cret"));
        let told = Measured {
            metadata: BTreeMap::from([("url".to_owned(), "http://x/?t=s3cret".to_owned())]),
            ..measured(
                &task,
                measurement("Error: http://x/?t=s3cret is down", None),
            )
        };
        story.decide(&[told]);
        let result = story.result("m");
        assert_eq!(result.measurements[0].message, "http://x/?t=***** is down");
        assert_eq!(result.metadata["url"], "http://x/?t=*****");
    }

    #[test]
    fn one_that_is_gone_ends_the_run() {
        let mut story = Story::unstarted(run(), START);
        story
            .secrets
            .insert_missing(&token(), "secrets \"web\" not found".to_owned());
        story.decide(&[]);
        assert_eq!(story.phase(), "Error");
        assert_eq!(
            story.message(),
            "Unable to resolve metric arguments: secrets \"web\" not found"
        );
    }

    /// A secret that is deleted later matters when the next measurement needs it.
    #[test]
    fn one_that_is_not_needed_now_may_be_gone() {
        let mut story = Story::unstarted(run(), START);
        story.secrets.insert(&token(), "s3cret".to_owned());
        story.decide(&[]);
        story.measures("Successful");
        story.secrets = Secrets::none();
        story.after(30);
        assert_eq!(story.phase(), "Running");
        story.after(30);
        assert_eq!(
            story.message(),
            "Unable to resolve metric arguments: key 'token' does not exist in secret 'web'"
        );
    }
}

mod keeping {
    use super::*;

    #[test]
    fn ten_measurements_are_kept_or_as_many_as_a_rule_says() {
        for (rules, kept) in [
            (json!([]), 10),
            (json!([{"metricName": "m", "limit": 3}]), 3),
        ] {
            let mut story = Story::of(json!({
                "metrics": [metric("m", json!({"interval": "60s"}))], "measurementRetention": rules
            }));
            for at in 0..12 {
                let task = story.task("m");
                let job = format!("job-{at}");
                let one = Measurement {
                    metadata: BTreeMap::from([("job-name".to_owned(), job)]),
                    ..measurement("Successful", None)
                };
                story.decide(&[measured(&task, one)]);
                let gone: Vec<&str> = story
                    .decision
                    .collect
                    .iter()
                    .map(|one| one.metadata["job-name"].as_str())
                    .collect();
                let expected = format!("job-{}", at as i64 - kept as i64);
                assert_eq!(
                    gone,
                    if at < kept {
                        vec![]
                    } else {
                        vec![expected.as_str()]
                    }
                );
                story.after(60);
            }
            assert_eq!(story.result("m").measurements.len(), kept);
            assert_eq!(story.result("m").count, 12);
        }
    }

    #[test]
    fn a_run_that_has_ended_is_kept_for_as_long_as_it_says() {
        let day = 86_400;
        for (strategy, phase, expected) in [
            (
                json!({"secondsAfterCompletion": day}),
                "Successful",
                Some(day),
            ),
            (json!({"secondsAfterCompletion": day}), "Failed", Some(day)),
            (
                json!({"secondsAfterCompletion": day}),
                "Inconclusive",
                Some(day),
            ),
            (json!({"secondsAfterSuccess": day}), "Successful", Some(day)),
            (json!({"secondsAfterSuccess": day}), "Failed", None),
            (json!({"secondsAfterFailure": day}), "Failed", Some(day)),
            (json!({"secondsAfterFailure": day}), "Successful", None),
            (
                json!({"secondsAfterCompletion": 9, "secondsAfterSuccess": day}),
                "Successful",
                Some(day),
            ),
            (
                json!({"secondsAfterCompletion": 9, "secondsAfterFailure": day}),
                "Failed",
                Some(day),
            ),
            (
                json!({"secondsAfterCompletion": day, "secondsAfterFailure": 9}),
                "Successful",
                Some(day),
            ),
            (json!(null), "Successful", None),
        ] {
            let mut story =
                Story::of(json!({"metrics": [metric("m", json!({}))], "ttlStrategy": strategy}));
            assert_eq!(story.decision.delete_at, None, "it has not ended");
            story.measures(phase);
            let expected = expected.map(|seconds| START.shifted(seconds * 1_000));
            assert_eq!(story.decision.delete_at, expected, "{strategy} {phase}");
            assert_eq!(story.decision.wake_at, expected);
            story.after(day + 1);
            assert_eq!(story.decision.delete_at, expected);
            assert_eq!(story.decision.wake_at, None);
        }
    }

    #[test]
    fn a_run_that_ended_without_a_time_is_kept() {
        let run = json!({
            "metadata": {"name": "run"},
            "spec": {"metrics": [], "ttlStrategy": {"secondsAfterCompletion": 1}},
            "status": {"phase": "Successful"}
        });
        let mut story = Story::unstarted(run, START);
        story.decide(&[]);
        assert_eq!(story.decision.delete_at, None);
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn counts(status: &sluice_argo::api::AnalysisRunStatus) -> Vec<i32> {
        let results = status.metric_results.iter();
        results
            .flat_map(|one| {
                [
                    one.count,
                    one.successful,
                    one.failed,
                    one.inconclusive,
                    one.error,
                ]
            })
            .collect()
    }

    proptest! {
        /// Whatever is measured, and whenever: counts never fall, a run that has ended never changes, and
        /// one that has not has something due, something to wait for, or something under way.
        #[test]
        fn a_run_only_goes_on(
            steps in proptest::collection::vec((0..5_usize, 0..90_i64, any::<bool>()), 1..60),
            limits in (-1..3_i32, 0..3_i32, 0..3_i32, 0..3_i32),
            terminates_at in 0..80_usize,
        ) {
            let (failures, inconclusive, errors, successes) = limits;
            let limits = json!({
                "interval": "30s", "failureLimit": failures, "inconclusiveLimit": inconclusive,
                "consecutiveErrorLimit": errors, "consecutiveSuccessLimit": successes.max(i32::from(failures < 0))
            });
            let mut story = Story::of(json!({
                "metrics": [metric("a", limits), metric("b", json!({"initialDelay": "45s"})), metric("dry", json!({"interval": "1m", "count": 3}))],
                "dryRun": [{"metricName": "dry"}]
            }));
            let phases = ["Successful", "Failed", "Inconclusive", "Error", "Running"];
            let mut before = story.run.status.clone();
            for (at, (phase, wait, every)) in steps.into_iter().enumerate() {
                if at == terminates_at {
                    story.terminates();
                }
                let names: Vec<String> = story.decision.tasks.iter()
                    .filter(|_| every || phase == 0)
                    .map(|task| task.metric.name.clone())
                    .collect();
                let outcomes: Vec<(&str, &str)> =
                    names.iter().map(|name| (name.as_str(), phases[phase])).collect();
                if !outcomes.is_empty() {
                    story.measures_each(&outcomes);
                }
                story.after(wait);
                let now = &story.run.status;
                let grown = counts(now);
                for (old, new) in counts(&before).into_iter().zip(grown) {
                    prop_assert!(new >= old);
                }
                if before.phase.is_completed() {
                    prop_assert_eq!(&before, now);
                } else if !now.phase.is_completed() {
                    prop_assert!(!story.due().is_empty() || story.decision.wake_at.is_some());
                }
                prop_assert!(now.metric_results.iter().all(|one| one.measurements.len() <= 10));
                before = now.clone();
            }
        }
    }
}

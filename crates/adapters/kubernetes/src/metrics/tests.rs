#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use super::*;
use crate::api::Key;
use crate::queue::Outcome;
use crate::requests::Verb;
use crate::resource::{ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE, Resource, SERVICE};
use serde_json::{Value, json};
use sluice_argo::api::{RolloutDurationStatus, Time};
use sluice_argo::event::Event;
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A cluster as a controller knows it, and what it did.
#[derive(Default)]
struct Known {
    cache: Cache,
    queue: Queue,
    metrics: Metrics,
    version: u64,
}

impl Known {
    fn put(&mut self, resource: &Resource, name: &str, mut object: Value) -> Key {
        self.version += 1;
        object["metadata"]["name"] = json!(name);
        if resource.namespaced {
            object["metadata"]["namespace"] = json!("shop");
        }
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let key = crate::cache::key_of(resource, &object);
        self.cache.put(resource, object);
        key
    }

    fn text(&self) -> String {
        let scrape = Scrape::of(&Told {
            cache: &self.cache,
            queue: &self.queue,
            metrics: &self.metrics,
            notifier: None,
            instance_id: "",
        });
        scrape.collect()
    }
}

/// The samples of a text, with the kind of their family.
fn samples(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| line.rsplit_once(' ').unwrap());
    let samples: Vec<_> = samples
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let count = samples.len();
    let samples: BTreeMap<_, _> = samples.into_iter().collect();
    assert_eq!(samples.len(), count, "no sample is there twice");
    samples
}

fn condition(kind: &str, reason: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason})
}

#[test]
fn rollouts_have_the_samples_that_dashboards_of_argo_ask_for() {
    let mut known = Known::default();
    known.put(
        &ROLLOUT,
        "checkout",
        json!({
            "spec": {"replicas": 4, "strategy": {"canary": {"trafficRouting": {"istio": {}, "nginx": null}}}},
            "status": {
                "replicas": 5, "availableReplicas": 3, "updatedReplicas": 1,
                "conditions": [condition("Progressing", "RolloutPaused")],
            },
        }),
    );
    let text = known.text();
    let got = samples(&text);
    let of = r#"namespace="shop",name="checkout""#;
    let table = [
        (
            format!(
                r#"rollout_info{{{of},strategy="canary",traffic_router="Istio",phase="Paused"}}"#
            ),
            "1",
        ),
        (format!("rollout_info_replicas_available{{{of}}}"), "3"),
        (format!("rollout_info_replicas_unavailable{{{of}}}"), "2"),
        (format!("rollout_info_replicas_desired{{{of}}}"), "4"),
        (format!("rollout_info_replicas_updated{{{of}}}"), "1"),
        (
            format!(r#"rollout_phase{{{of},strategy="canary",phase="Paused"}}"#),
            "1",
        ),
        (
            format!(r#"rollout_phase{{{of},strategy="canary",phase="Completed"}}"#),
            "0",
        ),
    ];
    for (name, value) in table {
        assert_eq!(
            got.get(&name).map(String::as_str),
            Some(value),
            "{name}\n{text}"
        );
    }
    assert_eq!(got.len(), 5 + 6, "{text}");
}

#[test]
fn the_phase_and_the_strategy_are_those_of_argos_metrics() {
    let table = [
        (json!({}), json!([]), "none", "", "Progressing"),
        (
            json!({"blueGreen": {}}),
            json!([condition("Progressing", "NewReplicaSetAvailable")]),
            "blueGreen",
            "",
            "Completed",
        ),
        (
            json!({"canary": {}}),
            json!([condition("Progressing", "ReplicaSetCreateError")]),
            "canary",
            "",
            "Error",
        ),
        (
            json!({"canary": {"trafficRouting": {"alb": {}, "smi": {}}}}),
            json!([condition("Progressing", "ProgressDeadlineExceeded")]),
            "canary",
            "SMI",
            "Timeout",
        ),
        (
            json!({"canary": {"trafficRouting": {"traefik": {}}}}),
            json!([condition("Progressing", "RolloutAborted")]),
            "canary",
            "",
            "Abort",
        ),
        (
            json!({"canary": null, "blueGreen": {}}),
            json!([
                condition("Progressing", "RolloutPaused"),
                condition("InvalidSpec", "InvalidSpec")
            ]),
            "blueGreen",
            "",
            "InvalidSpec",
        ),
    ];
    for (strategy, conditions, name, router, phase) in table {
        let mut known = Known::default();
        let object = json!({"spec": {"strategy": strategy}, "status": {"conditions": conditions}});
        known.put(&ROLLOUT, "a", object);
        let text = known.text();
        let wanted = format!(
            r#"rollout_info{{namespace="shop",name="a",strategy="{name}",traffic_router="{router}",phase="{phase}"}} 1"#
        );
        assert!(text.contains(&wanted), "{wanted}\n{text}");
    }
}

#[test]
fn analyses_and_experiments_are_told_by_phase() {
    let mut known = Known::default();
    let metrics = json!([
        {"name": "errors", "provider": {"prometheus": {"query": "up"}}},
        {"name": "smoke", "provider": {"job": {"spec": {}}, "web": null}},
    ]);
    known.put(
        &ANALYSIS_RUN,
        "run",
        json!({
            "spec": {"metrics": metrics, "dryRun": [{"metricName": "smo.*"}]},
            "status": {"phase": "Running", "metricResults": [{"name": "errors", "phase": "Successful"}]},
        }),
    );
    known.put(&EXPERIMENT, "trial", json!({"status": {"phase": "Failed"}}));
    known.put(
        &ANALYSIS_TEMPLATE,
        "one",
        json!({"spec": {"metrics": metrics}}),
    );
    known.put(&CLUSTER_ANALYSIS_TEMPLATE, "all", json!({"spec": {}}));
    let text = known.text();
    let got = samples(&text);
    for name in [
        r#"analysis_run_info{namespace="shop",name="run",phase="Running"}"#,
        r#"analysis_run_phase{namespace="shop",name="run",phase="Running"}"#,
        r#"analysis_run_metric_type{namespace="shop",name="run",metric="smoke",type="Job"}"#,
        r#"analysis_run_metric_phase{namespace="shop",name="run",metric="errors",type="Prometheus",dry_run="false",phase="Successful"}"#,
        r#"analysis_run_metric_phase{namespace="shop",name="run",metric="smoke",type="Job",dry_run="true",phase="Pending"}"#,
        r#"experiment_info{namespace="shop",name="trial",phase="Failed"}"#,
        r#"analysis_template_info{namespace="shop",name="one"}"#,
        r#"analysis_template_info{namespace="",name="all"}"#,
        r#"analysis_template_metric_info{namespace="shop",name="one",type="Prometheus",metric="errors"}"#,
    ] {
        assert_eq!(
            got.get(name).map(String::as_str),
            Some("1"),
            "{name}\n{text}"
        );
    }
}

#[test]
fn objects_of_another_instance_are_not_told() {
    let mut known = Known::default();
    let labels = json!({"argo-rollouts.argoproj.io/controller-instance-id": "other"});
    for resource in [ROLLOUT, ANALYSIS_RUN, EXPERIMENT] {
        known.put(&resource, "a", json!({"metadata": {"labels": labels}}));
    }
    assert_eq!(known.text(), "");
}

/// argoproj/argo-rollouts#1885
#[test]
fn what_is_counted_for_an_object_goes_with_it() {
    let mut known = Known::default();
    let key = known.put(&ROLLOUT, "checkout", json!({}));
    let event = Event {
        warning: true,
        reason: "RolloutAborted".to_owned(),
        message: "because".to_owned(),
    };
    known.metrics.recorded(&key, &event);
    known.metrics.recorded(&key, &event);
    known.metrics.looked(&key, Duration::from_millis(20), true);
    let text = known.text();
    for line in [
        "# TYPE rollout_reconcile histogram",
        r#"rollout_reconcile_bucket{namespace="shop",name="checkout",le="0.01"} 0"#,
        r#"rollout_reconcile_bucket{namespace="shop",name="checkout",le="0.15"} 1"#,
        r#"rollout_reconcile_count{namespace="shop",name="checkout"} 1"#,
        "# TYPE rollout_reconcile_error counter",
        r#"rollout_reconcile_error{namespace="shop",name="checkout"} 1"#,
        "# TYPE rollout_events_total counter",
        r#"rollout_events_total{namespace="shop",name="checkout",type="Warning",reason="RolloutAborted"} 2"#,
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
    known.cache.remove(&key, 100);
    assert_eq!(known.text(), "");
    known.put(&ROLLOUT, "checkout", json!({"metadata": {"uid": "new"}}));
    assert_eq!(
        known.text(),
        "",
        "an older version than the removal is not known"
    );
    known.version = 200;
    known.put(&ROLLOUT, "checkout", json!({}));
    let text = known.text();
    assert!(
        !text.contains("rollout_reconcile"),
        "another object begins anew\n{text}"
    );
}

#[test]
fn kinds_of_events_are_bounded() {
    let mut known = Known::default();
    let key = known.put(&ROLLOUT, "checkout", json!({}));
    let service = Key::new(SERVICE, "shop", "checkout");
    for number in 0..1_000 {
        let event = Event {
            warning: false,
            reason: format!("Reason{number}"),
            message: String::new(),
        };
        known.metrics.recorded(&key, &event);
        known.metrics.recorded(&service, &event);
    }
    let events = known.text().matches("rollout_events_total{").count();
    assert_eq!(events, 64);
}

#[test]
fn rollouts_that_ended_are_counted_by_how() {
    let known = Known::default();
    known.metrics.completed(&RolloutDurationStatus {
        rollout_started_at: Some(Time(Timestamp(1_000_000))),
        finished_at: Some(Time(Timestamp(1_300_000))),
        total_manual_pause_duration_seconds: Some(60),
        completion_status: Some("Promoted".to_owned()),
        ..RolloutDurationStatus::default()
    });
    known.metrics.completed(&RolloutDurationStatus::default());
    let got = samples(&known.text());
    let table = [
        (
            r#"rollout_duration_seconds_bucket{status="Promoted",le="120"}"#,
            "0",
        ),
        (
            r#"rollout_duration_seconds_bucket{status="Promoted",le="300"}"#,
            "1",
        ),
        (r#"rollout_duration_seconds_sum{status="Promoted"}"#, "300"),
        (
            r#"rollout_progression_duration_seconds_sum{status="Promoted"}"#,
            "240",
        ),
        (
            r#"rollout_manual_pause_duration_seconds_bucket{status="Promoted",le="0"}"#,
            "0",
        ),
        (
            r#"rollout_manual_pause_duration_seconds_sum{status="Promoted"}"#,
            "60",
        ),
        (
            r#"rollout_manual_pause_duration_seconds_count{status="Promoted"}"#,
            "1",
        ),
    ];
    for (name, value) in table {
        assert_eq!(got.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_told_by_kind() {
    let known = Known::default();
    let rollout = |name: &str| Key::new(ROLLOUT, "shop", name);
    for name in ["a", "b", "a"] {
        known.queue.add(&rollout(name));
    }
    known.queue.add(&Key::new(ANALYSIS_RUN, "shop", "run"));
    tokio::time::advance(Duration::from_secs(3)).await;
    known.queue.next().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let second = known.queue.next().await;
    tokio::time::advance(Duration::from_secs(4)).await;
    let run = Key::new(ANALYSIS_RUN, "shop", "run");
    let oldest = known.queue.oldest();
    assert_eq!(oldest, Some((run, Duration::from_secs(9))));
    known.queue.finish(&second, Outcome::Failed(None));
    let got = samples(&known.text());
    let table = [
        (r#"workqueue_depth{name="Rollouts"}"#, "0"),
        (r#"workqueue_depth{name="AnalysisRuns"}"#, "1"),
        (r#"workqueue_adds_total{name="Rollouts"}"#, "2"),
        (r#"workqueue_retries_total{name="Rollouts"}"#, "1"),
        (
            r#"workqueue_queue_duration_seconds_sum{name="Rollouts"}"#,
            "8",
        ),
        (
            r#"workqueue_work_duration_seconds_sum{name="Rollouts"}"#,
            "4",
        ),
        (r#"workqueue_unfinished_work_seconds{name="Rollouts"}"#, "6"),
        (
            r#"workqueue_longest_running_processor_seconds{name="Rollouts"}"#,
            "6",
        ),
    ];
    for (name, value) in table {
        assert_eq!(got.get(name).map(String::as_str), Some(value), "{name}");
    }
    let third = known.queue.next().await;
    known.queue.finish(&third, Outcome::Done(None));
    let oldest = known.queue.oldest().map(|(_, age)| age);
    assert_eq!(
        oldest,
        Some(Duration::from_secs(6)),
        "what is being looked at counts"
    );
}

/// argoproj/argo-rollouts#3929, argoproj/argo-rollouts#4571
#[test]
fn requests_are_counted_by_kind_and_not_by_object() {
    let requests = Arc::new(Requests::default());
    for status in [200, 200, 404] {
        requests.begin(Verb::Get, &ROLLOUT).answered(status);
    }
    drop(requests.begin(Verb::Patch, &SERVICE));
    let scrape = Scrape(VecDeque::new()).with_process(&requests, 1.5e9);
    let got = samples(&scrape.collect::<String>());
    let name = |kind: &str, verb: &str, status: &str| {
        format!(
            r#"controller_clientset_k8s_request_total{{kind="{kind}",namespace="N/A",name="N/A",verb="{verb}",status_code="{status}"}}"#
        )
    };
    assert_eq!(got[&name("rollouts", "Get", "200")], "2");
    assert_eq!(got[&name("rollouts", "Get", "404")], "1");
    assert_eq!(
        got[&name("services", "Patch", "0")],
        "1",
        "given up before an answer"
    );
    assert_eq!(got["process_start_time_seconds"], "1500000000");
    assert!(got["process_resident_memory_bytes"].parse::<f64>().unwrap() > 0.0);
}

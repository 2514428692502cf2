//! Expressions over named values, as triggers of notifications have them.

use serde_json::json;
use sluice_argo::condition::{Expression, Value};
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

const NOW: Timestamp = Timestamp(1_795_316_640_000);

fn yielded(text: &str) -> Result<String, String> {
    let rollout = json!({
        "status": {"phase": "Healthy", "currentStepIndex": 2, "observedGeneration": "7", "startedAt": "2026-11-22T02:54:00Z"},
        "metadata": {"generation": 7, "labels": {}, "annotations": {"a/b": "x"}},
        "spec": {"strategy": {"canary": {"steps": [{}, {}]}}, "replicas": 1_000_000},
    });
    let names = BTreeMap::from([("rollout".to_owned(), Value::of_object(&rollout))]);
    let expression = Expression::parse(text).map_err(|error| error.to_string())?;
    expression
        .yields(&names, NOW)
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn what_triggers_ask_of_a_rollout() {
    for (text, expected) in [
        ("rollout.status.phase in ['Healthy', 'Paused']", "true"),
        (
            "rollout.status.currentStepIndex == len(rollout.spec.strategy.canary.steps)",
            "true",
        ),
        (
            "rollout.metadata.generation == int(rollout.status.observedGeneration)",
            "true",
        ),
        (
            "rollout.metadata.annotations['a/b'] == 'x' and rollout.spec.strategy.blueGreen == nil",
            "true",
        ),
        ("rollout.spec.template?.spec.containers == nil", "true"),
        ("rollout.metadata.labels['env'] ?? 'none'", "none"),
        (
            "time.Now().Sub(time.Parse(rollout.status.startedAt)).Minutes() >= 10",
            "true",
        ),
        (
            "time.Parse(rollout.status.startedAt).Add(duration('1h')).After(time.Now())",
            "true",
        ),
        ("time.Now().Unix()", "1795316640"),
        ("rollout.spec.replicas", "1000000"),
        ("result", "<nil>"),
        ("analysisRuns == nil", "true"),
        ("let time2 = time.Now(); time2.Hour()", "3"),
    ] {
        assert_eq!(yielded(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_computed_says_why() {
    for (text, part) in [
        ("rollout.status.phase ==", "character"),
        ("rollout.status.nothing.field == 1", "nil"),
        ("isNil(rollout)", "there is no function `isNil`"),
        ("'a'.foo()", "no method `foo`"),
        (
            "rollout.status.phase.Minutes()",
            "string has no method `Minutes`",
        ),
        ("time.Parse('now')", "no RFC 3339 time"),
        ("time.Sleep(1)", "time.Now() and time.Parse(text)"),
    ] {
        let error = yielded(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn only_some_depend_on_the_time() {
    for (text, reads) in [
        ("rollout.status.phase == 'Healthy'", false),
        ("now() > date('2026-01-01')", true),
        ("rollout.a == 1 || time.Now().Hour() > 7", true),
    ] {
        let expression = Expression::parse(text).expect(text);
        assert_eq!(expression.reads_time(), reads, "{text}");
    }
}

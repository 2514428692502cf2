//! What every provider has to make of servers that fail, hang, or answer something else.

use crate::support::{Fake, HANG, fetch, fetch_from, ok, reply};
use serde_json::json;
use sluice_metrics::{ANSWER_BYTES_MAX, FetchErrorKind, Query, Retry};
use std::time::Duration;

/// One query of each provider, as it is stored.
fn queries() -> Vec<Query> {
    let side = json!({"scope": "app=shop", "step": 60});
    [
        json!({"prometheus": {"query": "up"}}),
        json!({"prometheus": {"query": "up", "step": 15_000}}),
        json!({"web": {"method": "POST", "body": {"json": 1}, "jsonPath": "{.a}"}}),
        json!({"datadog": {"v1": {"query": "avg:a{*}"}}}),
        json!({"datadog": {"v2": {"queries": {"a": "avg:a{*}"}, "aggregator": "sum"}}}),
        json!({"newRelic": {"accountId": 7, "query": "SELECT 1"}}),
        json!({"wavefront": {"query": "ts(a)"}}),
        json!({"cloudWatch": {"metricDataQueries": [{"id": "a", "expression": "b/c"}]}}),
        json!({"graphite": {"target": "a.b"}}),
        json!({"influxdb": {"org": "shop", "query": "from(bucket: \"a\")"}}),
        json!({"skywalking": {"query": "query q($duration: Duration!) { a }"}}),
        json!({"kayenta": {
            "application": "shop", "canaryConfigName": "c", "metricsAccountName": "m",
            "configurationAccountName": "s", "storageAccountName": "s", "pass": 90, "marginal": 75,
            "scopes": [{"name": "default", "control": side, "experiment": side}],
            "pollInterval": 100,
        }}),
    ]
    .into_iter()
    .map(|stored| serde_json::from_value(stored).unwrap())
    .collect()
}

#[test]
fn every_query_is_stored_and_read_back() {
    for query in queries() {
        let stored = serde_json::to_string(&query).unwrap();
        assert_eq!(serde_json::from_str::<Query>(&stored).unwrap(), query);
        let unknown = stored.replacen("\":{", "\":{\"unknown\":1,", 1);
        assert!(
            serde_json::from_str::<Query>(&unknown).is_err(),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn every_provider_tells_failures_apart() {
    let wait = "HTTP/1.1 429 Slow Down\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n";
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"a\": [";
    for query in queries() {
        for (answer, kind, retry) in [
            (
                reply("500 Oops", "<html>out of order</html>"),
                FetchErrorKind::Faulty,
                Retry::Later,
            ),
            (
                reply("403 Forbidden", "<html>no</html>"),
                FetchErrorKind::Unauthorized,
                Retry::Never,
            ),
            (
                reply("400 Bad Request", "what is that"),
                FetchErrorKind::Rejected,
                Retry::Never,
            ),
            (
                wait.to_owned(),
                FetchErrorKind::Throttled,
                Retry::After(Duration::from_secs(30)),
            ),
            (half.to_owned(), FetchErrorKind::Unreachable, Retry::Later),
            (
                ok("<html>welcome</html>"),
                FetchErrorKind::Malformed,
                Retry::Never,
            ),
        ] {
            let (fake, answered) = fetch_from(answer.clone(), &query).await;
            let error = answered.unwrap_err();
            assert_eq!(
                (error.kind, error.retry),
                (kind, retry),
                "{query:?} {answer}: {error}"
            );
            let place = format!("metric source `prod`: http://{}", fake.address);
            assert!(error.to_string().starts_with(&place), "{query:?}: {error}");
            assert!(!error.next_step.is_empty());
        }
    }
}

#[tokio::test]
async fn no_provider_waits_for_ever_or_reads_for_ever() {
    let huge = format!("\"{}\"", "x".repeat(ANSWER_BYTES_MAX));
    for query in queries() {
        let fake = Fake::answering([HANG]).await;
        let mut server = fake.server();
        server.timeout = Duration::from_millis(200);
        let error = fetch(&server, &query).await.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::TimedOut, "{query:?}: {error}");

        let (_fake, answered) = fetch_from(ok(&huge), &query).await;
        let error = answered.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::TooLarge, "{query:?}: {error}");
    }
}

//! What cannot be measured says the provider, the cause and the next step, and no secret.

use super::support::{Cluster, Fake, measure, metric};
use crate::controller::Environment;
use serde_json::json;

#[tokio::test]
async fn what_cannot_work_is_refused_with_cause_and_next_step() {
    let side = json!({"scope": "s", "region": "", "step": 60});
    for (provider, said) in [
        (
            json!({"prometheus": {"query": "up"}}),
            &["prometheus", "set ARGO_ROLLOUTS_PROMETHEUS_ADDRESS"][..],
        ),
        (
            json!({"prometheus": {"address": "prometheus:9090", "query": "up"}}),
            &["prometheus", "https://host/path"],
        ),
        (
            json!({"prometheus": {"address": "http://127.0.0.1:1", "query": "up", "timeout": -1}}),
            &["prometheus", "timeout is -1"],
        ),
        (
            json!({"prometheus": {"address": "http://127.0.0.1:1", "query": "up", "authentication": {"basicAuth": {"username": "rosa"}}}}),
            &["prometheus", "basicAuth.password is missing"],
        ),
        (
            json!({"prometheus": {"address": "http://127.0.0.1:1", "query": "up", "authentication": {
                "basicAuth": {"username": "rosa", "password": "p"},
                "oauth2": {"tokenUrl": "http://127.0.0.1:1", "clientId": "a", "clientSecret": "b"},
            }}}),
            &["prometheus", "keep one of"],
        ),
        (
            json!({"prometheus": {"address": "http://127.0.0.1:1/aps-workspaces", "query": "up", "authentication": {"sigv4": {"region": "eu-central-1"}}}}),
            &["prometheus", "set AWS_ACCESS_KEY_ID"],
        ),
        (
            json!({"prometheus": {"address": "http://127.0.0.1:1/aps-workspaces", "query": "up", "authentication": {"sigv4": {"region": "evil.example/"}}}}),
            &["prometheus", "`evil.example/` is no AWS region"],
        ),
        (
            json!({"prometheus": {"address": "http://127.0.0.1:1/aps-workspaces", "query": "up", "authentication": {"sigv4": {"region": "eu-central-1", "profile": "shop"}}}}),
            &[
                "prometheus",
                "no profile `shop`",
                "AWS_SHARED_CREDENTIALS_FILE",
            ],
        ),
        (
            json!({"prometheus": {"address": "http://127.0.0.1:1", "query": "up", "rangeQuery": {"start": "yesterday", "end": "now()", "step": "1m"}}}),
            &["prometheus", "rangeQuery.start `yesterday`"],
        ),
        (
            json!({"web": {"url": "http://127.0.0.1:1", "method": "PATCH"}}),
            &["web", "GET, POST or PUT"],
        ),
        (
            json!({"web": {"url": "http://127.0.0.1:1", "body": "x"}}),
            &["web", "body with GET"],
        ),
        (
            json!({"web": {"url": "http://127.0.0.1:1", "method": "PUT", "body": "x", "jsonBody": {"a": 1}}}),
            &["web", "leave out one"],
        ),
        (
            json!({"web": {"url": "http://127.0.0.1:1", "jsonPath": "{$.a[}"}}),
            &["web", "JSON path"],
        ),
        (
            json!({"datadog": {"query": "q"}}),
            &["datadog", "argo/datadog"],
        ),
        (
            json!({"datadog": {"query": "q", "secretRef": {"namespaced": true}}}),
            &["datadog", "secretRef.name"],
        ),
        (json!({"datadog": {}}), &["datadog", "`query` or `queries`"]),
        (
            json!({"datadog": {"query": "q", "aggregator": "sum"}}),
            &["datadog", "v1 has no aggregator"],
        ),
        (
            json!({"datadog": {"query": "q", "interval": "soon"}}),
            &["datadog", "interval", "is not a duration"],
        ),
        (
            json!({"newRelic": {"query": "q"}}),
            &["newRelic", "argo/newrelic"],
        ),
        (
            json!({"influxdb": {"query": "q", "profile": "p"}}),
            &["influxdb", "argo/p"],
        ),
        (
            json!({"wavefront": {"address": "a.wavefront.com", "query": "q"}}),
            &["wavefront", "argo/wavefront-api-tokens"],
        ),
        (
            json!({"cloudWatch": {"metricDataQueries": []}}),
            &["cloudWatch", "set AWS_REGION"],
        ),
        (
            json!({"graphite": {"address": "http://127.0.0.1:1", "query": "stats.*"}}),
            &["graphite", "target="],
        ),
        (
            json!({"kayenta": {"address": "http://127.0.0.1:1", "scopes": [{
                "name": "default", "experimentScope": side.clone(),
                "controlScope": {"scope": "s", "region": "", "step": 60, "start": "2026-11-21T00:00:00Z"},
            }]}}),
            &["kayenta", "`default` has a start on one side only"],
        ),
        (
            json!({"plugin": {"argoproj-labs/sample": {}}}),
            &["`argoproj-labs/sample`", "another provider"],
        ),
        (json!({}), &["errors", "names no provider"]),
    ] {
        let environment = Environment::default().with("AWS_EC2_METADATA_DISABLED", "true");
        let metric = metric(provider.clone());
        let answer = measure(environment, &metric, &Cluster::default()).await;
        let error = answer.expect_err(&provider.to_string());
        for part in said {
            assert!(error.contains(part), "{provider}: no {part:?} in: {error}");
        }
    }
}

#[tokio::test]
async fn no_data_is_an_error_where_it_is_one_for_argo() {
    for (provider, body) in [
        (
            json!({"graphite": {"address": "URL", "query": "target=a"}}),
            "[]",
        ),
        (json!({"web": {"url": "URL", "jsonPath": "{$.a}"}}), "{}"),
        (
            json!({"skywalking": {"address": "URL", "query": "q"}}),
            r#"{"data": null, "errors": [{"message": "broken"}]}"#,
        ),
        (
            json!({"skywalking": {"address": "URL", "query": "q"}}),
            r#"{"data": {}, "errors": [{"message": "broken"}]}"#,
        ),
        (
            json!({"prometheus": {"address": "URL", "query": "q"}}),
            r#"{"status": "success", "data": {"resultType": "string", "result": [1, "x"]}}"#,
        ),
    ] {
        let fake = Fake::answering(&[(200, body)]).await;
        let provider = provider.to_string().replace("URL", &fake.url());
        let metric = metric(serde_json::from_str(&provider).unwrap());
        let answer = measure(Environment::default(), &metric, &Cluster::default()).await;
        assert!(answer.is_err(), "{provider}: {answer:?}");
    }
}

#[tokio::test]
async fn secrets_that_a_server_repeats_do_not_show() {
    let keys = [
        ("authToken", "hunter2-token"),
        ("org", "shop"),
        ("address", "URL"),
    ];
    let body = r#"{"code": "unauthorized", "message": "no such token: hunter2-token"}"#;
    let fake = Fake::answering(&[(401, body)]).await;
    let keys = keys.map(|(key, value)| (key, value.replace("URL", &fake.url())));
    let keys: Vec<(&str, &str)> = keys
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let cluster = Cluster::with("argo/influxdb", &keys);
    let metric = metric(json!({"influxdb": {"query": "q"}}));
    let error = measure(Environment::default(), &metric, &cluster)
        .await
        .unwrap_err();
    assert!(
        error.contains("influxdb") && error.contains("no such token: ***"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_token_that_is_withdrawn_twice_is_fetched_again() {
    let server = Fake::answering(&[(401, ""), (401, ""), (200, "7")]).await;
    let tokens = Fake::answering(&[(
        200,
        r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 3600}"#,
    )])
    .await;
    let metric = metric(
        json!({"web": {"url": server.url(), "authentication": {"oauth2": {
            "tokenUrl": tokens.url(), "clientId": "id", "clientSecret": "hunter2", "scopes": ["read"],
        }}}}),
    );
    let answer = measure(Environment::default(), &metric, &Cluster::default()).await;
    assert_eq!(answer.unwrap().text, "7");
}

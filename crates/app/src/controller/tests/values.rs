//! What each provider asks, and what its answer is to people and to conditions. Those with Secrets of their own are in
//! `accounts`.

use super::support::{Cluster, Fake, fulfils, measure, metric};
use crate::controller::Environment;
use serde_json::{Value, json};
use sluice_argo::api::AnalysisPhase;
use sluice_kubernetes::Meaning;

/// One provider's exchange.
pub(super) struct Case {
    /// The provider in a manifest; `URL` stands for the server.
    pub(super) provider: Value,
    pub(super) body: &'static str,
    pub(super) text: &'static str,
    /// Fulfilled by the value.
    pub(super) condition: &'static str,
    /// Parts of the request: line, headers, body.
    pub(super) asked: &'static [&'static str],
}

const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1,"0.5"]},{"metric":{"pod":"b"},"value":[1,"1000000"]}]}}"#;
const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
const NAN: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}"#;
const SCALAR: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}"#;
const MATRIX: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"2"]]},{"metric":{"a":"b"},"values":[[1,"3"]]}]}}"#;

fn cases() -> Vec<Case> {
    let prometheus = json!({"prometheus": {"address": "URL", "query": "up"}});
    let web = |path: &str| json!({"web": {"url": "URL/x?y=z", "jsonPath": path}});
    vec![
        Case {
            provider: prometheus.clone(),
            body: VECTOR,
            text: "[0.5,1000000]",
            condition: "result[0] == 0.5 && len(result) == 2",
            asked: &[
                "POST /api/v1/query",
                "query=up&time=1795273567.000&timeout=30",
            ],
        },
        Case {
            provider: prometheus.clone(),
            body: EMPTY,
            text: "[]",
            condition: "len(result) == 0",
            asked: &[],
        },
        Case {
            provider: prometheus.clone(),
            body: NAN,
            text: "[NaN]",
            condition: "isNaN(result[0])",
            asked: &[],
        },
        Case {
            provider: prometheus,
            body: SCALAR,
            text: "+Inf",
            condition: "isInf(result)",
            asked: &[],
        },
        Case {
            provider: json!({"prometheus": {
                "address": "URL",
                "query": "up",
                "timeout": 7,
                "headers": [{"key": "X-Scope-OrgID", "value": "shop"}],
                "authentication": {"basicAuth": {"username": "rosa", "password": "hunter2"}},
                "rangeQuery": {"start": "now() - duration('5m')", "end": "now()", "step": "1m"},
            }}),
            body: MATRIX,
            text: "[1,2,3]",
            condition: "all(result, # > 0) && len(result) == 3",
            asked: &[
                "POST /api/v1/query_range",
                "start=1795273267.000&end=1795273567.000&step=60&timeout=7",
                "x-scope-orgid: shop",
                "authorization: Basic cm9zYTpodW50ZXIy",
            ],
        },
        Case {
            provider: web("{$.data.ok}"),
            body: r#"{"data": {"ok": true}}"#,
            text: "true",
            condition: "result",
            asked: &["GET /x?y=z"],
        },
        Case {
            provider: web("{$.data}"),
            body: r#"{"data": {"n": 10.0, "a": "<b>"}}"#,
            text: r#"{"a":"\u003cb\u003e","n":10}"#,
            condition: "result.n == 10 && result.a == '<b>'",
            asked: &[],
        },
        Case {
            provider: web("$.version"),
            body: r#"{"version": "1.35"}"#,
            text: r#""1.35""#,
            condition: "asFloat(result) > 1.3",
            asked: &[],
        },
        Case {
            provider: web("{$.none}"),
            body: r#"{"none": null}"#,
            text: "null",
            condition: "isNil(result) && default(result, 3) == 3",
            asked: &[],
        },
        Case {
            provider: json!({"web": {"url": "URL"}}),
            body: "all good\n",
            text: "all good\n",
            condition: "result contains 'good'",
            asked: &["GET /"],
        },
        Case {
            provider: json!({"web": {
                "url": "URL",
                "method": "POST",
                "jsonBody": {"a": 1},
                "headers": [{"key": "Authorization", "value": "Bearer x"}],
            }}),
            body: "[1, 2]",
            text: "[1,2]",
            condition: "sum(result) == 3",
            asked: &[
                "POST /",
                r#"{"a":1}"#,
                "application/json",
                "authorization: Bearer x",
            ],
        },
        Case {
            provider: json!({"graphite": {"address": "URL/g", "query": "target=sum(a, b)&from=-5min&x=1"}}),
            body: r#"[{"target": "t", "datapoints": [[1.5, 1], [null, 2], [2, 3]]}, {"target": "u", "datapoints": [[9, 1]]}]"#,
            text: "[1.500000,2.000000]",
            condition: "result[1] == 2 && len(result) == 2",
            asked: &["GET /g/render?x=1&target=sum%28a%2Cb%29&from=-5min&until=now&format=json"],
        },
        Case {
            provider: json!({"skywalking": {"address": "URL", "query": "query q($duration: Duration!) { x }", "interval": "2m"}}),
            body: r#"{"data": {"x": [{"value": 7}]}}"#,
            text: r#"{"x":[{"value":7}]}"#,
            condition: "result.x[0].value == 7",
            asked: &[
                "POST /graphql",
                r#""start":"2026-11-21 1504""#,
                r#""end":"2026-11-21 1506""#,
            ],
        },
    ]
}

fn at(provider: &Value, url: &str) -> Value {
    serde_json::from_str(&provider.to_string().replace("URL", url)).unwrap()
}

pub(super) async fn check(case: &Case, environment: Environment, cluster: &Cluster, fake: &Fake) {
    let place = case.provider.to_string();
    let metric = metric(at(&case.provider, &fake.url()));
    let answer = measure(environment, &metric, cluster).await;
    let answer = answer.unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!(answer.text, case.text, "{place}");
    assert!(fulfils(&answer, case.condition), "{place}: {answer:?}");
    let got = &fake.got()[0];
    let sent = format!("{}\n{}\n{}", got.line, got.headers, got.body);
    for part in case.asked {
        assert!(sent.contains(part), "{place}: no {part:?} in {sent}");
    }
}

#[tokio::test]
async fn providers_without_a_secret_ask_and_answer_as_argos() {
    for case in cases() {
        let fake = Fake::answering(&[(200, case.body)]).await;
        check(&case, Environment::default(), &Cluster::default(), &fake).await;
    }
}

#[tokio::test]
async fn the_query_and_the_servers_warnings_are_noted() {
    let body = VECTOR.replace(r#""data""#, r#""warnings":["slow","old"],"data""#);
    let fake = Fake::answering(&[(200, &body)]).await;
    let environment = Environment::default().with("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", &fake.url());
    let metric = metric(json!({"prometheus": {"query": "up"}}));
    let answer = measure(environment, &metric, &Cluster::default()).await;
    let answer = answer.unwrap();
    assert_eq!(answer.metadata["ResolvedPrometheusQuery"], "up");
    assert_eq!(answer.notes["warnings"], r#""slow", "old""#);
}

#[tokio::test]
async fn cloudwatch_gives_the_newest_values_first_under_the_names_of_go() {
    let body = r#"{"MetricDataResults": [
        {"Id": "rate", "Label": "errors", "StatusCode": "Complete", "Timestamps": [100, 160], "Values": [0.5, 0.1]},
        {"Id": "all", "Label": "all", "StatusCode": "PartialData", "Timestamps": [], "Values": []}
    ]}"#;
    let fake = Fake::answering(&[(200, body)]).await;
    let environment = Environment::default()
        .with("AWS_REGION", "eu-central-1")
        .with("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
        .with("AWS_ENDPOINT_URL_CLOUDWATCH", &fake.url());
    let metric = metric(
        json!({"cloudWatch": {"interval": "30m", "metricDataQueries": [
            {"id": "rate", "expression": "errors / requests"},
            {"id": "errors", "returnData": false, "metricStat": {
                "metric": {"namespace": "app", "metricName": "errors", "dimensions": [{"name": "a", "value": "b"}]},
                "period": "300", "stat": "Sum", "unit": "Count",
            }},
        ]}}),
    );
    let answer = measure(environment, &metric, &Cluster::default()).await;
    let answer = answer.unwrap();
    assert_eq!(answer.text, "[[0.1 0.5] []]");
    for condition in [
        "result[0].Values[0] == 0.1",
        "all(result[0].Values, {# < 1}) && len(result[1].Values) == 0",
        "result[0].Id == 'rate' && result[1].StatusCode == 'PartialData'",
    ] {
        assert!(fulfils(&answer, condition), "{condition}");
    }
    let got = &fake.got()[0];
    assert!(got.headers.contains("Credential=AKIDEXAMPLE/"), "{got:?}");
    assert!(
        got.headers
            .contains("/eu-central-1/monitoring/aws4_request"),
        "{got:?}"
    );
    let sent: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(sent["StartTime"], 1_795_271_767);
    let sent = &sent["MetricDataQueries"][1]["MetricStat"];
    assert_eq!(
        (&sent["Period"], &sent["Unit"]),
        (&json!(300), &json!("Count"))
    );
}

#[tokio::test]
async fn kayentas_score_decides_by_its_thresholds() {
    let side = |scope: &str| json!({"scope": scope, "region": "eu", "step": 60});
    let metric = metric(json!({"kayenta": {
        "address": "URL", "application": "shop", "canaryConfigName": "errors",
        "metricsAccountName": "m", "configurationAccountName": "c", "storageAccountName": "s",
        "threshold": {"pass": 90, "marginal": 75},
        "scopes": [{"name": "default", "controlScope": side("stable"), "experimentScope": side("canary")}],
    }}));
    for (score, text, phase) in [
        (95.9, "95", AnalysisPhase::Successful),
        (89.9, "89", AnalysisPhase::Inconclusive),
        (74.9, "74", AnalysisPhase::Failed),
    ] {
        let complete = format!(
            r#"{{"complete": true, "result": {{"judgeResult": {{"score": {{"score": {score}}}}}}}}}"#
        );
        let fake = Fake::answering(&[
            (200, r#"[{"id": "17", "name": "errors"}]"#),
            (200, r#"{"canaryExecutionId": "42"}"#),
            (200, r#"{"complete": false}"#),
            (200, &complete),
        ])
        .await;
        let mut metric = metric.clone();
        metric.provider.kayenta.as_mut().unwrap().address = fake.url();
        let answer = measure(Environment::default(), &metric, &Cluster::default()).await;
        let answer = answer.unwrap();
        assert_eq!(answer.text, text);
        assert_eq!(answer.meaning, Meaning::Decided(phase, String::new()));
        let scope: Value = serde_json::from_str(&fake.got()[1].body).unwrap();
        let scope = &scope["scopes"]["default"]["experimentScope"];
        assert_eq!(scope["scope"], "canary");
        assert_eq!(scope["start"], "2026-11-21T15:05:07.000Z");
    }
}

//! Providers that name a Secret by themselves: where it is read, and what they ask and answer with it.

use super::support::{Cluster, Fake, fulfils, measure, metric};
use super::values::{Case, check};
use crate::controller::Environment;
use serde_json::{Value, json};

#[tokio::test]
async fn providers_with_a_secret_read_it_where_argos_do() {
    let datadog = |more: Value| {
        let mut metric = json!({"query": "avg:errors{*}"});
        metric
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"datadog": metric})
    };
    let v1 = r#"{"series": [{"pointlist": [[1000, 1], [2000, 0.25], [3000, null]]}]}"#;
    let v2 = r#"{"data": {"attributes": {"columns": [{"name": "host", "type": "group", "values": [["a"], ["b"], ["c"]]}, {"type": "number", "name": "query", "values": [1.5, null, 2]}]}}}"#;
    let keys = |url: &str| {
        vec![
            ("api-key".to_owned(), "the-api-key".to_owned()),
            ("app-key".to_owned(), "the-app-key\n".to_owned()),
            ("address".to_owned(), url.to_owned()),
        ]
    };
    for (place, case) in [
        (
            "argo/datadog",
            Case {
                provider: datadog(json!({"interval": "10m"})),
                body: v1,
                text: "0.25",
                condition: "result == 0.25",
                asked: &[
                    "GET /api/v1/query?query=avg%3Aerrors%7B%2A%7D&from=1795272967&to=1795273567",
                    "dd-api-key: the-api-key",
                    "dd-application-key: the-app-key",
                ],
            },
        ),
        (
            "argo/datadog",
            Case {
                provider: datadog(json!({})),
                body: r#"{"series": []}"#,
                text: "[]",
                condition: "default(result, 0) == 0",
                asked: &["from=1795273267"],
            },
        ),
        (
            "shop/mine",
            Case {
                provider: datadog(
                    json!({"apiVersion": "v2", "secretRef": {"name": "mine", "namespaced": true}}),
                ),
                body: v2,
                text: "[1.5,2]",
                condition: "max(result) == 2",
                asked: &[
                    "POST /api/v2/query/scalar",
                    r#""formula":"query""#,
                    r#""aggregator":"last""#,
                ],
            },
        ),
        (
            "argo/other",
            Case {
                provider: json!({"datadog": {
                    "apiVersion": "v2",
                    "queries": {"a": "x", "b": "y"},
                    "formula": "a / b",
                    "aggregator": "sum",
                    "secretRef": {"name": "other"},
                }}),
                body: r#"{"data": {"attributes": {"columns": [{"type": "number", "name": "f", "values": [0.125]}]}}}"#,
                text: "0.125",
                condition: "result < 0.2",
                asked: &[r#""formula":"a / b""#, r#""aggregator":"sum""#],
            },
        ),
    ] {
        let fake = Fake::answering(&[(200, case.body)]).await;
        let mut cluster = Cluster::default();
        cluster.secrets.insert(place, keys(&fake.url()));
        check(&case, Environment::default(), &cluster, &fake).await;
    }
    let own = |place: &'static str, pairs: &[(&str, &str)], url: &str| {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(key, value)| (key.replace("URL", url), value.replace("URL", url)))
            .collect();
        let mut cluster = Cluster::default();
        cluster.secrets.insert(place, pairs);
        cluster
    };
    let csv = "#datatype,string,long,double\n#group,false,false,false\n#default,,,\n,result,table,_value\n,,0,1\n,,0,2.5\n";
    for (place, pairs, case) in [
        (
            "argo/wavefront-api-tokens",
            &[("URL", "the-token")][..],
            Case {
                provider: json!({"wavefront": {"address": "URL", "query": "ts(a)"}}),
                body: r#"{"timeseries": [{"label": "a", "data": [[1795273560, 0.125]]}]}"#,
                text: "0.12",
                condition: "result == 0.125",
                asked: &["q=ts%28a%29", "authorization: Bearer the-token"],
            },
        ),
        (
            "argo/wavefront-api-tokens",
            &[("URL", "the-token")],
            Case {
                provider: json!({"wavefront": {"address": "URL", "query": "ts(a)"}}),
                body: r#"{"timeseries": [{"label": "a", "data": [[1795273560, 1]]}, {"label": "b", "data": [[1795273560, 2]]}]}"#,
                text: "[1.00,2.00]",
                condition: "result[1] == 2",
                asked: &[],
            },
        ),
        (
            "argo/newrelic",
            &[
                ("account-id", "12"),
                ("personal-api-key", "the-key"),
                ("base-url-nerdgraph", "URL/graphql"),
            ],
            Case {
                provider: json!({"newRelic": {"query": "SELECT 1"}}),
                body: r#"{"data": {"actor": {"account": {"nrql": {"results": [{"average.duration": 0.5}]}}}}}"#,
                text: r#"{"average.duration":0.5}"#,
                condition: "result['average.duration'] < 1",
                asked: &[
                    "POST /graphql",
                    r#""accountId":12"#,
                    r#""seconds":5"#,
                    "api-key: the-key",
                ],
            },
        ),
        (
            "argo/eu",
            &[
                ("account-id", "12"),
                ("personal-api-key", "the-key"),
                ("base-url-nerdgraph", "URL/graphql"),
            ],
            Case {
                provider: json!({"newRelic": {"query": "SELECT 1 FACET x", "profile": "eu", "timeout": 20}}),
                body: r#"{"data": {"actor": {"account": {"nrql": {"results": [{"count": 1}, {"count": 2}]}}}}}"#,
                text: r#"[{"count":1},{"count":2}]"#,
                condition: "result[1].count == 2",
                asked: &[r#""seconds":20"#],
            },
        ),
        (
            "argo/influxdb",
            &[
                ("authToken", "the-token"),
                ("org", "shop"),
                ("address", "URL"),
            ],
            Case {
                provider: json!({"influxdb": {"query": "from(bucket: \"b\")"}}),
                body: csv,
                text: "[1 2.5]",
                condition: "result[1] == 2.5",
                asked: &[
                    "POST /api/v2/query?org=shop",
                    "authorization: Token the-token",
                ],
            },
        ),
    ] {
        let fake = Fake::answering(&[(200, case.body)]).await;
        check(
            &case,
            Environment::default(),
            &own(place, pairs, &fake.url()),
            &fake,
        )
        .await;
    }
}

#[tokio::test]
async fn datadogs_groups_are_noted_and_bounded() {
    let numbers: Vec<String> = (0..150).map(|number| number.to_string()).collect();
    let groups: Vec<String> = (0..150)
        .map(|number| format!("[\"host-{number}\"]"))
        .collect();
    let body = format!(
        r#"{{"data": {{"attributes": {{"columns": [{{"name": "host", "type": "group", "values": [{}]}}, {{"type": "number", "name": "query", "values": [{}]}}]}}}}}}"#,
        groups.join(","),
        numbers.join(",")
    );
    let fake = Fake::answering(&[(200, &body)]).await;
    let environment = Environment::default()
        .with("DD_API_KEY", "the-api-key")
        .with("DD_APP_KEY", "the-app-key")
        .with("DD_ADDRESS", &fake.url());
    let metric = metric(json!({"datadog": {"apiVersion": "v2", "query": "q"}}));
    let answer = measure(environment, &metric, &Cluster::default()).await;
    let answer = answer.unwrap();
    assert!(fulfils(&answer, "len(result) == 150"));
    let groups: Vec<Value> = serde_json::from_str(&answer.notes["groups"]).unwrap();
    assert_eq!(groups.len(), 100);
    assert_eq!(groups[0], json!({"name": "host-0", "value": 0}));
    assert_eq!(groups[99], json!({"name": "host-149", "value": 149}));
    assert_eq!(answer.notes["groups_truncated"], "true");
}

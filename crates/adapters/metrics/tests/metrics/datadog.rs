//! Datadog's documented API, versions 1 and 2.

use crate::support::{Fake, fetch_from, ok, reply, window};
use serde_json::{Value, json};
use sluice_metrics::{
    DatadogAggregator, DatadogQuery, FetchErrorKind, Query, Sample, Secrets, Source, Text,
};

fn v1() -> Query {
    Query::Datadog(DatadogQuery::V1 {
        query: "sum:errors{service:shop}".to_owned(),
    })
}

fn v2(queries: &[(&str, &str)], formula: Option<&str>) -> Query {
    Query::Datadog(DatadogQuery::V2 {
        queries: queries
            .iter()
            .map(|(name, query)| ((*name).to_owned(), (*query).to_owned()))
            .collect(),
        formula: formula.map(str::to_owned),
        aggregator: DatadogAggregator::default(),
    })
}

fn numbers(values: &Value) -> String {
    ok(
        &json!({"data": {"type": "scalar_response", "attributes": {"columns": [
            {"name": "a", "type": "number", "values": values, "meta": {"unit": null}},
        ]}}})
        .to_string(),
    )
}

#[tokio::test]
async fn requests_are_as_the_api_wants_them() {
    let fake = Fake::answering([ok(r#"{"status":"ok","series":[]}"#)]).await;
    let mut server = fake.server();
    for (name, secret) in [("DD-API-KEY", "api"), ("DD-APPLICATION-KEY", "application")] {
        server.headers.insert(name.to_owned(), Text::secret(secret));
    }
    let secrets = Secrets::none()
        .with("api", "key-one")
        .with("application", "key-two");
    let source = Source::new("prod", &server, &secrets).unwrap();
    source.fetch(&v1(), window()).await.unwrap();
    let got = fake.only();
    assert_eq!(
        got.line,
        "GET /api/v1/query?query=sum%3Aerrors%7Bservice%3Ashop%7D&from=1795273267&to=1795273567"
    );
    assert_eq!(got.header("dd-api-key"), Some("key-one"));
    assert_eq!(got.header("dd-application-key"), Some("key-two"));

    let query = v2(
        &[("a", "sum:errors{*}"), ("b", "sum:hits{*}")],
        Some("a / b"),
    );
    let (fake, _) = fetch_from(numbers(&json!([])), &query).await;
    let got = fake.only();
    assert_eq!(got.line, "POST /api/v2/query/scalar");
    assert_eq!(got.header("content-type"), Some("application/json"));
    let part = |name: &str, query: &str| json!({"aggregator": "last", "data_source": "metrics", "name": name, "query": query});
    assert_eq!(
        got.json(),
        json!({"data": {"type": "scalar_request", "attributes": {
            "from": 1_795_273_267_089_i64,
            "to": 1_795_273_567_089_i64,
            "queries": [part("a", "sum:errors{*}"), part("b", "sum:hits{*}")],
            "formulas": [{"formula": "a / b"}],
        }}})
    );
    let (fake, _) = fetch_from(numbers(&json!([])), &v2(&[("a", "q")], None)).await;
    assert_eq!(
        fake.only().json()["data"]["attributes"]["formulas"],
        json!([{"formula": "a"}])
    );
}

#[tokio::test]
async fn version_1_gives_the_newest_number_of_each_series() {
    let line = |scope: &str, points: Value| json!({"scope": scope, "pointlist": points});
    let several = [("a", 2.0), ("c", 4.0)];
    for (series, expected) in [
        (json!([]), None),
        (json!([line("a", json!([]))]), None),
        (json!([line("a", json!([[1e12, null]]))]), None),
        (
            json!([line("a", json!([[1e12, 1], [1.1e12, 0.5], [1.2e12, null]]))]),
            Some(&[("", 0.5)][..]),
        ),
        (
            json!([
                line("a", json!([[1e12, 2]])),
                line("b", json!([])),
                line("c", json!([[1e12, 4]])),
            ]),
            Some(&several[..]),
        ),
    ] {
        let body = json!({"status": "ok", "series": series}).to_string();
        let (_fake, answered) = fetch_from(ok(&body), &v1()).await;
        match (answered.unwrap().sample, expected) {
            (Sample::Nothing, None) => {}
            (Sample::Scalar(value), Some([(_, expected)])) => assert_eq!(value, *expected),
            (Sample::Vector(elements), Some(expected)) => {
                let found: Vec<(&str, f64)> = elements
                    .iter()
                    .map(|element| (element.labels["scope"].as_str(), element.value))
                    .collect();
                assert_eq!(found, expected);
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn version_2_gives_a_number_or_one_for_each_group() {
    let query = v2(&[("a", "q")], None);
    for (values, expected) in [
        (json!([0.25]), Sample::Scalar(0.25)),
        (json!([null]), Sample::Nothing),
        (json!([]), Sample::Nothing),
    ] {
        let (_fake, answered) = fetch_from(numbers(&values), &query).await;
        assert_eq!(answered.unwrap().sample, expected, "{values}");
    }
    let grouped = json!({"data": {"attributes": {"columns": [
        {"name": "env", "type": "group", "values": [["prod"], ["dev"], ["x", "y"]]},
        {"name": "path", "type": "group", "values": [["/a"], ["/b"], ["/c"]]},
        {"name": "a", "type": "number", "values": [1, null, 3]},
    ]}}});
    let (_fake, answered) = fetch_from(ok(&grouped.to_string()), &query).await;
    let Sample::Vector(elements) = answered.unwrap().sample else {
        panic!("groups give a vector");
    };
    let found: Vec<(&str, &str, f64)> = elements
        .iter()
        .map(|element| {
            let labels = &element.labels;
            (
                labels["env"].as_str(),
                labels["path"].as_str(),
                element.value,
            )
        })
        .collect();
    assert_eq!(found, [("prod", "/a", 1.0), ("x,y", "/c", 3.0)]);
}

#[tokio::test]
async fn what_datadog_says_is_passed_on() {
    let ungrouped_row = json!({"data": {"attributes": {"columns": [
        {"name": "env", "type": "group", "values": []},
        {"name": "a", "type": "number", "values": [1]},
    ]}}});
    for (query, answer, kind, said) in [
        (
            v1(),
            reply(
                "400 Bad Request",
                r#"{"errors":["Rule 'scope_expr' didn't match"]}"#,
            ),
            FetchErrorKind::Rejected,
            "400 Bad Request: Rule 'scope_expr' didn't match; correct the query",
        ),
        (
            v1(),
            reply("403 Forbidden", r#"{"errors":["Forbidden"]}"#),
            FetchErrorKind::Unauthorized,
            "403 Forbidden: Forbidden",
        ),
        (
            v1(),
            ok(r#"{"status":"error","error":"Error parsing query","series":[]}"#),
            FetchErrorKind::Rejected,
            "answered: Error parsing query",
        ),
        (
            v2(&[("a", "q")], None),
            ok(r#"{"errors":"no such metric"}"#),
            FetchErrorKind::Rejected,
            "answered: no such metric",
        ),
        (
            v2(&[("a", "q")], None),
            ok(&ungrouped_row.to_string()),
            FetchErrorKind::Malformed,
            "a number in row 0 and no group",
        ),
        (
            v2(&[("a", "q")], None),
            numbers(&json!(["many"])),
            FetchErrorKind::Malformed,
            "a column that its protocol does not know",
        ),
        (
            v2(&[], None),
            ok("{}"),
            FetchErrorKind::Misconfigured,
            "it has no query",
        ),
        (
            v2(&[("a", "q"), ("b", "q")], None),
            ok("{}"),
            FetchErrorKind::Misconfigured,
            "2 queries and no formula",
        ),
    ] {
        let (_fake, answered) = fetch_from(answer, &query).await;
        let error = answered.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }
}

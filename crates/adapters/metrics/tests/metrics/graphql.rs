//! New Relic's and SkyWalking's documented APIs, both GraphQL.

use crate::support::{fetch_from, ok, reply};
use serde_json::{Value, json};
use sluice_metrics::{FetchErrorKind, NewRelicQuery, Query, Sample, SkyWalkingQuery};

const GRAPHQL: &str = "query q($duration: Duration!) { apdex { values { value } } }";

fn nrql() -> Query {
    Query::NewRelic(NewRelicQuery {
        account_id: 1_234,
        query: "FROM Transaction SELECT count(*)".to_owned(),
    })
}

fn skywalking() -> Query {
    Query::Skywalking(SkyWalkingQuery {
        query: GRAPHQL.to_owned(),
    })
}

fn results(results: &Value) -> Value {
    json!({"data": {"actor": {"account": {"nrql": {"results": results}}}}})
}

#[tokio::test]
async fn requests_are_as_the_apis_want_them() {
    let (fake, _) = fetch_from(ok(&results(&json!([])).to_string()), &nrql()).await;
    let got = fake.only();
    assert_eq!(got.line, "POST /graphql");
    let body = got.json();
    assert_eq!(
        body["variables"],
        json!({"accountId": 1_234, "nrql": "FROM Transaction SELECT count(*)", "seconds": 60})
    );
    let text = body["query"].as_str().unwrap();
    assert!(
        text.contains("nrql(query: $nrql, timeout: $seconds) { results }"),
        "{text}"
    );

    let (fake, _) = fetch_from(ok(r#"{"data":{}}"#), &skywalking()).await;
    let got = fake.only();
    assert_eq!(got.line, "POST /graphql");
    assert_eq!(
        got.json(),
        json!({"query": GRAPHQL, "variables": {"duration": {
            "start": "2026-11-21 1501", "end": "2026-11-21 1506", "step": "MINUTE",
        }}})
    );
}

#[tokio::test]
async fn the_data_is_the_sample() {
    let one = json!({"successRate": 0.99});
    let apdex = json!({"apdex": {"values": [{"value": 9900}]}});
    for (query, body, expected) in [
        (nrql(), results(&json!([])), Sample::Nothing),
        (nrql(), results(&json!([{}])), Sample::Nothing),
        (nrql(), results(&json!([one])), Sample::Json(one.clone())),
        (
            nrql(),
            results(&json!([one, one])),
            Sample::Json(json!([one, one])),
        ),
        (
            skywalking(),
            json!({"data": apdex}),
            Sample::Json(apdex.clone()),
        ),
    ] {
        let (_fake, answered) = fetch_from(ok(&body.to_string()), &query).await;
        assert_eq!(answered.unwrap().sample, expected, "{body}");
    }
}

#[tokio::test]
async fn errors_without_data_are_a_refusal_and_beside_data_warnings() {
    let error = json!([{"message": "Unknown function 'cuont'", "path": ["actor"]}]);
    let mut partial = results(&json!([{"a": 1}]));
    partial["errors"] = error.clone();
    let (_fake, answered) = fetch_from(ok(&partial.to_string()), &nrql()).await;
    assert_eq!(answered.unwrap().warnings, ["Unknown function 'cuont'"]);

    for (query, answer, kind, said) in [
        (
            nrql(),
            ok(&json!({"errors": error, "data": null}).to_string()),
            FetchErrorKind::Rejected,
            "answered: Unknown function 'cuont'; correct the query (New Relic's",
        ),
        (
            nrql(),
            ok(&json!({"errors": error, "data": {"actor": {"account": null}}}).to_string()),
            FetchErrorKind::Malformed,
            "answered: Unknown function 'cuont'; see that the account id",
        ),
        (
            nrql(),
            ok(r#"{"data":{"actor":{}}}"#),
            FetchErrorKind::Malformed,
            "answered without results",
        ),
        (
            nrql(),
            reply(
                "401 Unauthorized",
                r#"{"errors":[{"message":"Invalid key"}]}"#,
            ),
            FetchErrorKind::Unauthorized,
            "401 Unauthorized: Invalid key",
        ),
        (
            skywalking(),
            ok(&json!({"errors": error}).to_string()),
            FetchErrorKind::Rejected,
            "correct the query (`swctl`",
        ),
        (
            skywalking(),
            ok("{}"),
            FetchErrorKind::Malformed,
            "neither data nor errors",
        ),
    ] {
        let (_fake, answered) = fetch_from(answer, &query).await;
        let error = answered.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }
}

//! Prometheus' API against a server that answers what the real one hardly does on demand.

use crate::support::{Fake, NOW, PATIENCE, fetch, fetch_from, ok, reply, window};
use sluice_metrics::{
    FetchErrorKind, Point, PrometheusQuery, Query, Retry, Sample, Secrets, Server, Source, Text,
    Window,
};
use sluice_model::Timestamp;
use std::time::Duration;

fn instant(query: &str) -> Query {
    Query::Prometheus(PrometheusQuery::instant(query))
}

fn range(step: Duration) -> Query {
    Query::Prometheus(PrometheusQuery::range("up", step))
}

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

#[tokio::test]
async fn an_instant_query_is_a_form_with_the_windows_end() {
    let fake = Fake::answering([ok(EMPTY)]).await;
    let mut server = fake.server();
    server.address = Text::Plain(fake.url("/prometheus/"));
    server
        .headers
        .insert("X-Scope-OrgID".to_owned(), "tenant_a".into());
    fetch(&server, &instant("sum(a{b=\"c d\"})+1"))
        .await
        .unwrap();
    let got = fake.only();
    assert_eq!(got.line, "POST /prometheus/api/v1/query");
    assert_eq!(
        got.body,
        "query=sum%28a%7Bb%3D%22c%20d%22%7D%29%2B1&time=1795273567.089&timeout=60"
    );
    for (name, value) in [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "application/json"),
        ("x-scope-orgid", "tenant_a"),
        ("user-agent", concat!("sluice/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_range_query_has_start_end_and_step() {
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"job":"a"},"values":[[1795273267.089,"1"],[1795273282.089,"NaN"]]},
        {"metric":{"job":"b"},"values":[[1795273267.089,"+Inf"]]}]}}"#;
    let (fake, answered) = fetch_from(ok(body), &range(Duration::from_millis(15_500))).await;
    let got = fake.only();
    assert_eq!(got.line, "POST /api/v1/query_range");
    assert_eq!(
        got.body,
        "query=up&start=1795273267.089&end=1795273567.089&step=15.5&timeout=60"
    );
    let answer = answered.unwrap();
    let Sample::Series(series) = &answer.sample else {
        panic!("{answer:?}");
    };
    assert_eq!(series[0].labels["job"], "a");
    let first = Point {
        at: Timestamp(1_795_273_267_089),
        value: 1.0,
    };
    assert_eq!(series[0].points[0], first);
    let values = answer.sample.values();
    assert!(
        values[1].is_nan() && values[2] == f64::INFINITY,
        "{values:?}"
    );
}

#[tokio::test]
async fn a_server_that_takes_no_post_is_asked_by_get() {
    for refusal in ["405 Method Not Allowed", "501 Not Implemented"] {
        let fake = Fake::answering([reply(refusal, ""), ok(EMPTY)]).await;
        fetch(&fake.server(), &instant("a b")).await.unwrap();
        let got = fake.got();
        assert_eq!(
            got[1].line,
            "GET /api/v1/query?query=a%20b&time=1795273567.089&timeout=60"
        );
        assert_eq!(got[1].body, "");
    }
}

#[tokio::test]
async fn numbers_nan_infinity_and_no_data_are_told_apart() {
    let vector = |values: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{values}]}}}}"#)
    };
    let element = |text: &str| format!(r#"{{"metric":{{"a":"b"}},"value":[1.5,"{text}"]}}"#);
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"NaN"]}}"#;
    for (body, is_empty, expected) in [
        (vector(""), true, vec![]),
        (vector(&element("0")), false, vec![0.0]),
        (vector(&element("NaN")), false, vec![f64::NAN]),
        (vector(&element("-Inf")), false, vec![f64::NEG_INFINITY]),
        (
            vector(&format!("{},{}", element("1e-3"), element("2"))),
            false,
            vec![0.001, 2.0],
        ),
        (scalar.to_owned(), false, vec![f64::NAN]),
    ] {
        let (_fake, answered) = fetch_from(ok(&body), &instant("q")).await;
        let sample = answered.unwrap().sample;
        assert_eq!(sample.is_empty(), is_empty, "{body}");
        // Bit for bit: NaN is equal to NaN here.
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&sample.values()), bits(&expected), "{body}");
    }
}

#[tokio::test]
async fn warnings_of_a_partial_answer_come_with_the_sample() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[]},
        "warnings":["store 10.0.0.7 did not answer"],"infos":["metric might not be a counter"]}"#;
    let (_fake, answered) = fetch_from(ok(body), &instant("q")).await;
    assert_eq!(
        answered.unwrap().warnings,
        [
            "store 10.0.0.7 did not answer",
            "metric might not be a counter"
        ]
    );
}

#[tokio::test]
async fn a_refusal_says_what_prometheus_said_and_whether_to_ask_again() {
    let error = |kind: &str, text: &str| {
        format!(r#"{{"status":"error","errorType":"{kind}","error":"{text}"}}"#)
    };
    for (status, body, kind, retry, said) in [
        (
            "400 Bad Request",
            error("bad_data", "1:3: parse error: no idea"),
            FetchErrorKind::Rejected,
            Retry::Never,
            "answered 400 Bad Request: 1:3: parse error: no idea; correct the query",
        ),
        (
            "422 Unprocessable Entity",
            error("execution", "would load too many samples"),
            FetchErrorKind::Rejected,
            Retry::Never,
            "would load too many samples",
        ),
        (
            "503 Service Unavailable",
            error("timeout", "query timed out in expression evaluation"),
            FetchErrorKind::TimedOut,
            Retry::Later,
            "make the query cheaper",
        ),
        (
            "503 Service Unavailable",
            "upstream is away".to_owned(),
            FetchErrorKind::Faulty,
            Retry::Later,
            "answered 503 Service Unavailable: upstream is away",
        ),
        (
            "200 OK",
            error("internal", "odd"),
            FetchErrorKind::Rejected,
            Retry::Never,
            "answered 200 OK: odd",
        ),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#.to_owned(),
            FetchErrorKind::Rejected,
            Retry::Never,
            "answered a text, and no number",
        ),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}"#.to_owned(),
            FetchErrorKind::Rejected,
            Retry::Never,
            "answered a native histogram",
        ),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":[[1,{}]]}]}}"#.to_owned(),
            FetchErrorKind::Rejected,
            Retry::Never,
            "histogram_quantile",
        ),
    ] {
        let (_fake, answered) = fetch_from(reply(status, &body), &instant("q")).await;
        let error = answered.unwrap_err();
        assert_eq!((error.kind, error.retry), (kind, retry), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_prometheus_is_malformed() {
    for body in [
        "<html>welcome</html>",
        "",
        "{}",
        r#"{"status":"success"}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}"#,
        r#"{"status":"success","data":{"resultType":"other","result":[]}}"#,
    ] {
        let (_fake, answered) = fetch_from(ok(body), &instant("q")).await;
        let error = answered.unwrap_err();
        assert_eq!(
            (error.kind, error.retry),
            (FetchErrorKind::Malformed, Retry::Never),
            "{body}: {error}"
        );
        assert!(
            error.to_string().contains("address is that of Prometheus"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_query_that_cannot_work_is_not_sent() {
    let fake = Fake::answering([ok(EMPTY)]).await;
    let source = Source::new("prod", &fake.server(), &Secrets::none()).unwrap();
    let backwards = Window {
        start: NOW,
        end: NOW.shifted(-1),
    };
    for (query, window, said) in [
        (instant(" \n"), window(), "query is empty"),
        (range(Duration::ZERO), window(), "step of 0s is too small"),
        (
            range(Duration::from_millis(27)),
            window(),
            "at most 11000 points",
        ),
        (range(PATIENCE), backwards, "before it begins"),
    ] {
        let error = source.fetch(&query, window).await.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::Misconfigured, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(fake.got().len(), 0);
}

#[test]
fn queries_and_servers_are_stored_without_secrets() {
    let query = range(Duration::from_secs(15));
    let json = r#"{"prometheus":{"query":"up","step":15000}}"#;
    assert_eq!(serde_json::to_string(&query).unwrap(), json);
    assert_eq!(serde_json::from_str::<Query>(json).unwrap(), query);
    let json = r#"{"address":"https://p","authentication":{"basic":{"username":"u","password":{"secret":"s"}}},"timeout":10000}"#;
    let server: Server = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&server).unwrap(), json);
    assert!(serde_json::from_str::<Server>(r#"{"address":"a","timeuot":1}"#).is_err());
}

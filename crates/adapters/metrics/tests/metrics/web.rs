//! Web metrics against a local server.

use crate::support::{Fake, fetch, fetch_from, ok, reply, window};
use serde_json::{Value, json};
use sluice_metrics::{
    FetchErrorKind, Query, Sample, Secrets, Source, Text, WebBody, WebMethod, WebQuery,
};

fn path(path: &str) -> Query {
    Query::Web(WebQuery {
        json_path: Some(path.to_owned()),
        ..WebQuery::default()
    })
}

fn whole() -> Query {
    Query::Web(WebQuery::default())
}

#[tokio::test]
async fn the_request_is_what_the_query_says() {
    let with = |method, body| {
        Query::Web(WebQuery {
            method,
            body,
            json_path: None,
        })
    };
    let text = WebBody::Text(Text::secret("body"));
    for (query, line, content_type, body) in [
        (whole(), "GET /measure?service=shop", None, ""),
        (
            with(WebMethod::Post, None),
            "POST /measure?service=shop",
            None,
            "",
        ),
        (
            with(WebMethod::Put, Some(text.clone())),
            "PUT /measure?service=shop",
            Some("text/csv"),
            "a,b",
        ),
        (
            with(WebMethod::Post, Some(WebBody::Json(json!({"a": [1]})))),
            "POST /measure?service=shop",
            Some("text/csv"),
            r#"{"a":[1]}"#,
        ),
    ] {
        let fake = Fake::answering([ok("true")]).await;
        let mut server = fake.server();
        server.address = Text::Plain(fake.url("/measure?service=shop"));
        if content_type.is_some() {
            // A header of the settings goes before what the query says.
            server
                .headers
                .insert("Content-Type".to_owned(), "text/csv".into());
        }
        let secrets = Secrets::none().with("body", "a,b");
        let source = Source::new("prod", &server, &secrets).unwrap();
        source.fetch(&query, window()).await.unwrap();
        let got = fake.only();
        assert_eq!(got.line, line);
        assert_eq!(got.header("content-type"), content_type);
        assert_eq!(got.body, body);
    }
    let json_body = with(WebMethod::Post, Some(WebBody::Json(json!(1))));
    let (fake, _) = fetch_from(ok("true"), &json_body).await;
    let got = fake.only();
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.line, "POST /");
}

#[tokio::test]
async fn the_sample_is_the_value_at_the_path_or_the_whole_answer() {
    let answer = r#"{"data":{"ok":true,"successPercent":0.95,"all":[3,4],"none":[]}}"#;
    for (body, query, expected) in [
        (answer, path("{$.data.ok}"), json!(true)),
        (
            answer,
            path("{$.data}"),
            serde_json::from_str::<Value>(answer).unwrap()["data"].clone(),
        ),
        (answer, path("{.data.successPercent}"), json!(0.95)),
        (answer, whole(), serde_json::from_str(answer).unwrap()),
        ("null", whole(), json!(null)),
        ("I am OK", whole(), json!("I am OK")),
        ("", whole(), json!("")),
        ("12.5", whole(), json!(12.5)),
    ] {
        let (_fake, answered) = fetch_from(ok(body), &query).await;
        let answered = answered.unwrap();
        assert_eq!(answered.sample, Sample::Json(expected), "{body}");
        assert_eq!(answered.warnings, [""; 0]);
    }
}

#[tokio::test]
async fn several_values_are_told_and_none_is_nothing() {
    let answer = r#"{"all":[3,4],"none":[]}"#;
    let (_fake, answered) = fetch_from(ok(answer), &path("{$.all[*]}")).await;
    let answered = answered.unwrap();
    assert_eq!(answered.sample, Sample::Json(json!(3)));
    assert_eq!(
        answered.warnings,
        ["the JSON path finds 2 values; the first is taken"]
    );
    let (_fake, answered) = fetch_from(ok(answer), &path("{$.none[*]}")).await;
    assert_eq!(answered.unwrap().sample, Sample::Nothing);
}

#[tokio::test]
async fn what_cannot_be_used_says_why() {
    for (answer, query, kind, said) in [
        (
            ok(r#"{"data":{}}"#),
            path("{$.data.ok}"),
            FetchErrorKind::Malformed,
            "finds nothing: `ok` is not there; correct the JSON path",
        ),
        (
            ok("I am OK"),
            path("{$.data.ok}"),
            FetchErrorKind::Malformed,
            "answered no JSON, and a JSON path asks",
        ),
        (
            reply("500 Oops", "database is down"),
            whole(),
            FetchErrorKind::Faulty,
            "answered 500 Internal Server Error: database is down",
        ),
        (
            reply("404 Not Found", ""),
            whole(),
            FetchErrorKind::Rejected,
            "correct the URL",
        ),
        (
            ok("true"),
            path("$.data.ok"),
            FetchErrorKind::Misconfigured,
            "has to stand in braces, and nothing around them; write one as in `{$.data.ok}`",
        ),
        (
            ok("true"),
            Query::Web(WebQuery {
                body: Some(WebBody::Json(json!(1))),
                ..WebQuery::default()
            }),
            FetchErrorKind::Misconfigured,
            "sends a body with GET",
        ),
    ] {
        let fake = Fake::answering([answer]).await;
        let error = fetch(&fake.server(), &query).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }
    let mut binary = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n".to_vec();
    binary.extend([0xff, 0xfe]);
    let (_fake, answered) = fetch_from(binary, &whole()).await;
    assert!(
        answered
            .unwrap_err()
            .to_string()
            .contains("neither JSON nor text")
    );
}

//! How a server is shown who asks.

use crate::support::{Fake, Got, ok, reply, window};
use sluice_metrics::{
    Authentication, FetchError, FetchErrorKind, PrometheusQuery, Query, Retry, Secrets, Source,
    Text,
};

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

fn query() -> Query {
    Query::Prometheus(PrometheusQuery::instant("up"))
}

fn secrets() -> Secrets {
    Secrets::none()
        .with("password", "hunter2")
        .with("token", "t0ken-42")
        .with("client", "a/b c")
        .with("aws", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

async fn got_with(authentication: Authentication) -> Got {
    let fake = Fake::answering([ok(EMPTY)]).await;
    let mut server = fake.server();
    server.authentication = authentication;
    let source = Source::new("prod", &server, &secrets()).unwrap();
    source.fetch(&query(), window()).await.unwrap();
    fake.only()
}

#[tokio::test]
async fn passwords_and_tokens_go_into_the_authorization_header() {
    let basic = Authentication::Basic {
        username: "rosa".into(),
        password: Text::secret("password"),
    };
    let token = |scheme: &str| Authentication::Token {
        scheme: scheme.to_owned(),
        token: Text::secret("token"),
    };
    for (authentication, expected) in [
        (Authentication::None, None),
        (basic, Some("Basic cm9zYTpodW50ZXIy")),
        (token("Bearer"), Some("Bearer t0ken-42")),
        (token("Token"), Some("Token t0ken-42")),
    ] {
        let got = got_with(authentication).await;
        assert_eq!(got.header("authorization"), expected);
    }
}

#[tokio::test]
async fn a_request_is_signed_for_aws() {
    let got = got_with(Authentication::SigV4 {
        region: "eu-central-1".to_owned(),
        service: "aps".to_owned(),
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: Text::secret("aws"),
        session_token: Some(Text::secret("token")),
    })
    .await;
    assert_eq!(got.header("x-amz-security-token"), Some("t0ken-42"));
    let date = got.header("x-amz-date").unwrap();
    assert_eq!(date.len(), "20150830T123600Z".len(), "{date}");
    let authorization = got.header("authorization").unwrap();
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{}/eu-central-1/aps/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=",
        &date[..8]
    );
    assert!(authorization.starts_with(&scope), "{authorization}");
    assert_eq!(authorization.len(), scope.len() + 64);
}

/// A metric server, and a server of tokens in front of it.
struct Pair {
    metrics: Fake,
    tokens: Fake,
    source: Source,
}

async fn pair(metrics: &[String], tokens: &[String]) -> Pair {
    let metrics = Fake::answering(metrics.to_vec()).await;
    let tokens = Fake::answering(tokens.to_vec()).await;
    let mut server = metrics.server();
    server.authentication = Authentication::OAuth2 {
        token_url: Text::Plain(tokens.url("/token")),
        client_id: "id:1".into(),
        client_secret: Text::secret("client"),
        scopes: vec!["read".to_owned(), "metrics".to_owned()],
    };
    let source = Source::new("prod", &server, &secrets()).unwrap();
    Pair {
        metrics,
        tokens,
        source,
    }
}

fn granted(token: &str, seconds: u32) -> String {
    // Some servers write the number as text.
    ok(&format!(
        r#"{{"access_token":"{token}","token_type":"bearer","expires_in":"{seconds}"}}"#
    ))
}

impl Pair {
    async fn fetch(&self) -> Result<(), FetchError> {
        self.source.fetch(&query(), window()).await.map(|_| ())
    }

    fn tokens_used(&self) -> Vec<String> {
        let got = self.metrics.got();
        got.iter()
            .map(|got| got.header("authorization").unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn an_oauth2_token_is_fetched_once_and_used_until_it_expires() {
    let pair = pair(&[ok(EMPTY)], &[granted("first", 3_600)]).await;
    pair.fetch().await.unwrap();
    pair.fetch().await.unwrap();
    assert_eq!(pair.tokens_used(), ["Bearer first", "Bearer first"]);
    let got = pair.tokens.only();
    assert_eq!(got.line, "POST /token");
    // RFC 6749 §2.3.1: id and secret are encoded before they are joined.
    assert_eq!(
        got.header("authorization"),
        Some("Basic aWQlM0ExOmElMkZiJTIwYw==")
    );
    assert_eq!(
        got.body,
        "grant_type=client_credentials&scope=read%20metrics"
    );
}

#[tokio::test]
async fn an_expired_or_withdrawn_token_is_replaced() {
    let expired = pair(&[ok(EMPTY)], &[granted("first", 0), granted("second", 9)]).await;
    expired.fetch().await.unwrap();
    expired.fetch().await.unwrap();
    assert_eq!(expired.tokens_used(), ["Bearer first", "Bearer second"]);

    let withdrawn = pair(
        &[ok(EMPTY), reply("401 Unauthorized", ""), ok(EMPTY)],
        &[granted("first", 3_600), granted("second", 3_600)],
    )
    .await;
    withdrawn.fetch().await.unwrap();
    withdrawn.fetch().await.unwrap();
    assert_eq!(
        withdrawn.tokens_used(),
        ["Bearer first", "Bearer first", "Bearer second"]
    );
}

#[tokio::test]
async fn a_fresh_token_that_is_not_taken_is_not_tried_again() {
    let refused = reply("401 Unauthorized", "fresh-one may not read");
    let pair = pair(&[refused], &[granted("fresh-one", 3_600)]).await;
    let error = pair.fetch().await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry),
        (FetchErrorKind::Unauthorized, Retry::Never)
    );
    assert!(error.to_string().contains(": *** may not read"), "{error}");
    assert_eq!(pair.metrics.got().len(), 1);
}

#[tokio::test]
async fn a_token_server_that_wants_the_password_in_the_body_gets_it_there() {
    let invalid = reply("401 Unauthorized", r#"{"error":"invalid_client"}"#);
    let pair = pair(&[ok(EMPTY)], &[invalid, granted("first", 60)]).await;
    pair.fetch().await.unwrap();
    let got = pair.tokens.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[1].header("authorization"), None);
    assert_eq!(
        got[1].body,
        "grant_type=client_credentials&scope=read%20metrics&client_id=id%3A1&client_secret=a%2Fb%20c"
    );
}

#[tokio::test]
async fn without_a_token_nothing_is_asked() {
    for (answer, kind, said) in [
        (
            reply(
                "400 Bad Request",
                r#"{"error":"invalid_scope","error_description":"no such scope; secret a/b c"}"#,
            ),
            FetchErrorKind::Unauthorized,
            "answered 400 Bad Request: invalid_scope: no such scope; secret ***; correct the source's client id",
        ),
        (
            reply("503 Away", ""),
            FetchErrorKind::Faulty,
            "which gives out tokens, answered 503",
        ),
        (ok("<html>"), FetchErrorKind::Malformed, "OAuth 2 server"),
        (
            ok(r#"{"access_token":"x","token_type":"mac"}"#),
            FetchErrorKind::Malformed,
            "gave no bearer token",
        ),
    ] {
        let pair = pair(&[ok(EMPTY)], &[answer]).await;
        let error = pair.fetch().await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
        assert_eq!(pair.metrics.got().len(), 0);
    }
}

//! What goes wrong on the way, whatever the provider: each failure names source, cause and next
//! step, shows no secret, and says whether to ask again.

use crate::support::{Fake, HANG, PATIENCE, fetch, fetch_from, ok, reply, window};
use sluice_metrics::{
    ANSWER_BYTES_MAX, Authentication, FetchErrorKind, PrometheusQuery, Query, REQUESTS_AT_ONCE_MAX,
    Retry, Secrets, Server, Source, TIMEOUT_MAX, Text, Tls,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

fn query() -> Query {
    Query::Prometheus(PrometheusQuery::instant("up"))
}

#[tokio::test]
async fn every_failure_says_its_kind_and_whether_to_ask_again() {
    let wait = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
    let moved = "HTTP/1.1 302 Found\r\nlocation: https://login.example/?t=s3cret\r\n\r\n";
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{";
    let endless = format!("HTTP/1.1 500 Oops\r\n\r\n{}", "x".repeat(10_000_000));
    for (answer, kind, retry, said) in [
        (
            reply("401 Unauthorized", "who are you"),
            FetchErrorKind::Unauthorized,
            Retry::Never,
            "answered 401 Unauthorized: who are you; correct the source's authentication",
        ),
        (
            reply("403 Forbidden", ""),
            FetchErrorKind::Unauthorized,
            Retry::Never,
            "answered 403 Forbidden; correct",
        ),
        (
            reply("404 Not Found", "404 page not found"),
            FetchErrorKind::Rejected,
            Retry::Never,
            "404 page not found",
        ),
        (
            wait.to_owned(),
            FetchErrorKind::Throttled,
            Retry::After(Duration::from_secs(7)),
            "ask less often",
        ),
        (
            reply("504 Gateway Timeout", ""),
            FetchErrorKind::TimedOut,
            Retry::Later,
            "make the query cheaper",
        ),
        (
            endless,
            FetchErrorKind::Faulty,
            Retry::Later,
            "answered 500 Internal Server Error: xxxx",
        ),
        (
            moved.to_owned(),
            FetchErrorKind::Redirected,
            Retry::Never,
            "points to https://login.example, which is not followed",
        ),
        (
            broken.to_owned(),
            FetchErrorKind::Unreachable,
            Retry::Later,
            "cannot be asked: ",
        ),
        (
            "this is not HTTP\r\n\r\n".to_owned(),
            FetchErrorKind::Unreachable,
            Retry::Later,
            "cannot be asked: ",
        ),
    ] {
        let (fake, answered) = fetch_from(answer.clone(), &query()).await;
        let error = answered.unwrap_err();
        let answer = &answer[..answer.len().min(60)];
        assert_eq!(
            (error.kind, error.retry),
            (kind, retry),
            "{answer}: {error}"
        );
        let text = error.to_string();
        let place = format!("metric source `prod`: http://{}", fake.address);
        assert!(text.starts_with(&place), "{text}");
        assert!(text.contains(said), "no {said:?} in: {text}");
        assert!(text.len() < 700, "{} bytes for {answer}", text.len());
        assert!(
            !text.contains("s3cret") && !text.contains("/api/v1"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = Server::at(format!("http://{address}"));
    let error = fetch(&server, &query()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry),
        (FetchErrorKind::Unreachable, Retry::Later)
    );
    assert!(error.to_string().contains("see that it runs"), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_before_or_within_its_answer_is_given_up() {
    let within = format!("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{{{HANG}");
    for answer in [HANG.to_owned(), within] {
        let fake = Fake::answering([answer]).await;
        let mut server = fake.server();
        server.timeout = Duration::from_millis(300);
        let error = fetch(&server, &query()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.retry),
            (FetchErrorKind::TimedOut, Retry::Later)
        );
        assert!(
            error.to_string().contains("did not answer within 300ms"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let body = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let (_fake, answered) = fetch_from(ok(&body(ANSWER_BYTES_MAX + 1)), &query()).await;
    let error = answered.unwrap_err();
    assert_eq!(
        (error.kind, error.retry),
        (FetchErrorKind::TooLarge, Retry::Never)
    );
    assert!(
        error.to_string().contains("aggregate in the query"),
        "{error}"
    );

    let (_fake, answered) = fetch_from(ok(&body(ANSWER_BYTES_MAX)), &query()).await;
    let error = answered.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Malformed, "as long as is read");
    assert!(
        error.to_string().len() < 1_000,
        "the answer is not repeated"
    );
}

#[tokio::test]
async fn requests_beyond_the_bound_wait_their_turn() {
    let fake = Fake::answering([HANG]).await;
    let mut server = fake.server();
    server.timeout = Duration::from_secs(2);
    let source = Arc::new(Source::new("prod", &server, &Secrets::none()).unwrap());
    let fetches: Vec<_> = (0..REQUESTS_AT_ONCE_MAX + 3)
        .map(|_| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { source.fetch(&query(), window()).await })
        })
        .collect();
    for fetch in fetches {
        assert_eq!(
            fetch.await.unwrap().unwrap_err().kind,
            FetchErrorKind::TimedOut
        );
    }
    assert_eq!(fake.got().len(), REQUESTS_AT_ONCE_MAX);
}

#[tokio::test]
async fn secrets_that_a_server_repeats_are_blotted_out() {
    let basic = "cm9zYTpodW50ZXIy"; // rosa:hunter2
    let body = format!("bad password hunter2 in Basic {basic}, key t0ken-42");
    let fake = Fake::answering([reply("400 Bad Request", &body)]).await;
    let mut server = fake.server();
    server.authentication = Authentication::Basic {
        username: "rosa".into(),
        password: Text::secret("password"),
    };
    server
        .headers
        .insert("x-key".to_owned(), Text::secret("key"));
    let secrets = Secrets::none()
        .with("password", "hunter2")
        .with("key", "t0ken-42");
    let source = Source::new("prod", &server, &secrets).unwrap();
    let error = source.fetch(&query(), window()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("bad password *** in Basic ***, key ***; "),
        "{error}"
    );
    let debug = format!("{source:?} {server:?} {secrets:?} {error:?}");
    for secret in ["hunter2", "t0ken-42", basic] {
        assert!(!debug.contains(secret), "{secret} shows in {debug}");
    }
}

#[tokio::test]
async fn no_part_of_a_secret_shows_where_a_message_is_cut() {
    let secrets = Secrets::none().with("key", "t0ken-42-and-more");
    for padding in 300..420 {
        let body = format!("{}t0ken-42-and-more", "x".repeat(padding));
        let fake = Fake::answering([reply("400 Bad Request", &body)]).await;
        let source = Source::new("prod", &fake.server(), &secrets).unwrap();
        let error = source.fetch(&query(), window()).await.unwrap_err();
        assert!(!error.to_string().contains("t0k"), "{error}");
    }
}

#[tokio::test]
async fn warnings_are_as_discreet_and_as_short_as_errors() {
    let long = format!("key t0ken-42 is old\n{}", "x".repeat(1_000));
    let warnings: Vec<String> = (0..12).map(|_| long.clone()).collect();
    let body = serde_json::json!({
        "status": "success",
        "data": {"resultType": "vector", "result": []},
        "warnings": warnings,
    });
    let fake = Fake::answering([ok(&body.to_string())]).await;
    let secrets = Secrets::none().with("key", "t0ken-42");
    let source = Source::new("prod", &fake.server(), &secrets).unwrap();
    let warnings = source.fetch(&query(), window()).await.unwrap().warnings;
    assert_eq!(warnings.len(), 11);
    assert_eq!(warnings[0], "key *** is old");
    assert_eq!(warnings[10], "2 more warnings are left out");
}

#[tokio::test]
async fn user_and_password_in_an_address_are_used_and_not_shown() {
    let fake = Fake::answering([reply("500 Oops", "no: hunter2")]).await;
    let mut server = fake.server();
    let address = fake.url("/T000?key=s3cret");
    server.address = Text::Plain(address.replace("://", "://rosa:hunter2@"));
    let source = Source::new("prod", &server, &Secrets::none()).unwrap();
    let error = source.fetch(&query(), window()).await.unwrap_err();
    let shown = format!("{error} {source:?}");
    for secret in ["hunter2", "T000", "s3cret"] {
        assert!(!shown.contains(secret), "{secret} shows in {shown}");
    }
    let got = fake.only();
    assert_eq!(got.line, "POST /T000/api/v1/query?key=s3cret");
    assert_eq!(got.header("authorization"), Some("Basic cm9zYTpodW50ZXIy"));
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let with = |change: fn(&mut Server)| {
        let mut server = Server::at("https://prometheus.example");
        change(&mut server);
        server
    };
    for (server, said) in [
        (Server::at("prometheus:9090"), "neither http nor https"),
        (Server::at("not a url"), "its address is not a URL"),
        (Server::at("ftp://host"), "neither http nor https"),
        (
            with(|server| server.timeout = Duration::ZERO),
            "its timeout is 0s; set one from 1ms",
        ),
        (
            with(|server| server.timeout = TIMEOUT_MAX + Duration::from_millis(1)),
            "set one from 1ms to 1h",
        ),
        (
            with(|server| server.address = Text::secret("nowhere")),
            "there is no secret `nowhere`; make the secret",
        ),
        (
            with(|server| {
                server.headers.insert("bad name".to_owned(), "x".into());
            }),
            "its header `bad name` cannot be sent",
        ),
        (
            with(|server| {
                server.authentication = Authentication::Basic {
                    username: "rosa".into(),
                    password: "".into(),
                };
            }),
            "the password is empty",
        ),
        (
            with(|server| {
                server.tls = Tls {
                    authorities: Some(String::new()),
                    insecure: true,
                };
            }),
            "leave out `insecure` or `authorities`",
        ),
    ] {
        let error = Source::new("prod", &server, &Secrets::none()).unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::Misconfigured);
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }
    assert!(PATIENCE < TIMEOUT_MAX);
}

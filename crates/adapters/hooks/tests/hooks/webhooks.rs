//! Webhooks: what is sent, which answers count, and what a message must not show.

use crate::support::{Server, effect, failure, run, runner, webhook};
use sluice_model::EffectOutcome;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What is in the URLs and headers here and may be shown nowhere.
const SECRETS: [&str; 4] = ["s3cret", "hunter2", "t0ken", "T000"];

fn assert_discreet(message: &str) {
    for secret in SECRETS {
        assert!(!message.contains(secret), "{secret} shows in: {message}");
    }
}

#[tokio::test]
async fn a_webhook_sends_the_facts_once_under_the_effects_id() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let url = server
        .url("/services/T000?key=t0ken")
        .replace("://", "://rosa:hunter2@");
    let runner = runner();
    let effect = effect("shop/7/before/0/1", webhook(&url));
    assert_eq!(runner.run(&effect).await, EffectOutcome::Succeeded);
    assert_eq!(runner.run(&effect).await, EffectOutcome::Succeeded);

    let requests = server.requests();
    assert_eq!(requests.len(), 1, "sent once");
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /services/T000?key=t0ken HTTP/1.1"),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    for line in [
        "idempotency-key: shop/7/before/0/1",
        "sluice-effect-id: shop/7/before/0/1",
        "content-type: application/json",
        // The hook's own header goes before what the URL says.
        "authorization: bearer s3cret",
    ] {
        assert!(head.contains(line), "no {line:?} in: {head}");
    }
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "hook": "smoke",
            "effectId": "shop/7/before/0/1",
            "facts": {"service": "shop", "stepName": "5 %"},
        })
    );
}

#[tokio::test]
async fn only_2xx_is_success_and_the_message_shows_the_answers_first_line() {
    let endless = format!("HTTP/1.1 500 Oops\r\n\r\n{}", "x".repeat(10_000_000));
    let unfinished = "HTTP/1.1 409 Conflict\r\ncontent-length: 999\r\n\r\nalready there\r\n";
    for (response, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", None),
        ("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", None),
        (
            "HTTP/1.1 500 Oops\r\n\r\ndatabase is down\nstack: secret\n",
            Some("answered 500 Internal Server Error: database is down; look at"),
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            Some("answered 404 Not Found; "),
        ),
        (unfinished, Some("answered 409 Conflict: already there")),
        (&endless, Some("answered 500 Internal Server Error: xxxx")),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/t0ken\r\n\r\n",
            Some("points to http://elsewhere.example, which is not followed; set the hook's `url`"),
        ),
        ("this is not HTTP\r\n\r\n", Some("cannot be called: ")),
    ] {
        let server = Server::answering(response).await;
        let outcome = run(webhook(&server.url("/T000?key=t0ken"))).await;
        let response = &response[..response.len().min(80)];
        let Some(expected) = expected else {
            assert_eq!(outcome, EffectOutcome::Succeeded, "{response}");
            continue;
        };
        let message = failure(outcome);
        let place = format!("hook `smoke`: http://{} ", server.address);
        assert!(message.starts_with(&place), "{message}");
        assert!(message.contains(expected), "no {expected:?} in: {message}");
        assert!(
            message.len() < 400,
            "{} bytes for {response}",
            message.len()
        );
        assert_discreet(&message);
        assert_eq!(server.requests().len(), 1, "sent once: {response}");
    }
}

#[tokio::test]
async fn a_webhook_that_hangs_is_given_up() {
    let slow_body = "HTTP/1.1 500 Oops\r\ncontent-length: 999\r\n\r\n";
    let server = Server::answering("").await;
    let mut hanging = effect("hang", webhook(&server.url("/T000?key=t0ken")));
    hanging.timeout = Duration::from_millis(500);
    let message = failure(runner().run(&hanging).await);
    assert!(message.contains("did not answer within 500ms"), "{message}");
    assert!(message.contains("raise the hook's timeout"), "{message}");
    assert_discreet(&message);

    let message = failure(run(webhook(&Server::answering(slow_body).await.url("/"))).await);
    assert!(
        message.contains("answered 500 Internal Server Error; look at"),
        "{message}"
    );
}

#[tokio::test]
async fn a_webhook_that_cannot_be_reached_says_why_and_keeps_its_secrets() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for (url, expected) in [
        (
            format!("http://rosa:hunter2@{closed}/T000?key=t0ken"),
            "onnection refused",
        ),
        (
            "ftp://rosa:hunter2@host/t0ken".to_owned(),
            "neither http nor https; correct",
        ),
        (
            "rosa:hunter2/t0ken".to_owned(),
            "neither http nor https; correct",
        ),
        (
            "http://rosa:hunter2@host:99999/t0ken".to_owned(),
            "invalid port number; correct",
        ),
        ("hunter2 t0ken".to_owned(), "its URL is not one"),
    ] {
        let message = failure(run(webhook(&url)).await);
        assert!(message.contains(expected), "no {expected:?} in: {message}");
        assert_discreet(&message);
    }
    let mut action = webhook("http://127.0.0.1:1/");
    if let sluice_model::plan::HookAction::Webhook { headers, .. } = &mut action {
        headers.insert("X-Key".to_owned(), "s3cret\r\nInjected: yes".to_owned());
    }
    let message = failure(run(action).await);
    assert!(
        message.contains("its header `X-Key` cannot be sent"),
        "{message}"
    );
    assert_discreet(&message);
}

/// An HTTPS server with a certificate of its own making, and that certificate as PEM.
async fn https_server() -> (Server, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::at(listener.local_addr().unwrap());
    let noted = server.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                noted
                    .serve(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    });
    (server, made.cert.pem())
}

/// Tells the child of the test below where the server is.
const SERVER: &str = "SLUICE_HOOKS_TEST_SERVER";

#[tokio::test]
async fn https_is_trusted_by_what_this_machine_trusts_and_no_further() {
    if let Some(url) = std::env::var_os(SERVER) {
        // In the child, which trusts the server's certificate: see below.
        let outcome = run(webhook(url.to_str().unwrap())).await;
        return assert_eq!(outcome, EffectOutcome::Succeeded);
    }
    let (server, certificate) = https_server().await;
    let url = format!("https://localhost:{}/T000", server.address.port());
    let message = failure(run(webhook(&url)).await);
    assert!(
        message.contains("invalid peer certificate") || message.contains("no trusted certificates"),
        "{message}"
    );
    assert_eq!(server.requests().len(), 0, "nothing is sent to a stranger");

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.as_bytes()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args([
            "--exact",
            "webhooks::https_is_trusted_by_what_this_machine_trusts_and_no_further",
        ])
        .env(SERVER, &url)
        .env("SSL_CERT_FILE", file.path())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || child.output())
        .await
        .unwrap()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(server.requests().len(), 1);
}

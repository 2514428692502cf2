//! What the environment of the process decides, and what it does not: each test runs itself once
//! more as a child with the variables set.

use crate::support::{Fake, fetch, ok};
use crate::trust::https_server;
use sluice_metrics::{FetchErrorKind, PrometheusQuery, Query, Server};
use std::io::Write;
use std::process::{Command, Stdio};

/// Tells a child where the server is.
const SERVER: &str = "SLUICE_METRICS_TEST_SERVER";

const SCALAR: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;

async fn ask(url: &str) -> Result<(), FetchErrorKind> {
    let mut server = Server::at(url);
    server.timeout = crate::support::PATIENCE;
    let query = Query::Prometheus(PrometheusQuery::instant("up"));
    let answered = fetch(&server, &query).await;
    answered.map(|_| ()).map_err(|error| error.kind)
}

/// Runs a test of this file as a child; its server's URL is in [`SERVER`] there.
async fn again(test: &str, url: &str, variables: &[(&str, String)]) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", &format!("environment::{test}")])
        .env(SERVER, url)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || child.output())
        .await
        .unwrap()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    if let Ok(url) = std::env::var(SERVER) {
        return assert_eq!(ask(&url).await, Ok(()));
    }
    let server = Fake::answering([ok(SCALAR)]).await;
    let proxy = Fake::answering([ok(SCALAR)]).await;
    let variables =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, proxy.url("")));
    again(
        "a_proxy_of_the_environment_is_not_used",
        &server.url(""),
        &variables,
    )
    .await;
    assert_eq!((server.got().len(), proxy.got().len()), (1, 0));
}

#[tokio::test]
async fn without_authorities_of_its_own_a_source_trusts_what_the_machine_trusts() {
    if let Ok(url) = std::env::var(SERVER) {
        return assert_eq!(ask(&url).await, Ok(()));
    }
    let (fake, certificate) = https_server().await;
    let url = format!("https://localhost:{}", fake.address.port());
    let refused = ask(&url).await.unwrap_err();
    // A machine without any trusted certificate cannot ask at all.
    let expected = [FetchErrorKind::Untrusted, FetchErrorKind::Misconfigured];
    assert!(expected.contains(&refused), "{refused:?}");
    assert_eq!(fake.got().len(), 0);

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.as_bytes()).unwrap();
    let trusted = file.path().display().to_string();
    again(
        "without_authorities_of_its_own_a_source_trusts_what_the_machine_trusts",
        &url,
        &[("SSL_CERT_FILE", trusted)],
    )
    .await;
    assert_eq!(fake.got().len(), 1);
}

//! TLS at the listener: what is spoken inside is agreed by ALPN.

use crate::support::{Plan, STABLE, Server, Setup, full, status};
use http_body_util::BodyExt;
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sluice_model::workload::TlsFiles;
use sluice_proxy::ListenerRole;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for `shop.test` in files, and in memory.
fn certificate() -> (TempDir, TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["shop.test".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = TlsFiles {
        certificate: certificate.to_str().unwrap().to_owned(),
        key: key.to_str().unwrap().to_owned(),
    };
    (folder, files, made.cert.der().clone())
}

async fn connect(
    setup: &Setup,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let stream = TcpStream::connect(setup.address).await.unwrap();
    let name = ServerName::try_from("shop.test").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_version_is_agreed_and_replicas_learn_of_the_scheme() {
    let server = Server::http(|request| async move {
        let scheme = request.headers()["x-forwarded-proto"]
            .to_str()
            .unwrap()
            .to_owned();
        let padding = "x".repeat(100_000);
        hyper::Response::new(full(format!("{scheme} {padding}")))
    })
    .await;
    let (_folder, files, trusted) = certificate();
    let mut plan = Plan::http().with(STABLE, &[server.address]).split(0.0);
    plan.listener.tls = Some(files);
    let setup = plan.start();
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&setup, &trusted, protocols).await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(status(&answer), 200);
        assert!(answer.contains("\r\n\r\nhttps xxx") && answer.len() > 100_000);
    }
    let stream = connect(&setup, &trusted, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://shop.test/").body(full("")).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"https xxx") && body.len() > 100_000);
    // A cleartext request on a TLS port is no request.
    let answer = setup.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&answer), 0);
    setup
        .counted(STABLE, |counters| counters.classes == [0, 3, 0, 0, 0])
        .await;
}

#[tokio::test]
async fn unusable_files_are_named() {
    let (folder, files, _) = certificate();
    let empty = folder.path().join("empty.pem").to_str().unwrap().to_owned();
    std::fs::write(&empty, "").unwrap();
    let setup = Plan::http().start();
    for (certificate, key, named) in [
        ("/no/such/cert.pem", files.key.as_str(), "/no/such/cert.pem"),
        (&files.certificate, "/no/such/key.pem", "/no/such/key.pem"),
        (&empty, &files.key, "empty.pem"),
        (&files.certificate, &files.certificate, "cert.pem"),
    ] {
        let mut listener = Plan::http().listener;
        listener.tls = Some(TlsFiles {
            certificate: certificate.into(),
            key: key.into(),
        });
        let result = setup
            .proxy
            .listen(&setup.service, ListenerRole::Preview, &listener, None);
        assert!(result.is_err(), "there is no preview address");
        let result = setup
            .proxy
            .listen(&setup.service, ListenerRole::Main, &listener, None);
        let error = result.unwrap_err().to_string();
        assert!(error.contains("`shop`") && error.contains(named), "{error}");
    }
}

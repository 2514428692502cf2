//! TLS: whose certificates are trusted.

use crate::support::{Fake, fetch, ok};
use sluice_metrics::{FetchErrorKind, PrometheusQuery, Query, Retry, Server, Tls};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A server with a certificate that nobody else trusts, and that certificate.
pub(crate) async fn https_server() -> (Fake, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
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
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
    let fake = Fake::at(listener.local_addr().unwrap(), [ok(scalar)]);
    let serving = fake.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                serving.serve(stream).await;
            }
        }
    });
    (fake, made.cert.pem())
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_authority_or_not_at_all() {
    let (fake, certificate) = https_server().await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let named = |pem: &str| Tls {
        authorities: Some(pem.to_owned()),
        insecure: false,
    };
    let insecure = Tls {
        authorities: None,
        insecure: true,
    };
    for (host, tls, expected) in [
        ("localhost", named(&certificate), Ok(())),
        (
            "localhost",
            named(&other.cert.pem()),
            Err(FetchErrorKind::Untrusted),
        ),
        // The certificate is for another name.
        (
            "127.0.0.1",
            named(&certificate),
            Err(FetchErrorKind::Untrusted),
        ),
        ("127.0.0.1", insecure, Ok(())),
        (
            "localhost",
            named("no certificate"),
            Err(FetchErrorKind::Misconfigured),
        ),
    ] {
        let before = fake.got().len();
        let mut server = Server::at(format!("https://{host}:{}", fake.address.port()));
        server.timeout = crate::support::PATIENCE;
        server.tls = tls;
        let query = Query::Prometheus(PrometheusQuery::instant("up"));
        let answered = fetch(&server, &query).await;
        if let Err(error) = &answered {
            assert_eq!(error.retry, Retry::Never, "{error}");
            assert!(error.to_string().contains("authorities"), "{error}");
            assert_eq!(fake.got().len(), before, "nothing is sent to a stranger");
        }
        assert_eq!(answered.map(|_| ()).map_err(|error| error.kind), expected);
    }
}

//! The HTTP client of a source: whose certificates it trusts, and what it does not do.
//!
//! It follows no redirection (one could lead credentials to another host), reads no proxy from the
//! environment, and keeps few idle connections.

use crate::error::FetchError;
use crate::server::Tls;
use reqwest::redirect;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a connection; the source's timeout covers the whole fetch.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections kept to a host: checks come one after the other.
const IDLE_CONNECTIONS_MAX: usize = 1;

/// How long an idle connection is kept: through a burst of checks, and not so long that the server
/// closes it just when it is to be used again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A client as sources have it, for others of this controller who speak to servers outside: no redirections, no proxy
/// of the environment, certificates of this machine, or any. Reads them, so it may block for a moment.
///
/// # Errors
/// There are no trusted certificates.
pub fn http_client(insecure: bool) -> Result<reqwest::Client, FetchError> {
    let tls = Tls {
        insecure,
        ..Tls::default()
    };
    client(&tls, true)
}

/// A client for one source. Reads the machine's certificates, so it may block for a moment.
///
/// # Errors
/// The authorities are no certificates, or there are none at all.
pub(crate) fn client(tls: &Tls, is_https: bool) -> Result<reqwest::Client, FetchError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| no_client(&error))?;
    let config = if tls.insecure {
        let verifier = TrustsAnyone::new(&provider);
        versions
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()
    } else {
        let roots = match &tls.authorities {
            Some(pem) => named(pem)?,
            None if is_https => of_this_machine()?,
            None => RootCertStore::empty(),
        };
        versions.with_root_certificates(roots).with_no_client_auth()
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| no_client(&error))
}

fn no_client(error: &dyn std::error::Error) -> FetchError {
    FetchError::misconfigured(
        format!("no HTTP client could be made: {error}"),
        "this is a defect, report it",
    )
}

fn named(pem: &str) -> Result<RootCertStore, FetchError> {
    let bad = |cause: String| {
        FetchError::misconfigured(
            format!("its authorities cannot be used: {cause}"),
            "give certificates as PEM, each between `-----BEGIN CERTIFICATE-----` and `-----END CERTIFICATE-----`",
        )
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("there is no certificate in them".to_owned()));
    }
    Ok(roots)
}

fn of_this_machine() -> Result<RootCertStore, FetchError> {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some of this machine's trusted certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (trusted, _unusable) = roots.add_parsable_certificates(native.certs);
    if trusted == 0 {
        return Err(FetchError::misconfigured(
            "this machine has no trusted certificates",
            "install `ca-certificates`, name a file of them in SSL_CERT_FILE, or give the source its own `authorities`",
        ));
    }
    Ok(roots)
}

/// Accepts every certificate, but not a handshake that its key did not sign.
#[derive(Debug)]
struct TrustsAnyone {
    algorithms: WebPkiSupportedAlgorithms,
}

impl TrustsAnyone {
    fn new(provider: &CryptoProvider) -> TrustsAnyone {
        TrustsAnyone {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for TrustsAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

//! Calls for credentials: each with a timeout, without redirections and without a proxy.

use crate::error::{FetchError, FetchErrorKind};
use crate::exchange::{Reply, exchange};
use crate::server::Tls;
use crate::tls;
use crate::transport;
use reqwest::{Method, Request, Url};
use sluice_model::time::format_span;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The HTTP clients, each made for its first call: one that reads this machine's trusted
/// certificates, and one that needs none.
#[derive(Default)]
pub(super) struct Client {
    https: OnceCell<reqwest::Client>,
    http: OnceCell<reqwest::Client>,
}

impl Client {
    /// Sends a request and reads its answer, whatever its status.
    pub(super) async fn send(
        &self,
        request: Request,
        timeout: Duration,
    ) -> Result<Reply, FetchError> {
        let origin = origin(request.url());
        let is_https = request.url().scheme() == "https";
        let cell = if is_https { &self.https } else { &self.http };
        let make = || async move {
            let made = tokio::task::spawn_blocking(move || tls::client(&Tls::default(), is_https));
            made.await.unwrap_or_else(|error| {
                Err(FetchError::misconfigured(
                    format!("no HTTP client could be made: {error}"),
                    "this is a defect, report it",
                ))
            })
        };
        let client = cell.get_or_try_init(make).await?;
        let exchanged = tokio::time::timeout(timeout, exchange(client, request, &origin)).await;
        exchanged.unwrap_or_else(|_elapsed| {
            Err(FetchError::new(
                FetchErrorKind::TimedOut,
                format!("{origin} did not answer within {}", format_span(timeout)),
                "see why it is slow",
            ))
        })
    }
}

/// A request without headers or body to this address, which `what` names in messages.
pub(super) fn request(method: Method, address: &str, what: &str) -> Result<Request, FetchError> {
    Ok(Request::new(method, transport::parse(address, what)?))
}

/// Scheme, host and port: what of an address is shown.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

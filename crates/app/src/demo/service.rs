//! The demo's service: a small real HTTP server that fails a share of its requests, if told to.
//!
//! A hidden subcommand of the binary, so that the demo needs nothing else.

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The header by which the load tells an answer of the service from one that the proxy made up.
pub(super) const VERSION_HEADER: &str = "x-demo-version";

/// What the service is started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it calls itself.
    pub(crate) version: String,
    /// Share of requests that fail, 0 to 1.
    pub(crate) fail_ratio: f64,
    /// Memory that each request leaves behind, in bytes.
    pub(crate) leak_bytes: usize,
}

/// Serves until SIGTERM, then finishes what it has.
pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.address)
        .await
        .with_context(|| format!("the demo service cannot listen on {}", options.address))?;
    let version = HeaderValue::from_str(&options.version).context("the version is not a header")?;
    let answer = Arc::new(Answer {
        version,
        fail_ratio: options.fail_ratio,
        leak_bytes: options.leak_bytes,
    });
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for signals")?;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.context("the demo service cannot accept")?.0,
            _ = terminate.recv() => return Ok(()),
        };
        stream
            .set_nodelay(true)
            .context("the demo service cannot set up a connection")?;
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer.to(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

struct Answer {
    version: HeaderValue,
    fail_ratio: f64,
    leak_bytes: usize,
}

impl Answer {
    fn to<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let is_probe = request.uri().path() == "/healthz";
        if self.leak_bytes > 0 && !is_probe {
            // Written to, so that it is resident.
            Box::leak(vec![1_u8; self.leak_bytes].into_boxed_slice());
        }
        let fails = !is_probe && fastrand::f64() < self.fail_ratio;
        let (status, text) = if fails {
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "no stock could be reserved\n",
            )
        } else {
            (StatusCode::OK, "reserved\n")
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(VERSION_HEADER, self.version.clone());
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}

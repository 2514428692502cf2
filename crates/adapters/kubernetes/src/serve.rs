//! What others see of the controller: `/metrics` for Prometheus, `/healthz` for whoever restarts it.

use crate::metrics::{CONTENT_TYPE, Scrape};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many connections are served at a time on an address; those beyond wait.
const CONNECTIONS_MAX: usize = 32;
/// The longest time for the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// The longest time for a connection, with all its requests: a scraper opens another.
const CONNECTION_MAX: Duration = Duration::from_secs(600);
/// The wait after a connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What is told.
pub(crate) trait Source: Send + Sync + 'static {
    /// Everything that is told now.
    fn scrape(&self) -> Scrape;
    /// Whether it works; otherwise what does not.
    fn health(&self) -> Result<(), String>;
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for metrics and health: {source}")]
pub struct ServeError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: std::io::Error,
}

/// A server; it ends when this is dropped.
#[derive(Debug)]
pub struct Serving {
    addresses: Vec<SocketAddr>,
    _tasks: JoinSet<()>,
}

impl Serving {
    /// The addresses that are listened on, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

pub(crate) async fn serve<S: Source>(
    source: Arc<S>,
    addresses: &[SocketAddr],
) -> Result<Serving, ServeError> {
    let mut serving = Serving {
        addresses: Vec::new(),
        _tasks: JoinSet::new(),
    };
    for &address in addresses {
        let failed = |source| ServeError { address, source };
        let listener = bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(%address, "serves /metrics and /healthz");
        serving.addresses.push(address);
        serving._tasks.spawn(accept(listener, Arc::clone(&source)));
    }
    Ok(serving)
}

/// All addresses are those of both protocols, or of IPv4 where there is no IPv6.
async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(cause) if address.is_ipv6() && address.ip().is_unspecified() => {
            if cause.kind() == std::io::ErrorKind::AddrInUse {
                return Err(cause);
            }
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

async fn accept<S: Source>(listener: TcpListener, source: Arc<S>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let source = Arc::clone(&source);
                connections.spawn(async move {
                    connection(stream, source).await;
                    drop(place);
                });
            }
            Err(cause) => {
                tracing::warn!(%cause, "a connection for metrics or health is not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<S: Source>(stream: TcpStream, source: Arc<S>) {
    let service = service_fn(move |request| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(answer(&request, source).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(cause)) = tokio::time::timeout(CONNECTION_MAX, served).await {
        tracing::debug!(%cause, "a connection for metrics or health broke");
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer<T, S: Source>(request: &Request<T>, source: Arc<S>) -> Answer {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET is answered\n".to_owned(),
        );
    }
    match request.uri().path() {
        "/metrics" => {
            // Thousands of objects are read: that is no work for a thread that others wait for.
            match tokio::task::spawn_blocking(move || source.scrape()).await {
                Ok(scrape) => respond(StatusCode::OK, Pieces(scrape).boxed_unsync()),
                Err(_) => text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the metrics could not be collected; see the log\n".to_owned(),
                ),
            }
        }
        "/healthz" => match source.health() {
            Ok(()) => text(StatusCode::OK, "ok".to_owned()),
            Err(cause) => {
                tracing::warn!(cause, "not healthy");
                text(StatusCode::SERVICE_UNAVAILABLE, format!("{cause}\n"))
            }
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics and /healthz\n".to_owned(),
        ),
    }
}

fn text(status: StatusCode, text: String) -> Answer {
    respond(status, Full::new(Bytes::from(text)).boxed_unsync())
}

fn respond(status: StatusCode, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let content_type = http::HeaderValue::from_static(CONTENT_TYPE);
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, content_type);
    answer
}

/// A body that is written as fast as it is read.
struct Pieces(Scrape);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.next();
        Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from(piece)))))
    }
}

#[cfg(test)]
mod tests;

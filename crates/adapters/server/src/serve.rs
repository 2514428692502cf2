//! Listening and connections: who may connect, how many at a time, for how long.
//!
//! A connection is refused, not queued, when there are too many; a client that sends or reads too
//! slowly is cut off. The unix socket and TCP have bounds of their own, so that a flood on TCP never
//! locks the owner out. What a request means is in `routes`.

use crate::backend::Backend;
use crate::error::{ApiError, ErrorCode};
use crate::identity::{Origin, identify, may_connect, user_name};
use crate::routes;
use crate::socket::{Socket, SocketError};
use crate::token::{Token, TokenError};
use axum::Router;
use axum::response::IntoResponse;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

/// Wait after a failed `accept`, as when the process is out of file numbers.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Longest time for a refused client to ask and to be told; short, as there may be many.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Largest request head, in bytes, that is buffered.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, on each of the two listeners; watchers hold one each.
    pub connections_max: usize,
    /// Longest time for a client to send a request's head, or its next request.
    pub header_timeout: Duration,
    /// Longest wait for a client to take what is written to it.
    pub write_timeout: Duration,
    /// Largest request body, in bytes; a document is far smaller.
    pub body_bytes_max: usize,
    /// Longest time for an answer that only looks.
    pub look_timeout: Duration,
    /// Longest time for a command to be answered by a decision.
    pub command_timeout: Duration,
    /// Longest time for an answer behind work: copying artifacts, checking a log, calling hooks.
    pub work_timeout: Duration,
    /// Longest time for requests in flight to finish when the server ends.
    pub closing_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            body_bytes_max: 1024 * 1024,
            look_timeout: Duration::from_secs(10),
            command_timeout: Duration::from_secs(15),
            work_timeout: Duration::from_secs(120),
            closing_timeout: Duration::from_secs(3),
        }
    }
}

/// Where the server listens.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The state folder; it exists.
    pub state_dir: PathBuf,
    /// A TCP address besides the unix socket. An address that other machines reach needs a token
    /// that is already there: what it opens up is somebody's decision.
    pub tcp: Option<SocketAddr>,
    /// Take the socket over from a process that listens on it.
    pub take_over: bool,
    /// Bounds.
    pub limits: Limits,
}

impl ServerOptions {
    /// The unix socket of a state folder alone.
    #[must_use]
    pub fn local(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            tcp: None,
            take_over: false,
            limits: Limits::default(),
        }
    }
}

/// Why the server cannot listen.
#[derive(Debug, Error)]
pub enum BindError {
    /// The unix socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An address that other machines reach, without a token made beforehand.
    #[error(
        "{address} can be reached from other machines, and there is no token yet; start once with \
         a loopback address, as 127.0.0.1:{}, which makes the file {}, then again with this one",
        address.port(), token.display()
    )]
    Exposed {
        /// The address.
        address: SocketAddr,
        /// Where the token belongs.
        token: PathBuf,
    },
    /// The TCP address.
    #[error("cannot listen on {address} for the API: {source}; choose another address")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Bound {
    unix: Socket,
    tcp: Option<(TcpListener, Token)>,
    limits: Limits,
}

/// Begins to listen.
///
/// # Errors
/// See [`BindError`]. Must be called within a tokio runtime.
pub async fn bind(options: &ServerOptions) -> Result<Bound, BindError> {
    let tcp = match options.tcp {
        None => None,
        Some(address) => {
            let state_dir = &options.state_dir;
            let token = if address.ip().is_loopback() {
                Token::load_or_create(state_dir)?
            } else {
                Token::load(state_dir)?.ok_or_else(|| BindError::Exposed {
                    address,
                    token: state_dir.join(crate::token::TOKEN_FILE),
                })?
            };
            let listener = TcpListener::bind(address)
                .await
                .map_err(|source| BindError::Tcp { address, source })?;
            Some((listener, token))
        }
    };
    let unix = Socket::bind(&options.state_dir, options.take_over).await?;
    Ok(Bound {
        unix,
        tcp,
        limits: options.limits,
    })
}

impl Bound {
    /// The TCP address, with the port that was chosen for port 0.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp
            .as_ref()
            .and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Answers until `stop` completes, then lets the requests in flight finish, within a bound.
    pub async fn serve<B: Backend>(self, backend: Arc<B>, stop: impl Future<Output = ()> + Send) {
        let (closing, is_closing) = watch::channel(false);
        let shared = Connections {
            router: routes::router(backend, self.limits, is_closing.clone()),
            limits: self.limits,
            closing: is_closing,
        };
        let unix_places = Arc::new(Semaphore::new(self.limits.connections_max));
        let tcp_places = Arc::new(Semaphore::new(self.limits.connections_max));
        let mut tasks = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                accepted = self.unix.accept() => match accepted {
                    Ok(stream) => {
                        let (shared, places) = (shared.clone(), Arc::clone(&unix_places));
                        tasks.spawn(async move { shared.unix(stream, places).await });
                    }
                    Err(error) => not_accepted(&error).await,
                },
                accepted = accept_tcp(self.tcp.as_ref()) => match accepted {
                    Ok((stream, token)) => {
                        let (shared, places) = (shared.clone(), Arc::clone(&tcp_places));
                        tasks.spawn(async move { shared.tcp(stream, token, places).await });
                    }
                    Err(error) => not_accepted(&error).await,
                },
            }
        }
        // The listeners close first: a client that comes now is told that nobody listens.
        let limits = self.limits;
        drop(self);
        closing.send_replace(true);
        let finished = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limits.closing_timeout, finished)
            .await
            .is_err()
        {
            tracing::warn!(left = tasks.len(), "API requests were cut off at the end");
            tasks.shutdown().await;
        }
    }
}

async fn accept_tcp(tcp: Option<&(TcpListener, Token)>) -> io::Result<(TcpStream, Token)> {
    match tcp {
        Some((listener, token)) => listener
            .accept()
            .await
            .map(|(stream, _)| (stream, token.clone())),
        None => std::future::pending().await,
    }
}

async fn not_accepted(error: &io::Error) {
    tracing::warn!(%error, "a connection to the API could not be accepted");
    tokio::time::sleep(ACCEPT_RETRY).await;
}

/// What every connection needs.
#[derive(Clone)]
struct Connections {
    router: Router,
    limits: Limits,
    closing: watch::Receiver<bool>,
}

impl Connections {
    async fn unix(self, stream: UnixStream, places: Arc<Semaphore>) {
        let uid = match stream.peer_cred() {
            Ok(peer) => peer.uid(),
            Err(error) => {
                tracing::warn!(%error, "the user behind a connection cannot be told; refused");
                return;
            }
        };
        if !may_connect(uid) {
            let error = ApiError::new(ErrorCode::Forbidden, "this Sluice belongs to another user")
                .with_help("run the command as the owner of the state folder, or as root");
            refuse(stream, error).await;
            return;
        }
        let Ok(_place) = places.try_acquire_owned() else {
            refuse(stream, too_many()).await;
            return;
        };
        let actor = user_name(uid).await;
        self.answer(stream, Origin::Local { actor }).await;
    }

    async fn tcp(self, stream: TcpStream, token: Token, places: Arc<Semaphore>) {
        let Ok(_place) = places.try_acquire_owned() else {
            refuse(stream, too_many()).await;
            return;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        self.answer(stream, Origin::Remote { token }).await;
    }

    async fn answer<S>(mut self, stream: S, origin: Origin)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write_timeout));
        let router = self.router;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let mut router = router.clone();
            let caller = identify(&origin, request.headers());
            async move {
                match caller {
                    Err(error) => Ok::<_, Infallible>(error.into_response()),
                    Ok(caller) => {
                        request.extensions_mut().insert(caller);
                        router.call(request).await
                    }
                }
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = until_closing(&mut self.closing) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "an API connection broke");
        }
    }
}

/// Completes when the server begins to end; one that is gone has ended.
pub(crate) async fn until_closing(closing: &mut watch::Receiver<bool>) {
    let _ended_or_gone = closing.wait_for(|closing| *closing).await.is_ok();
}

fn too_many() -> ApiError {
    ApiError::new(
        ErrorCode::Busy,
        "too many clients are connected to this Sluice",
    )
    .with_help("end some that watch or follow, and try again")
}

/// Answers a connection with one error, whatever it asks.
async fn refuse<S>(stream: S, error: ApiError)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let service = service_fn(move |_request: Request<Incoming>| {
        let response = error.clone().into_response();
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    match tokio::time::timeout(REFUSAL_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a refused API connection broke"),
        Err(_) => tracing::debug!("a refused API connection did not take its answer"),
    }
}

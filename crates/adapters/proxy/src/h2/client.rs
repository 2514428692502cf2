//! The side of the replicas, HTTP/2 without TLS (h2c): a few connections to each replica, each with
//! many requests at a time.

use super::LocalExecutor;
use crate::body::{AnswerSource, BodyError, RequestBody, Watch};
use crate::head::{AnswerHead, BodyLength, RequestHead, parse_length};
use crate::upstream::{Attempt, Raw, SendError, within_connect_timeout};
use crate::worker::local::ReplicaLocal;
use bytes::Bytes;
use h2::Reason;
use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::{Body, Frame};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;

/// Requests at a time on one connection before another is opened.
const STREAMS_MAX: usize = 100;
/// Connections of a worker to one replica; beyond them requests share.
const CONNECTIONS_MAX: usize = 4;
/// Bytes that a replica may send ahead of what clients took, for one request and for a connection.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes of a body that wait for the replica.
const SEND_BUFFER_MAX: usize = 128 * 1024;
/// Silence after which a replica is asked whether it is still there.
const PING_AFTER: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection to a replica.
#[derive(Clone)]
pub(crate) struct Sender {
    send: SendRequest<RequestBody>,
    streams: Rc<Cell<usize>>,
}

impl Sender {
    /// Whether it is of no further use.
    pub(crate) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }
}

/// Counts a request on a connection while it lives.
struct Stream(Rc<Cell<usize>>);

impl Stream {
    fn new(sender: &Sender) -> Stream {
        sender.streams.set(sender.streams.get() + 1);
        Stream(Rc::clone(&sender.streams))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// An answer's body.
pub(crate) struct Incoming {
    body: hyper::body::Incoming,
    upload: Watch,
    _stream: Stream,
}

impl Incoming {
    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Bytes of the request's body that were taken from the client.
    pub(crate) fn uploaded(&self) -> u64 {
        self.upload.bytes()
    }

    /// Whether the replica could take more of the request's body, and the client sends none.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.upload.waits_for_client()
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError::ReplicaBroke)))
    }
}

/// Sends a request and waits for the head of its answer.
pub(crate) async fn send(
    attempt: Attempt<'_>,
    replica: &Rc<ReplicaLocal>,
    head: &RequestHead,
    body: &mut RequestBody,
) -> Result<Raw, SendError> {
    let (mut sender, reused) = sender(attempt, replica).await?;
    let stream = Stream::new(&sender);
    let upload = body.watch();
    let spent = body.spent();
    let request = request(head, replica, std::mem::replace(body, spent))?;
    let mut answering = pin!(sender.send.try_send_request(request));
    let mut uploaded = 0;
    let answer = loop {
        match attempt
            .timer
            .within(attempt.limits.request_timeout, answering.as_mut())
            .await
        {
            Ok(answer) => break answer,
            Err(_) if upload.bytes() > uploaded => uploaded = upload.bytes(),
            Err(_) if upload.waits_for_client() => {
                return Err(SendError::Client(BodyError::ClientSilent));
            }
            Err(_) => return Err(SendError::Timeout),
        }
    };
    match answer {
        Ok(answer) => Ok(raw(answer, &head.method, stream, upload)),
        Err(mut refused) => {
            if let Some(request) = refused.take_message() {
                *body = request.into_body();
            }
            if let Some(error) = upload.error() {
                return Err(SendError::Client(error));
            }
            let error = refused.into_error();
            Err(SendError::Closed {
                stale: reused && !was_reset(&error),
                error: io::Error::other(error),
            })
        }
    }
}

/// Whether the replica took the request up and gave it up then; the connection is as good as before.
fn was_reset(error: &hyper::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(|error| error.is_reset() && error.reason() != Some(Reason::REFUSED_STREAM))
}

/// A connection with room, an opened one before a new one; and whether it was opened before.
async fn sender(
    attempt: Attempt<'_>,
    replica: &Rc<ReplicaLocal>,
) -> Result<(Sender, bool), SendError> {
    if !attempt.fresh
        && let Some(open) = open_sender(replica)
    {
        return Ok((open, true));
    }
    let opening = async {
        // One at a time: the others then share what it opened.
        let _opening = replica.opening.lock().await;
        if !attempt.fresh
            && let Some(open) = open_sender(replica)
        {
            return Ok((open, true));
        }
        let sender = open(replica).await?;
        replica.keep_sender(sender.clone(), CONNECTIONS_MAX);
        Ok((sender, false))
    };
    within_connect_timeout(attempt, opening).await
}

fn open_sender(replica: &ReplicaLocal) -> Option<Sender> {
    let mut senders = replica.senders();
    senders.retain(|sender| !sender.is_closed());
    let sender = senders.iter().min_by_key(|sender| sender.streams.get())?;
    let has_room = sender.streams.get() < STREAMS_MAX || senders.len() >= CONNECTIONS_MAX;
    has_room.then(|| sender.clone())
}

async fn open(replica: &ReplicaLocal) -> io::Result<Sender> {
    let stream = TcpStream::connect(replica.replica.address).await?;
    stream.set_nodelay(true)?;
    let (send, connection) = Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER_MAX)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP/2 connection to a replica broke");
        }
    });
    Ok(Sender {
        send,
        streams: Rc::default(),
    })
}

fn request(
    head: &RequestHead,
    replica: &ReplicaLocal,
    body: RequestBody,
) -> Result<Request<RequestBody>, SendError> {
    let authority = head
        .host
        .as_ref()
        .and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let authority = match authority {
        Some(authority) => Some(authority),
        // An old client named no host; HTTP/2 needs one.
        None => Authority::try_from(replica.replica.address.to_string()).ok(),
    };
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = authority;
    uri.path_and_query = PathAndQuery::from_maybe_shared(head.target.clone()).ok();
    let uri = Uri::from_parts(uri)
        .map_err(|_| SendError::Client(BodyError::Malformed("the request target is malformed")))?;
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = head.headers.clone();
    let headers = request.headers_mut();
    if let BodyLength::Known(length) = head.length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if head.trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    Ok(request)
}

fn raw(
    answer: Response<hyper::body::Incoming>,
    method: &Method,
    stream: Stream,
    upload: Watch,
) -> Raw {
    let (parts, body) = answer.into_parts();
    let mut headers = parts.headers;
    let declared = headers.remove(header::CONTENT_LENGTH);
    let declared = declared.and_then(|text| parse_length(text.as_bytes()));
    let bodiless = *method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
    let length = match declared {
        Some(length) if length > 0 || bodiless || body.is_end_stream() => BodyLength::Known(length),
        _ if body.is_end_stream() => BodyLength::Empty,
        _ => BodyLength::Unknown,
    };
    let source = AnswerSource::H2(Incoming {
        body,
        upload,
        _stream: stream,
    });
    Raw {
        head: AnswerHead {
            status: parts.status,
            headers,
            length,
        },
        source,
        upgrade: None,
    }
}

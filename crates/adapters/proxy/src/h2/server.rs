//! The side of the clients, HTTP/2: a connection with many requests at a time.

use super::{LocalExecutor, Rewound};
use crate::answer::{Answer, made_up};
use crate::body::{AnswerBody, RequestBody};
use crate::connection::{Client, RequestGuard};
use crate::forward::forward;
use crate::h1::fields::is_host;
use crate::head::{BodyLength, RequestHead, parse_length, remove_hop_by_hop, tokens};
use crate::io::ClientIo;
use crate::timer::{TICK_MAX, Timer};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// Requests at a time on one connection.
const STREAMS_MAX: u32 = 256;
/// Bytes that a client may send ahead of what a replica took, for one request and for a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of answers that wait for one request's client.
const SEND_BUFFER_MAX: usize = 128 * 1024;
/// Silence after which a client is asked whether it is still there.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves a connection until it ends. `read` is what came of it already.
pub(crate) async fn serve(client: Rc<Client>, io: ClientIo, read: Bytes) {
    let limits = &client.listener.limits;
    let serving = Rc::clone(&client);
    let service = service_fn(move |request| {
        let client = Rc::clone(&serving);
        async move { Ok::<_, Infallible>(serve_request(client, request).await) }
    });
    let connection = Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(limits.header_bytes_max)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER_MAX)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(Rewound { read, io }), service);
    let mut connection = pin!(connection);
    let mut changed = pin!(client.listener.changed.notified());
    changed.as_mut().enable();
    let mut is_ending = false;
    let mut idle_since = Instant::now();
    let mut moves = 0;
    // Silence of a replica ends an answer before this: what is left is a client that does not read.
    let stuck_after = limits.idle_timeout.saturating_add(limits.request_timeout) + TICK_MAX;
    let mut tick = tokio::time::interval(TICK_MAX);
    loop {
        if client.listener.is_closing() && !is_ending {
            // GOAWAY: requests that are on their way still get their answers.
            is_ending = true;
            connection.as_mut().graceful_shutdown();
        }
        tokio::select! {
            end = connection.as_mut() => {
                if let Err(error) = end {
                    tracing::debug!(%error, "an HTTP/2 connection broke");
                }
                return;
            }
            () = changed.as_mut(), if !is_ending => {}
            now = tick.tick() => {
                if moves != client.activity.moves() {
                    moves = client.activity.moves();
                    idle_since = now;
                } else if !client.activity.is_idle() {
                    if now - idle_since >= stuck_after {
                        return;
                    }
                } else if client.listener.is_closed() {
                    return;
                } else if now - idle_since >= limits.idle_timeout && !is_ending {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                } else if now - idle_since >= limits.idle_timeout + PING_TIMEOUT {
                    return;
                }
            }
        }
    }
}

async fn serve_request(client: Rc<Client>, request: Request<Incoming>) -> Response<AnswerBody> {
    let guard = RequestGuard::new(&client);
    let limits = &client.listener.limits;
    let timer = Timer::default();
    let answer = match split(request, limits.headers_max as usize) {
        Ok((head, body)) => match head.length {
            BodyLength::Known(length) if limits.body_bytes_max.is_some_and(|max| length > max) => {
                let reason = "the request body is too large";
                made_up(
                    &client,
                    StatusCode::PAYLOAD_TOO_LARGE,
                    reason,
                    head.is_grpc(),
                )
            }
            length => {
                let body = RequestBody::h2(&client, body, length);
                forward(&client, &timer, head, body).await
            }
        },
        Err((status, reason)) => made_up(&client, status, reason, false),
    };
    let Answer { head, mut body, .. } = answer;
    body.limit_silence(limits.idle_timeout);
    body.keep(guard);
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if let BodyLength::Known(length) = head.length {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// Translates a request into the proxy's own form.
fn split(
    request: Request<Incoming>,
    headers_max: usize,
) -> Result<(RequestHead, Incoming), (StatusCode, &'static str)> {
    let (parts, body) = request.into_parts();
    let mut headers: HeaderMap = parts.headers;
    if headers.len() > headers_max {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err((status, "the request has too many header lines"));
    }
    if parts.method == Method::CONNECT {
        return Err((StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported"));
    }
    let target = match parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
    {
        target if target.starts_with('/') => Bytes::copy_from_slice(target.as_bytes()),
        "*" if parts.method == Method::OPTIONS => Bytes::from_static(b"*"),
        _ => return Err((StatusCode::BAD_REQUEST, "the path is malformed")),
    };
    if parts.uri.authority().is_none() && headers.get_all(header::HOST).iter().count() > 1 {
        return Err((StatusCode::BAD_REQUEST, "several hosts are named"));
    }
    let named = headers.remove(header::HOST);
    let host = match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => named,
    };
    match &host {
        Some(host) if is_host(host.as_bytes()) => {}
        Some(_) => return Err((StatusCode::BAD_REQUEST, "the authority is malformed")),
        None => return Err((StatusCode::BAD_REQUEST, "the authority is missing")),
    }
    let length = match headers.remove(header::CONTENT_LENGTH) {
        _ if body.is_end_stream() => BodyLength::Empty,
        None => BodyLength::Unknown,
        Some(text) => match parse_length(text.as_bytes()) {
            None => return Err((StatusCode::BAD_REQUEST, "content-length is malformed")),
            Some(0) => BodyLength::Unknown,
            Some(length) => BodyLength::Known(length),
        },
    };
    let trailers = headers.remove(header::TE).is_some_and(|te| {
        tokens(te.as_bytes()).any(|token| token.eq_ignore_ascii_case(b"trailers"))
    });
    headers.remove(header::EXPECT);
    remove_hop_by_hop(&mut headers);
    let head = RequestHead {
        method: parts.method,
        target,
        host,
        headers,
        upgrade: None,
        trailers,
        length,
    };
    Ok((head, body))
}

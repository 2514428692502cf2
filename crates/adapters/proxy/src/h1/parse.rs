//! Heads of HTTP/1 messages, read strictly.
//!
//! Whatever two implementations could read in two ways is refused, because that is how one request
//! is smuggled inside another (RFC 9112 §11.2). Fields of the connection are used here and not passed on.

use crate::head::spare;
use crate::head::{
    AnswerHead, BodyLength, KEEP_ALIVE, RequestHead, is_hop_by_hop, parse_length, tokens,
};
use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::mem::MaybeUninit;

/// Largest head of an answer, in bytes; a replica is trusted further than a client.
const ANSWER_HEAD_BYTES_MAX: usize = 128 * 1024;
/// Most header lines of an answer.
const ANSWER_HEADERS_MAX: usize = HEADERS_ON_STACK;
/// Header lines that are parsed without memory from the heap.
const HEADERS_ON_STACK: usize = 128;

/// A request that is not served, and how that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
}

const fn refuse<T>(status: StatusCode, reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, reason })
}

const fn bad<T>(reason: &'static str) -> Result<T, Refusal> {
    refuse(StatusCode::BAD_REQUEST, reason)
}

/// A request's head with what concerns the client's connection.
#[derive(Debug)]
pub(crate) struct ParsedRequest {
    pub(crate) head: RequestHead,
    pub(crate) keep_alive: bool,
    pub(crate) is_http10: bool,
    pub(crate) expects_continue: bool,
}

/// An answer's head with what concerns the replica's connection.
#[derive(Debug)]
pub(crate) struct ParsedAnswer {
    pub(crate) head: AnswerHead,
    pub(crate) keep_alive: bool,
    pub(crate) is_chunked: bool,
}

/// Bounds of a request's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    pub(crate) bytes_max: usize,
    pub(crate) headers_max: usize,
}

/// Reads a request's head from the front of `buffer`; `None` when it is not complete yet.
///
/// # Errors
/// The answer to give before the connection is closed.
pub(crate) fn parse_request(
    buffer: &mut BytesMut,
    limits: HeadLimits,
) -> Result<Option<ParsedRequest>, Refusal> {
    // RFC 9112 §2.2: an empty line before a request is ignored.
    while buffer.starts_with(b"\r\n") {
        buffer.advance(2);
    }
    let Some(end) = head_end(buffer)? else {
        return if buffer.len() < limits.bytes_max {
            Ok(None)
        } else if memchr::memchr(b'\n', buffer).is_none() {
            refuse(StatusCode::URI_TOO_LONG, "the request line is too long")
        } else {
            refuse(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the request head is too large",
            )
        };
    };
    if end > limits.bytes_max {
        return refuse(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the request head is too large",
        );
    }
    // A copy of its own: the large read buffer is free again while the request is served.
    let bytes = Bytes::copy_from_slice(&buffer[..end]);
    buffer.advance(end);
    with_header_slots(limits.headers_max, |slots| {
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(&bytes, slots) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return bad("the request head ends early"),
            Err(error) => return Err(refusal_of(error)),
        }
        request_of(&bytes, &parsed).map(Some)
    })
}

/// Finds the end of a head whose lines all end in CRLF; a bare LF is refused as soon as it is seen.
fn head_end(buffer: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut line_start = 0;
    for line_feed in memchr::memchr_iter(b'\n', buffer) {
        if line_feed == line_start || buffer[line_feed - 1] != b'\r' {
            return bad("a line of the request head ends without CR");
        }
        if line_feed == line_start + 1 && line_start > 0 {
            return Ok(Some(line_feed + 1));
        }
        line_start = line_feed + 1;
    }
    Ok(None)
}

fn with_header_slots<'bytes, T>(
    count: usize,
    parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'bytes>>]) -> T,
) -> T {
    if count <= HEADERS_ON_STACK {
        let mut slots = [const { MaybeUninit::uninit() }; HEADERS_ON_STACK];
        parse(&mut slots[..count])
    } else {
        let mut slots = Vec::new();
        slots.resize_with(count, MaybeUninit::uninit);
        parse(&mut slots)
    }
}

fn refusal_of(error: httparse::Error) -> Refusal {
    let (status, reason) = match error {
        httparse::Error::TooManyHeaders => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the request has too many header lines",
        ),
        httparse::Error::Version => (
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "this version of HTTP is not supported",
        ),
        httparse::Error::HeaderName => (StatusCode::BAD_REQUEST, "a header name is malformed"),
        httparse::Error::HeaderValue => (StatusCode::BAD_REQUEST, "a header value is malformed"),
        _ => (StatusCode::BAD_REQUEST, "the request line is malformed"),
    };
    Refusal { status, reason }
}

fn value_of(bytes: &Bytes, value: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(bytes.slice_ref(value)).ok()
}

fn request_of(bytes: &Bytes, parsed: &httparse::Request<'_, '_>) -> Result<ParsedRequest, Refusal> {
    let is_http10 = parsed.version == Some(0);
    let method = match Method::from_bytes(parsed.method.unwrap_or_default().as_bytes()) {
        Ok(method) => method,
        Err(_) => return bad("the method is malformed"),
    };
    let mut connection = ConnectionFields::default();
    let mut framing = FramingFields::default();
    let mut headers = spare::take();
    let mut host = None;
    let mut upgrade = None;
    let mut trailers = false;
    let mut expects_continue = false;
    for field in parsed.headers.iter() {
        let Ok(name) = HeaderName::from_bytes(field.name.as_bytes()) else {
            return bad("a header name is malformed");
        };
        let Some(value) = value_of(bytes, field.value) else {
            return bad("a header value is malformed");
        };
        match name {
            header::HOST if host.is_some() => return bad("there is more than one Host"),
            header::HOST => host = Some(value),
            header::CONTENT_LENGTH => framing.length(&value)?,
            header::TRANSFER_ENCODING => framing.coding(&value)?,
            header::CONNECTION => connection.read(&value),
            header::UPGRADE => upgrade = upgrade.or(Some(value)),
            header::TE => {
                trailers |=
                    tokens(value.as_bytes()).any(|token| token.eq_ignore_ascii_case(b"trailers"));
            }
            header::EXPECT => {
                if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
                    return refuse(StatusCode::EXPECTATION_FAILED, "the expectation is unknown");
                }
                expects_continue = !is_http10;
            }
            name if is_hop_by_hop(&name) => {}
            name => {
                headers.append(name, value);
            }
        }
    }
    let length = framing.of_request(is_http10)?;
    let target = target_of(bytes, parsed.path.unwrap_or_default(), &method, &mut host)?;
    match &host {
        None if !is_http10 => return bad("Host is missing"),
        Some(host) if !is_host(host.as_bytes()) => return bad("Host is malformed"),
        _ => {}
    }
    connection.strip(&mut headers);
    // Beside a body an upgrade is ignored (RFC 9110 §7.8 allows it): where one ends and the other
    // begins would depend on the replica. An upgrade to h2c would take later requests out of sight.
    let upgrades = connection.upgrade && !is_http10 && length == BodyLength::Empty;
    let upgrade = upgrade.filter(|protocol| {
        upgrades && !tokens(protocol.as_bytes()).any(|token| token.eq_ignore_ascii_case(b"h2c"))
    });
    let head = RequestHead {
        method,
        target,
        host,
        headers,
        upgrade,
        trailers,
        length,
    };
    let keep_alive = connection.keeps_alive(is_http10);
    Ok(ParsedRequest {
        head,
        keep_alive,
        is_http10,
        expects_continue,
    })
}

/// The request target in origin form (RFC 9112 §3.2). An absolute one also names the host.
fn target_of(
    bytes: &Bytes,
    target: &str,
    method: &Method,
    host: &mut Option<HeaderValue>,
) -> Result<Bytes, Refusal> {
    let text = target.as_bytes();
    if *method == Method::CONNECT {
        return refuse(StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported");
    }
    if memchr::memchr(b'#', text).is_some() {
        return bad("the request target has a fragment");
    }
    if text.starts_with(b"/") {
        return Ok(bytes.slice_ref(text));
    }
    if text == b"*" {
        return match *method {
            Method::OPTIONS => Ok(Bytes::from_static(b"*")),
            _ => bad("only OPTIONS may have the target *"),
        };
    }
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        text.len() > scheme.len() && text[..scheme.len()].eq_ignore_ascii_case(scheme.as_bytes())
    });
    let Some(scheme) = scheme else {
        return bad("the request target is malformed");
    };
    let rest = &text[scheme.len()..];
    let path_at = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_at);
    if authority.is_empty() {
        return bad("the request target names no host");
    }
    // RFC 9112 §3.2.2: the host of an absolute target replaces the header.
    *host = value_of(bytes, authority);
    Ok(match path.first() {
        Some(b'/') => bytes.slice_ref(path),
        Some(_) => [b"/", path].concat().into(),
        None => Bytes::from_static(b"/"),
    })
}

/// Whether a text can be a host and port; also refuses what could be read as user, path or list.
pub(crate) fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_' | b'~' | b'%')
    })
}

/// What `Connection` says.
#[derive(Default)]
struct ConnectionFields {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    named: Vec<HeaderName>,
}

impl ConnectionFields {
    fn read(&mut self, value: &HeaderValue) {
        for token in tokens(value.as_bytes()) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if let Ok(name) = HeaderName::from_bytes(token) {
                self.named.push(name);
            }
        }
    }

    /// Takes out the fields that it names.
    fn strip(&self, headers: &mut HeaderMap) {
        for name in &self.named {
            headers.remove(name);
        }
    }

    fn keeps_alive(&self, is_http10: bool) -> bool {
        !self.close && (self.keep_alive || !is_http10)
    }
}

/// What `Content-Length` and `Transfer-Encoding` say.
#[derive(Default)]
struct FramingFields {
    length: Option<u64>,
    codings: u32,
    chunked: bool,
}

impl FramingFields {
    fn length(&mut self, value: &HeaderValue) -> Result<(), Refusal> {
        match (parse_length(value.as_bytes()), self.length) {
            (None, _) => bad("Content-Length is malformed"),
            (Some(length), Some(before)) if length != before => bad("two Content-Length differ"),
            (Some(length), _) => {
                self.length = Some(length);
                Ok(())
            }
        }
    }

    fn coding(&mut self, value: &HeaderValue) -> Result<(), Refusal> {
        self.codings += 1;
        self.chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
        if self.chunked {
            Ok(())
        } else {
            bad("Transfer-Encoding is not `chunked`")
        }
    }

    fn of_request(&self, is_http10: bool) -> Result<BodyLength, Refusal> {
        match (self.codings, self.length) {
            (0, None | Some(0)) => Ok(BodyLength::Empty),
            (0, Some(length)) => Ok(BodyLength::Known(length)),
            _ if is_http10 => bad("HTTP/1.0 has no Transfer-Encoding"),
            (1, None) => Ok(BodyLength::Unknown),
            (1, Some(_)) => bad("Content-Length beside Transfer-Encoding"),
            _ => bad("there is more than one Transfer-Encoding"),
        }
    }

    /// RFC 9112 §6.3; a body without length ends with the connection.
    fn of_answer(
        &self,
        is_http10: bool,
        method: &Method,
        status: StatusCode,
    ) -> Result<BodyLength, Refusal> {
        let bodiless = *method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
        match (self.codings, self.length) {
            _ if status.is_informational() || status == StatusCode::NO_CONTENT => {
                Ok(BodyLength::Empty)
            }
            (0, None) if bodiless => Ok(BodyLength::Empty),
            (0, None) => Ok(BodyLength::Unknown),
            (0, Some(length)) => Ok(BodyLength::Known(length)),
            _ if bodiless => Ok(BodyLength::Empty),
            _ if is_http10 => bad("HTTP/1.0 has no Transfer-Encoding"),
            (1, None) => Ok(BodyLength::Unknown),
            (1, Some(_)) => bad("Content-Length beside Transfer-Encoding"),
            _ => bad("there is more than one Transfer-Encoding"),
        }
    }
}

/// Reads an answer's head from the front of `buffer`; `None` when it is not complete yet. `method`
/// is that of the request.
///
/// # Errors
/// Why the answer cannot be passed on; the status is without meaning.
pub(crate) fn parse_answer(
    buffer: &mut BytesMut,
    method: &Method,
) -> Result<Option<ParsedAnswer>, Refusal> {
    let Some(end) = answer_head_end(buffer) else {
        return if buffer.len() < ANSWER_HEAD_BYTES_MAX {
            Ok(None)
        } else {
            bad("the head is too large")
        };
    };
    let bytes = Bytes::copy_from_slice(&buffer[..end]);
    buffer.advance(end);
    with_header_slots(ANSWER_HEADERS_MAX, |slots| {
        let mut parsed = httparse::Response::new(&mut []);
        match httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            &bytes,
            slots,
        ) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return bad("the head ends early"),
            Err(error) => return Err(refusal_of(error)),
        }
        answer_of(&bytes, &parsed, method).map(Some)
    })
}

/// Finds the end of an answer's head. Replicas are not the enemy: lines may end in a bare LF.
fn answer_head_end(buffer: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for line_feed in memchr::memchr_iter(b'\n', buffer) {
        let line = &buffer[line_start..line_feed];
        if line_start > 0 && (line.is_empty() || line == b"\r") {
            return Some(line_feed + 1);
        }
        line_start = line_feed + 1;
    }
    None
}

fn answer_of(
    bytes: &Bytes,
    parsed: &httparse::Response<'_, '_>,
    method: &Method,
) -> Result<ParsedAnswer, Refusal> {
    let is_http10 = parsed.version == Some(0);
    let Ok(status) = StatusCode::from_u16(parsed.code.unwrap_or_default()) else {
        return bad("the status is malformed");
    };
    let mut connection = ConnectionFields::default();
    let mut framing = FramingFields::default();
    let mut headers = spare::take();
    for field in parsed.headers.iter() {
        let Ok(name) = HeaderName::from_bytes(field.name.as_bytes()) else {
            return bad("a header name is malformed");
        };
        let Some(value) = value_of(bytes, field.value) else {
            return bad("a header value is malformed");
        };
        match name {
            header::CONTENT_LENGTH => framing.length(&value)?,
            header::TRANSFER_ENCODING => framing.coding(&value)?,
            header::CONNECTION => connection.read(&value),
            // Kept for a 101 alone; see `client`.
            header::UPGRADE if status == StatusCode::SWITCHING_PROTOCOLS => {
                headers.append(name, value);
            }
            name if is_hop_by_hop(&name) || name == KEEP_ALIVE => {}
            name => {
                headers.append(name, value);
            }
        }
    }
    connection.strip(&mut headers);
    let length = framing.of_answer(is_http10, method, status)?;
    let bodiless = *method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    Ok(ParsedAnswer {
        head: AnswerHead {
            status,
            headers,
            length,
        },
        keep_alive: connection.keeps_alive(is_http10),
        is_chunked: framing.codings > 0 && !bodiless && length == BodyLength::Unknown,
    })
}

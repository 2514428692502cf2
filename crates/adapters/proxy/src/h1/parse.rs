//! Heads of HTTP/1 messages, read strictly.
//!
//! Whatever two implementations could read in two ways is refused, because that is how one request
//! is smuggled inside another (RFC 9112 §11.2). Fields of the connection are used here and not passed on.

use super::fields::{
    ConnectionFields, FramingFields, Refusal, bad, is_host, refuse, target_of, value_of,
};
use crate::head::{AnswerHead, BodyLength, RequestHead, is_hop_by_hop, spare, tokens};
use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderName};
use http::{Method, StatusCode};
use std::mem::MaybeUninit;

/// Largest head of an answer, in bytes; a replica is trusted further than a client.
const ANSWER_HEAD_BYTES_MAX: usize = 128 * 1024;
/// Most header lines of an answer.
const ANSWER_HEADERS_MAX: usize = HEADERS_ON_STACK;
/// Header lines that are parsed without memory from the heap.
const HEADERS_ON_STACK: usize = 128;

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
            name if is_hop_by_hop(&name) => {}
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
        is_chunked: framing.is_coded() && !bodiless && length == BodyLength::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::write;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes_max: 8_192,
        headers_max: 32,
    };

    /// Pieces of which requests, and attacks, are made.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            8 => prop::sample::select(vec![
                "Host: a\r\n",
                "Content-Length: 5\r\n",
                "Transfer-Encoding: chunked\r\n",
                "Connection: close, X-A\r\n",
                "Connection: upgrade\r\n",
                "Upgrade: websocket\r\n",
                "X-A: 1\r\n",
                "x-b:\t2 \r\n",
                "Cookie: a=1\r\n",
                "Keep-Alive: 5\r\n",
                "TE: trailers\r\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::sample::select(vec![
                "GET", "POST", " ", "/", "*", "http://a", "?x=1", " HTTP/1.1", " HTTP/1.0", "\r\n",
                "\r\n\r\n", "\n", "\r", "Host: a", "Host: b:80", "Content-Length: 5",
                "Content-Length: 0", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip",
                "Connection: close", "Connection: upgrade, x-a", "Upgrade: websocket", "X-A: 1", ": ",
                "\t", ",", "TE: trailers", "Expect: 100-continue", "\0",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..6),
        ]
    }

    fn request() -> impl Strategy<Value = Vec<u8>> {
        let line = prop::sample::select(vec![
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "POST /x?y HTTP/1.1\r\nHost: a\r\n",
            "OPTIONS * HTTP/1.0\r\n",
            "",
        ]);
        (line, prop::collection::vec(piece(), 0..12))
            .prop_map(|(line, pieces)| [line.as_bytes(), &pieces.concat(), b"\r\n\r\n"].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_is_accepted_is_written_so_that_it_reads_the_same_again(bytes in request()) {
            let mut buffer = BytesMut::from(&bytes[..]);
            if let Ok(Some(parsed)) = parse_request(&mut buffer, LIMITS) {
                let mut written = Vec::new();
                write::request_head(&mut written, &parsed.head);
                let mut again = BytesMut::from(&written[..]);
                let limits = HeadLimits { bytes_max: 16_384, headers_max: 64 };
                let reread = parse_request(&mut again, limits);
                let reread = reread.expect("it was valid").expect("it was complete");
                prop_assert!(again.is_empty(), "bytes are left over: {:?}", again);
                prop_assert_eq!(&reread.head.method, &parsed.head.method);
                prop_assert_eq!(&reread.head.target, &parsed.head.target);
                prop_assert_eq!(reread.head.length, parsed.head.length);
                prop_assert_eq!(&reread.head.upgrade, &parsed.head.upgrade);
                // Lines of cookies are joined; nothing else comes or goes.
                let cookies = parsed.head.headers.get_all(header::COOKIE).iter().count();
                let fields = parsed.head.headers.len() - cookies.saturating_sub(1);
                prop_assert_eq!(reread.head.headers.len(), fields);
            }
        }

        #[test]
        fn a_head_reads_the_same_in_any_pieces(bytes in request(), cut in 0_usize..200) {
            let whole = parse_request(&mut BytesMut::from(&bytes[..]), LIMITS);
            let mut buffer = BytesMut::from(&bytes[..cut.min(bytes.len())]);
            let first = parse_request(&mut buffer, LIMITS);
            if let Ok(None) = first {
                buffer.extend_from_slice(&bytes[cut.min(bytes.len())..]);
                let second = parse_request(&mut buffer, LIMITS);
                prop_assert_eq!(format!("{second:?}"), format!("{whole:?}"));
            } else {
                prop_assert_eq!(first.is_ok(), whole.is_ok());
            }
        }
    }
}

//! Heads of requests and answers as the proxy works on them, whatever version of HTTP carried them.
//!
//! A head holds end-to-end fields only: what belongs to one connection (RFC 9110 §7.6.1), the
//! framing and the host are taken out where a head is read, and put in where it is written.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use sluice_routing::{RequestFacts, cookie_value};

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// There is none.
    Empty,
    /// This many bytes.
    Known(u64),
    /// Until it ends.
    Unknown,
}

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    /// Path and query, or `*`.
    pub(crate) target: Bytes,
    /// Host and port as the client named them.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
    /// The protocol that the client wants to upgrade to.
    pub(crate) upgrade: Option<HeaderValue>,
    /// Whether the client accepts trailers.
    pub(crate) trailers: bool,
    pub(crate) length: BodyLength,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub(crate) struct AnswerHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The length of the body, or for HEAD and 304 that of the body that is left out.
    pub(crate) length: BodyLength,
}

impl RequestHead {
    /// Whether sending it twice does what sending it once does (RFC 9110 §9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self.method, Method::PUT | Method::DELETE)
    }

    /// Whether it is a gRPC call: its failures are told in gRPC's own way.
    pub(crate) fn is_grpc(&self) -> bool {
        is_grpc(&self.headers)
    }
}

impl RequestFacts for RequestHead {
    fn header(&self, name: &str) -> Option<&[u8]> {
        if name == "host" {
            return self.host.as_ref().map(HeaderValue::as_bytes);
        }
        self.headers.get(name).map(HeaderValue::as_bytes)
    }

    fn cookie(&self, name: &str) -> Option<&[u8]> {
        let lines = self.headers.get_all(header::COOKIE);
        lines
            .iter()
            .find_map(|line| cookie_value(line.as_bytes(), name))
    }

    fn path(&self) -> &[u8] {
        let end = memchr::memchr(b'?', &self.target).unwrap_or(self.target.len());
        &self.target[..end]
    }

    fn is_safe(&self) -> bool {
        matches!(
            self.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
        )
    }
}

/// Whether the fields are those of a gRPC message.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// `Keep-Alive`: of one connection, and obsolete.
pub(crate) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// `Proxy-Connection`: never standard, but sent.
pub(crate) const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// `HTTP2-Settings`: half of an upgrade to h2c, which is never passed on.
pub(crate) const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Whether a field belongs to one connection and is never passed on by name.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
        || *name == header::TE
        || *name == header::TRANSFER_ENCODING
        || *name == header::UPGRADE
        || *name == HTTP2_SETTINGS
}

/// Takes the fields out that belong to one connection; usually there are none.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| is_hop_by_hop(name)).cloned() {
        headers.remove(name);
    }
}

/// Whether a trailer field may not be one, because it frames, routes or authenticates (RFC 9110 §6.5.1).
pub(crate) fn is_forbidden_trailer(name: &HeaderName) -> bool {
    is_hop_by_hop(name)
        || *name == header::CONTENT_LENGTH
        || *name == header::HOST
        || *name == header::TRAILER
        || *name == header::AUTHORIZATION
        || *name == header::COOKIE
        || *name == header::SET_COOKIE
        || *name == header::CONTENT_ENCODING
        || *name == header::CONTENT_TYPE
        || *name == header::CONTENT_RANGE
}

/// The tokens of a comma-separated list.
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// A length in the form that RFC 9110 §8.6 allows: digits alone, no sign, no list.
pub(crate) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        value
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')),
    )
}

/// Field maps between two uses: making one anew for each message would be among its larger costs.
pub(crate) mod spare {
    use http::HeaderMap;
    use std::cell::RefCell;

    /// Maps that a thread keeps; each holds a few kilobytes.
    const KEPT_MAX: usize = 64;
    /// Fields that most messages have room for without growing the map.
    const FIELDS: usize = 24;

    thread_local! {
        static FREE: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
    }

    /// An empty map.
    pub(crate) fn take() -> HeaderMap {
        FREE.with_borrow_mut(Vec::pop)
            .unwrap_or_else(|| HeaderMap::with_capacity(FIELDS))
    }

    /// Keeps a map's memory for later.
    pub(crate) fn give(mut map: HeaderMap) {
        if map.capacity() < FIELDS || map.capacity() > 4 * FIELDS {
            return;
        }
        map.clear();
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT_MAX {
                free.push(map);
            }
        });
    }
}

//! The lines of a head that frame its body, name its target, or belong to the connection.

use crate::head::{BodyLength, parse_length, tokens};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

/// A request that is not served, and how that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
}

pub(super) const fn refuse<T>(status: StatusCode, reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, reason })
}

pub(super) const fn bad<T>(reason: &'static str) -> Result<T, Refusal> {
    refuse(StatusCode::BAD_REQUEST, reason)
}

pub(super) fn value_of(bytes: &Bytes, value: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(bytes.slice_ref(value)).ok()
}

/// The request target in origin form (RFC 9112 §3.2). An absolute one also names the host.
pub(super) fn target_of(
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
pub(super) struct ConnectionFields {
    close: bool,
    keep_alive: bool,
    pub(super) upgrade: bool,
    named: Vec<HeaderName>,
}

impl ConnectionFields {
    pub(super) fn read(&mut self, value: &HeaderValue) {
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
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        for name in &self.named {
            headers.remove(name);
        }
    }

    pub(super) fn keeps_alive(&self, is_http10: bool) -> bool {
        !self.close && (self.keep_alive || !is_http10)
    }
}

/// What `Content-Length` and `Transfer-Encoding` say.
#[derive(Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    codings: u32,
    chunked: bool,
}

impl FramingFields {
    /// Whether there is a `Transfer-Encoding`.
    pub(super) fn is_coded(&self) -> bool {
        self.codings > 0
    }

    pub(super) fn length(&mut self, value: &HeaderValue) -> Result<(), Refusal> {
        match (parse_length(value.as_bytes()), self.length) {
            (None, _) => bad("Content-Length is malformed"),
            (Some(length), Some(before)) if length != before => bad("two Content-Length differ"),
            (Some(length), _) => {
                self.length = Some(length);
                Ok(())
            }
        }
    }

    pub(super) fn coding(&mut self, value: &HeaderValue) -> Result<(), Refusal> {
        self.codings += 1;
        self.chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
        if self.chunked {
            Ok(())
        } else {
            bad("Transfer-Encoding is not `chunked`")
        }
    }

    pub(super) fn of_request(&self, is_http10: bool) -> Result<BodyLength, Refusal> {
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
    pub(super) fn of_answer(
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

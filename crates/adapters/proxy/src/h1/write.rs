//! HTTP/1 messages as bytes: heads with the framing that this connection needs, and chunk lines.

use crate::head::{AnswerHead, BodyLength, RequestHead};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

/// How a body is framed when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body.
    None,
    /// This many bytes left to write.
    Length(u64),
    /// Chunks.
    Chunked,
    /// The end of the connection ends it.
    UntilClose,
}

/// Ends a body of chunks without trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

fn fields(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        field(out, name.as_str(), value.as_bytes());
    }
}

/// Writes a request's head; answers how its body has to follow.
pub(crate) fn request_head(out: &mut Vec<u8>, head: &RequestHead) -> Framing {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(&head.target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    // A host is required in HTTP/1.1, though an old client need not have sent one.
    field(
        out,
        "host",
        head.host.as_ref().map_or(b"", HeaderValue::as_bytes),
    );
    if head.headers.get_all(header::COOKIE).iter().nth(1).is_some() {
        // HTTP/2 splits cookies into several lines; HTTP/1 has one (RFC 9113 §8.2.3).
        for (name, value) in head
            .headers
            .iter()
            .filter(|(name, _)| **name != header::COOKIE)
        {
            field(out, name.as_str(), value.as_bytes());
        }
        let lines: Vec<&[u8]> = head
            .headers
            .get_all(header::COOKIE)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        field(out, "cookie", &lines.join(&b"; "[..]));
    } else {
        fields(out, &head.headers);
    }
    if let Some(protocol) = &head.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        field(out, "upgrade", protocol.as_bytes());
    } else if head.trailers {
        out.extend_from_slice(b"connection: te\r\nte: trailers\r\n");
    }
    let framing = match head.length {
        BodyLength::Empty => {
            if matches!(head.method, Method::POST | Method::PUT | Method::PATCH) {
                content_length(out, 0);
            }
            Framing::None
        }
        BodyLength::Known(length) => {
            content_length(out, length);
            Framing::Length(length)
        }
        BodyLength::Unknown => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Framing::Chunked
        }
    };
    out.extend_from_slice(b"\r\n");
    framing
}

/// What an answer's head must know of its request and connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerContext {
    pub(crate) is_http10: bool,
    pub(crate) is_head: bool,
    pub(crate) keep_alive: bool,
}

/// Writes an answer's head; answers how its body has to follow. [`Framing::UntilClose`] only where
/// an old client leaves nothing else.
pub(crate) fn answer_head(out: &mut Vec<u8>, head: &AnswerHead, context: AnswerContext) -> Framing {
    // Answers are HTTP/1.1 whatever the client's version (RFC 9110 §2.5).
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(
        head.status
            .canonical_reason()
            .unwrap_or_default()
            .as_bytes(),
    );
    out.extend_from_slice(b"\r\n");
    fields(out, &head.headers);
    let bodiless = context.is_head || head.status == StatusCode::NOT_MODIFIED;
    let framing = match head.length {
        _ if head.status.is_informational() || head.status == StatusCode::NO_CONTENT => {
            Framing::None
        }
        BodyLength::Known(length) => {
            content_length(out, length);
            if bodiless {
                Framing::None
            } else {
                Framing::Length(length)
            }
        }
        BodyLength::Empty | BodyLength::Unknown if bodiless => Framing::None,
        BodyLength::Empty => {
            content_length(out, 0);
            Framing::None
        }
        BodyLength::Unknown if context.is_http10 => Framing::UntilClose,
        BodyLength::Unknown => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Framing::Chunked
        }
    };
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        out.extend_from_slice(b"connection: upgrade\r\n");
    } else if !context.keep_alive || framing == Framing::UntilClose {
        out.extend_from_slice(b"connection: close\r\n");
    } else if context.is_http10 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
    framing
}

/// The line before a chunk.
pub(crate) fn chunk_line(out: &mut Vec<u8>, size: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.push(HEX[(size >> (4 * digit)) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

/// The end of a chunked body with trailers.
pub(crate) fn trailers(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        if !crate::head::is_forbidden_trailer(name) {
            field(out, HeaderName::as_str(name), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [0, 1, 9, 10, 15, 16, 255, 256, 65_535, 1 << 40] {
            let mut text = Vec::new();
            decimal(&mut text, number as u64);
            assert_eq!(text, number.to_string().into_bytes());
            let mut text = Vec::new();
            chunk_line(&mut text, number);
            assert_eq!(text, format!("{number:x}\r\n").into_bytes());
        }
    }
}

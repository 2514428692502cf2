//! Bodies of HTTP/1 messages, read out of a buffer: by length, by chunks, or until the end of the connection.
//!
//! Chunks are decoded here and encoded anew by `write`, so that a chunk line that two
//! implementations could read in two ways (RFC 9112 §7.1) never goes through.

use crate::buffer::split;
use crate::head::is_forbidden_trailer;
use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Longest chunk line, with extensions, in bytes.
const CHUNK_LINE_MAX: usize = 256;
/// Largest trailer section, in bytes.
const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Most trailer lines.
const TRAILERS_MAX: usize = 64;
/// Bytes of chunk lines that a body may have beyond those it needs: many small chunks with long
/// extensions are an attack (CVE-2023-39326 in another proxy).
const OVERHEAD_MAX: u64 = 64 * 1024;

/// A body that breaks the rules of its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FramingError(pub(crate) &'static str);

/// What a buffer yields.
#[derive(Debug, PartialEq)]
pub(crate) enum Decoded {
    /// A piece of the body.
    Data(Bytes),
    /// The trailers; the body is over.
    Trailers(HeaderMap),
    /// The body is over.
    End,
    /// Nothing before more was read.
    NeedsMore,
}

/// Reads one body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// Nothing left.
    Done,
    /// This many bytes left.
    Length(u64),
    /// Chunked.
    Chunked(ChunkState),
    /// All that comes.
    UntilClose,
}

/// Where a chunked body stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkState {
    at: ChunkPlace,
    overhead: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkPlace {
    Line,
    Data(u64),
    DataEnd,
    Trailers,
}

impl Decoder {
    /// A body of known length.
    pub(crate) fn length(length: u64) -> Decoder {
        if length == 0 {
            Decoder::Done
        } else {
            Decoder::Length(length)
        }
    }

    /// A chunked body.
    pub(crate) fn chunked() -> Decoder {
        Decoder::Chunked(ChunkState {
            at: ChunkPlace::Line,
            overhead: 0,
        })
    }

    /// Whether the body was read to its end.
    pub(crate) fn is_done(&self) -> bool {
        *self == Decoder::Done
    }

    /// Takes the next piece from the front of `buffer`.
    ///
    /// # Errors
    /// When the framing is broken; the connection cannot be used further.
    pub(crate) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, FramingError> {
        match self {
            Decoder::Done => Ok(Decoded::End),
            Decoder::UntilClose if buffer.is_empty() => Ok(Decoded::NeedsMore),
            Decoder::UntilClose => Ok(Decoded::Data(take(buffer, u64::MAX))),
            Decoder::Length(_) if buffer.is_empty() => Ok(Decoded::NeedsMore),
            Decoder::Length(left) => {
                let data = take(buffer, *left);
                *left -= data.len() as u64;
                if *left == 0 {
                    *self = Decoder::Done;
                }
                Ok(Decoded::Data(data))
            }
            Decoder::Chunked(state) => {
                let decoded = state.decode(buffer);
                if matches!(decoded, Ok(Decoded::End | Decoded::Trailers(_))) {
                    *self = Decoder::Done;
                }
                decoded
            }
        }
    }

    /// The connection ended.
    ///
    /// # Errors
    /// When the body was not complete.
    pub(crate) fn end_of_stream(&mut self) -> Result<(), FramingError> {
        match self {
            Decoder::Done => Ok(()),
            Decoder::UntilClose => {
                *self = Decoder::Done;
                Ok(())
            }
            Decoder::Length(_) | Decoder::Chunked(_) => Err(FramingError(
                "the connection ended in the middle of the body",
            )),
        }
    }
}

fn take(buffer: &mut BytesMut, at_most: u64) -> Bytes {
    let count = usize::try_from(at_most)
        .unwrap_or(usize::MAX)
        .min(buffer.len());
    split(buffer, count)
}

impl ChunkState {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, FramingError> {
        loop {
            match self.at {
                ChunkPlace::Line => {
                    let Some(line_end) = memchr::memchr(b'\n', buffer) else {
                        return if buffer.len() > CHUNK_LINE_MAX {
                            Err(FramingError("a chunk line is too long"))
                        } else {
                            Ok(Decoded::NeedsMore)
                        };
                    };
                    if line_end > CHUNK_LINE_MAX {
                        return Err(FramingError("a chunk line is too long"));
                    }
                    let (size, extension) = chunk_line(&buffer[..line_end])?;
                    // A chunk of data pays for its own line; extensions and tiny chunks do not.
                    self.overhead = (self.overhead + 8 + extension as u64).saturating_sub(size / 4);
                    if self.overhead > OVERHEAD_MAX {
                        return Err(FramingError(
                            "the chunks are too small, or their lines too long",
                        ));
                    }
                    buffer.advance(line_end + 1);
                    self.at = if size == 0 {
                        ChunkPlace::Trailers
                    } else {
                        ChunkPlace::Data(size)
                    };
                }
                ChunkPlace::Data(_) if buffer.is_empty() => return Ok(Decoded::NeedsMore),
                ChunkPlace::Data(left) => {
                    let data = take(buffer, left);
                    let left = left - data.len() as u64;
                    self.at = if left == 0 {
                        ChunkPlace::DataEnd
                    } else {
                        ChunkPlace::Data(left)
                    };
                    return Ok(Decoded::Data(data));
                }
                ChunkPlace::DataEnd => {
                    if !b"\r\n".starts_with(&buffer[..buffer.len().min(2)]) {
                        return Err(FramingError("a chunk is longer than it says"));
                    }
                    if buffer.len() < 2 {
                        return Ok(Decoded::NeedsMore);
                    }
                    buffer.advance(2);
                    self.at = ChunkPlace::Line;
                }
                ChunkPlace::Trailers => return trailers(buffer),
            }
        }
    }
}

/// The size and the length of the extensions of `1*HEXDIG [ chunk-ext ] CR` (RFC 9112 §7.1).
fn chunk_line(line: &[u8]) -> Result<(u64, usize), FramingError> {
    const BAD: FramingError = FramingError("a chunk line is malformed");
    let line = line.strip_suffix(b"\r").ok_or(BAD)?;
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if digits == 0 || digits > 15 {
        return Err(BAD);
    }
    let (digits, extension) = line.split_at(digits);
    let valid = extension.is_empty()
        || (extension.starts_with(b";")
            && extension.iter().all(|byte| *byte >= b' ' || *byte == b'\t'));
    if !valid {
        return Err(BAD);
    }
    let size = digits.iter().fold(0, |size, digit| {
        let value = char::from(*digit).to_digit(16).unwrap_or_default();
        size * 16 + u64::from(value)
    });
    Ok((size, extension.len()))
}

fn trailers(buffer: &mut BytesMut) -> Result<Decoded, FramingError> {
    if buffer.starts_with(b"\r\n") {
        buffer.advance(2);
        return Ok(Decoded::End);
    }
    let end = memchr::memmem::find(buffer, b"\r\n\r\n");
    let section = &buffer[..end.map_or(buffer.len(), |end| end + 4)];
    // A line that ends with LF alone would end the section for some, and not for others.
    if memchr::memchr_iter(b'\n', section).any(|at| at == 0 || section[at - 1] != b'\r') {
        return Err(FramingError("a trailer line does not end with CR and LF"));
    }
    let Some(end) = end else {
        return if buffer.len() > TRAILER_BYTES_MAX {
            Err(FramingError("the trailers are too large"))
        } else {
            Ok(Decoded::NeedsMore)
        };
    };
    let mut section = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    let mut trailers = HeaderMap::new();
    let text = buffer.split_to(end + 4).freeze();
    let fields = match httparse::parse_headers(&text, &mut section) {
        Ok(httparse::Status::Complete((read, fields))) if read == text.len() => fields,
        _ => return Err(FramingError("a trailer is malformed")),
    };
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(FramingError("a trailer is malformed"));
        };
        if !is_forbidden_trailer(&name) {
            trailers.append(name, value);
        }
    }
    Ok(Decoded::Trailers(trailers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a text given in pieces of `step` bytes; the body, or the error.
    fn body(
        mut decoder: Decoder,
        text: &[u8],
        step: usize,
    ) -> Result<(Vec<u8>, usize), &'static str> {
        let mut buffer = BytesMut::new();
        let mut body = Vec::new();
        for (index, piece) in text.chunks(step).enumerate() {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut buffer).map_err(|error| error.0)? {
                    Decoded::Data(data) => body.extend_from_slice(&data),
                    Decoded::NeedsMore => break,
                    Decoded::End | Decoded::Trailers(_) => {
                        let unread = text.len() - ((index + 1) * step).min(text.len());
                        return Ok((body, buffer.len() + unread));
                    }
                }
            }
        }
        decoder.end_of_stream().map_err(|error| error.0)?;
        Ok((body, buffer.len()))
    }

    #[test]
    fn bodies_read_the_same_in_any_pieces_and_leave_what_follows() {
        let trailing = b"5;ext=\"x\"\r\nhello\r\n000B\r\n, world of \r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\nGET /";
        for step in [1, 2, 3, 7, 1_000] {
            assert_eq!(
                body(Decoder::chunked(), trailing, step),
                Ok((b"hello, world of ".to_vec(), 5)),
                "{step}"
            );
            assert_eq!(
                body(Decoder::length(5), b"helloGET /", step),
                Ok((b"hello".to_vec(), 5))
            );
            assert_eq!(
                body(Decoder::UntilClose, b"hello", step),
                Ok((b"hello".to_vec(), 0))
            );
        }
    }

    #[test]
    fn ambiguous_chunks_are_refused() {
        for text in [
            "5\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "-1\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
            "5;a\rb\r\nhello\r\n0\r\n\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "10000000000000000\r\nhello",
            "0\r\nbad trailer\r\n\r\n",
            "0\r\nA: b\n\r\n\r\n",
            "0\r\n\nA: b\r\n\r\n",
            "0\r\nA: b\r\n\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
            "5\r\nhel",
        ] {
            for step in [1, 1_000] {
                assert!(
                    body(Decoder::chunked(), text.as_bytes(), step).is_err(),
                    "{text:?}"
                );
            }
        }
        let drip = "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n"
            .repeat(5_000);
        assert!(body(Decoder::chunked(), drip.as_bytes(), 4_096).is_err());
    }

    #[test]
    fn a_bare_lf_in_trailers_does_not_swallow_the_next_request() {
        let text = b"0\r\nA: b\n\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n";
        for step in [1, 2, 1_000] {
            assert_eq!(
                body(Decoder::chunked(), text, step),
                Err("a trailer line does not end with CR and LF"),
                "{step}"
            );
        }
    }

    #[test]
    fn trailers_that_frame_or_route_are_dropped() {
        let mut buffer =
            BytesMut::from(&b"0\r\nGrpc-Status: 0\r\nContent-Length: 5\r\nHost: x\r\n\r\n"[..]);
        let Ok(Decoded::Trailers(trailers)) = Decoder::chunked().decode(&mut buffer) else {
            panic!("no trailers");
        };
        assert_eq!(trailers.len(), 1);
        assert_eq!(trailers["grpc-status"], "0");
    }
}

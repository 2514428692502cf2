//! What goes over the wire: the request, the two answers, and the check of an answer.

use anyhow::{Context, Result, bail};
use std::fmt::Write as _;

/// The header by which a backend says which side it is.
pub const SIDE_HEADER: &str = "x-side";
/// Longest head of a request or an answer.
const HEAD_MAX: usize = 16 * 1024;
/// Most header lines.
const HEADERS_MAX: usize = 48;

/// Which backend answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one with most of the weight.
    Stable,
    /// The one with the rest.
    Canary,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// 100 bytes.
    Small,
    /// 64 KiB.
    Large,
}

impl Body {
    /// Both.
    pub const ALL: [Body; 2] = [Body::Small, Body::Large];

    /// The path under which backends have it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Body::Small => "/small",
            Body::Large => "/large",
        }
    }

    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Body::Small => "100 B",
            Body::Large => "64 KiB",
        }
    }

    /// The bytes themselves; no two neighbouring blocks are the same, so that a lost or repeated
    /// piece shows.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let length = match self {
            Body::Small => 100,
            Body::Large => 64 * 1024,
        };
        (0..length)
            .map(|at: usize| b' ' + ((at * 7 + at / 95) % 95) as u8)
            .collect()
    }
}

/// A request as an ordinary client would send it.
#[must_use]
pub fn request(path: &str, host: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
        .into_bytes()
}

/// A backend's answer.
#[must_use]
pub fn answer(side: Side, body: Body) -> Vec<u8> {
    let bytes = body.bytes();
    let name = match side {
        Side::Stable => "stable",
        Side::Canary => "canary",
    };
    let mut head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n".to_owned();
    // Writing to a text cannot fail.
    let _infallible = write!(
        head,
        "Content-Length: {}\r\n{SIDE_HEADER}: {name}\r\n\r\n",
        bytes.len()
    );
    let mut answer = head.into_bytes();
    answer.extend(bytes);
    answer
}

/// Splits the next request off `input`: its path, and how many bytes it took; `None` when it is not
/// complete yet. Requests have no body here.
///
/// # Errors
/// When it is not a request.
pub fn next_request(input: &[u8]) -> Result<Option<(String, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(input).context("not a request")? {
        httparse::Status::Complete(length) => {
            Ok(Some((request.path.unwrap_or_default().to_owned(), length)))
        }
        httparse::Status::Partial if input.len() > HEAD_MAX => {
            bail!("a request's head is too long")
        }
        httparse::Status::Partial => Ok(None),
    }
}

/// Reads one answer after the other from one connection and checks each of them.
#[derive(Default)]
pub struct AnswerReader {
    head: Vec<u8>,
    body: Option<BodyProgress>,
}

struct BodyProgress {
    side: Side,
    read: usize,
}

impl AnswerReader {
    /// Takes bytes as they came; the side when the answer is complete.
    ///
    /// # Errors
    /// When the answer is not the expected one, or more comes than was asked for.
    pub fn read(&mut self, bytes: &[u8], expected: &[u8]) -> Result<Option<Side>> {
        let Some(progress) = &mut self.body else {
            self.head.extend_from_slice(bytes);
            let Some((side, length)) = parse_head(&self.head, expected.len())? else {
                return Ok(None);
            };
            let rest = self.head.split_off(length);
            self.head.clear();
            self.body = Some(BodyProgress { side, read: 0 });
            return self.read(&rest, expected);
        };
        let end = progress.read + bytes.len();
        let Some(should_be) = expected.get(progress.read..end) else {
            bail!("more bytes came than the answer has");
        };
        if bytes != should_be {
            bail!("the body differs from what the backend sent");
        }
        progress.read = end;
        let side = progress.side;
        if end < expected.len() {
            return Ok(None);
        }
        self.body = None;
        Ok(Some(side))
    }
}

/// The side and the length of a complete and right head.
fn parse_head(head: &[u8], body_length: usize) -> Result<Option<(Side, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(head).context("not an answer")? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if head.len() > HEAD_MAX => bail!("an answer's head is too long"),
        httparse::Status::Partial => return Ok(None),
    };
    if response.code != Some(200) {
        bail!("status {}", response.code.unwrap_or_default());
    }
    let value = |name: &str| {
        let header = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| header.value).unwrap_or_default()
    };
    if value("content-length") != body_length.to_string().as_bytes() {
        bail!("content-length is not {body_length}");
    }
    match value(SIDE_HEADER) {
        b"stable" => Ok(Some((Side::Stable, length))),
        b"canary" => Ok(Some((Side::Canary, length))),
        _ => bail!("the answer does not say which backend it is from"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_however_it_is_cut() {
        for body in Body::ALL {
            let (bytes, expected) = (answer(Side::Canary, body), body.bytes());
            for piece in [1, 7, 1_000, bytes.len()] {
                let mut reader = AnswerReader::default();
                let mut sides = Vec::new();
                for _twice in 0..2 {
                    for chunk in bytes.chunks(piece) {
                        sides.extend(reader.read(chunk, &expected).expect("it is right"));
                    }
                }
                assert_eq!(
                    sides,
                    [Side::Canary, Side::Canary],
                    "{piece} bytes at a time"
                );
            }
        }
    }

    #[test]
    fn a_wrong_answer_is_named() {
        let right = answer(Side::Stable, Body::Small);
        let text = String::from_utf8(right.clone()).expect("it is text");
        let mut damaged = right.clone();
        damaged[right.len() - 1] ^= 1;
        for (bytes, cause) in [
            (damaged, "differs"),
            ([right.as_slice(), b"x"].concat(), "more bytes"),
            (
                text.replace("200 OK", "503 Busy").into_bytes(),
                "status 503",
            ),
            (
                text.replace("x-side: stable\r\n", "").into_bytes(),
                "which backend",
            ),
            (
                text.replace("Length: 100", "Length: 99").into_bytes(),
                "content-length",
            ),
        ] {
            let error = AnswerReader::default()
                .read(&bytes, &Body::Small.bytes())
                .expect_err("it is wrong");
            assert!(error.to_string().contains(cause), "{error}");
        }
    }

    #[test]
    fn requests_are_split_where_they_end() {
        let mut bytes = request("/small", "a");
        assert!(next_request(&bytes[..10]).expect("a part of one").is_none());
        let length = bytes.len();
        bytes.extend(request("/large", "a"));
        let first = next_request(&bytes)
            .expect("a request")
            .expect("a whole one");
        assert_eq!(first, ("/small".to_owned(), length));
        assert!(next_request(b"\0\0").is_err());
    }
}

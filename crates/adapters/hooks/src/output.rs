//! The end of what a hook command wrote, for the message when it fails. The rest is thrown away as
//! it comes, so that a talkative hook neither blocks nor fills the memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much of a hook's output, or of a webhook's answer, a message shows at most, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024;

/// The last bytes of both output streams, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
}

impl Tail {
    /// Reads a stream to its end. A stream that breaks ends there.
    pub(crate) async fn follow(self, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = [0; 4 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            self.push(&buffer[..count]);
        }
    }

    fn push(&self, more: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend(more);
        let excess = bytes.len().saturating_sub(OUTPUT_BYTES_MAX);
        bytes.drain(..excess);
    }

    /// The text so far, as [`readable`].
    pub(crate) fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let (front, back) = bytes.as_slices();
        readable(&[front, back].concat())
    }
}

/// Bytes from outside as text for people: what is not UTF-8, and control characters (which could
/// steer a terminal), are replaced; blank ends are cut.
pub(crate) fn readable(bytes: &[u8]) -> String {
    // A cut may have left the end of a character at the front.
    let start = bytes
        .iter()
        .take(3)
        .take_while(|byte| **byte & 0xC0 == 0x80)
        .count();
    String::from_utf8_lossy(&bytes[start..])
        .trim()
        .chars()
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            _ if letter.is_control() => char::REPLACEMENT_CHARACTER,
            _ => letter,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let tail = Tail::default();
        tail.push(&[b'a'; 10_000]);
        tail.push(b"the cause\n");
        let text = tail.text();
        assert!(text.len() <= OUTPUT_BYTES_MAX, "{} bytes", text.len());
        assert!(text.ends_with("aathe cause"), "{text}");
    }

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(readable(b"\x1b[2Jgone\r\n"), "\u{FFFD}[2Jgone");
        assert_eq!(readable(b"\xA9\xBCone\ttwo\xff"), "one\ttwo\u{FFFD}");
    }
}

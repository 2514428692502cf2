//! Bytes on their way out: a head (or a chunk's size line), one chunk of a body, and what follows it, sent with
//! as few system calls as possible.

use bytes::{Buf, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Chunks up to this size are copied behind the head: cheaper than a second slice.
const COPY_MAX: usize = 2 * 1024;

/// The same where the transport writes one slice at a time (TLS).
const COPY_MAX_SINGLE: usize = 16 * 1024;

/// A head's memory above this is not kept for the next one.
const HEAD_KEPT_MAX: usize = 8 * 1024;

/// What is to be written next. At most one chunk waits at a time: that is the backpressure.
#[derive(Debug, Default)]
pub(crate) struct Out {
    head: Vec<u8>,
    written: usize,
    chunk: Bytes,
    tail: &'static [u8],
    /// Bytes that were ever written.
    moved: u64,
}

impl Out {
    /// Where a head or a size line is appended; only while no chunk waits.
    pub(crate) fn head(&mut self) -> &mut Vec<u8> {
        debug_assert!(
            self.chunk.is_empty() && self.tail.is_empty(),
            "a chunk waits"
        );
        &mut self.head
    }

    /// Puts a chunk, and what follows it, behind the head.
    pub(crate) fn set_chunk(&mut self, chunk: Bytes, tail: &'static [u8], vectored: bool) {
        debug_assert!(
            self.chunk.is_empty() && self.tail.is_empty(),
            "a chunk waits"
        );
        let copied = if vectored { COPY_MAX } else { COPY_MAX_SINGLE };
        if chunk.len() <= copied {
            self.head.extend_from_slice(&chunk);
            self.head.extend_from_slice(tail);
        } else {
            self.chunk = chunk;
            self.tail = tail;
        }
    }

    /// Whether something can be appended to the head.
    pub(crate) fn takes_head(&self) -> bool {
        self.chunk.is_empty() && self.tail.is_empty()
    }

    /// Replaces what follows the waiting chunk.
    pub(crate) fn set_tail(&mut self, tail: &'static [u8]) {
        debug_assert!(!self.chunk.is_empty(), "no chunk waits");
        self.tail = tail;
    }

    /// Whether everything was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.written == self.head.len() && self.chunk.is_empty() && self.tail.is_empty()
    }

    /// Bytes that the transport took so far: a measure of progress.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// Writes until nothing is left, and flushes.
    pub(crate) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let head = &self.head[self.written..];
            let count = if self.chunk.is_empty() && self.tail.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, head))?
            } else {
                let slices = [
                    IoSlice::new(head),
                    IoSlice::new(&self.chunk),
                    IoSlice::new(self.tail),
                ];
                let first = slices
                    .iter()
                    .position(|slice| !slice.is_empty())
                    .unwrap_or(0);
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[first..]))?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
        if !self.head.is_empty() {
            self.written = 0;
            if self.head.capacity() > HEAD_KEPT_MAX {
                self.head = Vec::new();
            } else {
                self.head.clear();
            }
        }
        Pin::new(io).poll_flush(cx)
    }

    fn advance(&mut self, mut count: usize) {
        self.moved += count as u64;
        let of_head = count.min(self.head.len() - self.written);
        self.written += of_head;
        count -= of_head;
        let of_chunk = count.min(self.chunk.len());
        self.chunk.advance(of_chunk);
        if self.chunk.is_empty() {
            // The chunk's memory goes back to its reader at once.
            self.chunk = Bytes::new();
        }
        self.tail = &self.tail[count - of_chunk..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn pieces_leave_in_order_through_a_narrow_pipe() {
        for size in [0, 1, COPY_MAX, COPY_MAX + 1, 100_000] {
            let (mut near, mut far) = tokio::io::duplex(7);
            let writer = async {
                let mut out = Out::default();
                out.head().extend_from_slice(b"head\r\n");
                out.set_chunk(Bytes::from(vec![b'x'; size]), b"\r\n", true);
                poll_fn(|cx| out.poll_flush(&mut near, cx))
                    .await
                    .expect("the pipe is open");
                assert!(out.is_empty());
                drop(near);
            };
            let mut all = Vec::new();
            let reader = async { far.read_to_end(&mut all).await.expect("the pipe is open") };
            tokio::join!(writer, reader);
            let expected = [b"head\r\n".as_slice(), &vec![b'x'; size], b"\r\n"].concat();
            assert_eq!(all, expected, "{size}");
        }
    }
}

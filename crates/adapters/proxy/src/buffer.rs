//! Read buffers, lent to a connection only while it has bytes in hand.
//!
//! An idle keep-alive connection, or one of ten thousand slow ones, holds no buffer: it is taken for
//! the length of a read and given back when the read finds nothing. Buffers belong to a worker thread,
//! so that no lock is needed and the same warm memory serves one request after the other.

use bytes::{Buf, Bytes, BytesMut};
use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of one buffer: a 64 kB body with its head goes through in one read and one write. A stalled
/// connection holds one.
pub(crate) const BUFFER_SIZE: usize = 68 * 1024;

/// Free buffers that a thread keeps: 4 MiB, more than a busy worker has in use at a time.
const KEPT_MAX: usize = 64;

/// Pieces up to this size are copied out of a buffer, which is then free again at once; larger ones
/// share its memory.
const COPY_MAX: usize = 2 * 1024;

/// Below this much room a read is not worth its system call.
const ROOM_MIN: usize = 4 * 1024;

thread_local! {
    static FREE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with [`BUFFER_SIZE`] of room.
pub(crate) fn take() -> BytesMut {
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    // Claims the whole allocation again when nothing refers to it any more.
    buffer.reserve(BUFFER_SIZE);
    buffer
}

/// Gives a buffer back; its contents are lost.
pub(crate) fn give(mut buffer: BytesMut) {
    buffer.clear();
    FREE.with_borrow_mut(|free| {
        if free.len() < KEPT_MAX && buffer.capacity() > 0 {
            free.push(buffer);
        }
    });
}

/// Gives a buffer back when nothing is left in it.
pub(crate) fn give_if_empty(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        give(std::mem::take(buffer));
    }
}

/// Takes `count` bytes, which are there, from the front.
pub(crate) fn split(buffer: &mut BytesMut, count: usize) -> Bytes {
    if count <= COPY_MAX {
        let piece = Bytes::copy_from_slice(&buffer[..count]);
        buffer.advance(count);
        piece
    } else {
        buffer.split_to(count).freeze()
    }
}

/// Reads once into `buffer`, which is lent from the thread's store while it is empty. `Ok(0)` is
/// the end of the stream.
pub(crate) fn poll_fill<R: AsyncRead + Unpin>(
    io: &mut R,
    buffer: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if buffer.capacity() == 0 {
        *buffer = take();
    } else if buffer.capacity() - buffer.len() < ROOM_MIN {
        buffer.reserve(BUFFER_SIZE);
    }
    let read = pin!(io.read_buf(buffer)).poll(cx);
    if read.is_pending() && buffer.is_empty() {
        give(std::mem::take(buffer));
    }
    read
}

/// Moves the few bytes of an unfinished message out of a lent buffer, so that a slow sender holds as
/// much memory as it has sent.
pub(crate) fn shrink(buffer: &mut BytesMut) {
    if !buffer.is_empty() && buffer.capacity() > 4 * buffer.len() {
        let small = BytesMut::from(&buffer[..]);
        give(std::mem::replace(buffer, small));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn a_waiting_connection_holds_no_buffer_and_a_slow_one_little() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let mut buffer = BytesMut::new();
        poll_fn(|cx| {
            assert!(poll_fill(&mut near, &mut buffer, cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(buffer.capacity(), 0);
        far.write_all(b"GET").await.expect("the pipe is open");
        let count = poll_fn(|cx| poll_fill(&mut near, &mut buffer, cx)).await;
        assert_eq!(count.expect("the pipe is open"), 3);
        shrink(&mut buffer);
        assert_eq!(&buffer[..], b"GET");
        assert!(buffer.capacity() < 64);
    }
}

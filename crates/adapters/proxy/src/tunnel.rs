//! Bytes in both directions between a client and a replica: after both switched protocols
//! (WebSocket and the like), and for plain TCP.
//!
//! Each direction is closed on its own, so that a side that has sent everything can still receive.

use crate::buffer::{give, poll_fill};
use crate::charge::{Charge, Failure};
use crate::connection::Client;
use crate::h1::client::ReplicaConnection;
use crate::io::ClientIo;
use crate::timer::{Tick, Timer};
use bytes::{Buf, BytesMut};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// A connection that switched protocols.
pub(crate) struct Tunnel {
    pub(crate) replica: Box<ReplicaConnection>,
    pub(crate) charge: Charge,
}

impl Tunnel {
    /// Runs until both sides are done. `buffer` is what the client sent behind its request: it goes
    /// to the replica only now that the replica agreed.
    pub(crate) async fn run(self, client: &Client, io: ClientIo, buffer: BytesMut) {
        let ReplicaConnection {
            stream,
            buffer: answer,
            ..
        } = *self.replica;
        let idle = client.listener.limits.idle_timeout;
        let near = Side { io, buffer };
        let far = Side {
            io: stream,
            buffer: answer,
        };
        settle(pump(near, far, idle, &client.timer, self.charge).await);
    }
}

/// One end of a pump, with what was already read from it.
pub(crate) struct Side<T> {
    pub(crate) io: T,
    pub(crate) buffer: BytesMut,
}

/// How a pump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides closed.
    Complete,
    /// The client's side broke.
    ClientBroke,
    /// The replica's side broke.
    ReplicaBroke,
    /// Nobody sent anything for too long.
    Idle,
}

/// Charges the end of a pump.
pub(crate) fn settle((end, mut charge): (End, Charge)) {
    match end {
        End::Complete | End::Idle => charge.complete(),
        End::ReplicaBroke => charge.broke_off(Failure::Broken),
        // Dropped, it tells of a client that left.
        End::ClientBroke => {}
    }
}

/// Moves bytes until both directions are closed, something breaks, or nothing moves for `idle`.
pub(crate) async fn pump<A, B>(
    mut near: Side<A>,
    mut far: Side<B>,
    idle: Duration,
    timer: &Timer,
    mut charge: Charge,
) -> (End, Charge)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut up = Lane::default();
    let mut down = Lane::default();
    let mut deadline = None;
    let end = poll_fn(|cx| {
        let (sent, received) = (up.moved, down.moved);
        let going_up = up.poll(&mut near.io, &mut near.buffer, &mut far.io, cx);
        let going_down = down.poll(&mut far.io, &mut far.buffer, &mut near.io, cx);
        let (sent, received) = (up.moved - sent, down.moved - received);
        charge
            .revision()
            .count(false, |shard| shard.bytes_in.add(sent));
        charge.sent(received);
        match (going_up, going_down) {
            (Poll::Ready(Err(Broke::Reader)), _) | (_, Poll::Ready(Err(Broke::Writer))) => {
                return Poll::Ready(End::ClientBroke);
            }
            (Poll::Ready(Err(Broke::Writer)), _) | (_, Poll::Ready(Err(Broke::Reader))) => {
                // Once a side has said that it is done, a replica may end by a reset.
                let is_ending = up.read_all || down.read_all;
                return Poll::Ready(if is_ending {
                    End::Complete
                } else {
                    End::ReplicaBroke
                });
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Complete),
            _ => {}
        }
        if sent + received > 0 {
            deadline = None;
        }
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + idle);
        loop {
            match ready!(timer.poll_tick(deadline, cx)) {
                Tick::Fired => {}
                Tick::Elapsed => return Poll::Ready(End::Idle),
            }
        }
    })
    .await;
    (end, charge)
}

/// Which side of a direction broke.
enum Broke {
    Reader,
    Writer,
}

/// One direction.
#[derive(Default)]
struct Lane {
    moved: u64,
    read_all: bool,
    flushed: bool,
    closed: bool,
}

impl Lane {
    fn poll<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        reader: &mut R,
        buffer: &mut BytesMut,
        writer: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broke>> {
        loop {
            while !buffer.is_empty() {
                let written = ready!(Pin::new(&mut *writer).poll_write(cx, buffer));
                match written {
                    Ok(count) if count > 0 => {
                        buffer.advance(count);
                        self.moved += count as u64;
                        self.flushed = false;
                    }
                    Ok(_) | Err(_) => return Poll::Ready(Err(Broke::Writer)),
                }
            }
            if !self.flushed {
                if ready!(Pin::new(&mut *writer).poll_flush(cx)).is_err() {
                    return Poll::Ready(Err(Broke::Writer));
                }
                self.flushed = true;
            }
            if self.read_all {
                if !self.closed {
                    if ready!(Pin::new(&mut *writer).poll_shutdown(cx)).is_err() {
                        return Poll::Ready(Err(Broke::Writer));
                    }
                    self.closed = true;
                    give(std::mem::take(buffer));
                }
                return Poll::Ready(Ok(()));
            }
            match ready!(poll_fill(reader, buffer, cx)) {
                Ok(0) => self.read_all = true,
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(Broke::Reader)),
            }
        }
    }
}

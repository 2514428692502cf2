//! Writing an answer to a client's connection, as fast as the client reads it.

use super::server::{ClientConnection, RequestEnd, SharedConnection};
use super::write::{self, AnswerContext, Framing};
use crate::answer::Answer;
use crate::body::{AnswerBody, BodyError};
use crate::connection::Client;
use crate::head::{AnswerHead, spare};
use crate::timer::Tick;
use crate::tunnel::Tunnel;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

/// Where the writing of an answer ended.
enum Written {
    Complete,
    /// The replica broke off: what is missing must not look complete.
    Broken,
    ClientGone,
}

/// Writes an answer. What it could not complete must not look complete to the client.
pub(super) async fn write_answer(
    client: &Client,
    connection: &SharedConnection,
    answer: Answer,
    mut context: AnswerContext,
) -> RequestEnd {
    let Answer {
        head,
        mut body,
        upgrade,
    } = answer;
    let framing = begin_answer(client, connection, &head, &body, &mut context);
    spare::give(head.headers);
    let idle = client.listener.limits.idle_timeout;
    let mut writer = AnswerWriter {
        framing,
        ended: framing == Framing::None,
        joins_head: true,
        pieces: 0,
    };
    let mut deadline = None;
    let mut stood_at = None;
    let written = poll_fn(|cx| {
        let progress = writer.poll(connection, &mut body, cx);
        let waits_for_replica = match progress {
            Progress::End(end) => return Poll::Ready(end),
            Progress::Moved => {
                deadline = None;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Progress::WaitsForClient => false,
            Progress::WaitsForReplica => true,
        };
        if waits_for_replica && connection.borrow_mut().poll_left(cx).is_ready() {
            return Poll::Ready(Written::ClientGone);
        }
        // Silence is counted from the last thing that moved, in either direction.
        let moved = connection.borrow().out.moved() + body.uploaded();
        let stands_at = Some((writer.pieces, moved, waits_for_replica));
        if stood_at != stands_at {
            stood_at = stands_at;
            deadline = None;
        }
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + idle);
        loop {
            match ready!(client.timer.poll_tick(deadline, cx)) {
                Tick::Fired => {}
                Tick::Elapsed if waits_for_replica => {
                    body.fell_silent();
                    return Poll::Ready(Written::Broken);
                }
                Tick::Elapsed => return Poll::Ready(Written::ClientGone),
            }
        }
    })
    .await;
    match (written, upgrade) {
        (Written::Complete, Some(replica)) => match body.take_charge() {
            Some(charge) => RequestEnd::Tunnel(Tunnel { replica, charge }),
            None => RequestEnd::Gone,
        },
        (Written::Complete, None) => {
            let reusable = context.keep_alive
                && framing != Framing::UntilClose
                && connection.borrow().decoder.is_done();
            if reusable {
                RequestEnd::KeepAlive
            } else {
                RequestEnd::Close
            }
        }
        (Written::Broken, _) => {
            if framing == Framing::UntilClose {
                // An orderly end would say that this was all.
                connection.borrow().io.reset_when_dropped();
            }
            RequestEnd::Gone
        }
        (Written::ClientGone, _) => RequestEnd::Gone,
    }
}

/// Puts the head into the out buffer, and decides whether the connection can go on after it.
fn begin_answer(
    client: &Client,
    connection: &SharedConnection,
    head: &AnswerHead,
    body: &AnswerBody,
    context: &mut AnswerContext,
) -> Framing {
    let connection = &mut *connection.borrow_mut();
    let never_asked_for_body = connection.end_interim();
    let answered_early = body.takes_no_upload() && !connection.decoder.is_done();
    if never_asked_for_body || answered_early || client.listener.is_closing() {
        context.keep_alive = false;
    }
    write::answer_head(connection.out.head(), head, *context)
}

struct AnswerWriter {
    framing: Framing,
    /// Everything is in the out buffer.
    ended: bool,
    /// The first piece may join the head in one write.
    joins_head: bool,
    /// Pieces of the body that came.
    pieces: u64,
}

enum Progress {
    End(Written),
    /// A piece went out whole, and the next is to be pulled in another turn.
    Moved,
    WaitsForClient,
    WaitsForReplica,
}

/// Pieces that go out in one turn, before other connections get theirs.
const PIECES_A_TURN: usize = 16;

impl AnswerWriter {
    fn poll(
        &mut self,
        connection: &SharedConnection,
        body: &mut AnswerBody,
        cx: &mut Context<'_>,
    ) -> Progress {
        for _ in 0..PIECES_A_TURN {
            let is_out_empty = connection.borrow().out.is_empty();
            if !self.ended && (is_out_empty || std::mem::take(&mut self.joins_head)) {
                match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(frame) => {
                        self.pieces += 1;
                        let mut connection = connection.borrow_mut();
                        if self.put(&mut connection, frame).is_err() {
                            return Progress::End(Written::Broken);
                        }
                        if !self.ended
                            && body.is_end_stream()
                            && self.put(&mut connection, None).is_err()
                        {
                            return Progress::End(Written::Broken);
                        }
                    }
                    Poll::Pending if is_out_empty => return Progress::WaitsForReplica,
                    Poll::Pending => {}
                }
            }
            match connection.borrow_mut().poll_flush(cx) {
                Poll::Ready(Ok(())) if self.ended => return Progress::End(Written::Complete),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Progress::End(Written::ClientGone),
                Poll::Pending => return Progress::WaitsForClient,
            }
        }
        Progress::Moved
    }

    /// Puts a piece, framed, into the out buffer; an error when the answer cannot be completed.
    fn put(
        &mut self,
        connection: &mut ClientConnection,
        frame: Option<Result<Frame<Bytes>, BodyError>>,
    ) -> Result<(), BodyError> {
        let vectored = connection.io.is_write_vectored();
        let out = &mut connection.out;
        let Some(frame) = frame.transpose()? else {
            self.ended = true;
            return match self.framing {
                Framing::Length(left) if left > 0 => Err(BodyError::ReplicaBroke),
                Framing::Chunked if out.takes_head() => {
                    out.head().extend_from_slice(write::LAST_CHUNK);
                    Ok(())
                }
                Framing::Chunked => {
                    out.set_tail(b"\r\n0\r\n\r\n");
                    Ok(())
                }
                _ => Ok(()),
            };
        };
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => match &mut self.framing {
                Framing::Chunked => {
                    write::chunk_line(out.head(), data.len());
                    out.set_chunk(data, b"\r\n", vectored);
                }
                Framing::Length(left) => {
                    *left = left
                        .checked_sub(data.len() as u64)
                        .ok_or(BodyError::ReplicaBroke)?;
                    out.set_chunk(data, b"", vectored);
                }
                Framing::UntilClose => out.set_chunk(data, b"", vectored),
                // HEAD: some replicas send a body all the same.
                Framing::None => {}
            },
            Err(frame) => {
                if let (Framing::Chunked, Ok(trailers)) = (self.framing, frame.into_trailers()) {
                    write::trailers(out.head(), &trailers);
                    self.ended = true;
                }
            }
        }
        Ok(())
    }
}

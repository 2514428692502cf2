//! The side of the replicas: one request and its answer on a connection, HTTP/1.1.
//!
//! An [`Exchange`] sends the request and reads the answer within the task of whoever polls it; while the
//! answer streams, what is left of the request's body is still sent. A connection goes back to its
//! replica's idle ones only when both messages are complete and not a byte is left over.

use super::framing::{Decoded, Decoder};
use super::parse::parse_answer;
use super::write::{self, Framing};
use crate::body::{BodyError, RequestBody};
use crate::buffer::{give_if_empty, poll_fill};
use crate::head::{AnswerHead, BodyLength, RequestHead};
use crate::out::Out;
use crate::upstream::SendError;
use crate::worker::local::ReplicaLocal;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body::{Body, Frame};
use rustix::net::RecvFlags;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::net::TcpStream;

/// Interim answers (1xx) before the final one.
const INTERIM_MAX: u32 = 16;

/// A connection to a replica.
pub(crate) struct ReplicaConnection {
    pub(crate) stream: TcpStream,
    /// What was read and not used.
    pub(crate) buffer: BytesMut,
    out: Out,
    /// Looks of the housekeeping since it became idle.
    idle_looks: u32,
}

impl ReplicaConnection {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<ReplicaConnection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(ReplicaConnection {
            stream,
            buffer: BytesMut::new(),
            out: Out::default(),
            idle_looks: 0,
        })
    }

    /// Whether the replica neither closed it nor sent anything unasked, as far as the system has told.
    ///
    /// A read that left room in its buffer, as every last read of an answer does, clears the stream's
    /// readiness; only what arrived since sets it. A system call is made in that case alone.
    pub(crate) fn is_quiet(&self) -> bool {
        let readiness = self
            .stream
            .poll_read_ready(&mut Context::from_waker(Waker::noop()));
        if readiness.is_pending() {
            return true;
        }
        let mut byte = [0_u8];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(
            rustix::net::recv(&self.stream, &mut byte, flags),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR)
        )
    }

    /// Whether an idle connection is worth keeping, at one look of the housekeeping.
    pub(crate) fn stays_idle(&mut self, looks_max: u32) -> bool {
        self.idle_looks += 1;
        self.idle_looks <= looks_max && self.is_quiet()
    }
}

/// The head of an answer; with the connection when it is a 101.
pub(crate) type Headed = (AnswerHead, Option<Box<ReplicaConnection>>);

/// A request and its answer.
pub(crate) struct Exchange {
    connection: Option<ReplicaConnection>,
    replica: Rc<ReplicaLocal>,
    method: Method,
    wants_upgrade: bool,
    /// Whether the connection served another request before.
    reused: bool,
    body: RequestBody,
    sending: Sending,
    waits_for_client: bool,
    uploaded: u64,
    /// Any byte of an answer came.
    heard: bool,
    interims: u32,
    decoder: Decoder,
    keep_alive: bool,
}

/// Where the sending of the request stands.
#[derive(Debug)]
enum Sending {
    /// The head waits, and the body may still join it in one write.
    Head(Framing),
    Body(Framing),
    /// All is in the out buffer, or sent.
    Last,
    Done,
    /// The replica takes no more. It may have answered all the same.
    Failed(io::Error),
}

impl Exchange {
    /// Prepares a request; nothing is sent before the first poll.
    pub(crate) fn new(
        mut connection: ReplicaConnection,
        reused: bool,
        replica: &Rc<ReplicaLocal>,
        head: &RequestHead,
        body: RequestBody,
    ) -> Exchange {
        connection.idle_looks = 0;
        let framing = write::request_head(connection.out.head(), head);
        let sending = if framing == Framing::None {
            Sending::Last
        } else {
            Sending::Head(framing)
        };
        Exchange {
            connection: Some(connection),
            replica: Rc::clone(replica),
            method: head.method.clone(),
            wants_upgrade: head.upgrade.is_some(),
            reused,
            body,
            sending,
            waits_for_client: false,
            uploaded: 0,
            heard: false,
            interims: 0,
            decoder: Decoder::Done,
            keep_alive: false,
        }
    }

    /// Bytes of the request's body that were taken from the client.
    pub(crate) fn uploaded(&self) -> u64 {
        self.uploaded
    }

    /// Whether it waits for more of the request's body.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.waits_for_client
    }

    /// Gives the request's body back after a failure.
    pub(crate) fn into_body(self) -> RequestBody {
        self.body
    }

    /// Whether the answer was read to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.connection.is_none()
    }

    /// Sends, until the answer's head is there. A connection comes with a 101.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Headed, SendError>> {
        loop {
            if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                return Poll::Ready(Err(SendError::Client(error)));
            }
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Err(SendError::Malformed("there is no connection")));
            };
            if !connection.buffer.is_empty() {
                match parse_answer(&mut connection.buffer, &self.method) {
                    Ok(None) => {}
                    Err(refusal) => {
                        return Poll::Ready(Err(SendError::Malformed(refusal.reason)));
                    }
                    Ok(Some(parsed)) => {
                        let status = parsed.head.status;
                        if status == StatusCode::SWITCHING_PROTOCOLS {
                            return Poll::Ready(self.switched(parsed.head));
                        }
                        if status.is_informational() {
                            self.interims += 1;
                            if self.interims > INTERIM_MAX {
                                let reason = "it sends interim answers without end";
                                return Poll::Ready(Err(SendError::Malformed(reason)));
                            }
                            continue;
                        }
                        let bodiless =
                            self.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
                        self.decoder = match parsed.head.length {
                            _ if bodiless => Decoder::Done,
                            BodyLength::Empty => Decoder::Done,
                            BodyLength::Known(length) => Decoder::length(length),
                            BodyLength::Unknown if parsed.is_chunked => Decoder::chunked(),
                            BodyLength::Unknown => Decoder::UntilClose,
                        };
                        self.keep_alive = parsed.keep_alive && self.decoder != Decoder::UntilClose;
                        if self.decoder.is_done() {
                            self.release();
                        }
                        return Poll::Ready(Ok((parsed.head, None)));
                    }
                }
            }
            match ready!(poll_fill(
                &mut connection.stream,
                &mut connection.buffer,
                cx
            )) {
                Ok(count) if count > 0 => self.heard = true,
                ended => return Poll::Ready(Err(self.closed(ended.err()))),
            }
        }
    }

    fn closed(&mut self, error: Option<io::Error>) -> SendError {
        if self.heard {
            return SendError::Malformed("it broke off in the middle of the head");
        }
        let error = match (std::mem::replace(&mut self.sending, Sending::Done), error) {
            (Sending::Failed(error), _) | (_, Some(error)) => error,
            (_, None) => io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"),
        };
        SendError::Closed {
            error,
            stale: self.reused,
        }
    }

    fn switched(&mut self, head: AnswerHead) -> Result<Headed, SendError> {
        match self.connection.take() {
            Some(connection) if self.wants_upgrade => Ok((head, Some(Box::new(connection)))),
            _ => Err(SendError::Malformed("it switches protocols unasked")),
        }
    }

    /// Sends as much of the request as goes. Ready when all is sent, or the replica takes no more.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(Ok(()));
        };
        loop {
            let framing = match self.sending {
                Sending::Done | Sending::Failed(_) => return Poll::Ready(Ok(())),
                Sending::Head(framing) => Some(framing),
                Sending::Body(framing) if connection.out.is_empty() => Some(framing),
                Sending::Body(_) | Sending::Last => None,
            };
            if let Some(framing) = framing {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Pending if connection.out.is_empty() => {
                        self.waits_for_client = true;
                        return Poll::Pending;
                    }
                    Poll::Pending => self.sending = Sending::Body(framing),
                    Poll::Ready(frame) => {
                        self.waits_for_client = false;
                        let (next, count) = put(&mut connection.out, framing, frame)?;
                        self.sending = next;
                        self.uploaded += count;
                    }
                }
            }
            match ready!(connection.out.poll_flush(&mut connection.stream, cx)) {
                Err(error) => self.sending = Sending::Failed(error),
                Ok(()) if matches!(self.sending, Sending::Last) => self.sending = Sending::Done,
                Ok(()) => {}
            }
        }
    }

    /// The next piece of the answer's body.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !matches!(self.sending, Sending::Done | Sending::Failed(_))
            && let Poll::Ready(Err(error)) = self.poll_send(cx)
        {
            self.connection = None;
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(None);
            };
            match self.decoder.decode(&mut connection.buffer) {
                Ok(Decoded::Data(data)) => {
                    if self.decoder.is_done() {
                        self.release();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Decoded::Trailers(trailers)) => {
                    self.release();
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Decoded::End) => {
                    self.release();
                    return Poll::Ready(None);
                }
                Ok(Decoded::NeedsMore) => {
                    match ready!(poll_fill(
                        &mut connection.stream,
                        &mut connection.buffer,
                        cx
                    )) {
                        Ok(count) if count > 0 => {}
                        Ok(_) if self.decoder.end_of_stream().is_ok() => {
                            self.connection = None;
                            return Poll::Ready(None);
                        }
                        Ok(_) | Err(_) => return self.broke(),
                    }
                }
                Err(_) => return self.broke(),
            }
        }
    }

    fn broke(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.connection = None;
        Poll::Ready(Some(Err(BodyError::ReplicaBroke)))
    }

    /// Gives the connection back, or closes it when anything is unfinished or left over: a byte too
    /// many would be taken for the beginning of the next client's answer.
    fn release(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let clean = connection.buffer.is_empty() && connection.out.is_empty();
            give_if_empty(&mut connection.buffer);
            if clean && self.keep_alive && matches!(self.sending, Sending::Done) {
                self.replica.keep_idle(connection);
            }
        }
    }
}

/// Puts a piece of the request's body into the out buffer, framed.
fn put(
    out: &mut Out,
    framing: Framing,
    frame: Option<Result<Frame<Bytes>, BodyError>>,
) -> Result<(Sending, u64), BodyError> {
    let Some(frame) = frame.transpose()? else {
        return match framing {
            Framing::Length(left) if left > 0 => Err(BodyError::ClientLeft),
            Framing::Chunked => {
                out.head().extend_from_slice(write::LAST_CHUNK);
                Ok((Sending::Last, 0))
            }
            _ => Ok((Sending::Last, 0)),
        };
    };
    let data = match frame.into_data() {
        Ok(data) => data,
        // Trailers of a request are dropped (RFC 9110 §6.5.1); the end follows.
        Err(_) => return Ok((Sending::Body(framing), 0)),
    };
    let count = data.len() as u64;
    match framing {
        _ if data.is_empty() => Ok((Sending::Body(framing), 0)),
        Framing::Chunked => {
            write::chunk_line(out.head(), data.len());
            out.set_chunk(data, b"\r\n", true);
            Ok((Sending::Body(Framing::Chunked), count))
        }
        Framing::Length(left) => {
            let left = left
                .checked_sub(count)
                .ok_or(BodyError::Malformed("it is longer than it says"))?;
            out.set_chunk(data, b"", true);
            let next = if left == 0 {
                Sending::Last
            } else {
                Sending::Body(Framing::Length(left))
            };
            Ok((next, count))
        }
        Framing::None | Framing::UntilClose => Err(BodyError::Malformed("it has no length")),
    }
}

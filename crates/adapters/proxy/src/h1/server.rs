//! The side of the clients: requests and answers on a connection, HTTP/1.1 and 1.0, one task from
//! the first byte to the last. A connection that begins with the preface of HTTP/2 is given to `h2::server`.

use super::answering::write_answer;
use super::fields::Refusal;
use super::framing::{Decoded, Decoder};
use super::parse::{HeadLimits, ParsedRequest, parse_request};
use super::write::AnswerContext;
use crate::answer::made_up;
use crate::body::{BodyError, RequestBody};
use crate::buffer::{give_if_empty, poll_fill, shrink};
use crate::connection::Client;
use crate::forward::forward;
use crate::h2;
use crate::head::BodyLength;
use crate::io::ClientIo;
use crate::out::Out;
use crate::timer::Tick;
use crate::tunnel;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body::Frame;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Bytes of later requests that are read while one is served; more stay in the socket.
const PIPELINED_MAX: usize = 16 * 1024;
/// Bytes that are read and thrown away before a connection with an unread body is closed, so that
/// its client reads the answer and not a reset.
const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// How long that may take.
const LINGER_MAX: Duration = Duration::from_secs(2);
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client's connection. The task that serves it and the request's body share it.
pub(crate) struct ClientConnection {
    pub(super) io: ClientIo,
    buffer: BytesMut,
    pub(super) out: Out,
    pub(super) decoder: Decoder,
    pub(super) expects_continue: bool,
    interim: &'static [u8],
}

pub(crate) type SharedConnection = Rc<RefCell<ClientConnection>>;

impl ClientConnection {
    /// The next piece of the request's body.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if std::mem::take(&mut self.expects_continue) && self.buffer.is_empty() {
            self.interim = CONTINUE;
        }
        if ready!(self.poll_interim(cx)).is_err() {
            return Poll::Ready(Some(Err(BodyError::ClientLeft)));
        }
        loop {
            match self.decoder.decode(&mut self.buffer) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::NeedsMore) => {}
                Err(error) => return Poll::Ready(Some(Err(BodyError::Malformed(error.0)))),
            }
            match ready!(poll_fill(&mut self.io, &mut self.buffer, cx)) {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return Poll::Ready(Some(Err(BodyError::ClientLeft))),
            }
        }
    }

    /// Makes the way free for the final answer: an interim one that did not begin is left out, one
    /// that is partly sent is finished before. Whether the client was never told to send its body.
    pub(super) fn end_interim(&mut self) -> bool {
        let never_told =
            std::mem::take(&mut self.expects_continue) || self.interim.len() == CONTINUE.len();
        let rest = std::mem::take(&mut self.interim);
        if !never_told {
            self.out.head().extend_from_slice(rest);
        }
        never_told
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.interim.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, self.interim))?;
            self.interim = &self.interim[count..];
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Ready when the client leaves. While its body is being read, the reader of the body sees it.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.decoder.is_done() && self.buffer.len() < PIPELINED_MAX {
            match ready!(poll_fill(&mut self.io, &mut self.buffer, cx)) {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out.poll_flush(&mut self.io, cx)
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(client: Rc<Client>, io: ClientIo) {
    let connection = Rc::new(RefCell::new(ClientConnection {
        io,
        buffer: BytesMut::new(),
        out: Out::default(),
        decoder: Decoder::Done,
        expects_continue: false,
        interim: b"",
    }));
    let mut is_first = true;
    loop {
        match next(&client, &connection, is_first).await {
            Next::Request(parsed) => {
                client.activity.begin();
                let end = serve_request(&client, &connection, parsed).await;
                let end = match end {
                    RequestEnd::Tunnel(tunnel) => {
                        if let Ok(connection) = Rc::try_unwrap(connection) {
                            let ClientConnection { io, buffer, .. } = connection.into_inner();
                            tunnel.run(&client, io, buffer).await;
                        }
                        client.activity.end();
                        return;
                    }
                    end => end,
                };
                client.activity.end();
                match end {
                    RequestEnd::KeepAlive => {}
                    RequestEnd::Close => return close(connection).await,
                    RequestEnd::Gone | RequestEnd::Tunnel(_) => return,
                }
            }
            Next::Http2 => {
                if let Ok(connection) = Rc::try_unwrap(connection) {
                    let ClientConnection { io, buffer, .. } = connection.into_inner();
                    h2::server::serve(client, io, buffer.freeze()).await;
                }
                return;
            }
            Next::Refused(refusal) => {
                let answer = made_up(&client, refusal.status, refusal.reason, false);
                let context = AnswerContext {
                    is_http10: false,
                    is_head: false,
                    keep_alive: false,
                };
                return match write_answer(&client, &connection, answer, context).await {
                    RequestEnd::Gone => {}
                    _ => close(connection).await,
                };
            }
            Next::Closed => return,
        }
        is_first = false;
    }
}

#[expect(clippy::large_enum_variant, reason = "the large one is the common one")]
enum Next {
    Request(ParsedRequest),
    Http2,
    Refused(Refusal),
    Closed,
}

/// Waits for the next request's head. Slow heads end with 408, silent connections without a word.
async fn next(client: &Client, connection: &SharedConnection, is_first: bool) -> Next {
    let limits = &client.listener.limits;
    let head_limits = HeadLimits {
        bytes_max: limits.header_bytes_max as usize,
        headers_max: limits.headers_max as usize,
    };
    // A new connection has the time of a head, even if nothing of it comes.
    let mut in_head = is_first || !connection.borrow().buffer.is_empty();
    let mut deadline = None;
    poll_fn(|cx| {
        let connection = &mut *connection.borrow_mut();
        loop {
            if !connection.buffer.is_empty() {
                if is_first && is_preface(&connection.buffer) {
                    if connection.buffer.len() >= h2::PREFACE.len() {
                        return Poll::Ready(Next::Http2);
                    }
                } else {
                    match parse_request(&mut connection.buffer, head_limits) {
                        Ok(Some(parsed)) => {
                            give_if_empty(&mut connection.buffer);
                            return Poll::Ready(Next::Request(parsed));
                        }
                        Ok(None) => {}
                        Err(refusal) => return Poll::Ready(Next::Refused(refusal)),
                    }
                }
                if !in_head {
                    in_head = true;
                    deadline = None;
                }
            }
            match poll_fill(&mut connection.io, &mut connection.buffer, cx) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(Ok(_) | Err(_)) => return Poll::Ready(Next::Closed),
                Poll::Pending => break,
            }
        }
        shrink(&mut connection.buffer);
        let span = if in_head {
            limits.header_timeout
        } else {
            limits.idle_timeout
        };
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + span);
        loop {
            let tick = ready!(client.timer.poll_tick(deadline, cx));
            let is_silent = connection.buffer.is_empty();
            match tick {
                Tick::Elapsed if is_silent => return Poll::Ready(Next::Closed),
                Tick::Elapsed => {
                    return Poll::Ready(Next::Refused(Refusal {
                        status: StatusCode::REQUEST_TIMEOUT,
                        reason: "the request head took too long",
                    }));
                }
                Tick::Fired if is_silent && client.listener.is_closed() => {
                    return Poll::Ready(Next::Closed);
                }
                Tick::Fired => {}
            }
        }
    })
    .await
}

/// Whether a connection begins as one of HTTP/2 does, as far as it can be told.
fn is_preface(buffer: &[u8]) -> bool {
    let length = buffer.len().min(h2::PREFACE.len());
    buffer[..length] == h2::PREFACE[..length]
}

/// What is left to do with a connection after a request.
pub(super) enum RequestEnd {
    KeepAlive,
    /// The answer is out, but the connection cannot be used further.
    Close,
    /// There is nobody to talk to.
    Gone,
    Tunnel(tunnel::Tunnel),
}

async fn serve_request(
    client: &Rc<Client>,
    connection: &SharedConnection,
    parsed: ParsedRequest,
) -> RequestEnd {
    let ParsedRequest {
        head,
        keep_alive,
        is_http10,
        expects_continue,
    } = parsed;
    let context = AnswerContext {
        is_http10,
        is_head: head.method == Method::HEAD,
        keep_alive,
    };
    {
        let mut connection = connection.borrow_mut();
        connection.decoder = match head.length {
            BodyLength::Empty => Decoder::Done,
            BodyLength::Known(length) => Decoder::length(length),
            BodyLength::Unknown => Decoder::chunked(),
        };
        connection.expects_continue = expects_continue && head.length != BodyLength::Empty;
    }
    let body_max = client.listener.limits.body_bytes_max;
    let answer = match head.length {
        BodyLength::Known(length) if body_max.is_some_and(|max| length > max) => made_up(
            client,
            StatusCode::PAYLOAD_TOO_LARGE,
            "the request body is too large",
            false,
        ),
        length => {
            let body = RequestBody::h1(connection, length, body_max);
            let mut answering = pin!(forward(client, &client.timer, head, body));
            let answer = poll_fn(|cx| match answering.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => connection.borrow_mut().poll_left(cx).map(|()| None),
            });
            match answer.await {
                Some(answer) => answer,
                None => return RequestEnd::Gone,
            }
        }
    };
    write_answer(client, connection, answer, context).await
}

/// Closes a connection whose client may still be sending, in a way that lets it read the answer.
async fn close(connection: SharedConnection) {
    let Ok(connection) = Rc::try_unwrap(connection) else {
        return;
    };
    let ClientConnection {
        mut io,
        decoder,
        buffer,
        ..
    } = connection.into_inner();
    let everything_read = decoder.is_done() && buffer.is_empty();
    drop(buffer);
    let lingering = async {
        io.shutdown().await?;
        if everything_read {
            return Ok(());
        }
        let mut scratch = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            let count = io.read(&mut scratch).await?;
            if count == 0 {
                break;
            }
            left = left.saturating_sub(count);
        }
        io::Result::Ok(())
    };
    if let Ok(Err(error)) = tokio::time::timeout(LINGER_MAX, lingering).await {
        tracing::trace!(%error, "a closing connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn an_interim_answer_never_breaks_into_the_final_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        for (expects_continue, interim, never_told, out) in [
            (true, &b""[..], true, &b""[..]),
            (false, CONTINUE, true, b""),
            (false, &CONTINUE[9..], false, &CONTINUE[9..]),
            (false, b"", false, b""),
        ] {
            let stream = TcpStream::connect(address).await.expect("a connection");
            let mut connection = ClientConnection {
                io: ClientIo::Tcp(stream),
                buffer: BytesMut::new(),
                out: Out::default(),
                decoder: Decoder::length(5),
                expects_continue,
                interim,
            };
            assert_eq!(connection.end_interim(), never_told);
            assert_eq!(connection.out.head(), out);
            // Whoever reads the body from now on sends nothing before it.
            let mut context = Context::from_waker(std::task::Waker::noop());
            assert!(connection.poll_body(&mut context).is_pending());
            assert!(connection.interim.is_empty() && !connection.expects_continue);
        }
    }
}

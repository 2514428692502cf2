//! Bodies in flight: a request's on its way to a replica, an answer's on its way to a client. Both
//! are pulled by whoever writes them, one piece at a time, so that the slower side sets the pace.

use crate::charge::{Charge, Failure};
use crate::connection::RequestGuard;
use crate::h1::client::Exchange;
use crate::h1::server::SharedConnection;
use crate::h2::client::Incoming as H2Answer;
use crate::head::BodyLength;
use crate::mirror::{Copied, Recorder, Tee};
use crate::timer::{Tick, Timer};
use crate::worker::local::RevisionLocal;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// Why a body did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the client left")]
    ClientLeft,
    #[error("the client sends nothing")]
    ClientSilent,
    #[error("the request body is malformed: {0}")]
    Malformed(&'static str),
    #[error("the request body is too large")]
    TooLarge,
    #[error("the replica broke off")]
    ReplicaBroke,
    #[error("the replica sends nothing")]
    ReplicaSilent,
}

/// What happened to a request body that somebody else took.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    pub(crate) error: Cell<Option<BodyError>>,
    pub(crate) bytes: Cell<u64>,
}

/// A request's body.
#[derive(Default)]
pub(crate) struct RequestBody {
    source: Source,
    known: Option<u64>,
    /// Bytes that may still come.
    room: Option<u64>,
    touched: bool,
    meter: Option<Rc<RevisionLocal>>,
    tee: Option<Tee>,
    upload: Option<Rc<Upload>>,
}

#[derive(Default)]
enum Source {
    #[default]
    Empty,
    H1(SharedConnection),
    H2(Incoming),
    Copy(Copied),
}

impl RequestBody {
    /// The body of an HTTP/1 request, read from the client's connection.
    pub(crate) fn h1(connection: &SharedConnection, length: BodyLength, max: Option<u64>) -> Self {
        match length {
            BodyLength::Empty => RequestBody::default(),
            _ => RequestBody::new(Source::H1(Rc::clone(connection)), length, max),
        }
    }

    /// The body of an HTTP/2 request.
    pub(crate) fn h2(body: Incoming, length: BodyLength, max: Option<u64>) -> Self {
        match length {
            BodyLength::Empty => RequestBody::default(),
            _ => RequestBody::new(Source::H2(body), length, max),
        }
    }

    /// A copy of another request's body.
    pub(crate) fn copied(body: Copied, length: BodyLength) -> Self {
        RequestBody::new(Source::Copy(body), length, None)
    }

    fn new(source: Source, length: BodyLength, room: Option<u64>) -> Self {
        let known = match length {
            BodyLength::Known(known) => Some(known),
            BodyLength::Empty | BodyLength::Unknown => None,
        };
        RequestBody {
            source,
            known,
            room,
            ..RequestBody::default()
        }
    }

    /// Whether it can be sent as if nothing had happened.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.touched
    }

    /// Whether there is a body at all.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.source, Source::Empty)
    }

    /// Counts its bytes with this revision from now on.
    pub(crate) fn meter(&mut self, revision: &Rc<RevisionLocal>) {
        if !self.is_empty() {
            self.meter = Some(Rc::clone(revision));
        }
    }

    /// Sends a copy of what comes to a mirror.
    pub(crate) fn tee(&mut self, tee: Tee) {
        self.tee = Some(tee);
    }

    /// Lets somebody watch it from outside.
    pub(crate) fn watch(&mut self) -> Rc<Upload> {
        Rc::clone(self.upload.get_or_insert_default())
    }

    /// What is left in place of a body that was given away.
    pub(crate) fn spent(&self) -> RequestBody {
        RequestBody {
            touched: !self.is_empty(),
            ..RequestBody::default()
        }
    }

    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.source {
            Source::Empty => Poll::Ready(None),
            Source::H1(connection) => connection.borrow_mut().poll_body(cx),
            Source::H2(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError::ClientLeft)))
            }
            Source::Copy(copied) => copied.poll_frame(cx),
        }
    }

    fn note(&mut self, data: &Bytes) -> Result<(), BodyError> {
        let count = data.len() as u64;
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(count).ok_or(BodyError::TooLarge)?;
        }
        if let Some(meter) = &self.meter {
            meter.count(|shard| shard.bytes_in.add(count));
        }
        if let Some(tee) = &self.tee {
            tee.push(data);
        }
        if let Some(upload) = &self.upload {
            upload.bytes.set(upload.bytes.get() + count);
        }
        Ok(())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        this.touched |= !this.is_empty();
        let frame = ready!(this.poll_source(cx));
        let frame = match frame {
            Some(Ok(frame)) => match frame.data_ref().map(|data| this.note(data)) {
                Some(Err(error)) => Some(Err(error)),
                Some(Ok(())) | None => Some(Ok(frame)),
            },
            other => other,
        };
        match &frame {
            None => {
                if let Some(tee) = this.tee.take() {
                    tee.end();
                }
            }
            Some(Err(error)) => {
                if let Some(upload) = &this.upload {
                    upload.error.set(Some(*error));
                }
            }
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.source, self.known) {
            (Source::Empty, _) => SizeHint::with_exact(0),
            (_, Some(known)) if !self.touched => SizeHint::with_exact(known),
            _ => SizeHint::default(),
        }
    }
}

/// An answer's body, with the account of its request.
#[derive(Default)]
pub(crate) struct AnswerBody {
    source: AnswerSource,
    charge: Option<Charge>,
    recorder: Option<Recorder>,
    pieces: u64,
    /// Set where nobody else looks for silence: in HTTP/2.
    idle: Option<Idle>,
    guard: Option<RequestGuard>,
}

struct Idle {
    timer: Timer,
    span: Duration,
    deadline: Option<Instant>,
}

/// Where an answer's body comes from.
#[derive(Default)]
pub(crate) enum AnswerSource {
    /// Nowhere, or it is over.
    #[default]
    Done,
    /// The proxy.
    Text(Bytes),
    /// A replica, by HTTP/1.
    H1(Box<Exchange>),
    /// A replica, by HTTP/2.
    H2(H2Answer),
}

impl AnswerBody {
    /// A text that the proxy made up.
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        AnswerBody {
            source: AnswerSource::Text(text.into()),
            ..AnswerBody::default()
        }
    }

    /// What a replica sends.
    pub(crate) fn from_replica(
        source: AnswerSource,
        charge: Charge,
        recorder: Option<Recorder>,
    ) -> Self {
        let mut body = AnswerBody {
            source,
            charge: Some(charge),
            recorder,
            ..AnswerBody::default()
        };
        if body.source.is_done() {
            body.complete();
        }
        body
    }

    /// The body of a 101: none, but the account stays open.
    pub(crate) fn tunnelled(charge: Charge) -> Self {
        AnswerBody {
            charge: Some(charge),
            ..AnswerBody::default()
        }
    }

    /// Takes the account out: a tunnel goes on with it.
    pub(crate) fn take_charge(&mut self) -> Option<Charge> {
        self.charge.take()
    }

    /// Whether nobody reads the request's body any more while this one is sent.
    pub(crate) fn takes_no_upload(&self) -> bool {
        matches!(self.source, AnswerSource::Done | AnswerSource::Text(_))
    }

    /// Ends the body when the replica is silent for `span`.
    pub(crate) fn limit_silence(&mut self, span: Duration) {
        self.idle = Some(Idle {
            timer: Timer::default(),
            span,
            deadline: None,
        });
    }

    /// Keeps the request counted as long as the body lives.
    pub(crate) fn keep(&mut self, guard: RequestGuard) {
        self.guard = Some(guard);
    }

    /// The replica was silent for too long.
    pub(crate) fn fell_silent(&mut self) {
        self.broke_off(Failure::Timeout);
    }

    fn complete(&mut self) {
        self.source = AnswerSource::Done;
        // Dropping the charge here, and not with the body, frees the replica before the client has
        // read the last byte.
        if let Some(mut charge) = self.charge.take() {
            charge.complete();
        }
        if let Some(recorder) = self.recorder.take() {
            recorder.complete();
        }
    }

    fn broke_off(&mut self, failure: Failure) {
        self.source = AnswerSource::Done;
        if let Some(mut charge) = self.charge.take() {
            charge.broke_off(failure);
        }
        self.recorder = None;
    }

    fn note(&mut self, frame: &Frame<Bytes>) {
        let Some(charge) = &mut self.charge else {
            return;
        };
        if let Some(data) = frame.data_ref() {
            charge.sent(data.len() as u64);
            if self.pieces > 0 {
                charge.goes_on();
            }
            self.pieces += 1;
            if let Some(recorder) = &mut self.recorder {
                recorder.record(data);
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            charge.grpc_status(trailers);
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(idle) = &mut self.idle else {
            return Poll::Pending;
        };
        let deadline = *idle
            .deadline
            .get_or_insert_with(|| Instant::now() + idle.span);
        loop {
            match ready!(idle.timer.poll_tick(deadline, cx)) {
                Tick::Elapsed => return Poll::Ready(()),
                Tick::Fired => {}
            }
        }
    }
}

impl AnswerSource {
    fn is_done(&self) -> bool {
        match self {
            AnswerSource::Done => true,
            AnswerSource::Text(text) => text.is_empty(),
            AnswerSource::H1(exchange) => exchange.is_done(),
            AnswerSource::H2(body) => body.is_end_stream(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            AnswerSource::Done => Poll::Ready(None),
            AnswerSource::Text(text) if text.is_empty() => Poll::Ready(None),
            AnswerSource::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            AnswerSource::H1(exchange) => exchange.poll_frame(cx),
            AnswerSource::H2(body) => body.poll_frame(cx),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match this.source.poll(cx) {
            Poll::Pending => {
                ready!(this.poll_silence(cx));
                this.fell_silent();
                Poll::Ready(Some(Err(BodyError::ReplicaSilent)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(idle) = &mut this.idle {
                    idle.deadline = None;
                }
                this.note(&frame);
                if this.source.is_done() {
                    this.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                match error {
                    BodyError::ReplicaBroke | BodyError::ReplicaSilent => {
                        this.broke_off(Failure::Broken);
                    }
                    // The client's own body failed under an answer that had begun.
                    _ => this.source = AnswerSource::Done,
                }
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                this.complete();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_done()
    }
}

//! The body of an answer: where it comes from, and the account that it closes.

use super::BodyError;
use crate::charge::{Charge, Failure};
use crate::connection::RequestGuard;
use crate::h1::client::Exchange;
use crate::h2::client::Incoming;
use crate::mirror::Recorder;
use crate::timer::{Tick, Timer};
use bytes::Bytes;
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

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
    /// Bytes of the request's body that had been sent when the deadline was set.
    uploaded: u64,
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
    H2(Incoming),
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
            uploaded: 0,
        });
    }

    /// Keeps the request counted as long as the body lives.
    pub(crate) fn keep(&mut self, guard: RequestGuard) {
        self.guard = Some(guard);
    }

    /// Bytes of the request's body that were taken from the client so far.
    pub(crate) fn uploaded(&self) -> u64 {
        self.source.uploaded()
    }

    /// Nothing came for too long: from the replica, or from the client, whose body the replica is
    /// still being sent. Then the client is the one that is gone.
    pub(crate) fn fell_silent(&mut self) {
        if self.source.waits_for_client() {
            self.source = AnswerSource::Done;
            // Dropped, the charge tells of a client that left.
            self.charge = None;
            self.recorder = None;
        } else {
            self.broke_off(Failure::Timeout);
        }
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
        let uploaded = self.source.uploaded();
        let Some(idle) = &mut self.idle else {
            return Poll::Pending;
        };
        if idle.uploaded != uploaded {
            idle.uploaded = uploaded;
            idle.deadline = None;
        }
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

    fn uploaded(&self) -> u64 {
        match self {
            AnswerSource::Done | AnswerSource::Text(_) => 0,
            AnswerSource::H1(exchange) => exchange.uploaded(),
            AnswerSource::H2(body) => body.uploaded(),
        }
    }

    fn waits_for_client(&self) -> bool {
        match self {
            AnswerSource::Done | AnswerSource::Text(_) => false,
            AnswerSource::H1(exchange) => exchange.waits_for_client(),
            AnswerSource::H2(body) => body.waits_for_client(),
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
                if let Some(guard) = &this.guard {
                    guard.moved();
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

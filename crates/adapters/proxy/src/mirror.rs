//! Copies of requests, sent to another revision; their answers are compared and thrown away.
//!
//! A copy never slows its original: there is room for so many at a time, and so many bytes of a
//! body; what does not fit is dropped. The mirrored revision is charged for its answers like for any other, so that a
//! shadow's errors and latencies are seen.

use crate::body::{AnswerBody, BodyError, RequestBody};
use crate::charge::{Charge, Failure};
use crate::connection::Client;
use crate::head::RequestHead;
use crate::timer::Timer;
use crate::upstream::{self, Attempt, SendError};
use crate::worker::Worker;
use crate::worker::local::RevisionLocal;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame};
use siphasher::sip::SipHasher13;
use sluice_routing::MirrorDecision;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::hash::Hasher;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::sync::oneshot;

/// Whether another copy may be made.
pub(crate) fn has_room(worker: &Worker) -> bool {
    worker.copies.get() < worker.shared.config.mirror.concurrent_max
}

/// A copy in flight.
struct CopyGuard(Rc<Worker>);

impl CopyGuard {
    fn new(worker: &Rc<Worker>) -> CopyGuard {
        worker.copies.set(worker.copies.get() + 1);
        CopyGuard(Rc::clone(worker))
    }
}

impl Drop for CopyGuard {
    fn drop(&mut self) {
        self.0.copies.set(self.0.copies.get() - 1);
    }
}

/// Starts a copy of a request; answers who watches the original's answer, if it is to be compared.
pub(crate) fn start(
    client: &Rc<Client>,
    decision: MirrorDecision,
    charge: Charge,
    head: &RequestHead,
    body: &mut RequestBody,
) -> Option<Recorder> {
    let guard = CopyGuard::new(&client.worker);
    let mut head = head.clone();
    head.upgrade = None;
    let copied = if body.is_empty() {
        RequestBody::default()
    } else {
        let bytes_max = client.worker.shared.config.mirror.body_bytes_max;
        let queue = Rc::new(RefCell::new(Queue {
            bytes_max,
            ..Queue::default()
        }));
        body.tee(Tee(Rc::clone(&queue)));
        RequestBody::copied(Copied(queue), head.length)
    };
    let (recorder, original) = if decision.compare {
        let (sender, receiver) = oneshot::channel();
        (Some(Recorder::new(sender)), Some(receiver))
    } else {
        (None, None)
    };
    let client = Rc::clone(client);
    tokio::task::spawn_local(async move {
        let revision = Rc::clone(charge.revision());
        let outcome = copy(&client, charge, &head, copied).await;
        if let (Some(original), Some(outcome)) = (original, outcome) {
            compare(&client, &revision, original, outcome).await;
        }
        drop(guard);
    });
    recorder
}

/// Sends a copy and reads its answer to the end; `None` when that says nothing about the revision.
async fn copy(
    client: &Client,
    mut charge: Charge,
    head: &RequestHead,
    mut body: RequestBody,
) -> Option<Outcome> {
    let (protocol, limits) = (client.listener.protocol, &client.listener.limits);
    let timer = Timer::default();
    charge.begin();
    let mut fresh = false;
    let raw = loop {
        let attempt = Attempt {
            protocol,
            limits,
            timer: &timer,
            fresh,
        };
        match upstream::send(attempt, &charge, head, &mut body).await {
            Ok(raw) => break raw,
            Err(SendError::Closed { stale: true, .. })
                if !fresh && head.is_idempotent() && body.is_untouched() =>
            {
                fresh = true;
            }
            Err(SendError::Client(_)) => return None,
            Err(SendError::Exhausted(error)) => {
                tracing::debug!(%error, "cannot open a connection for a copy");
                charge.withdrawn();
                return None;
            }
            Err(error) => {
                let is_timeout = matches!(error, SendError::Timeout);
                charge.failed(if is_timeout {
                    Failure::Timeout
                } else {
                    Failure::Broken
                });
                return Some(Outcome::LOST);
            }
        }
    };
    charge.answered(raw.head.status, &raw.head.headers);
    let mut outcome = Outcome {
        status: raw.head.status.as_u16(),
        digest: 0,
    };
    let mut digest = SipHasher13::new();
    let mut answer = AnswerBody::from_replica(raw.source, charge, None);
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx));
        match timer.within(limits.idle_timeout, frame).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    digest.write(data);
                }
            }
            Ok(Some(Err(_))) => return Some(Outcome::LOST),
            Err(_) => {
                answer.fell_silent();
                return Some(Outcome::LOST);
            }
        }
    }
    outcome.digest = digest.finish();
    Some(outcome)
}

async fn compare(
    client: &Client,
    revision: &RevisionLocal,
    original: oneshot::Receiver<Outcome>,
    copy: Outcome,
) {
    // The original's own timeouts end it; when it fails, there is nothing to compare with.
    let limits = &client.listener.limits;
    let patience = limits.request_timeout.saturating_add(limits.idle_timeout);
    if let Ok(Ok(original)) = tokio::time::timeout(patience, original).await {
        revision.count(false, |shard| {
            shard.mirrored.add(1);
            if original != copy {
                shard.mirror_diffs.add(1);
            }
        });
    }
}

/// What is compared of an answer: its status, and a digest of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    status: u16,
    digest: u64,
}

impl Outcome {
    /// There was no answer: it differs from every one.
    const LOST: Outcome = Outcome {
        status: 0,
        digest: 0,
    };
}

/// Watches the original's answer on its way to the client.
pub(crate) struct Recorder {
    status: u16,
    digest: SipHasher13,
    sender: oneshot::Sender<Outcome>,
}

impl Recorder {
    fn new(sender: oneshot::Sender<Outcome>) -> Recorder {
        Recorder {
            status: 0,
            digest: SipHasher13::new(),
            sender,
        }
    }

    pub(crate) fn status(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    pub(crate) fn record(&mut self, data: &Bytes) {
        self.digest.write(data);
    }

    /// The answer is complete. A recorder that is dropped before tells nothing.
    pub(crate) fn complete(self) {
        let outcome = Outcome {
            status: self.status,
            digest: self.digest.finish(),
        };
        if self.sender.send(outcome).is_err() {
            tracing::trace!("the copy was given up before its original was complete");
        }
    }
}

/// Pieces of a body that wait for the copy's replica.
#[derive(Default)]
struct Queue {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    bytes_max: usize,
    state: QueueState,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum QueueState {
    #[default]
    Open,
    Complete,
    /// The original broke off, or the copy's replica is too slow.
    GivenUp,
}

impl Queue {
    fn end(&mut self, state: QueueState) {
        if self.state == QueueState::Open {
            self.state = state;
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The original's side of a copied body.
pub(crate) struct Tee(Rc<RefCell<Queue>>);

impl Tee {
    /// Copies a piece, unless too much waits already: then the copy is given up.
    pub(crate) fn push(&self, data: &Bytes) {
        let mut queue = self.0.borrow_mut();
        if queue.state != QueueState::Open || data.is_empty() {
            return;
        }
        if queue.bytes + data.len() > queue.bytes_max {
            queue.pieces.clear();
            queue.end(QueueState::GivenUp);
            return;
        }
        queue.bytes += data.len();
        queue.pieces.push_back(data.clone());
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }

    /// The body is complete.
    pub(crate) fn end(self) {
        self.0.borrow_mut().end(QueueState::Complete);
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.0.borrow_mut().end(QueueState::GivenUp);
    }
}

/// The copy's side of a copied body.
pub(crate) struct Copied(Rc<RefCell<Queue>>);

impl Copied {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut queue = self.0.borrow_mut();
        if let Some(piece) = queue.pieces.pop_front() {
            queue.bytes -= piece.len();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match queue.state {
            QueueState::Complete => Poll::Ready(None),
            QueueState::GivenUp => Poll::Ready(Some(Err(BodyError::ClientLeft))),
            QueueState::Open => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

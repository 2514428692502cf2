//! The body of a request: where it comes from, what is counted of it, and who else gets a copy.

use super::BodyError;
use crate::connection::Client;
use crate::h1::server::{ClientConnection, SharedConnection};
use crate::head::BodyLength;
use crate::mirror::{Copied, Tee};
use crate::worker::local::RevisionLocal;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

/// What happened to a request body that somebody else took.
#[derive(Default)]
struct Upload {
    error: Cell<Option<BodyError>>,
    bytes: Cell<u64>,
    /// Who asked for more that did not come yet.
    waits: Cell<Option<Waker>>,
    /// Nobody is interested any more: the client's connection must be left alone.
    is_revoked: Cell<bool>,
}

/// Watches a request body that somebody else took. Dropped, it takes the body away from there: the
/// client's connection then serves other requests.
pub(crate) struct Watch(Rc<Upload>);

impl Watch {
    /// Why the body did not come to its end.
    pub(crate) fn error(&self) -> Option<BodyError> {
        self.0.error.get()
    }

    /// Bytes that were taken so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.get()
    }

    /// Whether more was asked for and did not come yet.
    pub(crate) fn waits_for_client(&self) -> bool {
        let waits = self.0.waits.take();
        let is_waiting = waits.is_some() && Rc::strong_count(&self.0) > 1;
        self.0.waits.set(waits);
        is_waiting
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.is_revoked.set(true);
        if let Some(waker) = self.0.waits.take() {
            waker.wake();
        }
    }
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
    /// Weak, so that nobody who holds the body can keep the connection open.
    H1(Weak<RefCell<ClientConnection>>),
    H2(Incoming, Rc<Client>),
    Copy(Copied),
}

impl RequestBody {
    /// The body of an HTTP/1 request, read from the client's connection.
    pub(crate) fn h1(connection: &SharedConnection, length: BodyLength, max: Option<u64>) -> Self {
        match length {
            BodyLength::Empty => RequestBody::default(),
            _ => RequestBody::new(Source::H1(Rc::downgrade(connection)), length, max),
        }
    }

    /// The body of an HTTP/2 request.
    pub(crate) fn h2(client: &Rc<Client>, body: Incoming, length: BodyLength) -> Self {
        let max = client.listener.limits.body_bytes_max;
        match length {
            BodyLength::Empty => RequestBody::default(),
            _ => RequestBody::new(Source::H2(body, Rc::clone(client)), length, max),
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

    /// Lets somebody watch it from outside, and nobody who did before.
    pub(crate) fn watch(&mut self) -> Watch {
        let upload = Rc::<Upload>::default();
        self.upload = Some(Rc::clone(&upload));
        Watch(upload)
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
            Source::H1(connection) => match connection.upgrade() {
                Some(connection) => connection.borrow_mut().poll_body(cx),
                None => Poll::Ready(Some(Err(BodyError::ClientLeft))),
            },
            Source::H2(body, client) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                client.activity.moved();
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
            meter.count(false, |shard| shard.bytes_in.add(count));
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
        if let Some(upload) = &this.upload
            && upload.is_revoked.get()
        {
            this.source = Source::Empty;
            return Poll::Ready(Some(Err(BodyError::ClientLeft)));
        }
        this.touched |= !this.is_empty();
        let frame = this.poll_source(cx);
        if let Some(upload) = &this.upload {
            upload
                .waits
                .set(frame.is_pending().then(|| cx.waker().clone()));
        }
        let frame = match ready!(frame) {
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

//! Answers that go on: JSON values, one a line, until the client leaves or the server ends.
//!
//! An empty line is sent when there is nothing to say for a while, so that either end notices when
//! the other is gone. An error in the middle is a line of its own, `{"error": …}`, and the last.

use crate::backend::Backend;
use crate::error::{ApiError, ErrorCode};
use crate::serve::until_closing;
use crate::wire::{LogLine, WatchEvent};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_body_util::channel::{Channel, Sender};
use serde::Serialize;
use sluice_model::ids::ServiceName;
use sluice_model::view::ServiceView;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// Longest silence on a stream.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);

/// Chunks that wait for a slow reader; after that its stream waits as well.
const CHUNKS_MAX: usize = 16;

/// Lines that are sent as one chunk, at most.
const LINES_PER_CHUNK_MAX: usize = 256;

/// Shortest time from one look at the services to the next.
const LOOK_SPACING: Duration = Duration::from_millis(50);

/// A watcher spends at most one part in this many of its time on looking, however many services.
const LOOK_SHARE: u32 = 5;

/// The stream's reader is gone, or the server ends: nobody is left to tell.
struct Over;

struct Lines {
    sender: Sender<Bytes, Infallible>,
    closing: watch::Receiver<bool>,
}

impl Lines {
    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Over> {
        tokio::select! {
            sent = self.sender.send_data(bytes.into()) => sent.map_err(|_| Over),
            () = until_closing(&mut self.closing) => Err(Over),
        }
    }

    async fn error(&mut self, error: ApiError) -> Result<(), Over> {
        #[derive(Serialize)]
        struct Line {
            error: ApiError,
        }
        let mut bytes = Vec::new();
        push_line(&mut bytes, &Line { error })?;
        self.send(bytes).await
    }
}

fn push_line<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), Over> {
    match serde_json::to_writer(&mut *bytes, value) {
        Ok(()) => {
            bytes.push(b'\n');
            Ok(())
        }
        Err(error) => {
            tracing::error!(%error, "a value of the API has no JSON form; its stream ends");
            Err(Over)
        }
    }
}

fn respond(channel: Channel<Bytes, Infallible>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::new(channel)).into_response()
}

/// The lines of a service's output.
pub(crate) fn logs(mut lines: mpsc::Receiver<LogLine>, closing: watch::Receiver<bool>) -> Response {
    let (sender, channel) = Channel::new(CHUNKS_MAX);
    let mut out = Lines { sender, closing };
    tokio::spawn(async move {
        let mut batch = Vec::new();
        loop {
            let received = tokio::select! {
                received = timeout(HEARTBEAT, lines.recv_many(&mut batch, LINES_PER_CHUNK_MAX)) => received,
                () = until_closing(&mut out.closing) => Ok(0),
            };
            if received == Ok(0) {
                return Ok::<(), Over>(());
            }
            let mut bytes = Vec::new();
            for line in batch.drain(..) {
                push_line(&mut bytes, &line)?;
            }
            if bytes.is_empty() {
                bytes.push(b'\n');
            }
            out.send(bytes).await?;
        }
    });
    respond(channel)
}

/// The services, and then whatever changes about them; one alone when it is named.
pub(crate) fn views<B: Backend>(
    backend: Arc<B>,
    only: Option<ServiceName>,
    closing: watch::Receiver<bool>,
) -> Response {
    let (sender, channel) = Channel::new(CHUNKS_MAX);
    let out = Lines { sender, closing };
    tokio::spawn(watch_services(backend, only, out));
    respond(channel)
}

async fn watch_services<B: Backend>(
    backend: Arc<B>,
    only: Option<ServiceName>,
    mut out: Lines,
) -> Result<(), Over> {
    let mut changes = backend.changes();
    let mut shown = BTreeMap::new();
    let mut synced = false;
    loop {
        let begun = Instant::now();
        changes.borrow_and_update();
        let found = match &only {
            Some(name) => backend
                .service(name)
                .await
                .map(|view| view.into_iter().collect()),
            None => backend.services().await,
        };
        let events = match found {
            Ok(views) => differences(&mut shown, views),
            Err(error) => return out.error(error).await,
        };
        let mut bytes = Vec::new();
        for event in events {
            push_line(&mut bytes, &event)?;
        }
        if !synced {
            push_line(&mut bytes, &WatchEvent::Synced)?;
            synced = true;
        }
        if !bytes.is_empty() {
            out.send(bytes).await?;
        }
        sleep(LOOK_SPACING.max(begun.elapsed() * (LOOK_SHARE - 1))).await;
        loop {
            let changed = tokio::select! {
                changed = timeout(HEARTBEAT, changes.changed()) => changed,
                () = until_closing(&mut out.closing) => return Err(Over),
            };
            match changed {
                Ok(Ok(())) => break,
                Ok(Err(_)) => {
                    let error = ApiError::new(ErrorCode::ShuttingDown, "Sluice is ending");
                    return out.error(error).await;
                }
                Err(_) => out.send(vec![b'\n']).await?,
            }
        }
    }
}

/// What a watcher that was shown `shown` has to be told to know `views`; `shown` is brought up to it.
fn differences(
    shown: &mut BTreeMap<ServiceName, ServiceView>,
    views: Vec<ServiceView>,
) -> Vec<WatchEvent> {
    let mut before = std::mem::take(shown);
    let mut events = Vec::new();
    for view in views {
        let same = before.remove(&view.service).is_some_and(|mut old| {
            // A view is of another moment each time; that alone is no news.
            old.at = view.at;
            old == view
        });
        if !same {
            events.push(WatchEvent::View(Box::new(view.clone())));
        }
        shown.insert(view.service.clone(), view);
    }
    events.extend(before.into_keys().map(WatchEvent::Gone));
    events
}

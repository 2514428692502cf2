//! One attempt to have a request answered by one replica, whatever protocol the replica speaks.

use crate::body::{AnswerSource, BodyError, RequestBody};
use crate::charge::Charge;
use crate::h1::client::{Exchange, Headed, ReplicaConnection};
use crate::h2;
use crate::head::{AnswerHead, RequestHead};
use crate::timer::{Elapsed, Timer};
use crate::worker::local::ReplicaLocal;
use rustix::io::Errno;
use sluice_model::workload::{Protocol, TrafficLimits};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;

/// Why an attempt brought no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// No connection: nothing was sent.
    Unreached(io::Error),
    /// This system has no descriptor, port or memory left for a connection: nothing was sent, and
    /// the replica has no part in it.
    Exhausted(io::Error),
    /// The connection ended before a byte of an answer. `stale`: it had served others before, so that
    /// the replica may just have closed it for being idle.
    Closed { error: io::Error, stale: bool },
    /// What came is no answer.
    Malformed(&'static str),
    /// Nothing came in time.
    Timeout,
    /// The client's body ended it.
    Client(BodyError),
}

/// An answer whose body is still to come.
pub(crate) struct Raw {
    pub(crate) head: AnswerHead,
    pub(crate) source: AnswerSource,
    pub(crate) upgrade: Option<Box<ReplicaConnection>>,
}

/// How to ask.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) limits: &'a TrafficLimits,
    pub(crate) timer: &'a Timer,
    /// Only on a new connection.
    pub(crate) fresh: bool,
}

/// Sends a request. A body that was not touched is still in `body` after an error.
///
/// # Errors
/// Why there is no answer. Nothing is charged here.
pub(crate) async fn send(
    attempt: Attempt<'_>,
    charge: &Charge,
    head: &RequestHead,
    body: &mut RequestBody,
) -> Result<Raw, SendError> {
    body.meter(charge.revision());
    if attempt.protocol == Protocol::H2c {
        return h2::client::send(attempt, charge.replica(), head, body).await;
    }
    let replica = charge.replica();
    let idle = if attempt.fresh {
        None
    } else {
        idle_connection(replica)
    };
    let (connection, reused) = match idle {
        Some(connection) => (connection, true),
        None => (connect(attempt, replica).await?, false),
    };
    let mut exchange = Box::new(Exchange::new(
        connection,
        reused,
        replica,
        head,
        std::mem::take(body),
    ));
    match answer_of(attempt, &mut exchange).await {
        Ok((head, upgrade)) => {
            let source = if exchange.is_done() {
                AnswerSource::Done
            } else {
                AnswerSource::H1(exchange)
            };
            Ok(Raw {
                head,
                source,
                upgrade,
            })
        }
        Err(error) => {
            *body = exchange.into_body();
            Err(error)
        }
    }
}

/// An idle connection that was looked at just now: what a replica sent unasked would be taken for the
/// answer.
fn idle_connection(replica: &ReplicaLocal) -> Option<ReplicaConnection> {
    loop {
        let connection = replica.take_idle()?;
        if connection.is_quiet() {
            return Some(connection);
        }
    }
}

async fn connect(
    attempt: Attempt<'_>,
    replica: &Rc<ReplicaLocal>,
) -> Result<ReplicaConnection, SendError> {
    let connecting = ReplicaConnection::connect(replica.replica.address);
    within_connect_timeout(attempt, connecting).await
}

/// Waits for a connection no longer than the limits allow.
pub(crate) async fn within_connect_timeout<T>(
    attempt: Attempt<'_>,
    connecting: impl Future<Output = io::Result<T>>,
) -> Result<T, SendError> {
    match attempt
        .timer
        .within(attempt.limits.connect_timeout, connecting)
        .await
    {
        Ok(connected) => connected.map_err(|error| {
            if is_exhausted(&error) {
                SendError::Exhausted(error)
            } else {
                SendError::Unreached(error)
            }
        }),
        Err(Elapsed) => {
            let error = io::Error::new(io::ErrorKind::TimedOut, "it does not accept connections");
            Err(SendError::Unreached(error))
        }
    }
}

/// Whether a connection failed for want of something on this side.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Waits for the head of the answer. The time counts from the last byte of the request.
async fn answer_of(attempt: Attempt<'_>, exchange: &mut Exchange) -> Result<Headed, SendError> {
    let mut uploaded = 0;
    loop {
        let head = poll_fn(|cx| exchange.poll_head(cx));
        match attempt
            .timer
            .within(attempt.limits.request_timeout, head)
            .await
        {
            Ok(answer) => return answer,
            Err(Elapsed) if exchange.uploaded() > uploaded => uploaded = exchange.uploaded(),
            Err(Elapsed) if exchange.waits_for_client() => {
                return Err(SendError::Client(BodyError::ClientSilent));
            }
            Err(Elapsed) => return Err(SendError::Timeout),
        }
    }
}

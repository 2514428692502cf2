//! Accepting connections: every worker accepts from the same socket, and a connection is served by
//! the worker that has the fewest.

use super::local::ServiceLocal;
use super::{ConnectionGuard, Worker};
use crate::connection;
use crate::listen::ListenerState;
use crate::service::ServiceState;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How many more connections than the least loaded worker one may have before it passes them on.
const IMBALANCE_MAX: usize = 1;
/// Connections that are taken out of the queue when a listener closes; as many as the queue holds.
const LAST_BATCH: usize = 4_096;
/// Pause when the system has no descriptors or memory left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(20);

/// A connection on its way to the worker that serves it.
pub(crate) struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    service: Arc<ServiceState>,
    listener: Arc<ListenerState>,
}

/// Starts accepting.
pub(super) fn start(
    worker: &Rc<Worker>,
    service: &Rc<ServiceLocal>,
    listener: &Arc<ListenerState>,
) -> io::Result<()> {
    let Some(socket) = listener.duplicate()? else {
        return Ok(());
    };
    let socket = TcpListener::from_std(socket.into())?;
    let (worker, service, listener) = (Rc::clone(worker), Rc::clone(service), Arc::clone(listener));
    tokio::task::spawn_local(async move {
        let mut changed = pin!(listener.changed.notified());
        changed.as_mut().enable();
        while !listener.is_closing() {
            tokio::select! {
                () = changed.as_mut() => break,
                accepted = socket.accept() => match accepted {
                    Ok((stream, peer)) => place(&worker, &service, &listener, stream, peer),
                    Err(error) if is_of_one_client(&error) => {}
                    Err(error) => {
                        tracing::warn!(service = %service.state.name, %error, "cannot accept a connection");
                        tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    }
                },
            }
        }
        // What came before the end is still served; without a successor on the same socket it
        // would be reset.
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..LAST_BATCH {
            let Poll::Ready(Ok((stream, peer))) = socket.poll_accept(&mut context) else {
                break;
            };
            place(&worker, &service, &listener, stream, peer);
        }
    });
    Ok(())
}

/// Whether an error is that of a client which left before it was accepted.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Serves a connection here, or passes it to a worker with fewer.
fn place(
    worker: &Rc<Worker>,
    service: &Rc<ServiceLocal>,
    listener: &Arc<ListenerState>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let seats = &worker.shared.seats;
    let mine = worker.load().connections();
    let least = seats.iter().min_by_key(|seat| seat.load.connections());
    let Some(seat) = least.filter(|seat| seat.load.connections() + IMBALANCE_MAX < mine) else {
        return serve(worker, service, listener, stream, peer);
    };
    let stream = match stream.into_std() {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "a connection was lost between two workers"),
    };
    let accepted = Accepted {
        stream,
        peer,
        service: Arc::clone(&service.state),
        listener: Arc::clone(listener),
    };
    if let Err(refused) = seat.inbox.try_send(accepted) {
        take_over(worker, refused.into_inner());
    }
}

/// Serves a connection that another worker accepted.
pub(super) fn take_over(worker: &Rc<Worker>, accepted: Accepted) {
    let service = worker.service(&accepted.service);
    match TcpStream::from_std(accepted.stream) {
        Ok(stream) => serve(worker, &service, &accepted.listener, stream, accepted.peer),
        Err(error) => {
            tracing::warn!(service = %service.state.name, %error, "a connection was lost between two workers")
        }
    }
}

fn serve(
    worker: &Rc<Worker>,
    service: &Rc<ServiceLocal>,
    listener: &Arc<ListenerState>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let connections_max = listener.limits.connections_max as usize;
    if listener.connections.load(Relaxed) >= connections_max {
        connection::turn_away(service, listener, stream);
        return;
    }
    let guard = ConnectionGuard::new(worker, listener);
    let serving = connection::serve(
        Rc::clone(worker),
        Rc::clone(service),
        Arc::clone(listener),
        stream,
        peer,
    );
    tokio::task::spawn_local(async move {
        serving.await;
        drop(guard);
    });
}

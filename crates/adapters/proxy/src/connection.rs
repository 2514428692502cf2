//! A client's connection from accept to the protocol that it speaks.

use crate::h1;
use crate::h2;
use crate::io::ClientIo;
use crate::listen::ListenerState;
use crate::tcp;
use crate::timer::Timer;
use crate::worker::local::ServiceLocal;
use crate::worker::{Activity, Worker};
use bytes::Bytes;
use http::HeaderValue;
use sluice_model::workload::Protocol;
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Connections beyond the limit that are told so at a time, for each worker; more are just closed.
const TURNED_AWAY_MAX: usize = 128;
/// How long one of them may take.
const TURNED_AWAY_FOR: Duration = Duration::from_secs(1);

/// What is known of a client's connection.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) service: Rc<ServiceLocal>,
    pub(crate) listener: Arc<ListenerState>,
    /// The client's address, as `X-Forwarded-For` writes it.
    pub(crate) address: HeaderValue,
    pub(crate) is_tls: bool,
    pub(crate) timer: Timer,
    pub(crate) activity: Activity,
}

/// Counts a request while it lives.
pub(crate) struct RequestGuard(Rc<Client>);

impl RequestGuard {
    pub(crate) fn new(client: &Rc<Client>) -> RequestGuard {
        client.activity.begin();
        RequestGuard(Rc::clone(client))
    }

    /// Something of it went on its way.
    pub(crate) fn moved(&self) {
        self.0.activity.moved();
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.activity.end();
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    service: Rc<ServiceLocal>,
    listener: Arc<ListenerState>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot turn off delays on a connection");
    }
    let client = Client {
        activity: Activity::new(&worker),
        worker,
        service,
        address: address_of(peer),
        is_tls: listener.tls.is_some(),
        timer: Timer::default(),
        listener,
    };
    if client.listener.protocol == Protocol::Tcp {
        return tcp::serve(client, stream).await;
    }
    let Some(acceptor) = client.listener.tls.clone() else {
        return h1::server::serve(Rc::new(client), ClientIo::Tcp(stream)).await;
    };
    let handshake = Box::pin(acceptor.accept(stream));
    match client
        .timer
        .within(client.listener.limits.header_timeout, handshake)
        .await
    {
        Ok(Ok(stream)) => {
            let speaks_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let io = ClientIo::Tls(Box::new(stream));
            if speaks_h2 {
                h2::server::serve(Rc::new(client), io, Bytes::new()).await;
            } else {
                h1::server::serve(Rc::new(client), io).await;
            }
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

fn address_of(peer: SocketAddr) -> HeaderValue {
    let address = match peer.ip() {
        IpAddr::V6(address) => address.to_canonical(),
        address => address,
    };
    HeaderValue::from_maybe_shared(Bytes::from(address.to_string()))
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

thread_local! {
    static TURNED_AWAY: Cell<usize> = const { Cell::new(0) };
}

/// Tells a client that there are too many connections, and closes its own.
pub(crate) fn turn_away(service: &ServiceLocal, listener: &ListenerState, mut stream: TcpStream) {
    let name = &service.state.name;
    tracing::debug!(service = %name, "a connection above the limit was closed");
    let is_plain_http = listener.protocol != Protocol::Tcp && listener.tls.is_none();
    if !is_plain_http || TURNED_AWAY.get() >= TURNED_AWAY_MAX {
        return;
    }
    let text = format!("service `{name}`: there are too many connections\n");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    TURNED_AWAY.set(TURNED_AWAY.get() + 1);
    tokio::task::spawn_local(async move {
        let telling = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
            // Reading what it had sent lets it see the answer and not a reset.
            let mut scratch = [0; 1_024];
            while stream.read(&mut scratch).await? > 0 {}
            std::io::Result::Ok(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(TURNED_AWAY_FOR, telling).await {
            tracing::trace!(%error, "a connection above the limit broke");
        }
        TURNED_AWAY.set(TURNED_AWAY.get().saturating_sub(1));
    });
}

//! Plain TCP services: bytes both ways, split by connection. A connection counts as one request: 2xx
//! when it ended in order, a failure when its replica could not be reached or broke it.

use crate::charge::{Charge, Failure};
use crate::config::ListenerRole;
use crate::connection::Client;
use crate::forward::lease;
use crate::h1::client::ReplicaConnection;
use crate::tunnel::{Side, pump, settle};
use crate::upstream::{Attempt, SendError, within_connect_timeout};
use bytes::BytesMut;
use std::rc::Rc;
use tokio::net::TcpStream;

/// Serves a connection until it ends.
pub(crate) async fn serve(client: Client, stream: TcpStream) {
    client.activity.begin();
    let Some((mut charge, replica)) = connect(&client).await else {
        client.activity.end();
        return;
    };
    charge.connected();
    let ReplicaConnection {
        stream: replica,
        buffer,
        ..
    } = replica;
    let near = Side {
        io: stream,
        buffer: BytesMut::new(),
    };
    let far = Side {
        io: replica,
        buffer,
    };
    let idle = client.listener.limits.idle_timeout;
    settle(pump(near, far, idle, &client.timer, charge).await);
    client.activity.end();
}

/// Connects to a replica; to another one if that fails, as nothing was sent yet.
async fn connect(client: &Client) -> Option<(Charge, ReplicaConnection)> {
    let worker = &client.worker;
    let limits = &client.listener.limits;
    let draw = worker.draw();
    let mut tried = Vec::new();
    for _ in 0..=limits.retries_max {
        let leased = client.service.settled(|view| {
            let table = &view.snapshot.table;
            let (number, by_chance) = match client.listener.role {
                ListenerRole::Main => (table.decide_connection(draw)?, tried.is_empty()),
                ListenerRole::Preview => (table.decide_preview()?.revision, false),
            };
            let mut leased = lease(client, view, number, &tried)?;
            if by_chance {
                leased.assigned_by_chance(None, 0);
            }
            Some(leased)
        });
        let Some(leased) = leased else { break };
        let charge = leased.begin();
        let attempt = Attempt {
            protocol: client.listener.protocol,
            limits,
            timer: &client.timer,
            fresh: true,
        };
        let connecting = ReplicaConnection::connect(charge.replica().replica.address);
        match within_connect_timeout(attempt, connecting).await {
            Ok(connection) => return Some((charge, connection)),
            Err(SendError::Exhausted(error)) => {
                tracing::debug!(%error, "cannot open a connection to a replica");
                client.service.count_failure();
                charge.withdrawn();
                return None;
            }
            Err(error) => {
                tracing::debug!(replica = %charge.replica().replica.id, ?error, "cannot connect");
                tried.push(Rc::clone(charge.replica()));
                charge.failed(Failure::Broken);
            }
        }
    }
    if tried.is_empty() {
        client.service.count_failure();
    }
    None
}

//! The proxy on real sockets. Replicas and clients are hyper, h2, or bytes on a socket: never the
//! proxy's own code for both ends.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

mod drain;
mod exhaustion;
mod grpc;
mod http2;
mod limits;
mod listening;
mod messages;
mod mirroring;
mod progress;
mod retrying;
mod routing;
mod slow_clients;
mod smuggling;
mod streaming;
mod tcp;
mod tls;
mod upgrades;

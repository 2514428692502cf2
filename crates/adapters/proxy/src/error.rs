//! What can go wrong when the proxy is told something. Each error says what was attempted, why it
//! failed and what to do.

use sluice_model::ServiceName;
use sluice_routing::RouteError;
use std::io;

/// An error of the proxy's interface.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// A worker thread could not be started.
    #[error("cannot start a proxy worker: {source}")]
    Worker {
        /// Why.
        source: io::Error,
    },
    /// An address is none.
    #[error(
        "service `{service}` cannot listen on `{address}`: {reason}; write it as `host:port`, as in `127.0.0.1:8080`"
    )]
    Address {
        /// Of which service.
        service: ServiceName,
        /// The text.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// An address is taken.
    #[error(
        "service `{service}` cannot listen on {address}: the port is in use{}; stop that program, or choose another port",
        owner.as_ref().map(|owner| format!(" by {owner}")).unwrap_or_default()
    )]
    InUse {
        /// Which service.
        service: ServiceName,
        /// The address.
        address: String,
        /// Who listens there, if it can be told.
        owner: Option<String>,
    },
    /// The system does not let the proxy listen.
    #[error("service `{service}` cannot listen on {address}: {source}")]
    Bind {
        /// Which service.
        service: ServiceName,
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A socket that was handed over is no listening TCP socket.
    #[error("the socket that was handed over for service `{service}` cannot be used: {source}")]
    Inherited {
        /// Which service.
        service: ServiceName,
        /// Why.
        source: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("service `{service}` cannot use the TLS file {file}: {reason}")]
    Tls {
        /// Which service.
        service: ServiceName,
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Routes that cannot be served.
    #[error("the routes of service `{service}` cannot be used: {source}")]
    Routes {
        /// Which service.
        service: ServiceName,
        /// Why.
        source: RouteError,
    },
    /// The proxy is being stopped.
    #[error("the proxy is draining and takes no new listeners")]
    Draining,
}

//! Listening sockets: bound here, or handed over by a process that goes away.
//!
//! All workers accept from the same socket (each through a duplicate of its descriptor), so that whoever
//! gets a descriptor gets every connection that waits in its queue, and a second program on the same
//! port is refused by the system. The accepting itself is in `worker::accept`.

use crate::config::ListenerRole;
use crate::error::ProxyError;
use crate::owner;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sluice_model::ServiceName;
use sluice_model::workload::{Listener, Protocol, TlsFiles, TrafficLimits};
use socket2::{Domain, Protocol as Transport, Socket, Type};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// Connections that the system may queue for us; it lowers this to its own limit.
const BACKLOG: i32 = 4_096;

/// One listening address of a service.
pub(crate) struct ListenerState {
    pub(crate) role: ListenerRole,
    /// The address as it was asked for.
    pub(crate) asked: String,
    /// The address that is bound.
    pub(crate) bound: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: TrafficLimits,
    /// Connections of all workers.
    pub(crate) connections: AtomicUsize,
    /// The descriptor; gone when the listener is closed.
    socket: Mutex<Option<OwnedFd>>,
    /// No more connections; those that exist end after their present request.
    closing: AtomicBool,
    /// Idle connections end too.
    closed: AtomicBool,
    /// Wakes whoever waits for `closing`.
    pub(crate) changed: Notify,
}

impl ListenerState {
    /// A duplicate of the descriptor; `None` when the listener is closed.
    pub(crate) fn duplicate(&self) -> io::Result<Option<OwnedFd>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.as_ref().map(OwnedFd::try_clone).transpose()
    }

    /// Ends the accepting. Connections in the system's queue stay with whoever else has the socket.
    pub(crate) fn close(&self, and_idle: bool) {
        self.closed.fetch_or(and_idle, SeqCst);
        self.closing.store(true, SeqCst);
        self.socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.changed.notify_waiters();
    }

    /// Whether connections end after their present request.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Whether idle connections end.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }
}

/// Opens a listener: on an inherited socket, or on a new one.
pub(crate) fn open(
    service: &ServiceName,
    role: ListenerRole,
    listener: &Listener,
    address: &str,
    inherited: Option<OwnedFd>,
) -> Result<Arc<ListenerState>, ProxyError> {
    let tls = listener
        .tls
        .as_ref()
        .map(|files| acceptor(service, files))
        .transpose()?;
    let socket = match inherited {
        Some(socket) => adopt(service, socket)?,
        None => bind(service, address)?,
    };
    let bound = socket
        .local_addr()
        .and_then(|bound| {
            bound
                .as_socket()
                .ok_or_else(|| io::ErrorKind::InvalidInput.into())
        })
        .map_err(|source| ProxyError::Inherited {
            service: service.clone(),
            source,
        })?;
    Ok(Arc::new(ListenerState {
        role,
        asked: address.to_owned(),
        bound,
        protocol: listener.protocol,
        tls,
        limits: listener.limits.clone(),
        connections: AtomicUsize::new(0),
        socket: Mutex::new(Some(socket.into())),
        closing: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        changed: Notify::new(),
    }))
}

fn adopt(service: &ServiceName, socket: OwnedFd) -> Result<Socket, ProxyError> {
    let socket = Socket::from(socket);
    let usable = match socket.is_listener() {
        Ok(true) => socket.set_nonblocking(true),
        Ok(false) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it does not listen",
        )),
        Err(error) => Err(error),
    };
    usable.map_err(|source| ProxyError::Inherited {
        service: service.clone(),
        source,
    })?;
    Ok(socket)
}

fn bind(service: &ServiceName, address: &str) -> Result<Socket, ProxyError> {
    let no_address = |reason: String| ProxyError::Address {
        service: service.clone(),
        address: address.to_owned(),
        reason,
    };
    let candidates: Vec<SocketAddr> = address
        .to_socket_addrs()
        .map_err(|error| no_address(error.to_string()))?
        .collect();
    let mut last = None;
    for candidate in candidates {
        match listen_on(candidate) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some((candidate, error)),
        }
    }
    let Some((candidate, source)) = last else {
        return Err(no_address("the name has no address".to_owned()));
    };
    let (service, address) = (service.clone(), address.to_owned());
    Err(if source.kind() == io::ErrorKind::AddrInUse {
        ProxyError::InUse {
            service,
            address,
            owner: owner::of_port(candidate.port()),
        }
    } else {
        ProxyError::Bind {
            service,
            address,
            source,
        }
    })
}

fn listen_on(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Transport::TCP),
    )?;
    // Lets a restart bind while old connections are in TIME_WAIT; two listeners stay impossible.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn acceptor(service: &ServiceName, files: &TlsFiles) -> Result<TlsAcceptor, ProxyError> {
    let failed = |file: &str, reason: String| ProxyError::Tls {
        service: service.clone(),
        file: file.to_owned(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(failed(
            &files.certificate,
            "there is no certificate in it".to_owned(),
        ));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| failed(&files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&files.certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| failed(&files.key, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

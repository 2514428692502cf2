//! The handle of the proxy: what the rest of Sluice tells it and asks it. Nothing here is on the
//! way of a request.

use crate::config::{DrainReport, Endpoint, ListenerRole, ProxyConfig};
use crate::descriptors;
use crate::error::ProxyError;
use crate::listen;
use crate::service::ServiceState;
use crate::worker::{self, Shared};
use sluice_model::workload::Listener;
use sluice_model::{ReplicaId, RevisionNumber, Routes, ServiceName, SideCounters};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a drain looks whether it is over.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// The embedded proxy. Clones are handles to the same proxy; it ends, and cuts every connection, when the
/// last one is dropped.
#[derive(Clone)]
pub struct Proxy {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    services: Mutex<BTreeMap<ServiceName, Arc<ServiceState>>>,
    open_files_before: Option<u64>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        self.shared.wake();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a proxy worker panicked");
            }
        }
    }
}

impl Proxy {
    /// Starts the workers. Nothing is listened on yet. The process may have as many open files from
    /// now on as its hard limit allows.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: ProxyConfig) -> Result<Proxy, ProxyError> {
        let open_files_before = descriptors::raise();
        let workers = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let (shared, inboxes) = Shared::new(config, workers);
        let shared = Arc::new(shared);
        let mut inner = Inner {
            shared: Arc::clone(&shared),
            services: Mutex::default(),
            open_files_before,
            threads: Vec::with_capacity(workers),
        };
        for (index, inbox) in inboxes.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new()
                .name(format!("sluice-proxy-{index}"))
                .spawn(move || {
                    if let Err(error) = worker::run(shared, index, inbox) {
                        tracing::error!(%error, "a proxy worker cannot run");
                    }
                })
                .map_err(|source| ProxyError::Worker { source })?;
            inner.threads.push(thread);
        }
        Ok(Proxy {
            inner: Arc::new(inner),
        })
    }

    /// The soft limit of open files before this proxy raised it to the hard one; absent when there was
    /// none. For child processes: some of them try every descriptor up to their limit.
    #[must_use]
    pub fn open_files_before(&self) -> Option<u64> {
        self.inner.open_files_before
    }

    /// Accepts connections for a service: on the listener's address, or its preview address. With
    /// `inherited` sockets (see [`Proxy::listener_fds`]) the first of them is used instead of a new one, so
    /// that no waiting connection is lost. Listening again replaces limits and certificates for new
    /// connections; on the same address the socket stays. Answers the address that is bound.
    ///
    /// # Errors
    /// When the address cannot be used (who uses it is named, if known), or the TLS files cannot.
    pub fn listen(
        &self,
        service: &ServiceName,
        role: ListenerRole,
        listener: &Listener,
        inherited: Option<Vec<OwnedFd>>,
    ) -> Result<SocketAddr, ProxyError> {
        if self.inner.shared.draining.load(SeqCst) {
            return Err(ProxyError::Draining);
        }
        let address = match role {
            ListenerRole::Main => Some(listener.address.as_str()),
            ListenerRole::Preview => listener.preview.as_deref(),
        };
        let address = address.ok_or_else(|| ProxyError::Address {
            service: service.clone(),
            address: String::new(),
            reason: "the service has no preview address".to_owned(),
        })?;
        let state = self.service(service)?;
        let before = state
            .listener(role)
            .filter(|before| before.asked == address);
        let own = before
            .map(|before| before.duplicate())
            .transpose()
            .map_err(|source| ProxyError::Inherited {
                service: service.clone(),
                source,
            })?
            .flatten();
        let socket = inherited.into_iter().flatten().next().or(own);
        let opened = listen::open(service, role, listener, address, socket)?;
        let bound = opened.bound;
        descriptors::note_shortage(service, opened.limits.connections_max);
        if let Some(replaced) = state.set_listener(opened) {
            replaced.close(false);
        }
        self.inner.shared.wake();
        Ok(bound)
    }

    /// Ends listening on one address of a service, which is free at once; requests in flight there still get
    /// their answers, and idle connections are closed. Nothing happens when there is no such listener.
    pub fn close_listener(&self, service: &ServiceName, role: ListenerRole) {
        let state = self.services().get(service).cloned();
        if let Some(removed) = state.and_then(|state| state.remove_listener(role)) {
            removed.close(true);
            self.inner.shared.wake();
        }
    }

    /// Replaces the routing of a service: one atomic store, which the next request on every worker sees.
    ///
    /// # Errors
    /// When the weights do not sum to 100 %; the routing stays as it was.
    pub fn set_routes(&self, service: &ServiceName, routes: &Routes) -> Result<(), ProxyError> {
        let changed = self.service(service)?.set_routes(routes);
        changed.map_err(|source| ProxyError::Routes {
            service: service.clone(),
            source,
        })?;
        self.inner.shared.wake();
        Ok(())
    }

    /// Replaces the replicas of a revision that are ready. Requests on one that is not among them
    /// any more go on; see [`Proxy::in_flight`].
    ///
    /// # Errors
    /// None that is the caller's fault.
    pub fn set_endpoints(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        endpoints: Vec<Endpoint>,
    ) -> Result<(), ProxyError> {
        self.service(service)?.set_endpoints(revision, endpoints);
        self.inner.shared.wake();
        Ok(())
    }

    /// Requests, tunnels and TCP connections that a replica serves now. Once it is out of
    /// [`Proxy::set_endpoints`], 0 means that none will come any more.
    #[must_use]
    pub fn in_flight(&self, replica: &ReplicaId) -> u64 {
        let services = self.services();
        services
            .values()
            .find_map(|service| service.in_flight(replica))
            .unwrap_or(0)
    }

    /// Counters of each revision since the service is known to this proxy.
    #[must_use]
    pub fn counters(&self, service: &ServiceName) -> BTreeMap<RevisionNumber, SideCounters> {
        self.services()
            .get(service)
            .map(|service| service.counters())
            .unwrap_or_default()
    }

    /// Counters of each revision within each weight segment ([`Routes::segment`]), of those requests that
    /// chance assigned: neither matches, copies nor the preview, and of a request that was tried again the
    /// first attempt only. Body bytes are not counted here. Old segments are forgotten. A request belongs to
    /// the segment in which it began.
    #[must_use]
    pub fn segment_counters(
        &self,
        service: &ServiceName,
    ) -> BTreeMap<(RevisionNumber, u64), SideCounters> {
        self.services()
            .get(service)
            .map(|service| service.segment_counters())
            .unwrap_or_default()
    }

    /// How many users of the present rollout are counted, once that many were: later ones are not counted. `None`
    /// before that, and where requests are counted instead of users.
    #[must_use]
    pub fn users_max_reached(&self, service: &ServiceName) -> Option<usize> {
        self.services()
            .get(service)
            .and_then(|service| service.users_max_reached())
    }

    /// Answers that the proxy had to make up because nothing could be asked; they are charged to no
    /// revision.
    #[must_use]
    pub fn proxy_failures(&self, service: &ServiceName) -> u64 {
        self.services()
            .get(service)
            .map_or(0, |service| service.failures())
    }

    /// Forgets a service: its addresses are free at once, requests in flight still get their
    /// answers, idle connections are closed.
    pub fn unlisten(&self, service: &ServiceName) {
        let removed = self.services().remove(service);
        if let Some(removed) = removed {
            removed
                .listeners()
                .iter()
                .for_each(|listener| listener.close(true));
            self.publish();
        }
    }

    /// The listening sockets, for a process that takes over. It may accept from them while this one
    /// still does.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn listener_fds(&self) -> io::Result<Vec<(ServiceName, ListenerRole, OwnedFd)>> {
        let mut sockets = Vec::new();
        for (name, service) in self.services().iter() {
            for listener in service.listeners() {
                if let Some(socket) = listener.duplicate()? {
                    sockets.push((name.clone(), listener.role, socket));
                }
            }
        }
        Ok(sockets)
    }

    /// Ends the accepting and lets clients finish: the next answer on an HTTP/1 connection closes it,
    /// HTTP/2 connections are told to go away. Idle HTTP/1 connections are kept until `timeout`,
    /// because a client may just be sending on one; then all that is left is cut.
    pub async fn drain(&self, timeout: Duration) -> DrainReport {
        let shared = &self.inner.shared;
        shared.draining.store(true, SeqCst);
        for service in self.services().values() {
            service
                .listeners()
                .iter()
                .for_each(|listener| listener.close(false));
        }
        shared.wake();
        let sum = |count: fn(&worker::Load) -> usize| -> u64 {
            shared
                .seats
                .iter()
                .map(|seat| count(&seat.load) as u64)
                .sum()
        };
        let deadline = tokio::time::Instant::now() + timeout;
        while sum(worker::Load::connections) > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        let busy = sum(worker::Load::busy);
        let report = DrainReport {
            idle_closed: sum(worker::Load::connections).saturating_sub(busy),
            requests_cut: sum(worker::Load::requests),
        };
        shared.stopping.store(true, SeqCst);
        shared.wake();
        report
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<ServiceName, Arc<ServiceState>>> {
        // The map is changed by single insertions and removals: it is whole after any panic.
        self.inner
            .services
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a service, which is made when it is first heard of.
    fn service(&self, name: &ServiceName) -> Result<Arc<ServiceState>, ProxyError> {
        let mut services = self.services();
        if let Some(state) = services.get(name) {
            return Ok(Arc::clone(state));
        }
        let workers = self.inner.shared.seats.len();
        let state =
            ServiceState::new(name.clone(), workers).map_err(|source| ProxyError::Routes {
                service: name.clone(),
                source,
            })?;
        let state = Arc::new(state);
        services.insert(name.clone(), Arc::clone(&state));
        drop(services);
        self.publish();
        Ok(state)
    }

    /// Shows the workers which services there are.
    fn publish(&self) {
        let services = self.services();
        let present: Vec<_> = services.values().cloned().collect();
        self.inner.shared.services.store(Arc::new(present));
        drop(services);
        self.inner.shared.wake();
    }
}

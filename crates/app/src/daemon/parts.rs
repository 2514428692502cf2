//! The parts of a running Sluice, and what all of them share.

use super::asking::Asking;
use super::shared::{Shared, lock};
use sluice_hooks::HookRunner;
use sluice_local::{LocalPlatform, ReplicaState};
use sluice_model::workload::Listener;
use sluice_model::{Plan, ReplicaId, Revision, RevisionNumber, ServiceName};
use sluice_proxy::Proxy;
use sluice_store::{Reader, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

/// Everything that the control loop and the API work with.
pub(super) struct Parts {
    pub(super) state_dir: PathBuf,
    pub(super) document: PathBuf,
    pub(super) store: Store,
    pub(super) platform: LocalPlatform,
    pub(super) proxy: Proxy,
    pub(super) hooks: HookRunner,
    pub(super) asking: Asking,
    pub(super) revisions: Revisions,
    pub(super) listeners: Mutex<BTreeMap<ServiceName, Listening>>,
    pub(super) shared: Arc<Shared>,
    /// One deployment at a time: reading the document, copying files, making the revision.
    pub(super) deploying: tokio::sync::Mutex<()>,
    /// Replicas that were found again at the start; their counts mean something once they were probed.
    pub(super) adopted: BTreeSet<ReplicaId>,
    pub(super) opened: Instant,
    /// Tells the control thread of services that it does not know yet.
    pub(super) arrivals: mpsc::Sender<ServiceName>,
}

/// Where a service is reached.
#[derive(Clone, Debug)]
pub(super) struct Listening {
    /// As the document says.
    pub(super) listener: Listener,
    /// The address that was bound, with its port.
    pub(super) address: String,
    /// That of the preview.
    pub(super) preview: Option<String>,
    /// The TLS files as they were when they were read.
    pub(super) files: Vec<Option<FileStamp>>,
}

/// Length and time of the last change of a file.
pub(super) type FileStamp = (u64, SystemTime);

/// Revisions by number, read from the store once: they never change.
pub(super) struct Revisions {
    reader: Reader,
    known: Mutex<BTreeMap<(ServiceName, RevisionNumber), Known>>,
}

#[derive(Clone)]
struct Known {
    revision: Arc<Revision>,
    plan: Arc<Plan>,
}

impl Revisions {
    /// Most revisions kept in memory; older ones are read again.
    const KNOWN_MAX: usize = 1_024;

    pub(super) fn new(reader: Reader) -> Self {
        Self {
            reader,
            known: Mutex::default(),
        }
    }

    fn known(&self, service: &ServiceName, number: RevisionNumber) -> Option<Known> {
        let key = (service.clone(), number);
        if let Some(known) = lock(&self.known).get(&key) {
            return Some(known.clone());
        }
        let revision = match self.reader.revision(service, number) {
            Ok(revision) => Arc::new(revision?),
            Err(error) => {
                tracing::error!(%error, %service, revision = number.0, "a revision could not be read");
                return None;
            }
        };
        let known = Known {
            plan: Arc::new(revision.plan.clone()),
            revision,
        };
        let mut all = lock(&self.known);
        if all.len() >= Self::KNOWN_MAX {
            all.pop_first();
        }
        all.insert(key, known.clone());
        Some(known)
    }

    /// A revision, if the store has it and can be read.
    pub(super) fn get(
        &self,
        service: &ServiceName,
        number: RevisionNumber,
    ) -> Option<Arc<Revision>> {
        self.known(service, number).map(|known| known.revision)
    }

    /// Forgets revisions that the store has dropped: their files are gone, nobody may ask for them.
    pub(super) fn forget(&self, service: &ServiceName, dropped: &[RevisionNumber]) {
        let mut known = lock(&self.known);
        for number in dropped {
            known.remove(&(service.clone(), *number));
        }
    }

    /// Its plan.
    pub(super) fn plan(&self, service: &ServiceName, number: RevisionNumber) -> Option<Arc<Plan>> {
        self.known(service, number).map(|known| known.plan)
    }
}

/// Longest wait for replicas that were found again to be looked at.
pub(super) const SETTLE_WAIT: Duration = Duration::from_secs(5);

impl Parts {
    /// Whether every replica that was found again has been looked at, or had its time.
    pub(super) fn settled(&self, service: &ServiceName) -> bool {
        self.adopted.is_empty()
            || self.opened.elapsed() >= SETTLE_WAIT
            || !self.platform.replicas(service).iter().any(|replica| {
                replica.state == ReplicaState::Starting && self.adopted.contains(&replica.id)
            })
    }

    /// Where a service is reached, as addresses.
    pub(super) fn addresses(&self, service: &ServiceName) -> (Option<String>, Option<String>) {
        match lock(&self.listeners).get(service) {
            Some(listening) => (Some(listening.address.clone()), listening.preview.clone()),
            None => (None, None),
        }
    }
}

/// The proxy, as the platform needs it.
pub(super) struct ProxyRouting(pub(super) Proxy);

impl sluice_local::Routing for ProxyRouting {
    fn set_endpoints(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        endpoints: Vec<(ReplicaId, std::net::SocketAddr)>,
    ) {
        let endpoints = endpoints
            .into_iter()
            .map(|(id, address)| sluice_proxy::Endpoint { id, address })
            .collect();
        if let Err(error) = self.0.set_endpoints(service, revision, endpoints) {
            tracing::error!(%error, %service, revision = revision.0, "the proxy did not take the replicas");
        }
    }

    fn in_flight(&self, replica: &ReplicaId) -> u64 {
        self.0.in_flight(replica)
    }
}

//! What the handle and all tasks of the platform share: the books, and those who are told of changes.
//!
//! Two locks, taken in this order: what the proxy was told, then the books. The books' lock is held
//! for moments only and never while anybody is told anything.

use crate::clock;
use crate::config::{LocalConfig, LocalError, Routing};
use crate::fleet::{Fleet, Goal, Replica, ReplicaState, Sample, Step};
use crate::logs::{self, ReplicaLog};
use crate::ports::Ports;
use crate::procfs;
use crate::record::{Records, Spec};
use crate::start::Running;
use crate::supervise::Supervisor;
use crate::usage::Target;
use sluice_model::{ReplicaId, RevisionNumber, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

/// Processes that are started at the same moment, so that a large service does not starve the
/// replicas that serve.
const STARTS_AT_ONCE: usize = 8;

type Endpoints = BTreeMap<RevisionNumber, Vec<(ReplicaId, SocketAddr)>>;

/// What all tasks of the platform share.
pub(crate) struct Shared {
    pub(crate) config: LocalConfig,
    pub(crate) routing: Arc<dyn Routing>,
    pub(crate) records: Records,
    pub(crate) ports: Ports,
    pub(crate) boot_id: String,
    pub(crate) starts: Arc<Semaphore>,
    runtime: Handle,
    fleet: Mutex<Fleet>,
    /// What the proxy was told last. Held while it is told, so that the order is that of the books.
    published: Mutex<BTreeMap<ServiceName, Endpoints>>,
    changes: watch::Sender<u64>,
}

impl Shared {
    /// Empty books on the current runtime.
    pub(crate) fn new(
        config: LocalConfig,
        routing: Arc<dyn Routing>,
    ) -> Result<Shared, LocalError> {
        Ok(Shared {
            records: Records::new(config.state_dir.join("replicas")),
            config,
            routing,
            ports: Ports::new(),
            boot_id: procfs::boot_id().map_err(LocalError::Proc)?,
            starts: Arc::new(Semaphore::new(STARTS_AT_ONCE)),
            runtime: Handle::current(),
            fleet: Mutex::default(),
            published: Mutex::default(),
            changes: watch::Sender::new(0),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Makes what is wanted of a service come true, as far as it is not on its way.
    pub(crate) fn reconcile(self: &Arc<Self>, service: &ServiceName) {
        {
            let mut fleet = self.lock();
            if fleet.closed {
                return;
            }
            let Some(books) = fleet.services.get_mut(service) else {
                return;
            };
            let steps = books.steps();
            if books.wanted.is_empty() && books.replicas.is_empty() {
                fleet.services.remove(service);
            }
            if steps.is_empty() {
                // Nobody is woken for nothing: who listens for changes may well be who asked.
                return;
            }
            for step in steps {
                match step {
                    Step::Stop(id) => {
                        if let Some(replica) = fleet.replica_mut(service, &id) {
                            replica.stop();
                        }
                    }
                    Step::Start(spec) => {
                        let id = self.new_id(&fleet, &spec);
                        self.enter(&mut fleet, id, spec, 0, None);
                    }
                }
            }
        }
        self.publish(service);
        self.changed();
    }

    /// A name that no replica has; by chance, practically none that ever was had it.
    fn new_id(&self, fleet: &Fleet, spec: &Spec) -> ReplicaId {
        loop {
            let suffix = clock::random() % 0x0fff_ffff;
            let id = ReplicaId(format!("{}-{}-{suffix:07x}", spec.service, spec.revision));
            let taken = fleet.replicas().any(|(other, _)| *other == id);
            if !taken {
                return id;
            }
        }
    }

    /// Enters a replica into the books and starts its task.
    pub(crate) fn enter(
        self: &Arc<Self>,
        fleet: &mut Fleet,
        id: ReplicaId,
        spec: Arc<Spec>,
        restarts: u32,
        running: Option<Running>,
    ) {
        let log = ReplicaLog::new(&self.config.logs_dir(), &spec.service, spec.revision, &id);
        let log = Arc::new(log);
        let (goal, follow) = watch::channel(Goal::Run);
        fleet.made += 1;
        let process = running.as_ref().map(|running| &running.process);
        let replica = Replica {
            spec: spec.clone(),
            log: log.clone(),
            goal,
            sequence: fleet.made,
            state: ReplicaState::Starting,
            ready_since: None,
            process: process.map(|p| (procfs::number(p.pid()), p.start_ticks())),
            port: running.as_ref().map(|running| running.record.port),
            restarts,
            last_failure: None,
            not_ready: None,
            sample: None,
        };
        let books = fleet.services.entry(spec.service.clone()).or_default();
        books.replicas.insert(id.clone(), replica);
        let supervisor = Supervisor {
            platform: self.clone(),
            id,
            spec,
            log,
            goal: follow,
            restarts,
        };
        self.runtime.spawn(supervisor.run(running));
    }

    /// Changes a replica's line in the books, and tells everybody who wants to know.
    pub(crate) fn update(
        &self,
        service: &ServiceName,
        id: &ReplicaId,
        change: impl FnOnce(&mut Replica),
    ) {
        if let Some(replica) = self.lock().replica_mut(service, id) {
            change(replica);
        }
        self.publish(service);
        self.changed();
    }

    pub(crate) fn set_failure(&self, spec: &Spec, reason: String) {
        if let Some(books) = self.lock().services.get_mut(&spec.service) {
            books.failures.insert(spec.revision, reason);
        }
    }

    /// Strikes a replica from the books, whose processes are gone. Blocks on the disk.
    pub(crate) fn forget(self: &Arc<Self>, service: &ServiceName, id: &ReplicaId) {
        self.records.remove(id);
        let living: BTreeSet<ReplicaId> = {
            let mut fleet = self.lock();
            let Some(books) = fleet.services.get_mut(service) else {
                return;
            };
            books.replicas.remove(id);
            books.forget_failures();
            books.replicas.keys().cloned().collect()
        };
        self.publish(service);
        self.changed();
        // There may be room now for one that was held back.
        self.reconcile(service);
        let logs = self.config.logs_dir();
        logs::forget_ended(&logs, service, &self.config.log_limits, |id| {
            living.contains(id)
        });
    }

    /// Removes logs of ended replicas that an earlier run left beyond the bound. Blocks on the disk.
    pub(crate) fn forget_logs(&self) {
        let logs = self.config.logs_dir();
        for service in logs::services(&logs) {
            let living: BTreeSet<ReplicaId> =
                self.lock().replicas().map(|(id, _)| id.clone()).collect();
            logs::forget_ended(&logs, &service, &self.config.log_limits, |id| {
                living.contains(id)
            });
        }
    }

    /// Tells the proxy where a service's requests may go, if that has changed.
    pub(crate) fn publish(&self, service: &ServiceName) {
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = {
            let fleet = self.lock();
            if fleet.detached {
                return;
            }
            fleet
                .services
                .get(service)
                .map(|books| books.endpoints())
                .unwrap_or_default()
        };
        let before = published.remove(service).unwrap_or_default();
        let revisions: BTreeSet<_> = before.keys().chain(now.keys()).copied().collect();
        for revision in revisions {
            let endpoints = now.get(&revision).cloned().unwrap_or_default();
            if before.get(&revision) != Some(&endpoints) {
                self.routing.set_endpoints(service, revision, endpoints);
            }
        }
        if !now.is_empty() {
            published.insert(service.clone(), now);
        }
    }

    pub(crate) fn targets(&self) -> Vec<Target> {
        let fleet = self.lock();
        let target = |(id, replica): (&ReplicaId, &Replica)| Target {
            service: replica.spec.service.clone(),
            id: id.clone(),
            process: replica.process,
            log: replica.log.clone(),
        };
        fleet.replicas().map(target).collect()
    }

    pub(crate) fn set_samples(&self, samples: Vec<(ServiceName, ReplicaId, Option<Sample>)>) {
        let mut fleet = self.lock();
        for (service, id, sample) in samples {
            if let Some(replica) = fleet.replica_mut(&service, &id) {
                replica.sample = sample;
            }
        }
    }
}

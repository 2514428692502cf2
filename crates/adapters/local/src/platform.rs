//! The interface: what shall run, what runs, and the end of it.
//!
//! A [`LocalPlatform`] keeps the books (`fleet`) under a lock that is held for moments only, starts
//! one task per replica (`supervise`), and tells the proxy of each change in order. Nothing here
//! blocks, save `open`, which awaits.

use crate::adopt::{self, AdoptionReport};
use crate::config::{LocalConfig, LocalError, Routing};
use crate::fleet::{Goal, Replica, ReplicaInfo};
use crate::group::KILL_WAIT;
use crate::logs::ReplicaLog;
use crate::record::Spec;
use crate::shared::Shared;
use crate::usage::{self, Usage};
use sluice_model::{ReplicaCounts, ReplicaId, Revision, RevisionNumber, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Time beyond every drain, grace and kill for the last steps of stopping.
const STOP_SLACK: Duration = Duration::from_secs(10);

/// Replicas on this machine. A handle: clones are the same platform.
#[derive(Clone)]
pub struct LocalPlatform {
    pub(crate) shared: Arc<Shared>,
}

impl LocalPlatform {
    /// Opens the platform on the current runtime and finds the processes of an earlier Sluice
    /// again: those that can be kept are supervised from now on (and probed again before they get
    /// traffic), the others are being ended when this returns.
    ///
    /// # Errors
    /// When the state folder cannot be used, or `/proc` cannot be read.
    pub async fn open(
        config: LocalConfig,
        routing: Arc<dyn Routing>,
    ) -> Result<(LocalPlatform, AdoptionReport), LocalError> {
        let shared = Arc::new(Shared::new(config, routing)?);
        for folder in [shared.records.folder(), &shared.config.logs_dir()] {
            fs::create_dir_all(folder).map_err(LocalError::folder("create", folder))?;
        }
        let report = adopt::adopt(&shared).await?;
        shared.runtime().spawn(usage::run(Arc::downgrade(&shared)));
        let cleaning = shared.clone();
        shared
            .runtime()
            .spawn_blocking(move || cleaning.forget_logs());
        Ok((LocalPlatform { shared }, report))
    }

    /// Says which replicas a service shall have: for each revision how many. A revision that is
    /// absent shall have none. Complete and idempotent; it never blocks, and does nothing once the
    /// platform stops or was handed over. Revisions that leave are out of routing when it returns.
    pub fn apply(
        &self,
        service: &ServiceName,
        wanted: BTreeMap<RevisionNumber, (u32, Arc<Revision>)>,
    ) {
        let wanted = wanted
            .into_iter()
            .map(|(number, (count, revision))| (number, (count, Arc::new(Spec::of(&revision)))));
        {
            let mut fleet = self.shared.lock();
            if fleet.closed {
                return;
            }
            let books = fleet.services.entry(service.clone()).or_default();
            books.applied = true;
            books.wanted = wanted.filter(|(_, (count, _))| *count > 0).collect();
            books.forget_failures();
        }
        self.shared.reconcile(service);
    }

    /// The replicas that a service has, by revision. A ready one counts as available when it has
    /// been ready for `min_ready`. Takes a lock for moments.
    #[must_use]
    pub fn observe(
        &self,
        service: &ServiceName,
        min_ready: Duration,
    ) -> BTreeMap<RevisionNumber, ReplicaCounts> {
        let fleet = self.shared.lock();
        let now = Instant::now();
        fleet
            .services
            .get(service)
            .map(|books| books.counts(now, min_ready))
            .unwrap_or_default()
    }

    /// The replicas one by one, by revision and age.
    #[must_use]
    pub fn replicas(&self, service: &ServiceName) -> Vec<ReplicaInfo> {
        let fleet = self.shared.lock();
        fleet
            .services
            .get(service)
            .map(|books| books.infos())
            .unwrap_or_default()
    }

    /// CPU and memory by revision; a revision without measurements is absent.
    #[must_use]
    pub fn usage(&self, service: &ServiceName) -> BTreeMap<RevisionNumber, Usage> {
        let fleet = self.shared.lock();
        fleet
            .services
            .get(service)
            .map(|books| books.usage())
            .unwrap_or_default()
    }

    /// A number that rises with every change of what [`LocalPlatform::observe`] answers, also when
    /// a replica has been ready for its plan's `min_ready`.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.subscribe()
    }

    /// Ends every replica gracefully and waits for it. From now on nothing is started.
    ///
    /// # Errors
    /// When processes are left after every drain, every grace and SIGKILL.
    pub async fn stop_all(&self) -> Result<(), LocalError> {
        let (services, patience) = {
            let mut fleet = self.shared.lock();
            fleet.closed = true;
            let longest = fleet
                .replicas()
                .map(|(_, replica)| {
                    let stop = &replica.spec.workload.stop;
                    stop.drain.saturating_add(stop.grace)
                })
                .max();
            fleet
                .services
                .values_mut()
                .flat_map(|books| books.replicas.values_mut())
                .for_each(Replica::stop);
            (
                fleet.services.keys().cloned().collect::<Vec<_>>(),
                longest.unwrap_or_default(),
            )
        };
        services
            .iter()
            .for_each(|service| self.shared.publish(service));
        self.shared.changed();
        let mut changes = self.subscribe();
        let orphans = adopt::ORPHAN_GRACE_MAX;
        let deadline = Instant::now() + patience.max(orphans) + KILL_WAIT + STOP_SLACK;
        loop {
            let left: BTreeSet<ReplicaId> = {
                let fleet = self.shared.lock();
                fleet
                    .replicas()
                    .map(|(id, _)| id)
                    .chain(&fleet.ending)
                    .cloned()
                    .collect()
            };
            if left.is_empty() {
                return Ok(());
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return Err(LocalError::StillRunning(left.into_iter().collect()));
            }
        }
    }

    /// Cuts short what [`LocalPlatform::stop_all`] waits for: no more draining, and at most
    /// [`crate::HURRY_GRACE`] between SIGTERM and SIGKILL. Replicas that are not being stopped are not
    /// touched.
    pub fn hurry(&self) {
        for (_, replica) in self.shared.lock().replicas() {
            replica.goal.send_if_modified(|goal| {
                let stops = *goal == Goal::Stop;
                if stops {
                    *goal = Goal::Hurry;
                }
                stops
            });
        }
    }

    /// Leaves every process running for a successor and stops supervising, without a signal. The
    /// proxy keeps its endpoints. From now on nothing is started.
    pub fn detach(&self) {
        let mut fleet = self.shared.lock();
        fleet.closed = true;
        fleet.detached = true;
        for (_, replica) in fleet.replicas() {
            replica.goal.send_replace(Goal::Detach);
        }
        fleet.services.clear();
        drop(fleet);
        self.shared.changed();
    }

    /// The log of a replica, as a path; it may not exist yet, or any more.
    #[must_use]
    pub fn log_file(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        replica: &ReplicaId,
    ) -> PathBuf {
        let logs = self.shared.config.logs_dir();
        ReplicaLog::new(&logs, service, revision, replica)
            .path()
            .to_owned()
    }
}

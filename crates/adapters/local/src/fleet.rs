//! Which replicas there are, which there shall be, and what follows: the bookkeeping, without IO.
//!
//! `platform` keeps one [`Fleet`] under a lock and carries out what [`ServiceFleet::steps`] says;
//! each replica's own task (`supervise`) writes its state here.

use crate::logs::ReplicaLog;
use crate::record::Spec;
use crate::usage::{Gauges, Usage};
use serde::{Deserialize, Serialize};
use sluice_model::{ReplicaCounts, ReplicaId, RevisionNumber, ServiceName, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Most replicas of one service on one machine, all revisions together.
pub const REPLICAS_MAX: usize = 256;
/// Most of them including those being stopped: a service that is scaled up and down again and again
/// does not pile up processes that drain.
const ENTRIES_MAX: usize = 2 * REPLICAS_MAX;

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplicaState {
    /// It starts, and has not been ready since.
    Starting,
    /// Its probes pass: it may get traffic.
    Ready,
    /// It runs, and its probes fail.
    Unready,
    /// It failed; the next start waits for its time.
    Waiting,
    /// It gets no new requests and finishes those it has.
    Draining,
    /// It was told to end.
    Terminating,
}

/// One replica, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaInfo {
    /// Its identity.
    pub id: ReplicaId,
    /// Of which revision.
    pub revision: RevisionNumber,
    /// Its process, and process group; absent while none runs.
    pub pid: Option<i32>,
    /// Its loopback port; another one after each restart.
    pub port: Option<u16>,
    /// Where it stands.
    pub state: ReplicaState,
    /// Since when it is ready.
    pub ready_since: Option<Timestamp>,
    /// Starts after the first.
    pub restarts: u32,
    /// Why it failed last, or is not ready.
    pub last_failure: Option<String>,
    /// CPU of its process group, in cores.
    pub cpu_cores: Option<f64>,
    /// Resident memory of its process group, in bytes.
    pub memory_bytes: Option<u64>,
}

/// What a replica's task shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Keep it running.
    Run,
    /// End it; there is no way back.
    Stop,
    /// End it soon: what is left of its drain and grace is cut to [`crate::HURRY_GRACE`].
    Hurry,
    /// Leave it to a successor, without a signal.
    Detach,
}

/// What `usage` last measured of a replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) cpu_cores: Option<f64>,
    pub(crate) memory_bytes: u64,
    pub(crate) memory_bytes_ceiling: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) open_files_ceiling: Option<u64>,
    /// How long the present process has been running, when that can be told.
    pub(crate) age: Option<Duration>,
}

/// One replica in the books.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) spec: Arc<Spec>,
    pub(crate) log: Arc<ReplicaLog>,
    pub(crate) goal: watch::Sender<Goal>,
    /// Rises with each replica that is made.
    pub(crate) sequence: u64,
    pub(crate) state: ReplicaState,
    pub(crate) ready_since: Option<(Instant, Timestamp)>,
    /// Pid and start time.
    pub(crate) process: Option<(i32, u64)>,
    pub(crate) port: Option<u16>,
    pub(crate) restarts: u32,
    pub(crate) last_failure: Option<String>,
    /// Why it is not ready, if that has lasted.
    pub(crate) not_ready: Option<String>,
    pub(crate) sample: Option<Sample>,
}

impl Replica {
    /// From now on it gets no new requests, and its task ends it.
    pub(crate) fn stop(&mut self) {
        if *self.goal.borrow() == Goal::Run {
            self.goal.send_replace(Goal::Stop);
            self.state = ReplicaState::Draining;
            self.ready_since = None;
            self.not_ready = None;
        }
    }

    fn is_stopping(&self) -> bool {
        matches!(*self.goal.borrow(), Goal::Stop | Goal::Hurry)
    }

    fn may_get_traffic(&self) -> bool {
        self.state == ReplicaState::Ready && *self.goal.borrow() == Goal::Run
    }
}

/// Something to be done for a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start a new replica of this revision.
    Start(Arc<Spec>),
    /// Stop this one.
    Stop(ReplicaId),
}

/// The replicas of one service.
#[derive(Debug, Default)]
pub(crate) struct ServiceFleet {
    /// Whether it is known what is wanted. Until then replicas of an earlier run are kept as they are.
    pub(crate) applied: bool,
    pub(crate) wanted: BTreeMap<RevisionNumber, (u32, Arc<Spec>)>,
    pub(crate) replicas: BTreeMap<ReplicaId, Replica>,
    /// The latest failure of each revision that is wanted or has replicas.
    pub(crate) failures: BTreeMap<RevisionNumber, String>,
}

impl ServiceFleet {
    /// What is to be done so that what is wanted comes true. Replicas that are being stopped do not
    /// count and are never taken back. The surplus goes by: not ready first, then the youngest.
    pub(crate) fn steps(&mut self) -> Vec<Step> {
        if !self.applied {
            return Vec::new();
        }
        let mut keep = 0;
        let mut stops = Vec::new();
        let mut missing = Vec::new();
        let mut kept: BTreeMap<RevisionNumber, u32> = BTreeMap::new();
        let mut by_worth: Vec<_> = self
            .replicas
            .iter()
            .filter(|(_, replica)| !replica.is_stopping())
            .collect();
        by_worth.sort_by_key(|(_, replica)| (replica.ready_since.is_none(), replica.sequence));
        for (id, replica) in by_worth {
            let number = replica.spec.revision;
            let count = kept.entry(number).or_default();
            match self.wanted.get(&number) {
                Some((wanted, spec)) if *count < *wanted && spec.digest == replica.spec.digest => {
                    *count += 1;
                    keep += 1;
                }
                _ => stops.push(Step::Stop(id.clone())),
            }
        }
        let room = REPLICAS_MAX
            .saturating_sub(keep)
            .min(ENTRIES_MAX.saturating_sub(self.replicas.len()));
        for (number, (wanted, spec)) in &self.wanted {
            let have = kept.get(number).copied().unwrap_or(0);
            missing.extend((have..*wanted).take(REPLICAS_MAX + 1).map(|_| spec));
        }
        if missing.len() > room {
            for spec in &missing[room..] {
                let message = format!(
                    "a service may have {REPLICAS_MAX} replicas on one machine: not all that are wanted were started"
                );
                self.failures.insert(spec.revision, message);
            }
        }
        let starts = missing
            .into_iter()
            .take(room)
            .map(|spec| Step::Start(spec.clone()));
        stops.extend(starts);
        stops
    }

    /// Forgets failures of revisions that are neither wanted nor there.
    pub(crate) fn forget_failures(&mut self) {
        let replicas = &self.replicas;
        let wanted = &self.wanted;
        self.failures.retain(|number, _| {
            wanted.contains_key(number)
                || replicas
                    .values()
                    .any(|replica| replica.spec.revision == *number)
        });
    }

    pub(crate) fn counts(
        &self,
        now: Instant,
        min_ready: Duration,
    ) -> BTreeMap<RevisionNumber, ReplicaCounts> {
        let mut counts: BTreeMap<RevisionNumber, ReplicaCounts> = self
            .wanted
            .keys()
            .map(|number| (*number, ReplicaCounts::default()))
            .collect();
        for replica in self.replicas.values() {
            let side = counts.entry(replica.spec.revision).or_default();
            if replica.is_stopping() {
                side.stopping += 1;
                continue;
            }
            side.restarts_max = side.restarts_max.max(replica.restarts);
            if replica.process.is_some() {
                side.running += 1;
            }
            if let Some((since, _)) = replica.ready_since {
                side.ready += 1;
                if now.saturating_duration_since(since) >= min_ready {
                    side.available += 1;
                }
            }
        }
        for (number, side) in &mut counts {
            let mut replicas = self.replicas.values();
            let not_ready = replicas.find_map(|replica| {
                replica
                    .not_ready
                    .as_ref()
                    .filter(|_| replica.spec.revision == *number)
            });
            side.last_failure = not_ready.or(self.failures.get(number)).cloned();
        }
        counts
    }

    /// The replicas that may get traffic, by revision; revisions without one are left out.
    pub(crate) fn endpoints(&self) -> BTreeMap<RevisionNumber, Vec<(ReplicaId, SocketAddr)>> {
        let mut endpoints: BTreeMap<RevisionNumber, Vec<_>> = BTreeMap::new();
        for (id, replica) in &self.replicas {
            if let (true, Some(port)) = (replica.may_get_traffic(), replica.port) {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                endpoints
                    .entry(replica.spec.revision)
                    .or_default()
                    .push((id.clone(), address));
            }
        }
        endpoints
    }

    pub(crate) fn usage(&self) -> BTreeMap<RevisionNumber, Usage> {
        let mut usage: BTreeMap<RevisionNumber, Usage> = BTreeMap::new();
        let mut eldest_first: Vec<&Replica> = self.replicas.values().collect();
        eldest_first.sort_by_key(|replica| replica.sequence);
        for replica in eldest_first {
            let Some(sample) = replica.sample else {
                continue;
            };
            let side = usage.entry(replica.spec.revision).or_default();
            side.open_files_max = side.open_files_max.max(sample.open_files);
            side.eldest = side.eldest.or_else(|| {
                Some(Gauges {
                    age: sample.age?,
                    memory_bytes: sample.memory_bytes,
                    memory_bytes_ceiling: sample.memory_bytes_ceiling,
                    open_files: sample.open_files,
                    open_files_ceiling: sample.open_files_ceiling,
                })
            });
            side.cpu_cores += sample.cpu_cores.unwrap_or(0.0);
            side.memory_bytes_max = side.memory_bytes_max.max(sample.memory_bytes);
        }
        usage
    }

    pub(crate) fn infos(&self) -> Vec<ReplicaInfo> {
        let mut replicas: Vec<_> = self.replicas.iter().collect();
        replicas.sort_by_key(|(_, replica)| (replica.spec.revision, replica.sequence));
        replicas
            .into_iter()
            .map(|(id, replica)| ReplicaInfo {
                id: id.clone(),
                revision: replica.spec.revision,
                pid: replica.process.map(|(pid, _)| pid),
                port: replica.port,
                state: replica.state,
                ready_since: replica.ready_since.map(|(_, at)| at),
                restarts: replica.restarts,
                last_failure: replica
                    .not_ready
                    .clone()
                    .or_else(|| replica.last_failure.clone()),
                cpu_cores: replica.sample.and_then(|sample| sample.cpu_cores),
                memory_bytes: replica.sample.map(|sample| sample.memory_bytes),
            })
            .collect()
    }
}

/// All services.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    pub(crate) services: BTreeMap<ServiceName, ServiceFleet>,
    /// Nothing is started any more: the platform is stopping, or handed over.
    pub(crate) closed: bool,
    /// A successor has the replicas.
    pub(crate) detached: bool,
    /// How many replicas were made so far.
    pub(crate) made: u64,
    /// Replicas of an earlier Sluice whose processes are being ended.
    pub(crate) ending: BTreeSet<ReplicaId>,
}

impl Fleet {
    pub(crate) fn replica_mut(
        &mut self,
        service: &ServiceName,
        id: &ReplicaId,
    ) -> Option<&mut Replica> {
        self.services.get_mut(service)?.replicas.get_mut(id)
    }

    pub(crate) fn replicas(&self) -> impl Iterator<Item = (&ReplicaId, &Replica)> {
        self.services.values().flat_map(|service| &service.replicas)
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;

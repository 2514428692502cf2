//! What an earlier Sluice left behind: replicas are found again, or ended.
//!
//! A process is kept only if a record names it: same boot, same pid, same start time, and it was not
//! being stopped. Everything else that carries this state folder's mark, or writes to one of its
//! logs, is ended: it started in the moment before its record was written, or outlived its leader.
//! A stranger that got a recorded pid has another start time and no mark; it is never touched.

use crate::config::LocalError;
use crate::group::Group;
use crate::launch::Launch;
use crate::process::Process;
use crate::procfs::{self, Stat};
use crate::record::Record;
use crate::shared::Shared;
use crate::start::Running;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use sluice_model::{ReplicaId, RevisionNumber, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Grace of a stray process whose record is lost.
const ORPHAN_GRACE: Duration = Duration::from_secs(10);
/// Longest grace of a stray process, whatever its record says.
pub(crate) const ORPHAN_GRACE_MAX: Duration = Duration::from_secs(60);

/// What was found of an earlier Sluice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptionReport {
    /// Replicas that are supervised again.
    pub adopted: Vec<AdoptedReplica>,
    /// Processes that are being ended.
    pub ended: Vec<EndedProcess>,
    /// Replicas that were recorded and no longer run.
    pub gone: Vec<ReplicaId>,
}

/// A replica that was found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptedReplica {
    /// Of which service; one that is no longer known needs an `apply` with nothing.
    pub service: ServiceName,
    /// Of which revision.
    pub revision: RevisionNumber,
    /// Which.
    pub replica: ReplicaId,
    /// Its process.
    pub pid: i32,
}

/// A process that could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedProcess {
    /// Which.
    pub pid: i32,
    /// The replica that it belonged to.
    pub replica: ReplicaId,
    /// Why it was not kept.
    pub reason: String,
}

/// What `/proc` and the records say together.
#[derive(Default)]
struct Findings {
    keep: Vec<(Record, Process)>,
    end: Vec<Stray>,
    report: AdoptionReport,
}

/// Processes of one replica that are to be ended.
struct Stray {
    group: Group,
    leader: Option<Process>,
    grace: Duration,
}

/// Finds what is there, keeps what can be kept, and begins to end the rest.
pub(crate) async fn adopt(platform: &Arc<Shared>) -> Result<AdoptionReport, LocalError> {
    let searching = platform.clone();
    let searched = tokio::task::spawn_blocking(move || find(&searching)).await;
    let findings = searched.map_err(|error| LocalError::Proc(std::io::Error::other(error)))??;
    let mut kept: Vec<(Arc<_>, ReplicaId, u32, Running)> = Vec::new();
    for (record, process) in findings.keep {
        platform.ports.keep(record.port);
        let spec = Arc::new(record.spec.clone());
        let launch = Launch::prepare(&platform.config, &spec, &record.id, record.port)
            .map_err(|error| error.to_string());
        let now = Instant::now();
        let age = procfs::age(process.start_ticks()).unwrap_or_default();
        let running = Running {
            started: now.checked_sub(age).unwrap_or(now),
            launch,
            log_since: 0,
            adopted: true,
            process,
            record,
        };
        kept.push((
            spec,
            running.record.id.clone(),
            running.record.restarts,
            running,
        ));
    }
    {
        let mut fleet = platform.lock();
        fleet
            .ending
            .extend(findings.end.iter().map(|stray| stray.group.replica.clone()));
        for (spec, id, restarts, running) in kept {
            platform.enter(&mut fleet, id, spec, restarts, Some(running));
        }
    }
    for stray in findings.end {
        platform.runtime().spawn(end(platform.clone(), stray));
    }
    Ok(findings.report)
}

async fn end(platform: Arc<Shared>, stray: Stray) {
    let left = stray.group.end(stray.leader.as_ref(), stray.grace).await;
    let id = stray.group.replica;
    let ended = id.clone();
    if left.is_empty() {
        if let Some(leader) = stray.leader {
            leader.reap();
        }
        let platform = platform.clone();
        let removed = tokio::task::spawn_blocking(move || platform.records.remove(&id)).await;
        if let Err(error) = removed {
            tracing::warn!(%error, "the record of a replica that ended stays behind");
        }
    } else {
        // Its record stays, so that the next start tries again.
        tracing::error!(replica = %id, pids = ?left, "processes survive SIGKILL: they are stuck in the kernel");
    }
    platform.lock().ending.remove(&ended);
    platform.changed();
}

fn find(platform: &Shared) -> Result<Findings, LocalError> {
    let records = platform.records.load().map_err(LocalError::folder(
        "read the records of replicas in",
        platform.records.folder(),
    ))?;
    let mut findings = Findings::default();
    let mut graces: BTreeMap<ReplicaId, Duration> = BTreeMap::new();
    let mut ended: BTreeMap<ReplicaId, Process> = BTreeMap::new();
    let mut kept: BTreeSet<ReplicaId> = BTreeSet::new();
    for record in records {
        let grace = record
            .spec
            .workload
            .stop
            .grace
            .clamp(Duration::from_millis(1), ORPHAN_GRACE_MAX);
        graces.insert(record.id.clone(), grace);
        match (recorded_process(platform, &record), record.stopping) {
            (Some(process), false) => {
                kept.insert(record.id.clone());
                findings.report.adopted.push(AdoptedReplica {
                    service: record.spec.service.clone(),
                    revision: record.spec.revision,
                    replica: record.id.clone(),
                    pid: procfs::number(process.pid()),
                });
                findings.keep.push((record, process));
            }
            (Some(process), true) => {
                ended.insert(record.id.clone(), process);
            }
            (None, _) => {
                findings.report.gone.push(record.id.clone());
                platform.records.remove(&record.id);
            }
        }
    }
    let mut strays = find_marked(platform, &kept)?;
    // Also one whose environment and output can no longer be read.
    ended.keys().for_each(|id| {
        strays.entry(id.clone()).or_default();
    });
    for (id, processes) in strays {
        let leader = ended.remove(&id);
        let reason = if leader.is_some() {
            "it was being stopped"
        } else if graces.contains_key(&id) {
            "its replica's recorded process is another, or is gone"
        } else {
            "no record knows it: Sluice ended in the moment of its start"
        };
        let lead = leader
            .as_ref()
            .map(|process| (process.pid(), process.start_ticks()));
        let identity = |process: &Stat| (process.pid, process.start_ticks);
        let mut others: Vec<(Pid, u64)> = processes.iter().map(identity).collect();
        // One that leads its group was started by Sluice itself: then the group is the replica's.
        let found_lead = processes
            .iter()
            .find(|process| process.group == procfs::number(process.pid))
            .map(identity);
        others.extend(lead.filter(|lead| !others.contains(lead)));
        for (pid, _) in &others {
            findings.report.ended.push(EndedProcess {
                pid: procfs::number(*pid),
                replica: id.clone(),
                reason: reason.to_owned(),
            });
        }
        let grace = graces.get(&id).copied().unwrap_or(ORPHAN_GRACE);
        let state_id = platform.config.sluice_id.clone();
        let group = Group {
            state_id,
            replica: id,
            leader: lead.or(found_lead),
            others,
        };
        findings.end.push(Stray {
            group,
            leader,
            grace,
        });
    }
    Ok(findings)
}

/// The very process that the record names, if it still runs.
fn recorded_process(platform: &Shared, record: &Record) -> Option<Process> {
    let recorded = record
        .process
        .filter(|_| record.boot_id == platform.boot_id)?;
    let pid = Pid::from_raw(recorded.pid)?;
    let process = Process::adopt(pid, recorded.start_ticks).unwrap_or_else(|error| {
        tracing::warn!(replica = %record.id, pid = recorded.pid, %error, "a recorded process cannot be held");
        None
    })?;
    // Marks may be overwritten (programs that set their title do so), but never be another's.
    let other = procfs::marks(pid).is_some_and(|marks| marks.state_id != platform.config.sluice_id);
    (!other).then_some(process)
}

/// Living processes of this state folder, by replica, but not those of `kept` replicas.
fn find_marked(
    platform: &Shared,
    kept: &BTreeSet<ReplicaId>,
) -> Result<BTreeMap<ReplicaId, Vec<Stat>>, LocalError> {
    let own_line = procfs::own_line();
    let logs = platform.config.logs_dir();
    // Links in /proc are free of symlinks.
    let logs = fs::canonicalize(&logs).map_err(LocalError::folder("resolve", &logs))?;
    let mut found: BTreeMap<ReplicaId, Vec<Stat>> = BTreeMap::new();
    for process in procfs::all().map_err(LocalError::Proc)? {
        if !process.is_alive() || own_line.contains(&process.pid) {
            continue;
        }
        let marked = procfs::marks(process.pid)
            .filter(|marks| marks.state_id == platform.config.sluice_id)
            .and_then(|marks| marks.replica);
        let replica = marked.or_else(|| {
            let file = procfs::output_below(process.pid, &logs)?;
            Some(file.file_name()?.to_str()?.strip_suffix(".log")?.to_owned())
        });
        let Some(replica) = replica.map(ReplicaId) else {
            continue;
        };
        if !kept.contains(&replica) {
            found.entry(replica).or_default().push(process);
        }
    }
    Ok(found)
}

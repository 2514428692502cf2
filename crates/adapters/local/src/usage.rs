//! CPU and memory of replicas, once a second; and, on the same beat, the rotation of their logs.
//!
//! A replica's processes are those of its process group. Which those are is looked up rarely (it
//! needs a scan of `/proc`), what they use every time. CPU of a child that comes and goes between
//! two looks is not seen.

use crate::fleet::Sample;
use crate::logs::ReplicaLog;
use crate::procfs;
use crate::shared::Shared;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use sluice_model::{ReplicaId, ServiceName};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Time between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two scans for members of the groups.
const SCAN_EVERY: Duration = Duration::from_secs(5);
/// A scan may take this share of the time: one in so many parts. Machines with very many processes
/// are scanned less often.
const SCAN_SHARE: u32 = 100;

/// What the replicas of one revision use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// CPU of all of them, in cores, over the last second.
    pub cpu_cores: f64,
    /// Resident memory of the largest, in bytes; all processes of its group counted.
    pub memory_bytes_max: u64,
    /// Open file descriptors of the process that has the most; absent when they may not be counted.
    pub open_files_max: Option<u64>,
    /// The replica that has been wanted longest, to be followed over time.
    pub eldest: Option<Gauges>,
}

/// What one replica has on hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gauges {
    /// How long its present process has been running.
    #[serde(with = "sluice_model::millis")]
    pub age: Duration,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// The most that the machine, or Sluice's control group, has.
    pub memory_bytes_ceiling: Option<u64>,
    /// Open file descriptors of that of its processes which has the most; absent when they may not be counted.
    pub open_files: Option<u64>,
    /// The most that this process may have.
    pub open_files_ceiling: Option<u64>,
}

/// A replica to be measured.
pub(crate) struct Target {
    pub(crate) service: ServiceName,
    pub(crate) id: ReplicaId,
    /// Pid and start time of the leader.
    pub(crate) process: Option<(i32, u64)>,
    pub(crate) log: Arc<ReplicaLog>,
}

/// What is remembered of a process: start time, and CPU ticks when last seen.
type Seen = BTreeMap<i32, (u64, u64)>;

struct Tracked {
    leader: (i32, u64),
    at: Instant,
    seen: Seen,
}

#[derive(Default)]
struct Sampler {
    tracked: BTreeMap<ReplicaId, Tracked>,
    next_scan: Option<Instant>,
}

/// Measures until the platform is gone.
pub(crate) async fn run(platform: Weak<Shared>) {
    let mut beat = interval(SAMPLE_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sampler = Sampler::default();
    loop {
        beat.tick().await;
        let Some(platform) = platform.upgrade() else {
            return;
        };
        let targets = platform.targets();
        if targets.is_empty() {
            continue;
        }
        let limits = platform.config.log_limits;
        let sampled = tokio::task::spawn_blocking(move || {
            for target in &targets {
                if let Err(error) = target.log.rotate(&limits) {
                    tracing::warn!(replica = %target.id, %error, "the log was not rotated properly");
                }
            }
            let samples = sampler.sample(&targets);
            (sampler, samples)
        })
        .await;
        match sampled {
            Ok((next, samples)) => {
                sampler = next;
                platform.set_samples(samples);
            }
            Err(error) => {
                tracing::error!(%error, "replicas could not be measured");
                sampler = Sampler::default();
            }
        }
    }
}

impl Sampler {
    fn sample(&mut self, targets: &[Target]) -> Vec<(ServiceName, ReplicaId, Option<Sample>)> {
        let now = Instant::now();
        let members = self.scan_when_due(now);
        self.tracked
            .retain(|id, _| targets.iter().any(|target| target.id == *id));
        targets
            .iter()
            .map(|target| {
                let sample = target.process.and_then(|leader| {
                    let found = members.get(&leader.0).map_or(&[][..], Vec::as_slice);
                    self.sample_one(&target.id, leader, found, now)
                });
                (target.service.clone(), target.id.clone(), sample)
            })
            .collect()
    }

    /// The members of every process group, when it is time to look; empty otherwise.
    fn scan_when_due(&mut self, now: Instant) -> BTreeMap<i32, Vec<i32>> {
        let mut members: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        if self.next_scan.is_some_and(|due| now < due) {
            return members;
        }
        match procfs::all() {
            Ok(all) => all.iter().for_each(|process| {
                members
                    .entry(process.group)
                    .or_default()
                    .push(procfs::number(process.pid))
            }),
            Err(error) => {
                tracing::warn!(%error, "/proc cannot be read: usage is that of leaders only")
            }
        }
        self.next_scan = Some(now + SCAN_EVERY.max(now.elapsed() * SCAN_SHARE));
        members
    }

    fn sample_one(
        &mut self,
        id: &ReplicaId,
        leader: (i32, u64),
        found: &[i32],
        now: Instant,
    ) -> Option<Sample> {
        let before = self
            .tracked
            .remove(id)
            .filter(|tracked| tracked.leader == leader);
        let known = before.as_ref().map(|tracked| &tracked.seen);
        let mut pids: Vec<i32> = known
            .map(|seen| seen.keys().copied().collect())
            .unwrap_or_default();
        pids.push(leader.0);
        pids.extend(found);
        pids.sort_unstable();
        pids.dedup();
        let (mut ticks, mut pages) = (0_u64, 0_u64);
        let mut most_files: Option<(u64, Pid)> = None;
        let mut seen = Seen::new();
        for process in pids
            .into_iter()
            .filter_map(Pid::from_raw)
            .filter_map(procfs::stat)
        {
            // No older than the leader, so that the number of a group that is gone finds no stranger.
            if process.group != leader.0 || process.start_ticks < leader.1 {
                continue;
            }
            pages += process.resident_pages;
            // Each process has a limit of its own.
            let files = procfs::open_files(process.pid).map(|files| (files, process.pid));
            most_files = most_files
                .into_iter()
                .chain(files)
                .max_by_key(|(files, _)| *files);
            let pid = procfs::number(process.pid);
            let earlier = known.and_then(|seen| seen.get(&pid));
            if let Some((_, before)) = earlier.filter(|(start, _)| *start == process.start_ticks) {
                ticks += process.cpu_ticks.saturating_sub(*before);
            }
            seen.insert(pid, (process.start_ticks, process.cpu_ticks));
        }
        if seen.is_empty() {
            return None;
        }
        let cpu_cores = before.as_ref().map(|tracked| {
            let seconds = now
                .saturating_duration_since(tracked.at)
                .as_secs_f64()
                .max(f64::EPSILON);
            ticks as f64 / rustix::param::clock_ticks_per_second() as f64 / seconds
        });
        self.tracked.insert(
            id.clone(),
            Tracked {
                leader,
                at: now,
                seen,
            },
        );
        Some(Sample {
            cpu_cores,
            memory_bytes: pages * rustix::param::page_size() as u64,
            memory_bytes_ceiling: procfs::memory_max(),
            open_files: most_files.map(|(files, _)| files),
            open_files_ceiling: most_files.and_then(|(_, pid)| procfs::open_files_max(pid)),
            age: procfs::age(leader.1),
        })
    }
}

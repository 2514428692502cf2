//! The processes of one replica, and ending all of them without ever hitting a stranger.
//!
//! Members are those of the leader's process group and those that carry the replica's marks (a
//! daemon that left the group). The group is signalled by its number only while its leader is our
//! child and not yet reaped, for then the number cannot be used again; everything else is signalled
//! one by one, by pidfd, after a look at the start time. The leader itself is in `process`.

use crate::process::Process;
use crate::procfs::{self, Stat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use sluice_model::ReplicaId;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Longest wait for processes to vanish after SIGKILL: only one that is stuck in the kernel (a dead
/// disk or network file system) takes longer than moments.
pub(crate) const KILL_WAIT: Duration = Duration::from_secs(20);
/// First and longest pause between two looks at processes that are ending.
const POLL_FIRST: Duration = Duration::from_millis(5);
const POLL_MAX: Duration = Duration::from_millis(100);

/// The processes of one replica.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The state folder's mark.
    pub(crate) state_id: String,
    /// The replica's mark.
    pub(crate) replica: ReplicaId,
    /// Pid and start time of the leader, when it is known.
    pub(crate) leader: Option<(Pid, u64)>,
    /// Pid and start time of further members that are known by other means.
    pub(crate) others: Vec<(Pid, u64)>,
}

impl Group {
    /// The living members. Blocks for a scan of `/proc`.
    fn members(&self) -> Vec<Stat> {
        let all = match procfs::all() {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(replica = %self.replica, %error, "/proc cannot be read: stray processes are not found");
                return Vec::new();
            }
        };
        let own_line = procfs::own_line();
        let group = self.leader.map(|(pid, _)| procfs::number(pid));
        let started = self.leader.map_or(0, |(_, start_ticks)| start_ticks);
        // Another process may lead a group of that number after ours is gone.
        let number_reused = all.iter().any(|process| {
            self.leader
                .is_some_and(|(pid, ticks)| process.pid == pid && process.start_ticks != ticks)
        });
        let belongs = |process: &Stat| {
            // What is older than the leader is no child of it: no need to read its environment.
            process.start_ticks >= started
                && ((group == Some(process.group) && !number_reused) || self.is_marked(process.pid))
        };
        all.into_iter()
            .filter(|process| process.is_alive() && !own_line.contains(&process.pid))
            .filter(|process| {
                self.others.contains(&(process.pid, process.start_ticks)) || belongs(process)
            })
            .collect()
    }

    fn is_marked(&self, pid: Pid) -> bool {
        procfs::marks(pid).is_some_and(|marks| {
            marks.state_id == self.state_id
                && marks.replica.as_deref() == Some(self.replica.as_str())
        })
    }

    async fn members_now(&self) -> Vec<Stat> {
        let group = self.clone();
        tokio::task::spawn_blocking(move || group.members())
            .await
            .unwrap_or_else(|error| {
                tracing::error!(%error, "the scan of /proc failed");
                Vec::new()
            })
    }

    /// Sends `signal` once to every member.
    async fn signal(&self, leader: Option<&Process>, signal: Signal) {
        let by_number = leader.filter(|leader| leader.is_child()).map(Process::pid);
        if let Some(pid) = by_number
            && let Err(error) = kill_process_group(pid, signal)
            && error != Errno::SRCH
        {
            tracing::warn!(replica = %self.replica, %error, "the process group could not be signalled");
        }
        let reached = by_number.map(procfs::number);
        for member in self.members_now().await {
            if Some(member.group) != reached {
                signal_exactly(&member, signal);
            }
        }
    }

    /// Kills the group that `leader`, our child, leads: a command that ran beside the replica.
    pub(crate) fn kill_leaders_group(&self, leader: &Process) {
        if let Err(error) = kill_process_group(leader.pid(), Signal::KILL)
            && error != Errno::SRCH
        {
            tracing::warn!(replica = %self.replica, %error, "a probe's command could not be killed");
        }
    }

    /// Ends every member: SIGTERM, then, when `grace` is over, SIGKILL; with no grace SIGKILL at
    /// once. Answers the pids that are still there after [`KILL_WAIT`]; none, usually.
    pub(crate) async fn end(&self, leader: Option<&Process>, grace: Duration) -> Vec<i32> {
        if !grace.is_zero() {
            let deadline = Instant::now() + grace;
            self.signal(leader, Signal::TERM).await;
            if let Some(leader) = leader
                && timeout_at(deadline, leader.ended()).await.is_err()
            {
                tracing::info!(replica = %self.replica, "still running after its grace: killed");
            } else if self.wait_until_empty(deadline).await.is_empty() {
                return Vec::new();
            }
        }
        let deadline = Instant::now() + KILL_WAIT;
        let mut pause = POLL_FIRST;
        loop {
            // Again in each round: a member may fork between the scan and the signal.
            self.signal(leader, Signal::KILL).await;
            let left = self.wait_until_empty(Instant::now() + pause).await;
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    /// Waits until no member is left, until `deadline`; answers the pids that are.
    async fn wait_until_empty(&self, deadline: Instant) -> Vec<i32> {
        let mut pause = POLL_FIRST;
        loop {
            let left = self.members_now().await;
            if left.is_empty() || Instant::now() >= deadline {
                return left
                    .iter()
                    .map(|member| procfs::number(member.pid))
                    .collect();
            }
            sleep_until(deadline.min(Instant::now() + pause)).await;
            pause = (pause * 2).min(POLL_MAX);
        }
    }
}

/// Signals this very process, or nobody when it has ended meanwhile.
fn signal_exactly(member: &Stat, signal: Signal) {
    let sent = pidfd_open(member.pid, PidfdFlags::empty()).and_then(|pidfd| {
        let same =
            procfs::stat(member.pid).is_some_and(|now| now.start_ticks == member.start_ticks);
        if same {
            pidfd_send_signal(pidfd, signal)
        } else {
            Ok(())
        }
    });
    if let Err(error) = sent
        && error != Errno::SRCH
    {
        tracing::warn!(pid = procfs::number(member.pid), %error, "a process could not be signalled");
    }
}

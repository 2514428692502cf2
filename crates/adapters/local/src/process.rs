//! One process: taking hold of it, and waiting for its end.
//!
//! A pid alone is not an identity: it is used again after the process was reaped. So a process is
//! held by a pidfd and checked by its start time. Starting one is in `launch`; signals and the
//! processes around it are in `group`.

use crate::procfs;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// Pause between two looks at a process whose pidfd cannot be polled.
const FALLBACK_POLL: Duration = Duration::from_millis(200);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody can tell: it was started by an earlier Sluice.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited with code {code}"),
            Exit::Signal(number) => write!(f, "killed by signal {number}"),
            Exit::Unknown => write!(f, "ended, exit code unknown (an earlier Sluice started it)"),
        }
    }
}

/// A process that leads its own group.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    start_ticks: u64,
    pidfd: AsyncFd<OwnedFd>,
    /// Whether it is this process's child: then it stays a zombie, and keeps its pid, until reaped.
    is_child: bool,
}

/// Registers a pidfd with the runtime; it becomes readable when its process has ended.
#[expect(
    deprecated,
    reason = "the successor is `unsafe` for the sake of types that are not an open file for as long \
              as they live; an OwnedFd is one"
)]
fn awaitable(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

impl Process {
    /// Takes hold of a process that was just started and not waited for.
    pub(crate) fn of_child(pid: Pid) -> io::Result<Process> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let stat = procfs::stat(pid).ok_or_else(|| {
            io::Error::other(format!("/proc/{}/stat cannot be read", procfs::number(pid)))
        })?;
        let pidfd = awaitable(pidfd)?;
        Ok(Process {
            pid,
            start_ticks: stat.start_ticks,
            pidfd,
            is_child: true,
        })
    }

    /// Takes hold of a process that an earlier Sluice started; `None` when it is no longer there.
    pub(crate) fn adopt(pid: Pid, start_ticks: u64) -> io::Result<Option<Process>> {
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Looked at after the pidfd is held: from here on the pid cannot come to mean another process.
        let same = procfs::stat(pid)
            .is_some_and(|stat| stat.start_ticks == start_ticks && stat.is_alive());
        if !same {
            return Ok(None);
        }
        let pidfd = awaitable(pidfd)?;
        let mut process = Process {
            pid,
            start_ticks,
            pidfd,
            is_child: false,
        };
        // After a hand-over within the same process (exec) it is still our child.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        process.is_child = process.waitid(options).is_ok();
        Ok(Some(process))
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Start in clock ticks since boot: with the pid, its identity within this boot.
    pub(crate) fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// Whether it is this process's child, so that its pid stays taken until [`Process::reap`].
    pub(crate) fn is_child(&self) -> bool {
        self.is_child
    }

    fn waitid(&self, options: WaitIdOptions) -> rustix::io::Result<Option<Exit>> {
        let status = waitid(WaitId::PidFd(self.pidfd.get_ref().as_fd()), options)?;
        Ok(status.map(
            |status| match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(number)) => Exit::Signal(number),
                (None, None) => Exit::Unknown,
            },
        ))
    }

    /// Waits until the process has ended. It stays a zombie until [`Process::reap`]. Cancel-safe.
    pub(crate) async fn ended(&self) {
        // The readiness is never cleared: a pidfd that became readable stays so.
        if let Err(error) = self.pidfd.readable().await {
            tracing::error!(pid = procfs::number(self.pid), %error, "a process cannot be waited for");
            while procfs::stat(self.pid)
                .is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.is_alive())
            {
                sleep(FALLBACK_POLL).await;
            }
        }
    }

    /// How it ended, without changing that it can be asked again.
    pub(crate) fn exit(&self) -> Exit {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.waitid(options).ok().flatten().unwrap_or(Exit::Unknown)
    }

    /// Frees the pid of a process that has ended. Its group must be gone by then.
    pub(crate) fn reap(self) {
        if self.is_child
            && let Err(error) = self.waitid(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
        {
            tracing::warn!(pid = procfs::number(self.pid), %error, "a process could not be reaped");
        }
    }
}

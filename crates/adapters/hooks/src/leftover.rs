//! Hook commands that outlived a killed Sluice: found by their environment, and ended before the same
//! effect is started again.
//!
//! Only processes in the group of a hook count: one that moved to a session of its own was meant to
//! live on. Where there is no `/proc`, nothing is found.

use crate::environment::OWNER;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;

/// Ends all processes that hooks of `owner` left behind, and returns how many there were.
pub(crate) fn end_all(owner: &str) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else {
        return 0;
    };
    // A Sluice that was itself started by such a hook (an upgrade script) bears the mark as well.
    let own_group = Membership::of("self").map(|own| own.group);
    let ended = processes
        .filter_map(|process| process.ok()?.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| end(pid, owner, own_group))
        .count();
    if ended > 0 {
        tracing::warn!(
            processes = ended,
            "ended hook commands that a former Sluice left behind"
        );
    }
    ended
}

fn end(pid: &str, owner: &str, own_group: Option<i32>) -> bool {
    if !is_hook(pid, owner, own_group) {
        return false;
    }
    let Some(number) = pid.parse().ok().and_then(Pid::from_raw) else {
        return false;
    };
    // The handle first, then a second look: the number may have got a new process in between.
    let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else {
        return false;
    };
    is_hook(pid, owner, own_group) && pidfd_send_signal(process, Signal::KILL).is_ok()
}

/// Whether the process is in the group of a hook of `owner`. A hook's group lies within the session
/// of the Sluice that started it; a session of its own would bear the number of its own group.
fn is_hook(pid: &str, owner: &str, own_group: Option<i32>) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    let mark = [OWNER, "=", owner].concat();
    environment
        .split(|byte| *byte == 0)
        .any(|variable| variable == mark.as_bytes())
        && Membership::of(pid)
            .is_some_and(|of| of.group != of.session && Some(of.group) != own_group)
}

/// Where a process belongs.
struct Membership {
    group: i32,
    session: i32,
}

impl Membership {
    /// That of the process, by `proc_pid_stat(5)`: after the name in parentheses come state, parent,
    /// group and session.
    fn of(pid: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(2).map(str::parse);
        Some(Self {
            group: fields.next()?.ok()?,
            session: fields.next()?.ok()?,
        })
    }
}

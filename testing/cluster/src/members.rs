//! The processes of a cluster: told by a mark in their environment, ended exactly.
//!
//! Every process that the harness starts carries the cluster's name, and hands it on to those that it starts. So what belongs to
//! a cluster can be told at any time from `/proc` alone: there is no record that a killed harness could have failed to write, and
//! no number that could have come to mean another process. Pods do not carry the mark. They live in the cluster's namespace of
//! process numbers and end with its first process, by the kernel.

use crate::name::ClusterName;
use crate::run::ends_by;
use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Environment variable with the name of the cluster that a process belongs to.
const CLUSTER_MARK: &str = "SLUICE_CLUSTER_MEMBER_OF";
/// Environment variable with what the process is there for.
const ROLE_MARK: &str = "SLUICE_CLUSTER_ROLE";
/// How long the end of the first processes is awaited before the rest is ended too.
const FIRST_MAX: Duration = Duration::from_secs(10);
/// How long the end of all is awaited. Only a process that is stuck in the kernel needs more than moments.
const END_MAX: Duration = Duration::from_secs(30);

/// The variables that mark a process as a member of a cluster.
pub(crate) fn marks<'a>(name: &'a ClusterName, role: &'a str) -> [(&'static str, &'a str); 2] {
    [(CLUSTER_MARK, name.as_str()), (ROLE_MARK, role)]
}

/// A living process of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) pid: Pid,
    /// What it was started for; those that it started have the same.
    pub(crate) role: String,
    /// The file name of its program.
    pub(crate) program: String,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// Whether it is the first of a namespace of process numbers: when it ends, all of them do.
    pub(crate) is_first: bool,
}

/// The living members, without this process and those that started it.
pub(crate) fn members(name: &ClusterName) -> Result<Vec<Member>> {
    let own_line = own_line();
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc cannot be read")? {
        let pid = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|pid| !own_line.contains(pid)) {
            members.extend(member(name, pid));
        }
    }
    Ok(members)
}

/// The process as a member of the cluster; `None` when it is none, or has ended: what a zombie was started with cannot be read.
fn member(name: &ClusterName, pid: Pid) -> Option<Member> {
    let role = role(name, pid)?;
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    let program = fs::read_link(format!("{folder}/exe")).ok()?;
    let status = fs::read_to_string(format!("{folder}/status")).ok()?;
    let field = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
    };
    let numbers: Vec<&str> = field("NSpid")?.split_whitespace().collect();
    let kibibytes = field("VmRSS").and_then(|text| text.split_whitespace().next()?.parse().ok());
    Some(Member {
        pid,
        role,
        program: program
            .file_name()?
            .to_string_lossy()
            .trim_end_matches(" (deleted)")
            .to_owned(),
        resident: kibibytes.unwrap_or(0u64) * 1024,
        is_first: numbers.len() > 1 && numbers.last() == Some(&"1"),
    })
}

/// The role of a process in this cluster, by its environment.
fn role(name: &ClusterName, pid: Pid) -> Option<String> {
    let environ = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
    let marks: BTreeMap<&[u8], &[u8]> = environ
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let equals = entry.iter().position(|byte| *byte == b'=')?;
            Some((&entry[..equals], &entry[equals + 1..]))
        })
        .collect();
    let mark = marks.get(CLUSTER_MARK.as_bytes())?;
    let role = marks.get(ROLE_MARK.as_bytes())?;
    (*mark == name.as_str().as_bytes()).then(|| String::from_utf8_lossy(role).into_owned())
}

/// Ends every member at once: a throw-away cluster has nothing to save.
pub(crate) fn end_all(name: &ClusterName) -> Result<()> {
    let deadline = Instant::now() + END_MAX;
    // First those whose end takes their whole namespace with them. Those that wait for a process in there must be able to take
    // note of its end: until then the namespace does not end.
    let firsts = members(name)?.into_iter().filter(|member| member.is_first);
    end(name, firsts.collect(), Instant::now() + FIRST_MAX)?;
    loop {
        // Again in each round: a member may start another one between the look and the signal.
        let left = members(name)?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let left: Vec<String> = left.iter().map(ToString::to_string).collect();
            bail!(
                "processes of the cluster {name} do not end: {}",
                left.join(", ")
            );
        }
        end(name, left, deadline)?;
    }
}

/// Ends the members of this role.
pub(crate) fn end_role(name: &ClusterName, role: &str) -> Result<()> {
    let mut these = members(name)?;
    these.retain(|member| member.role == role && member.program == role);
    if these.is_empty() {
        bail!("no {role} runs in the cluster {name}");
    }
    end(name, these, Instant::now() + END_MAX)
}

/// Kills these and waits for their end, until `deadline`.
fn end(name: &ClusterName, members: Vec<Member>, deadline: Instant) -> Result<()> {
    let mut ending = Vec::new();
    for member in members {
        ending.extend(kill(name, &member)?);
    }
    for pidfd in &ending {
        ends_by(pidfd, deadline)?;
    }
    Ok(())
}

/// Kills this very process, or nobody when it has ended meanwhile.
fn kill(name: &ClusterName, member: &Member) -> Result<Option<OwnedFd>> {
    let kill = || {
        let pidfd = pidfd_open(member.pid, PidfdFlags::empty())?;
        // Looked at again: from here on the number cannot come to mean another process.
        if role(name, member.pid).is_none() {
            return Err(Errno::SRCH);
        }
        pidfd_send_signal(&pidfd, Signal::KILL)?;
        Ok(pidfd)
    };
    match kill() {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{member} cannot be ended")),
    }
}

/// This process and those that started it: they are never ended, even when they run inside the cluster.
fn own_line() -> Vec<Pid> {
    let mut line = Vec::new();
    let mut next = Some(rustix::process::getpid());
    while let Some(pid) = next.filter(|pid| !line.contains(pid)) {
        line.push(pid);
        next = parent(pid);
    }
    line
}

/// The process that started this one, or took it over.
pub(crate) fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name, in parentheses, may contain anything; the state and the parent follow it.
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
    parent.parse().ok().and_then(Pid::from_raw)
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} (process {})",
            self.program,
            self.pid.as_raw_nonzero()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_those_that_carry_the_mark_are_ended_and_their_children_with_them() {
        let name: ClusterName = "unit-test-members".parse().expect("a name");
        let other: ClusterName = "unit-test-other".parse().expect("a name");
        let start = |name: &ClusterName| {
            Command::new("sh")
                .args(["-c", "sleep 600 & wait"])
                .envs(marks(name, "sleeper"))
                .spawn()
                .expect("a shell")
        };
        let (mut ours, mut theirs) = (start(&name), start(&other));
        crate::run::wait_until("both processes", END_MAX, || {
            Ok((members(&name)?.len() < 2).then(|| "one is missing".to_owned()))
        })
        .expect("shell and sleep run");
        end_all(&name).expect("they end");
        assert!(members(&name).expect("/proc").is_empty());
        assert!(!ours.wait().expect("the shell").success());
        assert!(
            theirs.try_wait().expect("the other shell").is_none(),
            "a stranger was ended"
        );
        end_all(&other).expect("it ends");
        theirs.wait().expect("the other shell");
    }
}

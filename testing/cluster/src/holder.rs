//! The first process of a cluster, and the namespaces that it holds.
//!
//! Everything of a cluster lives in namespaces of its own: network, process numbers, mounts. The holder is process 1 in there. It does
//! nothing but reap, and when it ends, the kernel ends every other process and takes every mount away. The host's folders
//! `/run`, `/var/lib` and `/var/log` are covered by others, so that containerd, kubelet and the CNI plugins, which have
//! fixed places there, neither meet those of another cluster nor leave anything behind. Names are not looked up: a name server
//! of the machine could not be reached, and every look-up would wait for it in vain.

use crate::members::{marks, members};
use crate::name::ClusterName;
use crate::programs::Programs;
use crate::run::wait_until;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ROLE: &str = "holder";
/// What it runs.
const SCRIPT: &str = include_str!("holder.sh");
const START_MAX: Duration = Duration::from_secs(15);

/// What the kubelet sets for the whole machine unless it finds it set. It finds files with these values, and the machine stays as it is.
const KERNEL_SETTINGS: [(&str, &str); 6] = [
    ("kernel.keys.root_maxbytes", "25000000"),
    ("kernel.keys.root_maxkeys", "1000000"),
    ("kernel.panic", "10"),
    ("kernel.panic_on_oops", "1"),
    ("vm.overcommit_memory", "1"),
    ("vm.panic_on_oom", "0"),
];

/// A cluster's running holder.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    name: ClusterName,
    /// Its process number outside.
    process: i32,
}

impl Holder {
    /// Starts it in the cluster's network namespace, and waits until its mounts are in place. The child is the program around it.
    pub(crate) fn start(name: &ClusterName, programs: &Programs) -> Result<(Self, Child)> {
        let folder = name.folder();
        let ready = folder.join("holder.ready");
        write_files(&folder)?;
        let mut command = detached(programs)?;
        command
            .arg(programs.path("nsenter")?)
            .arg(format!("--net={}", name.namespace_path().display()))
            .arg(programs.path("unshare")?)
            .args(["--mount", "--pid", "--fork", "--kill-child=KILL", "--"])
            .args(["/bin/sh", "-c", SCRIPT, ROLE])
            .arg(&folder);
        let child = spawn(&mut command, name, ROLE, programs)?;
        wait_until("the cluster's first process", START_MAX, || {
            Ok((!ready.exists()).then(|| tail(name, ROLE)))
        })?;
        let holder = Self::find(name)?.context("the cluster's first process has ended")?;
        Ok((holder, child))
    }

    /// The running holder of a cluster, if there is one.
    pub(crate) fn find(name: &ClusterName) -> Result<Option<Self>> {
        let first = members(name)?
            .into_iter()
            .find(|member| member.is_first && member.role == ROLE);
        Ok(first.map(|member| Self {
            name: name.clone(),
            process: member.pid.as_raw_nonzero().get(),
        }))
    }

    /// Starts a program of the cluster; what it says goes into a log of that name.
    pub(crate) fn spawn(
        &self,
        role: &str,
        arguments: &[String],
        programs: &Programs,
    ) -> Result<Child> {
        let mut command = detached(programs)?;
        command
            .arg(programs.path("nsenter")?)
            .arg(format!("--target={}", self.process))
            .args(["--net", "--pid", "--mount", "--"])
            .arg(programs.path_inside(role)?)
            .args(arguments);
        spawn(&mut command, &self.name, role, programs)
    }
}

/// A command that outlives the terminal that it was given in.
fn detached(programs: &Programs) -> Result<Command> {
    Ok(Command::new(programs.path("setsid")?))
}

fn spawn(
    command: &mut Command,
    name: &ClusterName,
    role: &str,
    programs: &Programs,
) -> Result<Child> {
    let folder = name.folder();
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_path(name, role))
        .with_context(|| format!("{} is needed", log_path(name, role).display()))?;
    // Nothing of the user's environment: a proxy that is set there cannot be reached from inside.
    command
        .env_clear()
        .env("PATH", programs.search_path())
        .env("HOME", &folder)
        .envs(marks(name, role))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .spawn()
        .with_context(|| format!("{role} could not be started"))
}

pub(crate) fn log_path(name: &ClusterName, role: &str) -> std::path::PathBuf {
    name.folder().join("logs").join(format!("{role}.log"))
}

/// The last words of a log, for an error.
pub(crate) fn tail(name: &ClusterName, role: &str) -> String {
    const LINES: usize = 8;
    let path = log_path(name, role);
    let said = fs::read(&path).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    format!("the log of {role} ends with:\n{}", last.join("\n"))
}

/// The folders and files that the holder mounts in place of the machine's.
fn write_files(folder: &Path) -> Result<()> {
    for below in ["lib", "log", "kernel"] {
        fs::create_dir_all(folder.join(below))?;
    }
    for (setting, value) in KERNEL_SETTINGS {
        fs::write(folder.join("kernel").join(setting), format!("{value}\n"))?;
    }
    fs::write(
        folder.join("resolv.conf"),
        "# There is no name server inside.\n",
    )?;
    Ok(())
}

//! `cargo xtask cluster`: real Kubernetes clusters on this machine; the harness itself lies in `testing/cluster`.
//!
//! This gets the programs that a cluster is made of, and hands everything else on. Kubernetes, etcd and kwok are built from
//! pinned Go modules into the user's cache folder. containerd and what belongs to it come as Debian's packages, and are installed:
//! they call each other by fixed paths.

use crate::child;
use crate::go::{ARGO_ROLLOUTS, ETCD, KUBERNETES, KWOK, Tools};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const TOOLS: [&Tools; 3] = [&ETCD, &KUBERNETES, &KWOK];
/// What a node needs of Debian: a program or a file, and the package that has it.
const PACKAGES: [(&str, &str); 8] = [
    ("busybox", "busybox-static"),
    ("containerd", "containerd"),
    ("/usr/lib/cni/ptp", "containernetworking-plugins"),
    ("conntrack", "conntrack"),
    ("iptables", "iptables"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
];
/// Where a program may be besides `PATH`.
const FURTHER_PLACES: [&str; 5] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
];
/// Where the probe tries what containerd will do.
const PROBE_FOLDER: &str = "/var/cache/sluice-cluster/probe";
const INSTALL_MAX: Duration = Duration::from_secs(10 * 60);
const BUILD_MAX: Duration = Duration::from_secs(30 * 60);

/// What to do with a cluster.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `up`, `down`, `status`, `run`, `load`, or `tools`; `--help` lists their arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs a command on clusters; `true` when it succeeded.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let mut arguments = options.arguments.clone();
    let own = arguments
        .iter()
        .position(|argument| argument == "--")
        .unwrap_or(arguments.len());
    let no_install = arguments[..own]
        .iter()
        .position(|argument| argument == "--no-install");
    if let Some(index) = no_install {
        arguments.remove(index);
    }
    let command = arguments.first().and_then(|argument| argument.to_str());
    let starts = matches!(command, Some("up" | "tools"))
        && !arguments[..].iter().any(|argument| argument == "--help");
    if command == Some("up")
        && starts
        && let Some(why) = obstacle()
    {
        bail!("{why}");
    }
    if starts && no_install.is_none() {
        if let Some(what) = missing(workspace)? {
            println!("This installs {what}.");
        }
        obtain(workspace)?;
    }
    if command == Some("tools") {
        if starts && no_install.is_none() {
            ARGO_ROLLOUTS.obtain(&ARGO_ROLLOUTS.source(workspace))?;
        }
        println!("{}", search_path(workspace)?);
        return Ok(true);
    }
    let path = search_path(workspace)?;
    if !child::show(
        workspace.cargo(&["build", "--locked", "--quiet", "-p", "sluice-cluster"]),
        BUILD_MAX,
    )? {
        bail!("the cluster harness could not be built");
    }
    let mut harness = Command::new(workspace.target_dir()?.join("debug/sluice-cluster"));
    harness.args(&arguments).env("PATH", path);
    // It becomes the harness: a command inside a cluster may be somebody's shell.
    Err(harness.exec()).context("the cluster harness cannot be started")
}

/// What would be built and installed for clusters of every kind; `None` when everything is there.
pub(crate) fn missing(workspace: &Workspace) -> Result<Option<String>> {
    let mut parts = Vec::new();
    for tools in TOOLS {
        parts.extend(tools.missing(&tools.source(workspace))?);
    }
    let packages = missing_packages();
    if !packages.is_empty() {
        parts.push(format!(
            "Debian's {} (on this machine, with apt-get; the service of containerd starts with it)",
            packages.join(", ")
        ));
    }
    Ok((!parts.is_empty()).then(|| parts.join("; ")))
}

/// Why no cluster can run here, whatever is installed; `None` when one can.
pub(crate) fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some(
            "a cluster needs root, for namespaces, mounts and cgroups of its own".to_owned(),
        );
    }
    let works = |arguments: &[&str]| {
        let mut probe = Command::new("unshare");
        probe.args(arguments).stderr(Stdio::null());
        let ended = child::run(probe, Duration::from_secs(20), |_| {});
        ended.is_ok_and(|status| status.success())
    };
    if !works(&[
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "true",
    ]) {
        return Some(
            "this machine permits no namespaces (`unshare --net --mount --pid --fork --mount-proc true` fails)"
                .to_owned(),
        );
    }
    let overlay = format!(
        "set -e; d={PROBE_FOLDER}-$$; mkdir -p $d/l $d/u $d/w $d/m; \
         mount -t overlay overlay -o lowerdir=$d/l,upperdir=$d/u,workdir=$d/w $d/m && r=0 || r=1; \
         umount $d/m || true; rm -r $d; exit $r"
    );
    if !works(&["--mount", "sh", "-c", &overlay]) {
        return Some(
            "images need overlay mounts, and this machine permits none below /var/cache".to_owned(),
        );
    }
    cgroup_obstacle(Path::new("/sys/fs/cgroup"))
}

/// A cgroup of version 2 that is not the machine's own, and has processes, hands no controllers on.
fn cgroup_obstacle(root: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
    let is_v2 = root.join("cgroup.controllers").exists();
    let is_somebodys = root.join("cgroup.type").exists();
    let hands_on = read("cgroup.subtree_control")
        .split_whitespace()
        .any(|name| name == "memory");
    let is_busy = !read("cgroup.procs").trim().is_empty();
    (is_v2 && is_somebodys && is_busy && !hands_on).then(|| {
        format!(
            "{} belongs to a container that has processes in it, so that no cgroup with limits can be made below it",
            root.display()
        )
    })
}

/// Builds and installs what is missing.
pub(crate) fn obtain(workspace: &Workspace) -> Result<()> {
    // What can be missing without a remedy comes before what changes the machine.
    for tools in TOOLS {
        tools.obtain(&tools.source(workspace))?;
    }
    install_packages(&missing_packages())
}

/// `PATH` with the pinned programs before everything else, as far as they are there: those of clusters, and Argo's
/// controller, which tests run in them.
pub(crate) fn search_path(workspace: &Workspace) -> Result<String> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for tools in TOOLS.into_iter().chain([&ARGO_ROLLOUTS]) {
        folders.extend(tools.find(&tools.source(workspace))?);
    }
    let now = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&now)))
        .context("the cache folder's name cannot be part of PATH")?;
    all.into_string().ok().context("PATH is not valid text")
}

fn missing_packages() -> Vec<&'static str> {
    let missing = PACKAGES.iter().filter(|(what, _)| !is_there(what));
    missing.map(|(_, package)| *package).collect()
}

/// Whether a file is there, or a program can be found.
fn is_there(what: &str) -> bool {
    if what.starts_with('/') {
        return Path::new(what).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let further = FURTHER_PLACES.map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(further);
    places.any(|place| place.join(what).is_file())
}

fn install_packages(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            // Nothing that is there may go for it.
            .args(["--yes", "--no-remove", "--quiet=2"])
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        child::show(command, INSTALL_MAX)
    };
    let install = [&["install", "--no-install-recommends"], packages].concat();
    println!("Installing Debian's {}", packages.join(", "));
    if apt(&install)? {
        return Ok(());
    }
    println!("Debian's lists of packages may be old; updating them");
    if apt(&["update"])? && apt(&install)? {
        return Ok(());
    }
    bail!(
        "Debian's {} could not be installed; install them yourself, or run with --no-install",
        packages.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_own_cgroup_with_processes_in_it_is_an_obstacle() {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("write");
        assert_eq!(cgroup_obstacle(folder.path()), None, "version 1");
        write("cgroup.controllers", "cpu memory pids\n");
        write("cgroup.procs", "1\n");
        write("cgroup.subtree_control", "\n");
        assert_eq!(cgroup_obstacle(folder.path()), None, "the machine's own");
        write("cgroup.type", "domain\n");
        assert!(cgroup_obstacle(folder.path()).is_some());
        write("cgroup.subtree_control", "cpu memory\n");
        assert_eq!(cgroup_obstacle(folder.path()), None, "it hands them on");
    }
}

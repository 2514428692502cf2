//! `cargo xtask cluster`: real Kubernetes clusters on this machine; the harness itself lies in `testing/cluster`.
//!
//! This gets the programs that a cluster is made of, and hands everything else on. Kubernetes, etcd and kwok are built from
//! pinned Go modules into the user's cache folder. containerd and what belongs to it come as Debian's packages, and are installed:
//! they call each other by fixed paths.

use crate::child;
use crate::go::{self, ETCD, KUBERNETES, KWOK, Tools};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const TOOLS: [&Tools; 3] = [&ETCD, &KUBERNETES, &KWOK];
/// What a node needs of Debian: a file, and the package that has it.
const PACKAGES: [(&str, &str); 8] = [
    ("/usr/bin/busybox", "busybox-static"),
    ("/usr/bin/containerd", "containerd"),
    ("/usr/lib/cni/ptp", "containernetworking-plugins"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/runc", "runc"),
    ("/sbin/ip", "iproute2"),
    ("/usr/bin/nsenter", "util-linux"),
];
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
    let path = search_path(workspace)?;
    if command == Some("tools") {
        println!("{path}");
        return Ok(true);
    }
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
        let source = source(workspace, tools);
        if tools.find(&source)?.is_none() {
            parts.push(format!(
                "{} {} (built from its Go module into the user's cache folder, {} once)",
                tools.name,
                tools.version(&source)?,
                tools.takes
            ));
        }
    }
    let packages = missing_packages();
    if !packages.is_empty() {
        parts.push(format!(
            "Debian's {} (on this machine, with apt-get)",
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
    let mut probe = Command::new("unshare");
    probe.args(["--net", "--mount", "--pid", "--fork", "true"]);
    match child::run(probe, Duration::from_secs(20), |_| {}) {
        Ok(status) if status.success() => None,
        _ => Some(
            "this machine permits no namespaces (`unshare --net --mount --pid --fork true` fails)"
                .to_owned(),
        ),
    }
}

/// Builds and installs what is missing.
pub(crate) fn obtain(workspace: &Workspace) -> Result<()> {
    install_packages(&missing_packages())?;
    for tools in TOOLS {
        let source = source(workspace, tools);
        if tools.find(&source)?.is_none() && !go::is_there() {
            bail!(
                "{} is built with Go, and there is no `go` on PATH; install Go 1.25 or newer",
                tools.name
            );
        }
        tools.obtain(&source)?;
    }
    Ok(())
}

/// `PATH` with the pinned programs before everything else, as far as they are there.
pub(crate) fn search_path(workspace: &Workspace) -> Result<String> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for tools in TOOLS {
        folders.extend(tools.find(&source(workspace, tools))?);
    }
    let now = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&now)))
        .context("the cache folder's name cannot be part of PATH")?;
    all.into_string().ok().context("PATH is not valid text")
}

fn source(workspace: &Workspace, tools: &Tools) -> PathBuf {
    workspace
        .root()
        .join("testing/cluster/tools")
        .join(tools.name)
}

fn missing_packages() -> Vec<&'static str> {
    let missing = PACKAGES
        .iter()
        .filter(|(file, _)| !Path::new(file).exists());
    missing.map(|(_, package)| *package).collect()
}

fn install_packages(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["--yes", "--quiet=2", "-o", "DPkg::Lock::Timeout=300"])
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

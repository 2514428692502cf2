//! The cluster's network namespace: one address for the node, and no way out.

use crate::members::marks;
use crate::name::ClusterName;
use crate::run;
use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

/// The node's address. The same in every cluster: namespaces do not see each other.
pub(crate) const NODE_ADDRESS: &str = "10.99.0.1";
/// The addresses of the pods.
pub(crate) const POD_RANGE: &str = "10.244.0.0/16";
/// The addresses of the pods of the one node.
pub(crate) const NODE_POD_RANGE: &str = "10.244.1.0/24";
/// The addresses of Services.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The first address of the Services: that of the API server.
pub(crate) const API_SERVICE_ADDRESS: &str = "10.96.0.1";

/// What `ip` is in the cluster.
const ROLE: &str = "network";
/// Longest time of one call of `ip`.
const IP_MAX: Duration = Duration::from_secs(20);

/// Whether the namespace is there.
pub(crate) fn exists(name: &ClusterName) -> bool {
    name.namespace_path().exists()
}

/// Makes the namespace, with loopback and the node's address in it.
///
/// The default route leads to nobody. It is there because an address of a Service needs a route before kube-proxy's rules replace it.
pub(crate) fn create(name: &ClusterName) -> Result<()> {
    let namespace = name.namespace();
    ip(name, &["netns", "add", &namespace], "")
        .context("no network namespace can be made; this needs root")?;
    let setup = format!(
        "link set lo up\n\
         link add host0 type bridge\n\
         address add {NODE_ADDRESS}/24 dev host0\n\
         link set host0 up\n\
         route add default dev host0\n"
    );
    ip(name, &["-netns", &namespace, "-batch", "-"], &setup)
}

/// Removes the namespace; with it goes every interface, address and rule in it.
pub(crate) fn delete(name: &ClusterName) -> Result<()> {
    ip(name, &["netns", "delete", &name.namespace()], "")
}

/// Moves the calling thread, and the threads that it starts from now on, into the namespace.
pub(crate) fn enter(name: &ClusterName) -> Result<()> {
    let path = name.namespace_path();
    let file = File::open(&path).with_context(|| format!("{} is not there", path.display()))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("{} cannot be entered; this needs root", path.display()))
}

/// Processes in the namespace, by number and name.
pub(crate) fn processes(name: &ClusterName) -> Result<Vec<(u32, String)>> {
    let Ok(namespace) = fs::metadata(name.namespace_path()) else {
        return Ok(Vec::new());
    };
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc cannot be read")? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        // One that has ended meanwhile is in no namespace.
        let (Some(number), Ok(theirs)) = (number, fs::metadata(entry.path().join("ns/net"))) else {
            continue;
        };
        if (theirs.dev(), theirs.ino()) == (namespace.dev(), namespace.ino()) {
            let program = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            processes.push((number, program.trim().to_owned()));
        }
    }
    Ok(processes)
}

/// Runs `ip` as a member of the cluster: when the harness is killed meanwhile, a take-down ends it before it looks for the namespace,
/// which would else be made behind its back.
fn ip(name: &ClusterName, arguments: &[&str], input: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(arguments).envs(marks(name, ROLE));
    run::succeed(&mut command, input, IP_MAX).map(drop)
}

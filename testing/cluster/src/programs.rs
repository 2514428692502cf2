//! The programs that a cluster is made of, found on `PATH`.

use crate::variant::Variant;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where Debian puts programs that an ordinary user's `PATH` does not name.
const FURTHER_PLACES: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin"];
/// The CNI plugins; they are started by containerd.
pub(crate) const CNI_PLUGINS: &str = "/usr/lib/cni";
/// Those that the node's pods use.
const CNI_NEEDED: [&str; 4] = ["host-local", "loopback", "portmap", "ptp"];
/// Folders that the cluster's processes see others in place of; a program in there they cannot start.
const HIDDEN: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// Programs of every cluster.
const BASE: [&str; 9] = [
    "etcd",
    "ip",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "nsenter",
    "setsid",
    "unshare",
];
/// Programs of a node with real pods.
const NODE: [&str; 9] = [
    "busybox",
    "conntrack",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "iptables",
    "kube-proxy",
    "kubelet",
    "runc",
];

/// Programs, by name.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    found: BTreeMap<&'static str, PathBuf>,
}

impl Programs {
    /// Finds what a cluster of this variant needs.
    pub(crate) fn find(variant: Variant) -> Result<Self> {
        let mut needed = BASE.to_vec();
        let mut missing = Vec::new();
        match variant {
            Variant::Node => {
                needed.extend(NODE);
                let plugins = CNI_NEEDED.map(|plugin| Path::new(CNI_PLUGINS).join(plugin));
                missing.extend(plugins.into_iter().filter(|plugin| !plugin.is_file()));
            }
            Variant::Kwok { .. } => needed.push("kwok"),
            Variant::ControlPlane => {}
        }
        let mut found = BTreeMap::new();
        for name in needed {
            match find(name) {
                Some(place) => drop(found.insert(name, place)),
                None => missing.push(PathBuf::from(name)),
            }
        }
        if !missing.is_empty() {
            let missing: Vec<String> = missing
                .iter()
                .map(|name| name.display().to_string())
                .collect();
            bail!(
                "not on PATH: {}; `cargo xtask cluster` and `cargo xtask test` provide them, and \
                 `cargo xtask cluster tools` prints what to add to PATH",
                missing.join(", ")
            );
        }
        Ok(Self { found })
    }

    /// The path of a program.
    pub(crate) fn path(&self, name: &str) -> Result<&Path> {
        let path = self.found.get(name);
        path.map(PathBuf::as_path)
            .with_context(|| format!("{name} is no program of this variant of a cluster"))
    }

    /// The path of a program, for a start among the cluster's processes.
    pub(crate) fn path_inside(&self, name: &str) -> Result<&Path> {
        let path = self.path(name)?;
        if HIDDEN.iter().any(|folder| path.starts_with(folder)) {
            bail!(
                "{} lies below {}, which a cluster's processes do not see; set XDG_CACHE_HOME to another folder",
                path.display(),
                HIDDEN.join(", ")
            );
        }
        Ok(path)
    }

    /// The user's own `PATH`, with this cluster's kubectl before any other.
    pub(crate) fn search_path_for_users(&self) -> OsString {
        let own = self.found.get("kubectl").and_then(|path| path.parent());
        let mut all = own
            .map(|folder| folder.as_os_str().to_owned())
            .unwrap_or_default();
        if let Some(search) = std::env::var_os("PATH") {
            all.push(":");
            all.push(search);
        }
        all
    }

    /// `PATH` for the cluster's own processes: with what containerd, kubelet and kube-proxy call.
    pub(crate) fn search_path(&self) -> String {
        let mut folders: Vec<String> = Vec::new();
        let own = self.found.values().filter_map(|path| path.parent());
        for folder in own
            .map(|folder| folder.display().to_string())
            .chain(FURTHER_PLACES.map(str::to_owned))
        {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders.join(":")
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search)
        .chain(FURTHER_PLACES.map(PathBuf::from))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|place| place.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_outside_an_ordinary_path_is_found() {
        assert!(find("sh").is_some_and(|place| place.is_absolute()));
        assert_eq!(find("no-such-program-anywhere"), None);
    }
}

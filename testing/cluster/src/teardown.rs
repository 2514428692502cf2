//! Taking a cluster down, from whatever state it is in, as often as one likes.

use crate::name::{CLUSTERS, ClusterName};
use crate::{cgroups, members, network, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const UNMOUNT_MAX: Duration = Duration::from_secs(20);

/// Ends and removes whatever is there of the cluster. Answers what it left alone: processes in the cluster's network that nobody of
/// the harness started, such as somebody's shell.
pub(crate) fn take_down(name: &ClusterName) -> Result<Vec<String>> {
    members::end_all(name)?;
    let strangers = network::processes(name)?
        .into_iter()
        .map(|(number, program)| {
            format!(
                "{program} (process {number}) is still in the namespace {}",
                name.namespace()
            )
        })
        .collect();
    if network::exists(name) {
        network::delete(name)?;
    }
    cgroups::remove(&name.cgroup())?;
    unmount_below(&name.folder())?;
    remove_folder(&name.folder())?;
    Ok(strangers)
}

/// What is still there of a cluster; nothing, after it was taken down.
///
/// # Errors
/// When that cannot be told.
pub fn remains(name: &ClusterName) -> Result<Vec<String>> {
    let mut remains: Vec<String> = members::members(name)?
        .iter()
        .map(ToString::to_string)
        .collect();
    remains.extend(network::exists(name).then(|| name.namespace_path().display().to_string()));
    remains.extend(cgroups::existing(&name.cgroup())?);
    remains.extend(mounts_below(&name.folder())?);
    for path in [name.folder(), name.lock_path()] {
        remains.extend(path.exists().then(|| path.display().to_string()));
    }
    Ok(remains)
}

/// The cluster's mounts lie in a namespace that ended with its processes. Whatever lies below the folder here somebody mounted by
/// hand, and it must not be emptied with the folder.
fn unmount_below(folder: &Path) -> Result<()> {
    for mount in mounts_below(folder)?.iter().rev() {
        run::succeed(Command::new("umount").arg(mount), "", UNMOUNT_MAX)?;
    }
    Ok(())
}

/// Mounts below `folder` that this process sees, outer ones first.
fn mounts_below(folder: &Path) -> Result<Vec<String>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
    Ok(mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|mount| Path::new(mount).starts_with(folder))
        .map(str::to_owned)
        .collect())
}

fn remove_folder(folder: &Path) -> Result<()> {
    if !folder.starts_with(CLUSTERS) || folder == Path::new(CLUSTERS) {
        bail!("{} is no folder of a cluster", folder.display());
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

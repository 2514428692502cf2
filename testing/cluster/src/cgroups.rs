//! The cgroup that holds a cluster's pods, in each hierarchy of this machine.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a cgroup's last processes are awaited after they were ended.
const EMPTY_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes the cgroup `name` wherever the kubelet looks for it.
pub(crate) fn create(name: &str) -> Result<()> {
    let mounts = mounts()?;
    let has_v1 = mounts.iter().any(|mount| !mount.is_v2);
    // Where both are mounted, kubelet and runc use the old hierarchies alone.
    for mount in mounts.iter().filter(|mount| mount.is_v2 != has_v1) {
        let folder = mount.folder.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made; this needs root", folder.display()))?;
        if mount.is_v2 {
            pass_on_controllers(&mount.folder)?;
            pass_on_controllers(&folder)?;
        }
    }
    Ok(())
}

/// Removes the cgroup `name` and those in it from every hierarchy; their processes have been ended before.
pub(crate) fn remove(name: &str) -> Result<()> {
    let deadline = Instant::now() + EMPTY_MAX;
    for mount in mounts()? {
        remove_tree(&mount.folder.join(name), deadline)?;
    }
    Ok(())
}

/// Where the cgroup `name` is.
pub(crate) fn existing(name: &str) -> Result<Vec<String>> {
    let folders = mounts()?.into_iter().map(|mount| mount.folder.join(name));
    Ok(folders
        .filter(|folder| folder.exists())
        .map(|folder| folder.display().to_string())
        .collect())
}

struct Mount {
    folder: PathBuf,
    is_v2: bool,
}

fn mounts() -> Result<Vec<Mount>> {
    let text = fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
    Ok(parse(&text))
}

fn parse(mounts: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (folder, kind) = (fields.next()?, fields.next()?);
        matches!(kind, "cgroup" | "cgroup2").then(|| Mount {
            folder: PathBuf::from(folder),
            is_v2: kind == "cgroup2",
        })
    };
    mounts.lines().filter_map(mount).collect()
}

/// Lets the groups below `folder` have every controller that it has itself.
fn pass_on_controllers(folder: &Path) -> Result<()> {
    let controllers = fs::read_to_string(folder.join("cgroup.controllers"))?;
    let file = folder.join("cgroup.subtree_control");
    let passed_on = fs::read_to_string(&file)?;
    let wanted: Vec<String> = controllers
        .split_whitespace()
        .filter(|name| !passed_on.split_whitespace().any(|known| known == *name))
        .map(|name| format!("+{name}"))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    fs::write(&file, wanted.join(" "))
        .with_context(|| format!("{} cannot be written; this needs root", file.display()))
}

/// Removes a cgroup from the leaves up. Its files are the kernel's and go with it.
fn remove_tree(folder: &Path, deadline: Instant) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| folder.display().to_string()),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path(), deadline)?;
        }
    }
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => {
                std::thread::sleep(LOOK_EVERY);
            }
            Err(error) => {
                let processes = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
                bail!(
                    "{} cannot be removed: {error}; processes in it: {}",
                    folder.display(),
                    processes.split_whitespace().collect::<Vec<_>>().join(" ")
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found_among_the_mounts() {
        let mounts = parse(
            "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
             cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\
             cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
             proc /proc proc rw 0 0\n",
        );
        let found: Vec<(&str, bool)> = mounts
            .iter()
            .map(|mount| (mount.folder.to_str().expect("text"), mount.is_v2))
            .collect();
        assert_eq!(
            found,
            [
                ("/sys/fs/cgroup/pids", false),
                ("/sys/fs/cgroup/unified", true)
            ]
        );
    }
}

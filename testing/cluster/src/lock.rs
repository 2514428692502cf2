//! Who works on a cluster: one process at a time, known by name to the others.

use crate::name::ClusterName;
use anyhow::{Context, Result, bail};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long somebody else's work is waited for: longer than a start or a take-down usually needs.
const WAIT_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Held while a cluster is started, used by a test, or taken down. The kernel gives it up when its process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Kept open for as long as the lock is held.
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock, after a short wait if need be.
    pub(crate) fn take(name: &ClusterName) -> Result<Self> {
        let path = name.lock_path();
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("{} is needed; run this as root", parent.display()))?;
        }
        let started = Instant::now();
        loop {
            let mut file = OpenOptions::new()
                .create(true)
                .read(true)
                .write(true)
                .truncate(false)
                .open(&path)
                .with_context(|| format!("{} is needed; run this as root", path.display()))?;
            match file.try_lock() {
                // The holder before removes the file: then what was locked is not what the next one locks.
                Ok(()) if is_still(&file, &path) => {
                    file.set_len(0)?;
                    write!(file, "{}", std::process::id())?;
                    return Ok(Self { _file: file, path });
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if started.elapsed() < WAIT_MAX => {
                    std::thread::sleep(LOOK_EVERY);
                }
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    file.rewind()?;
                    file.read_to_string(&mut holder)?;
                    bail!(
                        "the cluster {name} is in use by process {holder}; wait for it, end it, or take another name"
                    );
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error)
                        .with_context(|| format!("{} cannot be locked", path.display()));
                }
            }
        }
    }

    /// Gives the lock up, and leaves nothing behind of it.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path)
            .with_context(|| format!("{} cannot be removed", self.path.display()))
    }
}

fn is_still(file: &File, path: &PathBuf) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (opened, named) = (
        file.metadata().map(identity),
        fs::metadata(path).map(identity),
    );
    matches!((opened, named), (Ok(opened), Ok(named)) if opened == named)
}

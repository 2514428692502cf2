//! What is written down about a replica, so that the next Sluice finds it again.
//!
//! A record is written before the process exists (the intent) and again when its pid is known. It
//! has to survive the death of Sluice, not that of the machine: no process outlives that, and a
//! record of another boot is void. So it is replaced atomically, and not synced to the disk.

use serde::{Deserialize, Serialize};
use sluice_model::workload::{Protocol, Workload};
use sluice_model::{ReplicaId, Revision, RevisionNumber, ServiceName, millis};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Format of the records; a record of another one is not adopted.
const VERSION: u32 = 1;
/// Largest record that is read, in bytes.
const RECORD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a supervisor needs of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) service: ServiceName,
    pub(crate) revision: RevisionNumber,
    /// Tells apart revisions of the same number, should the store have been replaced.
    pub(crate) digest: String,
    pub(crate) workload: Workload,
    /// Whether the replica speaks HTTP/2 only, so that probes do too.
    pub(crate) h2c: bool,
    /// When a ready replica is worth a new look: the plan's `min_ready`.
    #[serde(with = "millis")]
    pub(crate) min_ready: Duration,
}

impl Spec {
    pub(crate) fn of(revision: &Revision) -> Spec {
        Spec {
            service: revision.service.clone(),
            revision: revision.number,
            digest: revision.digest.clone(),
            workload: revision.workload.clone(),
            h2c: revision.listener.protocol == Protocol::H2c,
            min_ready: revision.plan.min_ready,
        }
    }
}

/// A process as a record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedProcess {
    pub(crate) pid: i32,
    /// In clock ticks since boot.
    pub(crate) start_ticks: u64,
}

/// One replica, as written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    version: u32,
    pub(crate) id: ReplicaId,
    pub(crate) spec: Spec,
    pub(crate) restarts: u32,
    pub(crate) port: u16,
    pub(crate) boot_id: String,
    /// Absent while it is only meant to be started.
    pub(crate) process: Option<RecordedProcess>,
    /// It is being stopped, and not to be used again.
    pub(crate) stopping: bool,
}

impl Record {
    pub(crate) fn intent(
        id: ReplicaId,
        spec: Spec,
        restarts: u32,
        port: u16,
        boot_id: String,
    ) -> Self {
        Record {
            version: VERSION,
            id,
            spec,
            restarts,
            port,
            boot_id,
            process: None,
            stopping: false,
        }
    }
}

/// The folder of records.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    folder: PathBuf,
}

impl Records {
    pub(crate) fn new(folder: PathBuf) -> Records {
        Records { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, id: &ReplicaId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// Writes a record in one step: readers see the former one or this one. It is readable by the
    /// owner alone, for the environment in it may hold secrets.
    pub(crate) fn save(&self, record: &Record) -> io::Result<()> {
        let path = self.path(&record.id);
        let draft = path.with_extension("json.tmp");
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(&serde_json::to_vec(record)?))
            .and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // The error that is reported is that of writing; a draft is removed by the next `load` too.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    pub(crate) fn remove(&self, id: &ReplicaId) {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(replica = %id, %error, "the record of a replica that ended stays behind");
            }
            _ => {}
        }
    }

    /// Every record that can be used; the others are removed, with a warning.
    pub(crate) fn load(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                match read(&path) {
                    Ok(record) if self.path(&record.id) == path => {
                        records.push(record);
                        continue;
                    }
                    Ok(_) => {
                        tracing::warn!(path = %path.display(), "a replica's record has another's name")
                    }
                    Err(error) => {
                        tracing::warn!(path = %path.display(), %error, "a replica's record cannot be used");
                    }
                }
            }
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "a stray file among the records cannot be removed");
            }
        }
        Ok(records)
    }
}

fn read(path: &Path) -> io::Result<Record> {
    if fs::metadata(path)?.len() > RECORD_BYTES_MAX {
        return Err(io::Error::other("it is too large"));
    }
    let record: Record = serde_json::from_slice(&fs::read(path)?)?;
    if record.version == VERSION {
        Ok(record)
    } else {
        Err(io::Error::other(format!(
            "it has version {}, not {VERSION}",
            record.version
        )))
    }
}

//! One start of a replica: a port, the intent on the disk, the process, its pid on the disk.
//!
//! Killed between any two of these, Sluice finds what it began at its next start: by the record, or
//! by the marks that the process carries (`adopt`). When to start is `supervise`'s business.

use crate::launch::{Launch, StartError};
use crate::logs::ReplicaLog;
use crate::process::Process;
use crate::procfs;
use crate::record::{Record, RecordedProcess, Spec};
use crate::shared::Shared;
use sluice_model::ReplicaId;
use tokio::time::Instant;

/// A replica's process, and what was prepared for it.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) record: Record,
    /// For probes that are commands.
    pub(crate) launch: Result<Launch, String>,
    pub(crate) started: Instant,
    /// Length of the log when it started.
    pub(crate) log_since: u64,
    /// An earlier Sluice started it.
    pub(crate) adopted: bool,
}

/// Writes the intent, starts the process, writes its pid. Blocks.
pub(crate) fn start(
    platform: &Shared,
    id: &ReplicaId,
    spec: &Spec,
    log: &ReplicaLog,
    restarts: u32,
) -> Result<Running, StartError> {
    let port = platform.ports.take().map_err(StartError::Port)?;
    let started = start_on(platform, id, spec, log, restarts, port);
    if started.is_err() {
        platform.ports.give_back(port);
    }
    started
}

fn start_on(
    platform: &Shared,
    id: &ReplicaId,
    spec: &Spec,
    log: &ReplicaLog,
    restarts: u32,
    port: u16,
) -> Result<Running, StartError> {
    let launch = Launch::prepare(&platform.config, spec, id, port)?;
    let mut record = Record::intent(
        id.clone(),
        spec.clone(),
        restarts,
        port,
        platform.boot_id.clone(),
    );
    save(platform, &record);
    let (output, log_since) = match log.open() {
        Ok((file, length)) => (Some(file), length),
        Err(error) => {
            // A full disk must not keep a service from running.
            tracing::error!(replica = %id, path = %log.path().display(), %error, "the replica's output is lost");
            (None, 0)
        }
    };
    let process = launch.spawn(output)?;
    record.process = Some(RecordedProcess {
        pid: procfs::number(process.pid()),
        start_ticks: process.start_ticks(),
    });
    save(platform, &record);
    tracing::info!(replica = %id, pid = procfs::number(process.pid()), port, "replica started");
    let started = Instant::now();
    Ok(Running {
        process,
        record,
        launch: Ok(launch),
        started,
        log_since,
        adopted: false,
    })
}

/// A replica without a record runs all the same; the next Sluice will end it and start another.
pub(crate) fn save(platform: &Shared, record: &Record) {
    if let Err(error) = platform.records.save(record) {
        tracing::error!(
            replica = %record.id,
            path = %platform.records.folder().display(),
            %error,
            "the replica's record was not written: a restart of Sluice will not keep it"
        );
    }
}

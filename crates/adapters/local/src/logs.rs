//! The output of replicas: one file each, that the process itself appends to.
//!
//! Sluice is not in between, so that its death neither blocks a replica nor kills it by SIGPIPE.
//! Files are rotated by copying and truncating, for the process keeps its file open; what it writes
//! between the two is lost, a moment's worth. Files are `logs/SERVICE/REVISION/REPLICA.log`, rotated
//! ones end in `.1` (the newest), `.2` … Reading them as a stream is in `follow`.

use crate::config::LogLimits;
use sluice_model::{ReplicaId, RevisionNumber, ServiceName};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Bytes at the end of a log in which its last line is looked for.
const LAST_LINE_WINDOW: u64 = 4096;
/// Longest last line that is reported, in characters.
const LAST_LINE_MAX: usize = 200;

/// What happened to a log file so far; held while it is rotated, and while it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rotations {
    /// How often it was rotated.
    pub(crate) count: u64,
    /// Bytes that the newest rotated file lacks at its start, for it would have been too large.
    pub(crate) skipped: u64,
}

/// One replica's log.
#[derive(Debug)]
pub(crate) struct ReplicaLog {
    pub(crate) replica: ReplicaId,
    pub(crate) revision: RevisionNumber,
    path: PathBuf,
    rotations: Mutex<Rotations>,
}

impl ReplicaLog {
    pub(crate) fn new(
        logs: &Path,
        service: &ServiceName,
        revision: RevisionNumber,
        replica: &ReplicaId,
    ) -> ReplicaLog {
        let path = revision_folder(logs, service, revision).join(format!("{replica}.log"));
        ReplicaLog {
            replica: replica.clone(),
            revision,
            path,
            rotations: Mutex::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the `number`th rotated file.
    pub(crate) fn rotated(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    /// Keeps the file from being rotated while it is held.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Rotations> {
        self.rotations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the file for a process to append to, and answers its present length.
    pub(crate) fn open(&self) -> io::Result<(File, u64)> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&self.path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// Rotates the file if it is too large.
    pub(crate) fn rotate(&self, limits: &LogLimits) -> io::Result<()> {
        let length = match fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if length <= limits.file_bytes_max {
            return Ok(());
        }
        let mut rotations = self.lock();
        let skipped = length.saturating_sub(limits.file_bytes_max.saturating_mul(2));
        let kept = self.keep_copy(limits, skipped);
        // Also when it could not be copied: a bounded log is worth more than a complete one.
        OpenOptions::new()
            .write(true)
            .open(&self.path)?
            .set_len(0)?;
        *rotations = Rotations {
            count: rotations.count + 1,
            skipped,
        };
        kept
    }

    fn keep_copy(&self, limits: &LogLimits, skipped: u64) -> io::Result<()> {
        if limits.rotated_max == 0 {
            return Ok(());
        }
        for number in (1..limits.rotated_max).rev() {
            match fs::rename(self.rotated(number), self.rotated(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let mut from = File::open(&self.path)?;
        from.seek(SeekFrom::Start(skipped))?;
        let newest = self.rotated(1);
        let mut to = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&newest)?;
        // Bounded, for the process may write faster than it is copied.
        let bound = limits.file_bytes_max.saturating_mul(4);
        if let Err(error) = io::copy(&mut (&mut from).take(bound), &mut to) {
            // The copy is incomplete; its space may be what is lacking.
            let _ = fs::remove_file(&newest);
            return Err(error);
        }
        Ok(())
    }

    /// The last line that was written after `since` (a length of the file), made fit to be shown.
    pub(crate) fn last_line(&self, since: u64) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        // Shorter than before: it was rotated, and all of it is newer.
        let since = if length < since { 0 } else { since };
        let start = length.saturating_sub(LAST_LINE_WINDOW).max(since);
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut bytes = Vec::new();
        file.take(LAST_LINE_WINDOW).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())?;
        let shown: String = line
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .take(LAST_LINE_MAX)
            .collect();
        Some(shown)
    }
}

/// The folder of the logs of one revision.
fn revision_folder(logs: &Path, service: &ServiceName, revision: RevisionNumber) -> PathBuf {
    logs.join(service.as_str()).join(revision.to_string())
}

/// The logs of a service that lie on the disk, those of ended replicas included; oldest first by
/// their last change.
pub(crate) fn on_disk(logs: &Path, service: &ServiceName) -> Vec<ReplicaLog> {
    let mut found: Vec<(SystemTime, ReplicaLog)> = Vec::new();
    for revision in entries(&logs.join(service.as_str())) {
        let Some(number) = file_name(&revision).and_then(|name| name.parse().ok()) else {
            continue;
        };
        for file in entries(&revision) {
            let Some(replica) = file_name(&file).and_then(|name| name.strip_suffix(".log")) else {
                continue;
            };
            let changed = fs::metadata(&file).and_then(|metadata| metadata.modified());
            let log = ReplicaLog::new(
                logs,
                service,
                RevisionNumber(number),
                &ReplicaId(replica.to_owned()),
            );
            found.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), log));
        }
    }
    found.sort_by(|(a, log_a), (b, log_b)| (a, &log_a.replica).cmp(&(b, &log_b.replica)));
    found.into_iter().map(|(_, log)| log).collect()
}

/// Removes the logs of ended replicas beyond those that are kept.
pub(crate) fn forget_ended(
    logs: &Path,
    service: &ServiceName,
    limits: &LogLimits,
    lives: impl Fn(&ReplicaId) -> bool,
) {
    let mut ended = on_disk(logs, service);
    ended.retain(|log| !lives(&log.replica));
    let surplus = ended.len().saturating_sub(limits.ended_replicas_max);
    for log in ended.into_iter().take(surplus) {
        for path in (1..=limits.rotated_max)
            .map(|number| log.rotated(number))
            .chain([log.path.clone()])
        {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "the log of an ended replica stays behind");
                }
                _ => {}
            }
        }
        if let Some(folder) = log.path.parent() {
            // Fails while other logs are in it, which is meant.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The names of the services that have logs.
pub(crate) fn services(logs: &Path) -> Vec<ServiceName> {
    entries(logs)
        .iter()
        .filter_map(|path| ServiceName::new(file_name(path)?).ok())
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect()
        })
        .unwrap_or_default()
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn log_in(folder: &Path, revision: u32, replica: &str) -> ReplicaLog {
        let service = ServiceName::new("shop").expect("a valid name");
        ReplicaLog::new(
            folder,
            &service,
            RevisionNumber(revision),
            &ReplicaId(replica.to_owned()),
        )
    }

    #[test]
    fn rotation_keeps_what_was_written_and_the_writer_goes_on_in_the_same_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = log_in(folder.path(), 1, "shop-1-a");
        let limits = LogLimits {
            file_bytes_max: 100,
            rotated_max: 2,
            ended_replicas_max: 1,
        };
        let (mut file, _) = log.open().expect("the folder is writable");
        for round in 0..4_u8 {
            file.write_all(&[b'a' + round; 150])
                .expect("the disk has space");
            log.rotate(&limits).expect("it can be rotated");
        }
        let read = |path: &Path| fs::read(path).expect("it exists");
        assert_eq!(read(log.path()), b"");
        assert_eq!(read(&log.rotated(1)), [b'd'; 150]);
        assert_eq!(read(&log.rotated(2)), [b'c'; 150]);
        assert!(!log.rotated(3).exists());
        assert_eq!(log.lock().count, 4);
    }

    #[test]
    fn a_burst_leaves_its_end_and_no_more() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = log_in(folder.path(), 1, "shop-1-a");
        let limits = LogLimits {
            file_bytes_max: 100,
            rotated_max: 1,
            ended_replicas_max: 1,
        };
        let (mut file, _) = log.open().expect("the folder is writable");
        file.write_all(&[b'x'; 5_000]).expect("the disk has space");
        file.write_all(b"end").expect("the disk has space");
        log.rotate(&limits).expect("it can be rotated");
        let kept = fs::read(log.rotated(1)).expect("it exists");
        assert_eq!(kept.len(), 200);
        assert!(kept.ends_with(b"xend"));
        assert_eq!(
            *log.lock(),
            Rotations {
                count: 1,
                skipped: 4_803
            }
        );
    }

    #[test]
    fn the_last_line_is_of_this_run_and_fit_to_be_shown() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = log_in(folder.path(), 1, "shop-1-a");
        let (mut file, _) = log.open().expect("the folder is writable");
        file.write_all(b"of the run before\n")
            .expect("the disk has space");
        let (_, since) = log.open().expect("the folder is writable");
        assert_eq!(log.last_line(since), None);
        file.write_all(b"bind: \x1b[31maddress in use\n\n  \n")
            .expect("the disk has space");
        assert_eq!(
            log.last_line(since).as_deref(),
            Some("bind:  [31maddress in use")
        );
        file.write_all(&[b'y'; 9_000]).expect("the disk has space");
        assert_eq!(
            log.last_line(since).map(|line| line.len()),
            Some(LAST_LINE_MAX)
        );
    }

    #[test]
    fn logs_of_the_latest_ended_replicas_are_kept_and_those_of_living_ones_always() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let limits = LogLimits {
            ended_replicas_max: 1,
            ..LogLimits::default()
        };
        for (age, replica) in [(50, "shop-1-lives"), (40, "shop-1-old"), (30, "shop-2-new")] {
            let log = log_in(
                folder.path(),
                if replica.contains("-1-") { 1 } else { 2 },
                replica,
            );
            let (file, _) = log.open().expect("the folder is writable");
            let changed = SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(changed).expect("the time can be set");
        }
        let service = ServiceName::new("shop").expect("a valid name");
        forget_ended(folder.path(), &service, &limits, |id| {
            id.as_str() == "shop-1-lives"
        });
        let left: Vec<String> = on_disk(folder.path(), &service)
            .iter()
            .map(|log| log.replica.to_string())
            .collect();
        assert_eq!(left, ["shop-1-lives", "shop-2-new"]);
        assert_eq!(services(folder.path()), [service]);
    }
}

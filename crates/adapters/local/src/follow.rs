//! The lines of a service's logs as a stream, for `sluice logs -f`.
//!
//! Files are read, not pipes: a reader that is slow, or leaves, is nobody's trouble. How files come
//! about and are rotated is in `logs`.

use crate::config::LogLimits;
use crate::logs::{self, ReplicaLog};
use crate::platform::LocalPlatform;
use crate::shared::Shared;
use serde::{Deserialize, Serialize};
use sluice_model::{ReplicaId, RevisionNumber, ServiceName};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Lines that wait for a slow reader.
const LINES_WAITING_MAX: usize = 256;
/// Longest line; a longer one is cut into pieces. In bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes that are read of one log at a time.
const CHUNK_BYTES: u64 = 64 * 1024;
/// Bytes at the end of each file in which its last lines are looked for.
const TAIL_BYTES: u64 = 1024 * 1024;
/// Most last lines of each replica.
const TAIL_LINES_MAX: usize = 10_000;
/// Pause between two looks at logs that have not grown.
const FOLLOW_POLL: Duration = Duration::from_millis(200);

/// Which lines are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogQuery {
    /// Only replicas of this revision.
    pub revision: Option<RevisionNumber>,
    /// Only this replica.
    pub replica: Option<ReplicaId>,
    /// So many last lines of each replica, ended ones included; at most 10,000.
    pub tail_lines: usize,
    /// Go on with what is written from now on, also by replicas that start later.
    pub follow: bool,
}

/// One line of a replica's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Who wrote it.
    pub replica: ReplicaId,
    /// Of which revision.
    pub revision: RevisionNumber,
    /// The line, without its end; what is not UTF-8 is replaced.
    pub text: String,
}

impl LocalPlatform {
    /// The lines of a service's replicas, merged. The stream ends when all was read, or never with
    /// `follow`; dropping the receiver ends the work behind it.
    #[must_use]
    pub fn follow_logs(&self, service: &ServiceName, query: LogQuery) -> mpsc::Receiver<LogLine> {
        let (lines, receiver) = mpsc::channel(LINES_WAITING_MAX);
        let follower = Follower {
            platform: Arc::downgrade(&self.shared),
            service: service.clone(),
            query,
            cursors: BTreeMap::new(),
        };
        self.shared.runtime().spawn(follower.run(lines));
        receiver
    }
}

struct Follower {
    platform: Weak<Shared>,
    service: ServiceName,
    query: LogQuery,
    cursors: BTreeMap<ReplicaId, Cursor>,
}

/// How far a log was read.
struct Cursor {
    log: Arc<ReplicaLog>,
    offset: u64,
    rotations: u64,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
}

impl Follower {
    async fn run(mut self, lines: mpsc::Sender<LogLine>) {
        let Some(first) = self.on_blocking_thread(Follower::tail).await else {
            return;
        };
        if !send_all(&lines, first).await {
            return;
        }
        while self.query.follow {
            let Some(more) = self.on_blocking_thread(Follower::read_on).await else {
                return;
            };
            let idle = more.is_empty();
            if !send_all(&lines, more).await {
                return;
            }
            if idle {
                tokio::select! {
                    () = sleep(FOLLOW_POLL) => {}
                    () = lines.closed() => return,
                }
            }
        }
    }

    /// Runs `work` where it may block; `None` when the platform is gone.
    async fn on_blocking_thread(
        &mut self,
        work: fn(&mut Follower, &Shared) -> Vec<LogLine>,
    ) -> Option<Vec<LogLine>> {
        let platform = self.platform.upgrade()?;
        let mut follower = Follower {
            platform: self.platform.clone(),
            service: self.service.clone(),
            query: self.query.clone(),
            cursors: std::mem::take(&mut self.cursors),
        };
        let done = tokio::task::spawn_blocking(move || {
            let lines = work(&mut follower, &platform);
            (follower.cursors, lines)
        });
        let (cursors, lines) = done.await.ok()?;
        self.cursors = cursors;
        Some(lines)
    }

    fn wants(&self, log: &ReplicaLog) -> bool {
        self.query
            .revision
            .is_none_or(|revision| revision == log.revision)
            && self
                .query
                .replica
                .as_ref()
                .is_none_or(|replica| *replica == log.replica)
    }

    /// The logs of the replicas that live.
    fn living(&self, platform: &Shared) -> Vec<Arc<ReplicaLog>> {
        let fleet = platform.lock();
        let replicas = fleet
            .services
            .get(&self.service)
            .map(|books| books.replicas.values());
        replicas
            .into_iter()
            .flatten()
            .map(|replica| replica.log.clone())
            .filter(|log| self.wants(log))
            .collect()
    }

    /// The last lines of every log; reading goes on behind them.
    fn tail(&mut self, platform: &Shared) -> Vec<LogLine> {
        let mut logs: BTreeMap<ReplicaId, Arc<ReplicaLog>> = BTreeMap::new();
        let on_disk = logs::on_disk(&platform.config.logs_dir(), &self.service);
        let order: Vec<ReplicaId> = on_disk.iter().map(|log| log.replica.clone()).collect();
        logs.extend(
            on_disk
                .into_iter()
                .filter(|log| self.wants(log))
                .map(|log| (log.replica.clone(), log.into())),
        );
        // Those of living replicas last: they know when they are rotated.
        logs.extend(
            self.living(platform)
                .into_iter()
                .map(|log| (log.replica.clone(), log)),
        );
        let mut lines = Vec::new();
        for log in order.iter().filter_map(|id| logs.remove(id)) {
            let wanted = self.query.tail_lines.min(TAIL_LINES_MAX);
            let limits = &platform.config.log_limits;
            // Who follows gets a line that is being written when it is complete.
            let (texts, offset, rotations) = tail_of(&log, limits, wanted, !self.query.follow);
            lines.extend(texts.into_iter().map(|text| LogLine {
                replica: log.replica.clone(),
                revision: log.revision,
                text,
            }));
            let cursor = Cursor {
                log: log.clone(),
                offset,
                rotations,
                partial: Vec::new(),
            };
            self.cursors.insert(log.replica.clone(), cursor);
        }
        lines
    }

    /// What was written since. A log whose replica has ended is read to its end, then left.
    fn read_on(&mut self, platform: &Shared) -> Vec<LogLine> {
        let living = self.living(platform);
        for log in &living {
            self.cursors
                .entry(log.replica.clone())
                .or_insert_with(|| Cursor {
                    log: log.clone(),
                    offset: 0,
                    rotations: log.lock().count,
                    partial: Vec::new(),
                });
        }
        let mut lines = Vec::new();
        self.cursors.retain(|id, cursor| {
            let lives = living.iter().any(|log| log.replica == *id);
            let before = cursor.offset;
            let bytes = cursor.read().unwrap_or_else(|error| {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(replica = %id, %error, "the log cannot be read");
                }
                Vec::new()
            });
            let at_end = bytes.is_empty() && cursor.offset == before;
            let mut texts = cursor.split(&bytes);
            if at_end && !lives && !cursor.partial.is_empty() {
                texts.push(text_of(&std::mem::take(&mut cursor.partial)));
            }
            lines.extend(texts.into_iter().map(|text| LogLine {
                replica: id.clone(),
                revision: cursor.log.revision,
                text,
            }));
            lives || !at_end
        });
        lines
    }
}

impl Cursor {
    /// The next bytes: first what is left of a file that was rotated away, then the present one.
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let rotations = self.log.lock();
        if rotations.count != self.rotations {
            let missed = rotations.count - self.rotations;
            if missed == 1 {
                let offset = self.offset.saturating_sub(rotations.skipped);
                // It may be gone already: then those lines are lost.
                let bytes =
                    read_from(&self.log.rotated(1), offset, CHUNK_BYTES).unwrap_or_default();
                if !bytes.is_empty() {
                    self.offset = self.offset.max(rotations.skipped) + bytes.len() as u64;
                    return Ok(bytes);
                }
            }
            (self.rotations, self.offset) = (rotations.count, 0);
        }
        let bytes = read_from(self.log.path(), self.offset, CHUNK_BYTES)?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }

    /// The lines that `bytes` complete.
    fn split(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            while self.partial.len() > LINE_BYTES_MAX {
                let rest = self.partial.split_off(LINE_BYTES_MAX);
                lines.push(text_of(&std::mem::replace(&mut self.partial, rest)));
            }
            if self.partial.ends_with(b"\n") {
                lines.push(text_of(&std::mem::take(&mut self.partial)));
            }
        }
        lines
    }
}

/// The last lines of a log, and where reading goes on: offset and number of rotations. With
/// `unfinished`, the last line counts although its end is not written.
fn tail_of(
    log: &ReplicaLog,
    limits: &LogLimits,
    wanted: usize,
    unfinished: bool,
) -> (Vec<String>, u64, u64) {
    let rotations = log.lock();
    let (mut lines, end) = last_lines(log.path(), wanted, unfinished);
    for number in 1..=limits.rotated_max {
        if lines.len() >= wanted {
            break;
        }
        let (mut earlier, _) = last_lines(&log.rotated(number), wanted - lines.len(), true);
        earlier.append(&mut lines);
        lines = earlier;
    }
    (lines, end, rotations.count)
}

/// The last lines of a file, and the offset behind them.
fn last_lines(path: &Path, wanted: usize, unfinished: bool) -> (Vec<String>, u64) {
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let start = length.saturating_sub(TAIL_BYTES);
    let mut bytes = read_from(path, start, TAIL_BYTES).unwrap_or_default();
    if !unfinished {
        let complete = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        bytes.truncate(complete);
    }
    let end = start + bytes.len() as u64;
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if start > 0 && lines.len() > 1 {
        // The window most likely begins within a line.
        lines.remove(0);
    }
    let surplus = lines.len().saturating_sub(wanted);
    (lines.into_iter().skip(surplus).map(text_of).collect(), end)
}

fn read_from(path: &Path, offset: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text_of(bytes: &[u8]) -> String {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

async fn send_all(lines: &mpsc::Sender<LogLine>, batch: Vec<LogLine>) -> bool {
    for line in batch {
        if lines.send(line).await.is_err() {
            return false;
        }
    }
    true
}

//! The chain of the decision log: what an entry's hash covers, and how the whole is verified.
//!
//! What verification can and cannot show: an entry that was changed, removed, reordered or added,
//! and a cut-off end, no longer fit the chain or its head. Somebody who may write the database file
//! and recomputes every hash from there on leaves a chain that fits; it is then the head's hash that
//! differs from one noted elsewhere before. So note [`VerifyReport::head`] outside this machine.
//!
//! Not here: writing entries (`log`).

use crate::error::{Fault, StoreError};
use crate::schema;
use crate::store::{Reader, counted};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// Separates these hashes from all others, and names the encoding.
const DOMAIN: &[u8] = b"sluice decision log 1";

/// SHA-256 of a log entry; in text, 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryHash(pub [u8; 32]);

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for EntryHash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogHead {
    /// Sequence number of the last entry; 0 while there is none.
    pub seq: u64,
    /// Its hash; zeros while there is none.
    pub hash: EntryHash,
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// Entries that were read and fit, up to the first broken one.
    pub entries: u64,
    /// The end of the log as it was recorded.
    pub head: LogHead,
    /// The first entry that does not fit, if there is one.
    pub first_bad: Option<BrokenEntry>,
}

/// An entry that does not fit the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokenEntry {
    /// The sequence number at which the chain breaks.
    pub seq: u64,
    /// How.
    pub problem: LogProblem,
}

/// How an entry fails to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "type"
)]
pub enum LogProblem {
    /// There is no entry of this number; the next one is `next`.
    Removed {
        /// The number that follows.
        next: u64,
    },
    /// The log ends before this number, which was recorded as its end.
    CutOff {
        /// The recorded end.
        recorded: u64,
    },
    /// Time, service or text of the entry are not those that its hash covers.
    Changed,
    /// The entry was not written after the one that now stands before it.
    Unlinked,
    /// The entry comes after the recorded end of the log.
    Added,
    /// The recorded end has another hash than the last entry.
    HeadChanged,
}

impl fmt::Display for BrokenEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.problem {
            LogProblem::Removed { next } => {
                write!(f, "entry {seq} was removed (the next one is {next})")
            }
            LogProblem::CutOff { recorded } => write!(
                f,
                "the log was cut off before entry {seq} (it was recorded up to {recorded})"
            ),
            LogProblem::Changed => write!(f, "entry {seq} was changed"),
            LogProblem::Unlinked => {
                write!(f, "entry {seq} does not follow from the entry before it")
            }
            LogProblem::Added => {
                write!(f, "entry {seq} was added after the recorded end of the log")
            }
            LogProblem::HeadChanged => {
                write!(f, "the recorded end of the log does not match entry {seq}")
            }
        }
    }
}

/// The hash of an entry: SHA-256 over the domain, the number, the time (both as 8 bytes, big-endian),
/// one byte that tells whether there is a service, the service (empty for none), the JSON text
/// exactly as stored, and the former entry's hash, each preceded by its length as 8 bytes, big-endian.
pub(crate) fn entry_hash(
    seq: i64,
    at: i64,
    service: Option<&[u8]>,
    json: &[u8],
    prev: &EntryHash,
) -> EntryHash {
    let mut sha = Sha256::new();
    let present = [u8::from(service.is_some())];
    let service = service.unwrap_or_default();
    for field in [
        DOMAIN,
        &seq.to_be_bytes(),
        &at.to_be_bytes(),
        &present,
        service,
        json,
        &prev.0,
    ] {
        sha.update((field.len() as u64).to_be_bytes());
        sha.update(field);
    }
    EntryHash(sha.finalize().into())
}

/// A hash as stored.
pub(crate) fn read_hash(bytes: &[u8]) -> Option<EntryHash> {
    bytes.try_into().ok().map(EntryHash)
}

impl Reader {
    /// Recomputes the whole chain of the decision log, on a connection of its own: it holds up
    /// neither writers nor other readers, and its memory does not grow with the log.
    ///
    /// # Errors
    /// Those of disk and database. A chain that does not fit is a report, not an error.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let mut connection = schema::open_reader(self.place())?;
        let mut run = || -> Result<VerifyReport, Fault> {
            // One snapshot for the head and all entries.
            let snapshot = connection.transaction()?;
            verify_chain(&snapshot)
        };
        run().map_err(|fault| fault.at(self.place(), format_args!("verify the decision log")))
    }

    /// The end of the log: what to note elsewhere, to compare with later.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn log_head(&self) -> Result<LogHead, StoreError> {
        self.read(
            format_args!("read the end of the decision log"),
            |connection| {
                let (seq, hash) = read_head(connection)?;
                Ok(LogHead {
                    seq: counted(seq),
                    hash,
                })
            },
        )
    }
}

/// The number and hash of the last entry, as recorded.
pub(crate) fn read_head(connection: &Connection) -> Result<(i64, EntryHash), Fault> {
    let mut select = connection.prepare_cached("SELECT seq, hash FROM log_head")?;
    let head = select.query_row((), |row| {
        // A hash of another length fits no entry: verification names it.
        Ok((
            row.get(0)?,
            read_hash(row.get_ref(1)?.as_bytes()?).unwrap_or_default(),
        ))
    });
    head.optional()?
        .ok_or_else(|| Fault::value("the recorded end of the decision log", "it is missing"))
}

fn verify_chain(connection: &Connection) -> Result<VerifyReport, Fault> {
    let (head_seq, head_hash) = read_head(connection)?;
    let mut report = VerifyReport {
        entries: 0,
        head: LogHead {
            seq: counted(head_seq),
            hash: head_hash,
        },
        first_bad: None,
    };
    let mut select = connection
        .prepare("SELECT seq, at, service, json, prev_hash, hash FROM log ORDER BY seq")?;
    let mut rows = select.query(())?;
    let (mut last_seq, mut last_hash) = (0_i64, EntryHash::default());
    let broken = |seq: i64, problem| {
        Some(BrokenEntry {
            seq: counted(seq),
            problem,
        })
    };
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let expected = last_seq + 1;
        if seq != expected || seq > head_seq {
            report.first_bad = if seq > expected && expected <= head_seq {
                broken(expected, LogProblem::Removed { next: counted(seq) })
            } else {
                broken(seq, LogProblem::Added)
            };
            return Ok(report);
        }
        let bytes = |index: usize| -> Result<Option<&[u8]>, rusqlite::Error> {
            Ok(match row.get_ref(index)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
                _ => None,
            })
        };
        let (prev_hash, hash) = (bytes(4)?.and_then(read_hash), bytes(5)?.and_then(read_hash));
        if prev_hash != Some(last_hash) {
            report.first_bad = broken(seq, LogProblem::Unlinked);
            return Ok(report);
        }
        let json = bytes(3)?.unwrap_or_default();
        let computed = entry_hash(seq, row.get(1)?, bytes(2)?, json, &last_hash);
        if hash != Some(computed) {
            report.first_bad = broken(seq, LogProblem::Changed);
            return Ok(report);
        }
        report.entries += 1;
        (last_seq, last_hash) = (seq, computed);
    }
    report.first_bad = if last_seq < head_seq {
        broken(
            last_seq + 1,
            LogProblem::CutOff {
                recorded: counted(head_seq),
            },
        )
    } else if last_hash != head_hash {
        broken(last_seq, LogProblem::HeadChanged)
    } else {
        None
    };
    Ok(report)
}

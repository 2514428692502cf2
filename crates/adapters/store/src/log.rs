//! The decision log: what was decided and why, who asked for it, and what else an audit needs to
//! know. Entries are appended and never change; none is deleted.
//!
//! The only personal data in it is the name of the person who gave a command. Not here: the hashes
//! and their verification (`chain`).

use crate::chain::{EntryHash, entry_hash, read_hash, read_head};
use crate::error::{Fault, StoreError};
use crate::store::{Reader, Store, counted, stored};
use rusqlite::{Row, Transaction};
use serde::{Deserialize, Serialize};
use sluice_model::{ReportEntry, ServiceName, Timestamp};

/// Most entries that one query returns.
pub const LOG_PAGE_MAX: u32 = 1_000;

/// An entry about something that no decision of the engine made: Sluice came up, a deployment was
/// recorded, a checklist was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What happened, in one camel-case word, as rules are named: `started`, `checklistRun`.
    pub rule: String,
    /// The same for people.
    pub message: String,
    /// Who asked for it; absent when Sluice did it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Anything else, as data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Those of this service; all, and those of no service, when absent.
    pub service: Option<ServiceName>,
    /// Those with a higher number than this.
    pub since_seq: u64,
    /// Those with a lower number than this; up to the end when absent.
    pub before_seq: Option<u64>,
    /// At most this many, and never more than [`LOG_PAGE_MAX`]; the latter when 0.
    pub limit: u32,
    /// From the end of the log backwards, instead of forwards from `since_seq`.
    pub newest_first: bool,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// About which service; absent when it is about Sluice as a whole.
    pub service: Option<String>,
    /// The rule that fired, as in [`sluice_model::Rule`]'s JSON, or what a [`Note`] calls it.
    pub rule: String,
    /// The same for people.
    pub message: String,
    /// Who asked for it.
    pub actor: Option<String>,
    /// The whole entry, the JSON text exactly as stored and hashed.
    pub entry: String,
    /// The hash of the entry before; zeros for the first.
    pub prev_hash: EntryHash,
    /// The hash of this entry.
    pub hash: EntryHash,
}

impl LogEntry {
    /// The engine's entry with its evidence; none for a [`Note`].
    #[must_use]
    pub fn report(&self) -> Option<ReportEntry> {
        serde_json::from_str(&self.entry).ok()
    }

    /// The note; none for an entry of the engine.
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        if self.report().is_some() {
            return None;
        }
        serde_json::from_str(&self.entry).ok()
    }
}

/// What every entry's text has.
#[derive(Deserialize)]
struct Headline {
    rule: String,
    message: String,
    actor: Option<String>,
}

impl Store {
    /// Appends an entry that belongs to no transition, and returns its number.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn append(
        &self,
        service: Option<&ServiceName>,
        note: &Note,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write(format_args!("append to the decision log"), |tx| {
            append(tx, at, service, note)
        })
    }
}

impl Reader {
    /// Entries of the log.
    ///
    /// # Errors
    /// Those of disk and database. An entry whose text was made unreadable is returned with a rule
    /// `unreadable`; [`Reader::verify`] tells what happened to it.
    pub fn log(&self, query: &LogQuery) -> Result<Vec<LogEntry>, StoreError> {
        let limit = match query.limit {
            0 => LOG_PAGE_MAX,
            limit => limit.min(LOG_PAGE_MAX),
        };
        let sql = match (&query.service, query.newest_first) {
            (None, false) => {
                "SELECT * FROM log WHERE seq > ?2 AND seq < ?4 AND ?1 IS NULL ORDER BY seq LIMIT ?3"
            }
            (None, true) => {
                "SELECT * FROM log WHERE seq > ?2 AND seq < ?4 AND ?1 IS NULL ORDER BY seq DESC LIMIT ?3"
            }
            (Some(_), false) => {
                "SELECT * FROM log WHERE service = ?1 AND seq > ?2 AND seq < ?4 ORDER BY seq LIMIT ?3"
            }
            (Some(_), true) => {
                "SELECT * FROM log WHERE service = ?1 AND seq > ?2 AND seq < ?4 ORDER BY seq DESC LIMIT ?3"
            }
        };
        self.read(format_args!("read the decision log"), |connection| {
            let mut select = connection.prepare_cached(sql)?;
            let service = query.service.as_ref().map(ServiceName::as_str);
            let before = query.before_seq.map_or(i64::MAX, stored);
            let since = stored(query.since_seq);
            let rows = select.query_map((service, since, limit, before), read_entry)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<LogEntry> {
    let entry = String::from_utf8_lossy(row.get_ref("json")?.as_bytes()?).into_owned();
    let headline: Headline = serde_json::from_str(&entry).unwrap_or_else(|error| Headline {
        rule: "unreadable".to_owned(),
        message: format!("the entry's text is not what Sluice wrote: {error}"),
        actor: None,
    });
    let hash = |column: &str| -> rusqlite::Result<EntryHash> {
        Ok(read_hash(row.get_ref(column)?.as_bytes()?).unwrap_or_default())
    };
    Ok(LogEntry {
        seq: counted(row.get("seq")?),
        at: Timestamp(row.get("at")?),
        service: row.get("service")?,
        rule: headline.rule,
        message: headline.message,
        actor: headline.actor,
        entry,
        prev_hash: hash("prev_hash")?,
        hash: hash("hash")?,
    })
}

/// The number that the next entry gets.
pub(crate) fn next_seq(tx: &Transaction<'_>) -> Result<u64, Fault> {
    Ok(counted(read_head(tx)?.0) + 1)
}

/// Appends one entry and moves the head to it.
///
/// The entry follows the recorded head, not the last row: after the end was cut off, new entries
/// leave a gap that verification finds, instead of covering it up.
pub(crate) fn append(
    tx: &Transaction<'_>,
    at: Timestamp,
    service: Option<&ServiceName>,
    entry: &impl Serialize,
) -> Result<u64, Fault> {
    let json = serde_json::to_string(entry)
        .map_err(|error| Fault::value("the entry of the decision log", error))?;
    let (last, prev_hash) = read_head(tx)?;
    let seq = last + 1;
    let service = service.map(ServiceName::as_str);
    let hash = entry_hash(
        seq,
        at.0,
        service.map(str::as_bytes),
        json.as_bytes(),
        &prev_hash,
    );
    tx.prepare_cached(
        "INSERT INTO log (seq, at, service, json, prev_hash, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((seq, at.0, service, json, prev_hash.0, hash.0))?;
    tx.prepare_cached("UPDATE log_head SET seq = ?1, hash = ?2")?
        .execute((seq, hash.0))?;
    Ok(counted(seq))
}

//! What was counted in each minute of a service's revisions, for the last days: limits are tuned by it.
//!
//! A minute is written when it is over, so that a crash loses the present one at most. It is no part of any
//! decision.

use crate::error::{Fault, StoreError};
use crate::store::{Reader, Store, ensure_service};
use rusqlite::Transaction;
use sluice_model::{Minute, ServiceName, Timestamp};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// How long minutes are kept; with the bound on the revisions of a minute this bounds how many there are, at
/// some 10 MiB of a busy service.
pub const MINUTES_KEPT: Duration = Duration::from_secs(14 * 86_400);
/// Most revisions of one service that a minute is kept of: the stable one, and those that were tried.
pub const REVISIONS_IN_A_MINUTE: usize = 4;
/// Longest time whose minutes are read at once: they are held in memory.
pub const MINUTES_AT_ONCE: Duration = Duration::from_secs(86_400);

const PUT: &str = "INSERT INTO minute (service, at, revision, json) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (service, at, revision) DO UPDATE SET json = excluded.json";
/// One statement for both ends would look at every minute of the service.
const FORGET_OLD: &str = "DELETE FROM minute WHERE service = ?1 AND at <= ?2";
const FORGET_LATER: &str = "DELETE FROM minute WHERE service = ?1 AND at > ?2";

impl Store {
    /// Writes minutes that are over, of one or several services, and drops what is older than [`MINUTES_KEPT`]
    /// before a service's last one, or later than it: then the clock went back, and what it said is not known.
    /// A minute that is there already is replaced. Of the revisions of a minute, the highest
    /// [`REVISIONS_IN_A_MINUTE`] of those given are taken.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn append_minutes(&self, minutes: &[(ServiceName, Minute)]) -> Result<(), StoreError> {
        let mut newest: BTreeMap<&ServiceName, Timestamp> = BTreeMap::new();
        let mut together: BTreeMap<(&ServiceName, Timestamp), Vec<&Minute>> = BTreeMap::new();
        for (service, minute) in minutes {
            let last = newest.entry(service).or_insert(minute.at);
            *last = minute.at.max(*last);
            together
                .entry((service, minute.at))
                .or_default()
                .push(minute);
        }
        self.write(format_args!("record what was counted in a minute"), |tx| {
            for ((service, _), mut of_revisions) in together {
                ensure_service(tx, service)?;
                of_revisions.sort_by_key(|minute| std::cmp::Reverse(minute.revision));
                for minute in of_revisions.into_iter().take(REVISIONS_IN_A_MINUTE) {
                    put(tx, service, minute)?;
                }
            }
            newest
                .into_iter()
                .try_for_each(|(service, newest)| prune(tx, service, newest))
        })
    }
}

impl Reader {
    /// The minutes of a service that began within `range`, by time and revision; of no more than its first
    /// [`MINUTES_AT_ONCE`].
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn minutes(
        &self,
        service: &ServiceName,
        range: Range<Timestamp>,
    ) -> Result<Vec<Minute>, StoreError> {
        let until = range.end.min(range.start.after(MINUTES_AT_ONCE));
        // Parsed when the connection is free again: the control loop reads by it, too.
        let stored: Vec<String> = self.read(
            format_args!("read the minutes of `{service}`"),
            |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT json FROM minute WHERE service = ?1 AND at >= ?2 AND at < ?3 ORDER BY at, revision",
                )?;
                let rows = select.query_map((service.as_str(), range.start.0, until.0), |row| {
                    row.get::<_, String>(0)
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            },
        )?;
        let parsed = stored.iter().map(|json| serde_json::from_str(json));
        parsed.collect::<Result<_, _>>().map_err(|error| {
            Fault::value(format_args!("a minute of `{service}`"), error).at(
                self.place(),
                format_args!("read the minutes of `{service}`"),
            )
        })
    }
}

fn put(tx: &Transaction<'_>, service: &ServiceName, minute: &Minute) -> Result<(), Fault> {
    let json = serde_json::to_string(minute)
        .map_err(|error| Fault::value(format_args!("a minute of `{service}`"), error))?;
    tx.prepare_cached(PUT)?
        .execute((service.as_str(), minute.at.0, minute.revision.0, json))?;
    Ok(())
}

fn prune(tx: &Transaction<'_>, service: &ServiceName, newest: Timestamp) -> Result<(), Fault> {
    let kept = i64::try_from(MINUTES_KEPT.as_millis()).unwrap_or(i64::MAX);
    tx.prepare_cached(FORGET_OLD)?
        .execute((service.as_str(), newest.shifted(-kept).0))?;
    tx.prepare_cached(FORGET_LATER)?
        .execute((service.as_str(), newest.0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// The control thread writes minutes between two looks: what that takes must not grow with the history.
    #[test]
    fn writing_a_minute_looks_at_no_other_minute() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Store::open(folder.path()).expect("a store"));
        let database = std::fs::read_dir(folder.path()).expect("a folder");
        let database = database
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|ext| ext == "db"))
            .expect("a database");
        let connection = Connection::open(database).expect("a database");
        for sql in [PUT, FORGET_OLD, FORGET_LATER] {
            let explained = format!("EXPLAIN QUERY PLAN {sql}");
            let mut explain = connection.prepare(&explained).expect("a statement");
            let mut rows = explain.raw_query();
            while let Some(row) = rows.next().expect("a row") {
                let step: String = row.get("detail").expect("a step");
                assert!(
                    step.starts_with("SEARCH") && step.contains("service=? AND at"),
                    "{sql}: {step}"
                );
            }
        }
    }
}

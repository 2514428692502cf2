//! Statuses, and the transaction that moves one: status, log, answers and pruning together.
//!
//! Not here: how the entries are chained (`chain`), or what is kept of commands and effects
//! (`commands`, `effects`).

use crate::error::{Fault, StoreError};
use crate::store::{Reader, Store, stored};
use crate::{commands, effects, log};
use rusqlite::{OptionalExtension, Transaction as Sql};
use sluice_model::report::CommandAnswer;
use sluice_model::{ReportEntry, ServiceName, ServiceStatus, Timestamp};
use std::ops::Range;

/// What one decision changes in the store.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// The status from now on.
    pub status: &'a ServiceStatus,
    /// What explains it; appended to the decision log.
    pub entries: &'a [ReportEntry],
    /// Answers to commands. A command keeps its first answer.
    pub answers: &'a [CommandAnswer],
    /// The time of the decision.
    pub at: Timestamp,
}

impl Store {
    /// Writes a transition in one transaction, and drops what the new status makes obsolete. When
    /// this returns `Ok`, all of it is on disk; otherwise, none of it has happened.
    ///
    /// Returns the sequence numbers of the new log entries.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn commit(&self, transition: &Transition<'_>) -> Result<Range<u64>, StoreError> {
        let service = &transition.status.service;
        self.write(format_args!("record the status of `{service}`"), |tx| {
            put_status(tx, transition.status)?;
            let first = log::next_seq(tx)?;
            let mut next = first;
            for entry in transition.entries {
                next = log::append(tx, transition.at, Some(service), entry)? + 1;
            }
            if !transition.answers.is_empty() {
                commands::put_answers(tx, service, transition.answers, transition.at)?;
            }
            Ok(first..next)
        })
    }
}

impl Reader {
    /// The statuses of all services that ever had one, by name.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn statuses(&self) -> Result<Vec<ServiceStatus>, StoreError> {
        self.read(format_args!("read the statuses"), |connection| {
            let mut select = connection.prepare_cached(
                "SELECT name, status FROM service WHERE status IS NOT NULL ORDER BY name",
            )?;
            let rows = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.map(|row| {
                let (name, json): (String, String) = row?;
                parse_status(&name, &json)
            })
            .collect()
        })
    }

    /// The status of one service, if it ever had one.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn status(&self, service: &ServiceName) -> Result<Option<ServiceStatus>, StoreError> {
        self.read(
            format_args!("read the status of `{service}`"),
            |connection| get_status(connection, service),
        )
    }
}

/// The stored status of a service, if it ever had one.
pub(crate) fn get_status(
    connection: &rusqlite::Connection,
    service: &ServiceName,
) -> Result<Option<ServiceStatus>, Fault> {
    let json: Option<Option<String>> = connection
        .prepare_cached("SELECT status FROM service WHERE name = ?1")?
        .query_row([service.as_str()], |row| row.get(0))
        .optional()?;
    json.flatten()
        .map(|json| parse_status(service.as_str(), &json))
        .transpose()
}

fn parse_status(name: &str, json: &str) -> Result<ServiceStatus, Fault> {
    serde_json::from_str(json)
        .map_err(|error| Fault::value(format_args!("the status of `{name}`"), error))
}

fn put_status(tx: &Sql<'_>, status: &ServiceStatus) -> Result<(), Fault> {
    let service = &status.service;
    let json = serde_json::to_string(status)
        .map_err(|error| Fault::value(format_args!("the status of `{service}`"), error))?;
    let rollout = status
        .rollout
        .as_ref()
        .map_or(0, |rollout| stored(rollout.id.0));
    let former: Option<i64> = tx
        .prepare_cached("SELECT rollout FROM service WHERE name = ?1")?
        .query_row([service.as_str()], |row| row.get(0))
        .optional()?;
    tx.prepare_cached(
        // An abort that could not be stored has a number that was never given here; none is given twice.
        "INSERT INTO service (name, status, rollout, last_command) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET status = excluded.status, rollout = excluded.rollout,
         last_command = max(last_command, excluded.last_command)",
    )?
    .execute((
        service.as_str(),
        json,
        rollout,
        stored(status.last_command.0),
    ))?;
    if former.is_some_and(|former| former != rollout) {
        effects::prune(tx, service, rollout)?;
    }
    Ok(())
}

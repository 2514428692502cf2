//! Revisions: numbered when they are made, never changed, dropped when nothing needs them.
//!
//! Not here: the copies of their artifacts, which the platform keeps by digest.

use crate::commands;
use crate::error::{Fault, StoreError};
use crate::status::get_status;
use crate::store::{Reader, Store, counted, ensure_service};
use rusqlite::{Connection, Params, Transaction};
use sluice_model::workload::{Listener, Workload};
use sluice_model::{
    CommandId, CommandKind, Plan, Revision, RevisionNumber, ServiceName, Timestamp,
};
use std::collections::BTreeSet;

/// A revision before it has a number; the fields are those of [`Revision`].
#[derive(Clone, Debug, PartialEq)]
pub struct NewRevision {
    /// Of which service.
    pub service: ServiceName,
    /// SHA-256 (hex) over the workload and the contents of its artifacts.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// Why, or from what; for people.
    pub note: Option<String>,
    /// What runs.
    pub workload: Workload,
    /// How the service is reached.
    pub listener: Listener,
    /// How it is rolled out.
    pub plan: Plan,
}

impl NewRevision {
    fn numbered(self, number: RevisionNumber) -> Revision {
        Revision {
            service: self.service,
            number,
            digest: self.digest,
            created_at: self.created_at,
            actor: self.actor,
            note: self.note,
            workload: self.workload,
            listener: self.listener,
            plan: self.plan,
        }
    }
}

impl Store {
    /// Stores a revision under the service's next number. Numbers are never given twice, also not
    /// after the revision was dropped.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn create_revision(&self, new: NewRevision) -> Result<Revision, StoreError> {
        let service = new.service.clone();
        self.write(format_args!("record a revision of `{service}`"), |tx| {
            ensure_service(tx, &service)?;
            let number: u32 = tx
                .prepare_cached(
                    "UPDATE service SET last_revision = last_revision + 1 WHERE name = ?1
                     RETURNING last_revision",
                )?
                .query_row([service.as_str()], |row| row.get(0))?;
            let revision = new.numbered(RevisionNumber(number));
            let json = serde_json::to_string(&revision).map_err(|error| {
                Fault::value(format_args!("revision {number} of `{service}`"), error)
            })?;
            tx.prepare_cached(
                "INSERT INTO revision (service, number, digest, json) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((service.as_str(), number, &revision.digest, json))?;
            Ok(revision)
        })
    }

    /// Drops the revisions that are neither in `keep` nor among the newest `history_limit`, and
    /// returns their numbers.
    ///
    /// Whatever the caller says, a revision stays that the stored status names as stable, last
    /// former stable, target, kept or in the routing, and one that a waiting command asks for.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn prune_revisions(
        &self,
        service: &ServiceName,
        keep: &BTreeSet<RevisionNumber>,
        history_limit: u32,
    ) -> Result<Vec<RevisionNumber>, StoreError> {
        self.write(format_args!("drop old revisions of `{service}`"), |tx| {
            let needed = needed(tx, service)?;
            let old: Vec<u32> = tx
                .prepare_cached(
                    "SELECT number FROM revision WHERE service = ?1 AND number NOT IN
                       (SELECT number FROM revision WHERE service = ?1
                        ORDER BY number DESC LIMIT ?2)
                     ORDER BY number",
                )?
                .query_map((service.as_str(), history_limit), |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let mut delete =
                tx.prepare_cached("DELETE FROM revision WHERE service = ?1 AND number = ?2")?;
            let mut dropped = Vec::new();
            for number in old.into_iter().map(RevisionNumber) {
                if !keep.contains(&number) && !needed.contains(&number) {
                    delete.execute((service.as_str(), number.0))?;
                    dropped.push(number);
                }
            }
            Ok(dropped)
        })
    }
}

impl Reader {
    /// One revision, if it (still) exists.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn revision(
        &self,
        service: &ServiceName,
        number: RevisionNumber,
    ) -> Result<Option<Revision>, StoreError> {
        self.read(
            format_args!("read revision {number} of `{service}`"),
            |connection| {
                let sql = "SELECT number, json FROM revision WHERE service = ?1 AND number = ?2";
                Ok(select(connection, sql, (service.as_str(), number.0))?.pop())
            },
        )
    }

    /// All revisions of a service, oldest first.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn revisions(&self, service: &ServiceName) -> Result<Vec<Revision>, StoreError> {
        self.read(
            format_args!("read the revisions of `{service}`"),
            |connection| {
                let sql = "SELECT number, json FROM revision WHERE service = ?1 ORDER BY number";
                select(connection, sql, [service.as_str()])
            },
        )
    }

    /// The newest revision with this digest.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn revision_by_digest(
        &self,
        service: &ServiceName,
        digest: &str,
    ) -> Result<Option<Revision>, StoreError> {
        self.read(
            format_args!("look for a revision of `{service}`"),
            |connection| {
                let sql = "SELECT number, json FROM revision WHERE service = ?1 AND digest = ?2
                       ORDER BY number DESC LIMIT 1";
                Ok(select(connection, sql, (service.as_str(), digest))?.pop())
            },
        )
    }
}

fn select(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<Revision>, Fault> {
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    rows.map(|row| {
        let (number, json) = row?;
        serde_json::from_str(&json)
            .map_err(|error| Fault::value(format_args!("revision {}", counted(number)), error))
    })
    .collect()
}

/// The revisions that the stored status and the waiting commands need.
fn needed(tx: &Transaction<'_>, service: &ServiceName) -> Result<BTreeSet<RevisionNumber>, Fault> {
    let mut needed = BTreeSet::new();
    if let Some(status) = get_status(tx, service)? {
        needed.extend(status.stable);
        // Also an aborted rollout's target (a retry) and the last former stable revision (an undo).
        needed.extend(status.rollout.map(|rollout| rollout.target));
        needed.extend(status.former.first());
        needed.extend(status.kept.keys());
        needed.extend(status.restoring.map(|restoring| restoring.from));
        needed.extend(status.routes.weights.keys());
    }
    for command in commands::pending(tx, service, CommandId(0))? {
        match command.kind {
            CommandKind::Deploy { revision } => needed.extend([revision]),
            CommandKind::Undo { to } => needed.extend(to),
            _ => {}
        }
    }
    Ok(needed)
}

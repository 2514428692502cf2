//! The operators' inbox: a command is on disk before its sender hears of its number, and waits there
//! until a decision answers it.
//!
//! Not here: what a command does (the engine), or the answer's way into the store (`status`).

use crate::error::{Fault, StoreError};
use crate::store::{Reader, Store, counted, ensure_service, stored};
use rusqlite::{OptionalExtension, Transaction};
use sluice_model::report::CommandAnswer;
use sluice_model::{Command, CommandId, CommandKind, CommandOutcome, ServiceName, Timestamp};

/// Commands of one service that may wait for an answer at a time: far more than people send while
/// one decision is made, and few enough to be decided on at once.
pub const COMMANDS_PENDING_MAX: u64 = 64;

/// Answered commands of one service whose answers are kept for those who still ask.
pub const COMMANDS_ANSWERED_KEPT: u64 = 256;

impl Store {
    /// Puts a command into the service's inbox, durably.
    ///
    /// # Errors
    /// [`StoreError::InboxFull`] when [`COMMANDS_PENDING_MAX`] commands wait already, and those of
    /// disk and database.
    pub fn add_command(
        &self,
        service: &ServiceName,
        actor: &str,
        kind: CommandKind,
        at: Timestamp,
    ) -> Result<CommandId, StoreError> {
        self.write(format_args!("record a command to `{service}`"), |tx| {
            ensure_service(tx, service)?;
            let waiting: i64 = tx
                .prepare_cached(
                    "SELECT count(*) FROM command WHERE service = ?1 AND outcome IS NULL",
                )?
                .query_row([service.as_str()], |row| row.get(0))?;
            if counted(waiting) >= COMMANDS_PENDING_MAX {
                return Err(Fault::Told(StoreError::InboxFull {
                    service: service.to_string(),
                    waiting: counted(waiting),
                }));
            }
            let id: i64 = tx
                .prepare_cached(
                    "UPDATE service SET last_command = last_command + 1 WHERE name = ?1
                     RETURNING last_command",
                )?
                .query_row([service.as_str()], |row| row.get(0))?;
            let id = CommandId(counted(id));
            let command = Command {
                id,
                actor: actor.to_owned(),
                at,
                kind,
            };
            let json = serde_json::to_string(&command)
                .map_err(|error| Fault::value(format_args!("command {id}"), error))?;
            tx.prepare_cached("INSERT INTO command (service, id, json) VALUES (?1, ?2, ?3)")?
                .execute((service.as_str(), stored(id.0), json))?;
            Ok(id)
        })
    }
}

impl Reader {
    /// The commands after `after` that no decision has answered, by rising number.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn pending_commands(
        &self,
        service: &ServiceName,
        after: CommandId,
    ) -> Result<Vec<Command>, StoreError> {
        self.read(
            format_args!("read the commands to `{service}`"),
            |connection| pending(connection, service, after),
        )
    }

    /// What became of a command; none while it waits, when it never existed, and when more than
    /// [`COMMANDS_ANSWERED_KEPT`] came after it.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn answer(
        &self,
        service: &ServiceName,
        id: CommandId,
    ) -> Result<Option<CommandOutcome>, StoreError> {
        self.read(
            format_args!("read the answer to command {id} of `{service}`"),
            |connection| {
                let json: Option<Option<String>> = connection
                    .prepare_cached("SELECT outcome FROM command WHERE service = ?1 AND id = ?2")?
                    .query_row((service.as_str(), stored(id.0)), |row| row.get(0))
                    .optional()?;
                json.flatten()
                    .map(|json| serde_json::from_str(&json))
                    .transpose()
                    .map_err(|error| {
                        Fault::value(format_args!("the answer to command {id}"), error)
                    })
            },
        )
    }
}

/// The commands that wait.
pub(crate) fn pending(
    connection: &rusqlite::Connection,
    service: &ServiceName,
    after: CommandId,
) -> Result<Vec<Command>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT id, json FROM command
         WHERE service = ?1 AND id > ?2 AND outcome IS NULL ORDER BY id",
    )?;
    let rows = select.query_map((service.as_str(), stored(after.0)), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    rows.map(|row| {
        let (id, json) = row?;
        serde_json::from_str(&json)
            .map_err(|error| Fault::value(format_args!("command {id} of `{service}`"), error))
    })
    .collect()
}

/// Answers commands; one that is answered already keeps its answer.
pub(crate) fn put_answers(
    tx: &Transaction<'_>,
    service: &ServiceName,
    answers: &[CommandAnswer],
    at: Timestamp,
) -> Result<(), Fault> {
    let mut update = tx.prepare_cached(
        "UPDATE command SET outcome = ?3, answered_at = ?4
         WHERE service = ?1 AND id = ?2 AND outcome IS NULL",
    )?;
    for answer in answers {
        let id = answer.id;
        let json = serde_json::to_string(&answer.outcome)
            .map_err(|error| Fault::value(format_args!("the answer to command {id}"), error))?;
        let answered = update.execute((service.as_str(), stored(id.0), json, at.0))?;
        if answered == 0 {
            tracing::warn!(%service, command = id.0, "the answered command does not wait in the store");
        }
    }
    tx.prepare_cached(
        "DELETE FROM command WHERE service = ?1 AND outcome IS NOT NULL
         AND id <= (SELECT last_command FROM service WHERE name = ?1) - ?2",
    )?
    .execute((service.as_str(), stored(COMMANDS_ANSWERED_KEPT)))?;
    Ok(())
}

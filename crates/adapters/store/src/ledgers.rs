//! What the comparisons of running rollouts have counted: written every so often, read once after a start.
//!
//! It is no part of a decision's transaction: what is lost between the last writing and a crash is evidence that
//! is gathered again. The evidence that a decision stands on is in the log, with the decision.

use crate::error::{Fault, StoreError};
use crate::store::{Reader, Store, ensure_service};
use rusqlite::OptionalExtension;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_model::ServiceName;

impl Store {
    /// Puts a service's ledger in the place of the one before; `None` forgets it.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn save_ledger<L: Serialize>(
        &self,
        service: &ServiceName,
        ledger: Option<&L>,
    ) -> Result<(), StoreError> {
        self.write(
            format_args!("store what was counted of `{service}`"),
            |tx| {
                let Some(ledger) = ledger else {
                    tx.prepare_cached("DELETE FROM ledger WHERE service = ?1")?
                        .execute([service.as_str()])?;
                    return Ok(());
                };
                let json = serde_json::to_string(ledger).map_err(|error| {
                    Fault::value(format_args!("the ledger of `{service}`"), error)
                })?;
                ensure_service(tx, service)?;
                tx.prepare_cached(
                    "INSERT INTO ledger (service, json) VALUES (?1, ?2)
                 ON CONFLICT (service) DO UPDATE SET json = excluded.json",
                )?
                .execute((service.as_str(), json))?;
                Ok(())
            },
        )
    }
}

impl Reader {
    /// The ledger that was stored last; `None` when there is none, or when another version wrote it in a form
    /// that is not known here: then the evidence is gathered anew.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn ledger<L: DeserializeOwned>(
        &self,
        service: &ServiceName,
    ) -> Result<Option<L>, StoreError> {
        let json: Option<String> = self.read(
            format_args!("read what was counted of `{service}`"),
            |connection| {
                let mut select =
                    connection.prepare_cached("SELECT json FROM ledger WHERE service = ?1")?;
                Ok(select
                    .query_row([service.as_str()], |row| row.get(0))
                    .optional()?)
            },
        )?;
        Ok(json.and_then(|json| match serde_json::from_str(&json) {
            Ok(ledger) => Some(ledger),
            Err(error) => {
                tracing::warn!(%service, %error, "what was counted before cannot be read; it is counted anew");
                None
            }
        }))
    }
}

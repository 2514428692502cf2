//! What became of effects: written when one starts and when it ends, so that a restart neither
//! forgets an outcome nor takes an unfinished effect for one that was never begun.
//!
//! Not here: running them (`sluice-hooks`), or asking for them (the engine).

use crate::error::{Fault, StoreError};
use crate::store::{Reader, Store, ensure_service, stored};
use rusqlite::Transaction;
use sluice_model::{EffectId, EffectOutcome, ServiceName, Timestamp};
use std::collections::BTreeMap;

/// Rollouts before the present one whose effects are kept, for results that come late.
pub const EFFECT_ROLLOUTS_KEPT: u64 = 2;

impl Store {
    /// Notes that an effect of the service's present rollout starts. One that is known already
    /// stays as it is.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn effect_started(
        &self,
        service: &ServiceName,
        id: &EffectId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(format_args!("record the start of effect `{id}`"), |tx| {
            ensure_service(tx, service)?;
            insert_started(tx, service, id, at)
        })
    }

    /// Notes what became of an effect. The first outcome stays; [`EffectOutcome::Running`] is a
    /// start.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn effect_finished(
        &self,
        service: &ServiceName,
        id: &EffectId,
        outcome: &EffectOutcome,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(format_args!("record the outcome of effect `{id}`"), |tx| {
            ensure_service(tx, service)?;
            insert_started(tx, service, id, at)?;
            if matches!(outcome, EffectOutcome::Running) {
                return Ok(());
            }
            let json = serde_json::to_string(outcome)
                .map_err(|error| Fault::value(format_args!("the outcome of `{id}`"), error))?;
            tx.prepare_cached(
                "UPDATE effect SET outcome = ?3, finished_at = ?4
                 WHERE service = ?1 AND id = ?2 AND outcome IS NULL",
            )?
            .execute((service.as_str(), id.as_str(), json, at.0))?;
            Ok(())
        })
    }
}

impl Reader {
    /// The effects of a service whose id begins with `prefix` (all with an empty one). One that was
    /// started and has no outcome is [`EffectOutcome::Running`], also when the process that ran it
    /// is gone: start it again under the same id.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn effects(
        &self,
        service: &ServiceName,
        prefix: &str,
    ) -> Result<BTreeMap<EffectId, EffectOutcome>, StoreError> {
        self.read(
            format_args!("read the effects of `{service}`"),
            |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT id, outcome FROM effect
                 WHERE service = ?1 AND id >= ?2 AND substr(id, 1, length(?2)) = ?2 ORDER BY id",
                )?;
                let rows = select.query_map((service.as_str(), prefix), |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
                })?;
                rows.map(|row| {
                    let (id, json) = row?;
                    let outcome = match json {
                        None => EffectOutcome::Running,
                        Some(json) => serde_json::from_str(&json).map_err(|error| {
                            Fault::value(format_args!("the outcome of `{id}`"), error)
                        })?,
                    };
                    Ok((EffectId(id), outcome))
                })
                .collect()
            },
        )
    }
}

fn insert_started(
    tx: &Transaction<'_>,
    service: &ServiceName,
    id: &EffectId,
    at: Timestamp,
) -> Result<(), Fault> {
    // The status that asks for an effect is stored before the effect starts: the service's present
    // rollout is the effect's.
    tx.prepare_cached(
        "INSERT INTO effect (service, id, rollout, started_at)
         SELECT name, ?2, rollout, ?3 FROM service WHERE name = ?1
         ON CONFLICT (service, id) DO NOTHING",
    )?
    .execute((service.as_str(), id.as_str(), at.0))?;
    Ok(())
}

/// Drops the effects of rollouts long before `rollout`.
pub(crate) fn prune(
    tx: &Transaction<'_>,
    service: &ServiceName,
    rollout: i64,
) -> Result<(), Fault> {
    tx.prepare_cached("DELETE FROM effect WHERE service = ?1 AND rollout < ?2 - ?3")?
        .execute((service.as_str(), rollout, stored(EFFECT_ROLLOUTS_KEPT)))?;
    Ok(())
}

//! The handles: [`Store`] for the one process that runs the services, [`Reader`] for everybody who
//! only looks.
//!
//! Not here: what the operations do; each concept has its own file with its part of both handles.

use crate::error::{Fault, StoreError, file_error};
use crate::lock::StateLock;
use crate::schema;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use sluice_model::ServiceName;
use std::fmt;
use std::fs::DirBuilder;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The state folder, held for writing. Clones share one writer and one reader; the lock of the
/// folder is let go with the last of them.
///
/// Every method of [`Reader`] is there as well, and sees what was committed before.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Fields are dropped in this order: the writer after the reader, so that it can tidy up the
/// write-ahead log.
#[derive(Debug)]
struct Inner {
    reader: Reader,
    writer: Mutex<Writer>,
}

/// The one who may write, as long as the folder is held; the lock is let go last.
#[derive(Debug)]
struct Writer {
    connection: Connection,
    lock: Option<StateLock>,
}

/// The state, for reading only. It needs no lock: it can be opened while a Sluice runs, on a stopped
/// state folder, and on a read-only file system.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: PathBuf,
    connection: Mutex<Connection>,
}

impl Store {
    /// Takes the lock of the state folder, creates the folder (readable by this user only) and the
    /// database where they are absent, and brings an older format up to date.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process holds the folder, [`StoreError::Newer`] when a
    /// newer version wrote it, and the errors of disk and database.
    pub fn open(state_dir: &Path) -> Result<Store, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state_dir)
            .map_err(|error| {
                file_error(error, state_dir, format_args!("create the state folder"))
            })?;
        let lock = StateLock::take(state_dir)?;
        let writer = schema::open_writer(&schema::database_path(state_dir))?;
        let reader = Reader::open(state_dir)?;
        Ok(Store {
            inner: Arc::new(Inner {
                reader,
                writer: Mutex::new(Writer {
                    connection: writer,
                    lock: Some(lock),
                }),
            }),
        })
    }

    /// The reading half, for those who must not write.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.inner.reader.clone()
    }

    /// Lets the state folder go for a successor, whoever still holds a clone: from here on every
    /// write fails with [`StoreError::Released`].
    pub fn release(&self) {
        let mut writer = self
            .inner
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        writer.lock = None;
    }

    /// Remembers a value that belongs to no service, in place of a former one.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn meta_set(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.write(format_args!("remember `{key}`"), |tx| {
            tx.prepare_cached(
                "INSERT INTO meta (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?
            .execute([key, value])?;
            Ok(())
        })
    }

    /// Runs `work` in one transaction that is on disk when this returns, or has not happened.
    pub(crate) fn write<T>(
        &self,
        attempt: fmt::Arguments<'_>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        // A panic while the lock was held has rolled its transaction back: the connection is sound.
        let mut writer = self
            .inner
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if writer.lock.is_none() {
            let place = self.place().to_owned();
            return Err(StoreError::Released {
                place,
                attempt: attempt.to_string(),
            });
        }
        let run = || -> Result<T, Fault> {
            let tx = writer
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        };
        run().map_err(|fault| fault.at(self.place(), attempt))
    }
}

impl Deref for Store {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.inner.reader
    }
}

impl Reader {
    /// Opens a state folder for reading.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no state, [`StoreError::Newer`] and
    /// [`StoreError::Older`] when this version cannot read its format, and the errors of disk and
    /// database.
    pub fn open(state_dir: &Path) -> Result<Reader, StoreError> {
        let place = schema::database_path(state_dir);
        let connection = Mutex::new(schema::open_reader(&place)?);
        Ok(Reader {
            shared: Arc::new(Shared { place, connection }),
        })
    }

    /// The value that was remembered under `key`.
    ///
    /// # Errors
    /// Those of disk and database.
    pub fn meta_get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.read(format_args!("read `{key}`"), |connection| {
            let mut select = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
            Ok(select.query_row([key], |row| row.get(0)).optional()?)
        })
    }

    /// The database file.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.shared.place
    }

    /// Runs `work` on the shared reading connection.
    pub(crate) fn read<T>(
        &self,
        attempt: fmt::Arguments<'_>,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let connection = self
            .shared
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&connection).map_err(|fault| fault.at(self.place(), attempt))
    }
}

/// Lays the row that everything of a service refers to.
pub(crate) fn ensure_service(tx: &Transaction<'_>, service: &ServiceName) -> Result<(), Fault> {
    tx.prepare_cached("INSERT INTO service (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
        .execute([service.as_str()])?;
    Ok(())
}

/// A count or number as SQLite stores it; no counter of Sluice comes near the end of the range.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A stored count or number.
pub(crate) fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn a_database_that_cannot_grow_is_a_full_disk_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let limit = |pages: i64| {
            let writer = store.inner.writer.lock().unwrap();
            writer
                .connection
                .pragma_update(None, "max_page_count", pages)
                .unwrap();
        };
        store.meta_set("small", "kept").unwrap();
        limit(1);
        let error = store.meta_set("large", &"x".repeat(100_000)).unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        assert!(
            error.to_string().contains("disk is full; free some space"),
            "{error}"
        );
        assert_eq!(store.meta_get("small").unwrap().as_deref(), Some("kept"));
        assert_eq!(store.meta_get("large").unwrap(), None);
        limit(1_000_000);
        store.meta_set("large", "fits now").unwrap();
        assert_eq!(
            store.meta_get("large").unwrap().as_deref(),
            Some("fits now")
        );
    }
}

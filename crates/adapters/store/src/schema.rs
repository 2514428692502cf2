//! The database file: its tables, its versions, and how a connection to it is opened.
//!
//! Not here: what is written into the tables (`status`, `revisions`, `commands`, `effects`, `log`, `minutes`).

use crate::error::{Fault, StoreError, file_error};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database's name within the state folder.
pub const DATABASE_FILE: &str = "sluice.db";

/// The state format that this build writes (`PRAGMA user_version`).
pub const SCHEMA_VERSION: i64 = STEPS.len() as i64;

/// `SLUC`: marks the file as Sluice's (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x534C_5543;

/// Longest wait for a lock that another program holds on the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Size that the write-ahead log is cut back to after a checkpoint, in bytes.
const WAL_BYTES_KEPT: i64 = 4 << 20;

/// The key of the version of Sluice that laid the present format.
const WRITTEN_BY: &str = "sluice.version";

/// What brings the format from its index to the next one. A published step is never edited.
const STEPS: &[&str] = &[V1, V2, V3];

/// The log accepts nothing but the entry after the head: an update, a deletion, a replacement or an
/// entry out of turn is refused by the database itself.
const V1: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE service (
    name TEXT PRIMARY KEY,
    status TEXT,
    rollout INTEGER NOT NULL DEFAULT 0,
    last_revision INTEGER NOT NULL DEFAULT 0,
    last_command INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE revision (
    service TEXT NOT NULL REFERENCES service (name),
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (service, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX revision_by_digest ON revision (service, digest, number);

CREATE TABLE command (
    service TEXT NOT NULL REFERENCES service (name),
    id INTEGER NOT NULL,
    json TEXT NOT NULL,
    outcome TEXT,
    answered_at INTEGER,
    PRIMARY KEY (service, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX command_pending ON command (service, id) WHERE outcome IS NULL;

CREATE TABLE effect (
    service TEXT NOT NULL REFERENCES service (name),
    id TEXT NOT NULL,
    rollout INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    outcome TEXT,
    PRIMARY KEY (service, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    service TEXT,
    json TEXT NOT NULL,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX log_by_service ON log (service, seq);

CREATE TABLE log_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
INSERT INTO log_head (id, seq, hash) VALUES (1, 0, zeroblob(32));

CREATE TRIGGER log_keeps_entries BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER log_keeps_contents BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER log_grows_at_its_end BEFORE INSERT ON log
WHEN NEW.seq IS NOT (SELECT seq + 1 FROM log_head)
BEGIN SELECT RAISE(ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER log_head_stays BEFORE DELETE ON log_head
BEGIN SELECT RAISE(ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER log_head_moves_by_one BEFORE UPDATE ON log_head
WHEN NEW.seq IS NOT OLD.seq + 1
BEGIN SELECT RAISE(ABORT, 'the decision log is append-only'); END;
";

/// What a running rollout's comparisons have counted so far.
const V2: &str = "
CREATE TABLE ledger (
    service TEXT PRIMARY KEY REFERENCES service (name),
    json TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What was counted in each minute of a service's revisions.
const V3: &str = "
CREATE TABLE minute (
    service TEXT NOT NULL REFERENCES service (name),
    at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (service, at, revision)
) STRICT, WITHOUT ROWID;
";

/// The database file of a state folder.
pub(crate) fn database_path(state_dir: &Path) -> PathBuf {
    state_dir.join(DATABASE_FILE)
}

/// Opens the database for writing; creates it, or brings it up to date.
pub(crate) fn open_writer(place: &Path) -> Result<Connection, StoreError> {
    let attempt = format_args!("open the state");
    // Made here and not by SQLite, so that only this user can read it (a revision's environment may
    // hold secrets), and so that the operating system's own error is seen. SQLite gives the files
    // beside it the same mode.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(place)
        .map_err(|error| file_error(error, place, attempt))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepare = || -> Result<Connection, Fault> {
        let mut connection = Connection::open_with_flags(place, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Before the first write: a folder of a newer version, or of another program, stays as it is.
        found_version(&connection, place, STEPS.len())?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
        migrate(&mut connection, place, STEPS)?;
        Ok(connection)
    };
    prepare().map_err(|fault| fault.at(place, attempt))
}

/// Opens the database for reading, also while another process writes it.
pub(crate) fn open_reader(place: &Path) -> Result<Connection, StoreError> {
    let attempt = format_args!("read the state");
    match OpenOptions::new().read(true).open(place) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::Missing {
                place: place.to_owned(),
            });
        }
        Err(error) => return Err(file_error(error, place, attempt)),
    }
    let connection = match connect_reader(place, place_uri(place, "mode=ro")) {
        // On a read-only file system SQLite cannot lay the write-ahead log's index. Without such a
        // log nobody has the database open, so that it can be read as a plain file. With one, its
        // last commits are in there: better no answer than an old one.
        Err(Fault::Sql(error)) if cannot_open(&error) => {
            if has_write_ahead_log(place) {
                Err(Fault::Told(StoreError::ReadOnly {
                    place: place.to_owned(),
                    attempt: format!("{attempt} after a crash"),
                    source: error.into(),
                }))
            } else {
                connect_reader(place, place_uri(place, "mode=ro&immutable=1"))
            }
        }
        other => other,
    };
    connection.map_err(|fault| fault.at(place, attempt))
}

fn connect_reader(place: &Path, uri: String) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    let found = found_version(&connection, place, STEPS.len())?;
    if found < SCHEMA_VERSION {
        let place = place.to_owned();
        return Err(Fault::Told(StoreError::Older {
            place,
            found,
            known: SCHEMA_VERSION,
        }));
    }
    Ok(connection)
}

fn cannot_open(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen)
}

fn has_write_ahead_log(place: &Path) -> bool {
    let mut name = place.as_os_str().to_owned();
    name.push("-wal");
    Path::new(&name).metadata().is_ok_and(|file| file.len() > 0)
}

/// `file:` URI of a path (RFC 3986: every byte but the unreserved ones and `/` is escaped).
fn place_uri(place: &Path, query: &str) -> String {
    let mut uri = String::from("file:");
    for byte in place.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*byte));
            }
            _ => write!(uri, "%{byte:02X}").expect("a String takes all that is written"),
        }
    }
    uri.push('?');
    uri.push_str(query);
    uri
}

/// The format of the database, 0 when it is empty; refuses what `known` steps cannot read.
fn found_version(connection: &Connection, place: &Path, known: usize) -> Result<i64, Fault> {
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    let empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    if empty && application == 0 && found == 0 {
        return Ok(0);
    }
    let place = place.to_owned();
    if application != APPLICATION_ID {
        return Err(Fault::Told(StoreError::Foreign { place }));
    }
    let known = i64::try_from(known).unwrap_or(i64::MAX);
    if found > known {
        let written_by = connection
            .query_row(
                "SELECT value FROM meta WHERE key = ?1",
                [WRITTEN_BY],
                |row| row.get(0),
            )
            .optional()?
            .unwrap_or_else(|| "of a newer version".to_owned());
        return Err(Fault::Told(StoreError::Newer {
            place,
            written_by,
            found,
            known,
        }));
    }
    Ok(found)
}

/// Brings the database to the newest of `steps`, all or nothing.
fn migrate(connection: &mut Connection, place: &Path, steps: &[&str]) -> Result<(), Fault> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = found_version(&tx, place, steps.len())?;
    let missing = steps
        .get(usize::try_from(found).unwrap_or(0)..)
        .unwrap_or(&[]);
    if missing.is_empty() {
        return Ok(());
    }
    for step in missing {
        tx.execute_batch(step)?;
    }
    tx.execute(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [WRITTEN_BY, env!("CARGO_PKG_VERSION")],
    )?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(
        None,
        "user_version",
        i64::try_from(steps.len()).unwrap_or(i64::MAX),
    )?;
    tx.commit()?;
    if found > 0 {
        tracing::info!(place = %place.display(), from = found, to = steps.len(), "state format brought up to date");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    const NEXT: &str = "ALTER TABLE service ADD COLUMN region TEXT NOT NULL DEFAULT 'here';";
    const BROKEN: &str = "CREATE TABLE half (n INTEGER); INSERT INTO no_such_table VALUES (1);";

    fn version_of(connection: &Connection) -> i64 {
        connection
            .query_row("PRAGMA user_version", (), |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn an_older_format_is_migrated_and_keeps_its_rows() {
        let place = Path::new("test.db");
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, place, &[V1]).unwrap();
        connection
            .execute("INSERT INTO service (name) VALUES ('shop')", ())
            .unwrap();
        migrate(&mut connection, place, &[V1, NEXT]).unwrap();
        let row: (String, String) = connection
            .query_row("SELECT name, region FROM service", (), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(row, ("shop".to_owned(), "here".to_owned()));
        assert_eq!(version_of(&connection), 2);
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let place = Path::new("test.db");
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, place, &[V1]).unwrap();
        assert!(migrate(&mut connection, place, &[V1, NEXT, BROKEN]).is_err());
        assert_eq!(version_of(&connection), 1);
        assert!(
            connection.prepare("SELECT region FROM service").is_err(),
            "half a migration stayed"
        );
        migrate(&mut connection, place, &[V1, NEXT]).unwrap();
    }

    #[test]
    fn each_published_format_is_brought_up_to_date() {
        for published in 1..STEPS.len() {
            let folder = tempfile::tempdir().unwrap();
            let place = folder.path().join(DATABASE_FILE);
            let mut old = Connection::open(&place).unwrap();
            migrate(&mut old, &place, &STEPS[..published]).unwrap();
            old.execute("INSERT INTO service (name) VALUES ('shop')", ())
                .unwrap();
            drop(old);
            let connection = open_writer(&place).unwrap();
            assert_eq!(version_of(&connection), SCHEMA_VERSION);
            let kept = "SELECT (SELECT count(*) FROM service) + (SELECT count(*) FROM minute)";
            let rows: i64 = connection.query_row(kept, (), |row| row.get(0)).unwrap();
            assert_eq!(rows, 1, "from format {published}");
        }
    }

    #[test]
    fn a_path_becomes_a_uri_that_sqlite_opens() {
        let folder = tempfile::Builder::new()
            .prefix("a b%c?d#e")
            .tempdir()
            .unwrap();
        let place = folder.path().join(DATABASE_FILE);
        drop(open_writer(&place).unwrap());
        assert_eq!(version_of(&open_reader(&place).unwrap()), SCHEMA_VERSION);
    }
}

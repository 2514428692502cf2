//! What can go wrong with the store, told apart by what the user has to do about it.
//!
//! Not here: deciding what to do when the store fails (the control loop keeps traffic where it is,
//! and still takes a bad canary out).

use rusqlite::ErrorCode;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The error underneath: SQLite's, the operating system's, or the JSON parser's.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An operation of the store that failed. Nothing of it was written: each is one transaction.
///
/// Each message has the place, the cause and the next step.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the state folder.
    #[error("{}: another Sluice{} runs on this state folder; stop it first, or use another state folder", place.display(), Holder(holder))]
    Locked {
        /// The lock file.
        place: PathBuf,
        /// Process id of the holder, when it could be read.
        holder: Option<u32>,
    },
    /// The folder was handed over to a successor.
    #[error("{}: cannot {attempt}: the state folder was handed over to another Sluice; ask that one", place.display())]
    Released {
        /// The database file.
        place: PathBuf,
        /// What was attempted.
        attempt: String,
    },
    /// A newer Sluice wrote the state folder.
    #[error(
        "{}: written by Sluice {written_by} (state format {found}), and this is Sluice {} (state format {known}); run Sluice {written_by} or newer, or use another state folder",
        place.display(), env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The database file.
        place: PathBuf,
        /// The version of Sluice that laid that format, or `of a newer version` when unreadable.
        written_by: String,
        /// The format found.
        found: i64,
        /// The newest format that this build knows.
        known: i64,
    },
    /// An older Sluice wrote the state folder, and it is opened only for reading.
    #[error(
        "{}: state format {found} is older than this Sluice's ({known}); run `sluice up` once to bring it up to date, then try again",
        place.display()
    )]
    Older {
        /// The database file.
        place: PathBuf,
        /// The format found.
        found: i64,
        /// The format that this build reads.
        known: i64,
    },
    /// The file is a database of another program.
    #[error("{}: this database is not Sluice's; use another state folder", place.display())]
    Foreign {
        /// The database file.
        place: PathBuf,
    },
    /// There is no state here.
    #[error("{}: there is no state here; name the folder that `sluice up` uses", place.display())]
    Missing {
        /// The database file.
        place: PathBuf,
    },
    /// No space is left.
    #[error("{}: cannot {attempt}: the disk is full; free some space, what was recorded before is safe", place.display())]
    DiskFull {
        /// The file or folder.
        place: PathBuf,
        /// What was attempted.
        attempt: String,
        /// The error underneath.
        source: Cause,
    },
    /// The file system, or the database, takes no writes.
    #[error("{}: cannot {attempt}: it is read-only; mount it writable, or copy the folder to a writable place", place.display())]
    ReadOnly {
        /// The file or folder.
        place: PathBuf,
        /// What was attempted.
        attempt: String,
        /// The error underneath.
        source: Cause,
    },
    /// This user may not.
    #[error("{}: cannot {attempt}: permission denied; run Sluice as the user who owns the state folder, or correct its owner and mode", place.display())]
    Denied {
        /// The file or folder.
        place: PathBuf,
        /// What was attempted.
        attempt: String,
        /// The error underneath.
        source: Cause,
    },
    /// The database file is damaged.
    #[error("{}: cannot {attempt}: the file is damaged; stop Sluice, keep a copy, and restore the state folder from a backup", place.display())]
    Corrupt {
        /// The database file.
        place: PathBuf,
        /// What was attempted.
        attempt: String,
        /// The error underneath.
        source: Cause,
    },
    /// Another program kept the database locked for longer than the busy timeout.
    #[error("{}: cannot {attempt}: another program keeps the database locked; end it (a database shell with an open transaction?) and try again", place.display())]
    Busy {
        /// The database file.
        place: PathBuf,
        /// What was attempted.
        attempt: String,
        /// The error underneath.
        source: Cause,
    },
    /// A stored value cannot be read, or one cannot be stored.
    #[error("{}: cannot {attempt}: {what} is not what it should be: {source}; restore the state folder from a backup", place.display())]
    Undecodable {
        /// The database file.
        place: PathBuf,
        /// What was attempted.
        attempt: String,
        /// Which value.
        what: String,
        /// The error underneath.
        source: Cause,
    },
    /// Too many commands wait for an answer.
    #[error(
        "{service}: {waiting} commands wait for an answer already; wait until they are answered (`sluice status {service}` tells what holds them up)"
    )]
    InboxFull {
        /// The service.
        service: String,
        /// How many wait.
        waiting: u64,
    },
    /// Anything else that the disk or the database reports.
    #[error("{}: cannot {attempt}: {source}; look for disk errors in the system's log", place.display())]
    Failed {
        /// The file or folder.
        place: PathBuf,
        /// What was attempted.
        attempt: String,
        /// The error underneath.
        source: Cause,
    },
}

/// ` (process 42)`, or nothing.
struct Holder<'a>(&'a Option<u32>);

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (process {pid})"),
            None => Ok(()),
        }
    }
}

/// What went wrong inside a transaction, before it is known where and during what.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite failed.
    Sql(rusqlite::Error),
    /// A value does not parse, or does not serialize.
    Value { what: String, source: Cause },
    /// Complete already.
    Told(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Fault {
    /// A value that does not parse or serialize.
    pub(crate) fn value(what: impl fmt::Display, source: impl Into<Cause>) -> Self {
        Self::Value {
            what: what.to_string(),
            source: source.into(),
        }
    }

    /// The error that the caller sees.
    pub(crate) fn at(self, place: &Path, attempt: fmt::Arguments<'_>) -> StoreError {
        let attempt = attempt.to_string();
        match self {
            Fault::Sql(error) => sql_error(error, place.to_owned(), attempt),
            Fault::Value { what, source } => StoreError::Undecodable {
                place: place.to_owned(),
                attempt,
                what,
                source,
            },
            Fault::Told(error) => error,
        }
    }
}

fn sql_error(error: rusqlite::Error, place: PathBuf, attempt: String) -> StoreError {
    let (code, extended) = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => (failure.code, failure.extended_code),
        _ => (ErrorCode::Unknown, 0),
    };
    let source: Cause = Box::new(error);
    match code {
        ErrorCode::DiskFull => StoreError::DiskFull {
            place,
            attempt,
            source,
        },
        // The shared-memory index of the WAL cannot grow: that, too, is a full disk.
        ErrorCode::SystemIoFailure if extended == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            StoreError::DiskFull {
                place,
                attempt,
                source,
            }
        }
        ErrorCode::ReadOnly => StoreError::ReadOnly {
            place,
            attempt,
            source,
        },
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            StoreError::Denied {
                place,
                attempt,
                source,
            }
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt {
            place,
            attempt,
            source,
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy {
            place,
            attempt,
            source,
        },
        _ => StoreError::Failed {
            place,
            attempt,
            source,
        },
    }
}

/// An error of the file system.
pub(crate) fn file_error(
    error: io::Error,
    place: &Path,
    attempt: fmt::Arguments<'_>,
) -> StoreError {
    let (kind, place, attempt) = (error.kind(), place.to_owned(), attempt.to_string());
    let source: Cause = Box::new(error);
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull {
            place,
            attempt,
            source,
        },
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly {
            place,
            attempt,
            source,
        },
        io::ErrorKind::PermissionDenied => StoreError::Denied {
            place,
            attempt,
            source,
        },
        _ => StoreError::Failed {
            place,
            attempt,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    /// What the user has to do about it, in the message's words.
    const FREE_SPACE: &str = "free some space";
    const WRITABLE: &str = "mount it writable";
    const OWNER: &str = "owner and mode";
    const BACKUP: &str = "from a backup";
    const END_IT: &str = "end it";

    #[test]
    fn each_failure_says_what_to_do() {
        let place = Path::new("/state/sluice.db");
        let told = |error: StoreError, next_step: &str| {
            let text = error.to_string();
            assert!(
                text.starts_with("/state/sluice.db: cannot record x: "),
                "{text}"
            );
            assert!(text.contains(next_step), "{text} does not say: {next_step}");
        };
        for (kind, next_step) in [
            (io::ErrorKind::StorageFull, FREE_SPACE),
            (io::ErrorKind::QuotaExceeded, FREE_SPACE),
            (io::ErrorKind::ReadOnlyFilesystem, WRITABLE),
            (io::ErrorKind::PermissionDenied, OWNER),
            (io::ErrorKind::NotADirectory, "not a directory"),
        ] {
            told(
                file_error(kind.into(), place, format_args!("record x")),
                next_step,
            );
        }
        for (code, next_step) in [
            (ffi::SQLITE_FULL, FREE_SPACE),
            (ffi::SQLITE_IOERR_SHMSIZE, FREE_SPACE),
            (ffi::SQLITE_READONLY_DBMOVED, WRITABLE),
            (ffi::SQLITE_PERM, OWNER),
            (ffi::SQLITE_CORRUPT_INDEX, BACKUP),
            (ffi::SQLITE_NOTADB, BACKUP),
            (ffi::SQLITE_BUSY_SNAPSHOT, END_IT),
            (ffi::SQLITE_IOERR_FSYNC, "disk errors"),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            told(
                Fault::from(error).at(place, format_args!("record x")),
                next_step,
            );
        }
    }
}

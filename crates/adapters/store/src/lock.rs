//! The lock of a state folder: one running Sluice at a time.
//!
//! It is a lock of the operating system on an open file, so it ends with the process, however that
//! ends, and no stale lock file can keep a folder closed. Programs that Sluice starts do not inherit
//! it. Readers (`sluice audit verify`) need no lock.

use crate::error::{StoreError, file_error};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// The lock file's name within the state folder; it holds the process id of the holder.
pub const LOCK_FILE: &str = "sluice.lock";

/// Longest process id that is read back, in bytes.
const PID_BYTES_MAX: u64 = 20;

/// How often a held lock is tried again, and the pause in between. A program that a Sluice was just
/// starting when it ended holds a copy of the lock until it has been loaded (between fork and exec).
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub(crate) struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the lock of `state_dir`; waits no longer than it takes a program to be loaded.
    pub(crate) fn take(state_dir: &Path) -> Result<Self, StoreError> {
        let place = state_dir.join(LOCK_FILE);
        let failed = |error| file_error(error, &place, format_args!("lock the state folder"));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&place)
            .map_err(failed)?;
        let mut tries = 1;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked {
                        holder: holder(&mut file),
                        place,
                    });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// The process id in the lock file; none when the holder has not written it yet.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

//! The unix socket in the state folder: where it is, how it is bound and how it is reached.
//!
//! A socket's address holds at most 107 bytes, and state folders may lie deeper. Such a folder is
//! opened and the socket reached through `/proc/self/fd`. Which process may own the folder is the
//! store's lock to say; here a socket is only replaced when nobody listens on it, or on request.

use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};

/// The socket's file within the state folder.
pub const SOCKET_FILE: &str = "api.sock";

/// Longest path that a socket address holds, in bytes: `sun_path` of Linux less its final NUL.
pub const SOCKET_PATH_MAX: usize = 107;

/// Longest wait for a process that may still listen on a socket found in the folder.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The socket's path, for people.
#[must_use]
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join(SOCKET_FILE)
}

/// Why the socket could not be bound.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error("another Sluice already listens on {}; end it with `sluice stop`", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// There is a file of that name that is no socket.
    #[error("{} is not a socket; move it away, Sluice needs the name", path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The path is too long and cannot be shortened.
    #[error(
        "{} is longer than the {SOCKET_PATH_MAX} bytes of a socket's address, and /proc is not \
         there to shorten it; choose a shorter state folder with --state", path.display()
    )]
    TooLong {
        /// The socket.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An address that fits into a socket's address, for as long as this lives.
struct Address {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Address {
    fn of(state_dir: &Path, file: &str) -> Result<Address, SocketError> {
        let path = state_dir.join(file);
        if path.as_os_str().len() <= SOCKET_PATH_MAX {
            return Ok(Address {
                path,
                _folder: None,
            });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder =
            rustix::fs::open(state_dir, flags, Mode::empty()).map_err(|error| SocketError::Io {
                path: path.clone(),
                source: error.into(),
            })?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        if !short.exists() {
            return Err(SocketError::TooLong { path });
        }
        Ok(Address {
            path: short.join(file),
            _folder: Some(folder),
        })
    }
}

/// The listening socket. Dropping it takes its file away, unless another process has replaced it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

impl Socket {
    /// Binds the socket of a state folder, readable and writable by its owner alone. One that a dead
    /// process left is replaced; one that a living process listens on only with `take_over`: the
    /// other process keeps the connections that it has.
    ///
    /// # Errors
    /// See [`SocketError`]. Must be called within a tokio runtime.
    pub async fn bind(state_dir: &Path, take_over: bool) -> Result<Socket, SocketError> {
        let path = socket_path(state_dir);
        let failed = |source: io::Error| SocketError::Io {
            path: path.clone(),
            source,
        };
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.file_type().is_socket() => {
                return Err(SocketError::NotASocket { path });
            }
            Ok(_) if !take_over && is_answered(state_dir).await.map_err(failed)? => {
                return Err(SocketError::InUse { path });
            }
            Ok(_) => {}
        }
        // Bound under a name of its own, closed to others, and only then given the known name:
        // nobody can connect before the mode is right, and there is no moment without a socket.
        let fresh = format!("{SOCKET_FILE}.{}", std::process::id());
        let fresh_path = state_dir.join(&fresh);
        match fs::remove_file(&fresh_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let address = Address::of(state_dir, &fresh)?;
        let listener = UnixListener::bind(&address.path).map_err(failed)?;
        let identity = (|| {
            fs::set_permissions(&fresh_path, fs::Permissions::from_mode(0o600))?;
            let identity = identity_of(&fresh_path)?;
            fs::rename(&fresh_path, &path)?;
            Ok(identity)
        })()
        .map_err(failed)?;
        Ok(Socket {
            listener,
            path,
            identity,
        })
    }

    /// The next connection.
    ///
    /// # Errors
    /// Those of `accept`, such as too many open files.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = identity_of(&self.path).is_ok_and(|found| found == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket's file stays behind");
        }
    }
}

/// Connects to the socket of a state folder.
///
/// # Errors
/// `NotFound` and `ConnectionRefused` mean that no Sluice runs there.
pub async fn connect(state_dir: &Path) -> io::Result<UnixStream> {
    let address = Address::of(state_dir, SOCKET_FILE).map_err(|error| match error {
        SocketError::Io { source, .. } => source,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    })?;
    UnixStream::connect(&address.path).await
}

/// Whether a living process listens on the folder's socket.
async fn is_answered(state_dir: &Path) -> io::Result<bool> {
    match tokio::time::timeout(PROBE_TIMEOUT, connect(state_dir)).await {
        // Neither accepted nor refused: it exists and is busy.
        Err(_) | Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(false),
            io::ErrorKind::WouldBlock => Ok(true),
            _ => Err(error),
        },
    }
}

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_process_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        // A std listener leaves its file behind when dropped, as a killed process does.
        drop(std::os::unix::net::UnixListener::bind(socket_path(folder.path())).expect("bind"));
        let first = Socket::bind(folder.path(), false)
            .await
            .expect("replaces the stale one");

        let refused = Socket::bind(folder.path(), false)
            .await
            .expect_err("the first one lives");
        assert!(matches!(refused, SocketError::InUse { .. }), "{refused}");
        assert!(refused.to_string().contains("sluice stop"), "{refused}");

        let second = Socket::bind(folder.path(), true).await.expect("takes over");
        drop(first);
        let (connected, accepted) = tokio::join!(connect(folder.path()), second.accept());
        connected.expect("the first one's end left the second one's file");
        accepted.expect("accepted by the second");
        drop(second);
        assert!(
            !socket_path(folder.path()).exists(),
            "the last one cleans up"
        );
    }

    #[tokio::test]
    async fn the_socket_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let _socket = Socket::bind(folder.path(), false).await.expect("bind");
        let mode = fs::metadata(socket_path(folder.path()))
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_folder_too_deep_for_a_socket_address_works() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
        fs::create_dir_all(&deep).expect("deep folder");
        assert!(socket_path(&deep).as_os_str().len() > SOCKET_PATH_MAX);
        let socket = Socket::bind(&deep, false).await.expect("bind");
        let (connected, accepted) = tokio::join!(connect(&deep), socket.accept());
        connected.expect("connect");
        accepted.expect("accept");
    }

    #[tokio::test]
    async fn a_file_of_that_name_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(socket_path(folder.path()), "precious").expect("write");
        let error = Socket::bind(folder.path(), true)
            .await
            .expect_err("not a socket");
        assert!(error.to_string().contains("is not a socket"), "{error}");
        assert_eq!(
            fs::read_to_string(socket_path(folder.path())).expect("read"),
            "precious"
        );
    }
}

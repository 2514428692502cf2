//! Handing over to another Sluice: a restart or an upgrade that drops no request.
//!
//! The new process asks over `handover.sock` in the state folder. The old one stops deciding, lets its
//! processes and its store go, and sends its listening sockets; it goes on serving what it has
//! accepted. The new one finds the processes again, accepts on the same sockets, and says so; then
//! the old one stops accepting, finishes its requests and ends. If the new one fails before that, the
//! old one takes everything up again.
//!
//! Exchange: the new one connects; the old one sends frames of one JSON text ([`Frame`], at most
//! [`FRAME_BYTES_MAX`] bytes) with its file descriptors as `SCM_RIGHTS` (unix(7)), the last with `last`;
//! the new one answers one byte, [`READY`].

use anyhow::{Context as _, bail};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};
use sluice_model::ServiceName;
use sluice_proxy::ListenerRole;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The socket's name in the state folder.
const SOCKET: &str = "handover.sock";
/// "I accept now."
const READY: u8 = b'R';
/// Most descriptors in one frame; the kernel takes 253.
const FRAME_FDS_MAX: usize = 64;
/// Largest frame, in bytes.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for the next frame.
const FRAME_WAIT: Duration = Duration::from_secs(20);
/// Longest time for the new process from the sockets to "ready".
pub(super) const READY_WAIT: Duration = Duration::from_secs(30);

/// One listening socket on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passed {
    service: ServiceName,
    preview: bool,
}

#[derive(Serialize, Deserialize)]
struct Frame {
    sockets: Vec<Passed>,
    last: bool,
}

/// A listening socket that came from the old process.
pub(super) struct Inherited {
    pub(super) service: ServiceName,
    pub(super) role: ListenerRole,
    pub(super) fd: OwnedFd,
}

/// Where successors ask. Dropping it removes the socket.
pub(super) struct Desk {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "the hand-over socket could not be removed");
        }
    }
}

/// An address that fits into `sun_path` (unix(7): 108 bytes) however long the folder's path is.
fn short_path(state_dir: &Path) -> anyhow::Result<(PathBuf, OwnedFd)> {
    use rustix::fs::{Mode, OFlags};
    let folder = rustix::fs::open(state_dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
        .with_context(|| format!("cannot open the state folder {}", state_dir.display()))?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
    Ok((
        PathBuf::from(format!("/proc/self/fd/{number}/{SOCKET}")),
        folder,
    ))
}

/// Opens the desk; the state folder's lock is held, so a socket that is there is left over.
pub(super) fn open_desk(state_dir: &Path) -> anyhow::Result<Desk> {
    let path = state_dir.join(SOCKET);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("cannot replace {}", path.display()));
    }
    let (short, _folder) = short_path(state_dir)?;
    let listener = UnixListener::bind(&short)
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode)
        .with_context(|| format!("cannot restrict {}", path.display()))?;
    listener
        .set_nonblocking(true)
        .context("cannot watch the hand-over socket")?;
    Ok(Desk { listener, path })
}

impl Desk {
    /// Waits for a successor of the same user.
    pub(super) async fn next(&self) -> anyhow::Result<UnixStream> {
        let listener = self
            .listener
            .try_clone()
            .context("cannot watch the hand-over socket")?;
        let watched = tokio::net::UnixListener::from_std(listener)
            .context("cannot watch the hand-over socket")?;
        loop {
            let (stream, _) = watched
                .accept()
                .await
                .context("the hand-over socket failed")?;
            let own = rustix::process::geteuid().as_raw();
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == own || peer.uid() == 0 => {
                    let stream = stream.into_std().context("cannot talk to the successor")?;
                    stream
                        .set_nonblocking(false)
                        .context("cannot talk to the successor")?;
                    return Ok(stream);
                }
                Ok(peer) => tracing::warn!(
                    uid = peer.uid(),
                    "another user asked for a hand-over; refused"
                ),
                Err(error) => {
                    tracing::warn!(%error, "a successor could not be identified; refused")
                }
            }
        }
    }
}

/// Asks a running Sluice for its sockets; `None` when none runs.
pub(super) fn ask(state_dir: &Path) -> anyhow::Result<Option<(UnixStream, Vec<Inherited>)>> {
    let (short, _folder) = match short_path(state_dir) {
        Ok(short) => short,
        Err(_) if !state_dir.exists() => return Ok(None),
        Err(error) => return Err(error),
    };
    let stream = match UnixStream::connect(&short) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error).context("cannot reach the running Sluice for a hand-over"),
    };
    stream
        .set_read_timeout(Some(FRAME_WAIT))
        .context("cannot bound the hand-over")?;
    let mut inherited = Vec::new();
    while !receive_frame(&stream, &mut inherited)? {}
    Ok(Some((stream, inherited)))
}

/// Sends the listening sockets.
pub(super) fn send(
    stream: &UnixStream,
    sockets: &[(ServiceName, ListenerRole, OwnedFd)],
) -> anyhow::Result<()> {
    stream
        .set_write_timeout(Some(FRAME_WAIT))
        .context("cannot bound the hand-over")?;
    let mut chunks: Vec<&[(ServiceName, ListenerRole, OwnedFd)]> =
        sockets.chunks(FRAME_FDS_MAX).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let count = chunks.len();
    for (index, chunk) in chunks.into_iter().enumerate() {
        send_frame(stream, chunk, index + 1 == count)?;
    }
    Ok(())
}

fn send_frame(
    stream: &UnixStream,
    chunk: &[(ServiceName, ListenerRole, OwnedFd)],
    last: bool,
) -> anyhow::Result<()> {
    let sockets = chunk
        .iter()
        .map(|(service, role, _)| Passed {
            service: service.clone(),
            preview: matches!(role, ListenerRole::Preview),
        })
        .collect();
    let text =
        serde_json::to_vec(&Frame { sockets, last }).context("cannot write the hand-over")?;
    let mut frame = u32::try_from(text.len())
        .context("the hand-over is too large")?
        .to_be_bytes()
        .to_vec();
    frame.extend(text);
    let fds: Vec<BorrowedFd<'_>> = chunk.iter().map(|(_, _, fd)| fd.as_fd()).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FRAME_FDS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        bail!("the hand-over has more sockets than fit a message");
    }
    let sent = rustix::net::sendmsg(
        stream,
        &[IoSlice::new(&frame)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )
    .context("cannot send the sockets to the successor")?;
    let mut writer = stream;
    writer
        .write_all(&frame[sent..])
        .context("cannot send the sockets to the successor")
}

/// Receives one frame; returns whether it was the last one.
fn receive_frame(stream: &UnixStream, inherited: &mut Vec<Inherited>) -> anyhow::Result<bool> {
    let mut head = [0_u8; 4];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FRAME_FDS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut head)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .context("the running Sluice did not answer the hand-over in time")?;
    if received.bytes == 0 {
        bail!("the running Sluice refused the hand-over; its own output says why");
    }
    let mut fds: Vec<OwnedFd> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let mut reader = stream;
    reader
        .read_exact(&mut head[received.bytes..])
        .context("the hand-over broke off")?;
    let length = u32::from_be_bytes(head) as usize;
    if length > FRAME_BYTES_MAX {
        bail!("the hand-over is not one of Sluice's ({length} bytes)");
    }
    let mut text = vec![0; length];
    reader
        .read_exact(&mut text)
        .context("the hand-over broke off")?;
    let frame: Frame = serde_json::from_slice(&text).context("the hand-over cannot be read")?;
    if frame.sockets.len() != fds.len() {
        bail!(
            "the hand-over names {} sockets and brings {}",
            frame.sockets.len(),
            fds.len()
        );
    }
    inherited.extend(
        frame
            .sockets
            .into_iter()
            .zip(fds)
            .map(|(passed, fd)| Inherited {
                service: passed.service,
                role: if passed.preview {
                    ListenerRole::Preview
                } else {
                    ListenerRole::Main
                },
                fd,
            }),
    );
    Ok(frame.last)
}

/// Tells the old process that this one accepts now.
pub(super) fn say_ready(mut stream: &UnixStream) -> anyhow::Result<()> {
    stream
        .write_all(&[READY])
        .context("cannot tell the old Sluice that this one is ready")
}

/// Waits for the successor to accept; `false` when it failed instead.
pub(super) fn wait_ready(stream: &UnixStream) -> bool {
    wait_ready_for(stream, READY_WAIT)
}

fn wait_ready_for(mut stream: &UnixStream, longest: Duration) -> bool {
    if let Err(error) = stream.set_read_timeout(Some(longest)) {
        tracing::warn!(%error, "the successor cannot be waited for");
        return false;
    }
    let mut answer = [0_u8; 1];
    let Err(error) = stream.read_exact(&mut answer) else {
        return answer[0] == READY;
    };
    tracing::warn!(%error, "the successor did not come up");
    // From here on the successor cannot say it any more; it may have said it just now.
    let closed = stream.shutdown(std::net::Shutdown::Read);
    closed.is_ok() && matches!(stream.read(&mut answer), Ok(1)) && answer[0] == READY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_that_is_too_late_learns_that_it_is() {
        let (old, new) = UnixStream::pair().expect("a pair of sockets");
        assert!(!wait_ready_for(&old, Duration::from_millis(1)));
        assert!(say_ready(&new).is_err(), "both would serve");
    }

    #[test]
    fn a_successor_that_is_ready_is_heard() {
        let (old, new) = UnixStream::pair().expect("a pair of sockets");
        say_ready(&new).expect("it is said");
        assert!(wait_ready_for(&old, Duration::from_secs(10)));
    }
}

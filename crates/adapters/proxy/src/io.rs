//! The transport of a client's connection: plain, or TLS.

use socket2::SockRef;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A client's byte stream.
pub(crate) enum ClientIo {
    /// Cleartext.
    Tcp(TcpStream),
    /// TLS, boxed: its state is large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl ClientIo {
    /// Makes the coming close a reset: where only the end of the connection ends a body, its client
    /// must not take what came so far for all of it.
    pub(crate) fn reset_when_dropped(&self) {
        let stream = match self {
            ClientIo::Tcp(stream) => stream,
            ClientIo::Tls(stream) => stream.get_ref().0,
        };
        if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "a broken connection ends as if it were complete");
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            ClientIo::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            ClientIo::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            ClientIo::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, ClientIo::Tcp(_))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            ClientIo::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            ClientIo::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

//! A connection from which no more than a bound is read, since a server could send a line without an end, and from
//! which nothing is read ahead of TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Maximum bytes that a server may say in one connection, the handshake of STARTTLS included.
const MAX_READ_BYTES: usize = 128 * 1024;

/// The first byte of a client's first record of TLS: RFC 8446, 5.1.
const TLS_HANDSHAKE: u8 = 0x16;

/// How much a read takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// As much as there is.
    Whole,
    /// One byte, until this side begins with TLS. So nothing is left in a buffer then that came before TLS, and that
    /// would be taken for what the server says in it.
    BytewiseUntilTls,
}

/// A connection with its bound.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    stream: S,
    peer: SocketAddr,
    reads: Reads,
    left_bytes: usize,
}

impl<S> Bounded<S> {
    /// To `peer`.
    pub(super) fn new(stream: S, peer: SocketAddr, reads: Reads) -> Self {
        Self { stream, peer, reads, left_bytes: MAX_READ_BYTES }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left_bytes == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let most = match self.reads {
            Reads::Whole => self.left_bytes,
            Reads::BytewiseUntilTls => 1,
        };
        let space = buffer.initialize_unfilled_to(most.min(buffer.remaining()));
        let mut part = ReadBuf::new(space);
        let polled = Pin::new(&mut self.stream).poll_read(context, &mut part);
        let read = part.filled().len();
        buffer.advance(read);
        self.left_bytes -= read;
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.first() == Some(&TLS_HANDSHAKE) {
            self.reads = Reads::Whole;
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream for Bounded<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

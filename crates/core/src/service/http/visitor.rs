//! Connections of whoever asks for pages: so many at once, and each with a deadline.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// A platform asks over one connection, a person over a few.
const MOST_CONNECTIONS: usize = 64;

/// A request's head has to arrive within this, and so has an answer to leave.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest that `/readyz` waits for a database and a bucket, by their default bounds.
const ANSWER_LIMIT: Duration = Duration::from_secs(300);

/// What ends the head of a request.
const HEAD_END: [u8; 4] = *b"\r\n\r\n";

/// A listener that takes nobody in while [`MOST_CONNECTIONS`] are inside.
pub(super) struct Bounded {
    inner: TcpListener,
    seats: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(inner: TcpListener) -> Self {
        Self { inner, seats: Arc::new(Semaphore::new(MOST_CONNECTIONS)) }
    }
}

impl Listener for Bounded {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        // There is no error: nobody closes the semaphore.
        let seat = Arc::clone(&self.seats).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.inner).await;
        (Visitor { stream, deadline: Box::pin(sleep(PATIENCE)), tail: [0; 4], _seat: seat }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A connection that breaks when nothing whole has come or gone for too long.
pub(super) struct Visitor {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    /// The last bytes that were read, to see where a head ends.
    tail: [u8; 4],
    _seat: Option<OwnedSemaphorePermit>,
}

impl Visitor {
    fn check_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn extend(&mut self, by: Duration) {
        self.deadline.as_mut().reset(Instant::now() + by);
    }

    /// Gives the answer its time once the head of a request is whole. No page reads a body.
    fn look_for_head(&mut self, read: &[u8]) {
        for byte in read {
            self.tail.rotate_left(1);
            self.tail[3] = *byte;
            if self.tail == HEAD_END {
                self.extend(ANSWER_LIMIT);
            }
        }
    }
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.look_for_head(&buffer.filled()[before..]);
        outcome
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_deadline(context)?;
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        if outcome.is_ready() {
            self.extend(PATIENCE);
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

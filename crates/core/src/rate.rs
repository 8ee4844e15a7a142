//! A stream that is read no faster than a bound, for the sake of what it comes from.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A second is this many pieces, so that a slow stream flows and does not come in bursts.
const PIECES_A_SECOND: u64 = 10;

/// More is not worth the memory.
const MAX_PIECE_BYTES: u64 = 1024 * 1024;

/// A stream that did not use its time may catch up for so long, and no longer.
const MAX_CREDIT: Duration = Duration::from_millis(500);

/// Reads `inner` with at most so many bytes a second.
pub struct Limited<R> {
    inner: R,
    bytes_per_second: u64,
    /// When all that was read would have come at the bound.
    due: Instant,
    pause: Option<Pin<Box<Sleep>>>,
    /// What one read may bring; empty without a bound.
    piece: Vec<u8>,
}

impl<R> Limited<R> {
    /// `None`: as fast as it comes.
    pub fn new(inner: R, bytes_per_second: Option<u64>) -> Self {
        let piece_bytes = bytes_per_second.map_or(0, |bytes| (bytes / PIECES_A_SECOND).clamp(1, MAX_PIECE_BYTES));
        let piece = vec![0; usize::try_from(piece_bytes).unwrap_or_default()];
        Self { inner, bytes_per_second: bytes_per_second.unwrap_or(u64::MAX), due: Instant::now(), pause: None, piece }
    }

    fn has_read(&mut self, bytes: usize) {
        let now = Instant::now();
        let earliest = now.checked_sub(MAX_CREDIT).unwrap_or(now);
        self.due = self.due.max(earliest) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        if self.due > now {
            self.pause = Some(Box::pin(sleep_until(self.due)));
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Limited<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.piece.is_empty() {
            return Pin::new(&mut this.inner).poll_read(context, buffer);
        }
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        let most = this.piece.len().min(buffer.remaining());
        let mut piece = ReadBuf::new(&mut this.piece[..most]);
        ready!(Pin::new(&mut this.inner).poll_read(context, &mut piece))?;
        let bytes = piece.filled().len();
        buffer.put_slice(piece.filled());
        this.has_read(bytes);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_takes_the_time_that_its_bound_asks_for_and_is_whole() {
        let content: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
        let mut read = Vec::new();
        let started = Instant::now();
        Limited::new(content.as_slice(), Some(1_000_000)).read_to_end(&mut read).await.unwrap();
        let took = started.elapsed().as_secs_f64();
        assert!((4.0..6.0).contains(&took), "{took}");
        assert!(read == content);
        let started = Instant::now();
        Limited::new(content.as_slice(), None).read_to_end(&mut read).await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(100));
    }
}

//! A request for a run now, from outside the loop that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// No loop waits for a request: one that was accepted now would be lost.
const CLOSED: u8 = 0;

/// The loop waits for a request.
const OPEN: u8 = 1;

/// A request was accepted, and no run has begun since.
const MADE: u8 = 2;

/// A request for a run of one database, of which there is one at a time. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct RunRequest {
    stage: Arc<AtomicU8>,
    changed: Arc<Notify>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// It is accepted, and a run begins.
    Now,
    /// Another one is accepted already.
    Before,
    /// Nothing waits for it.
    Not,
}

/// Why no run can be asked for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// The service has not looked at the bucket since its start.
    Starting,
    /// A run is going on.
    Running,
    /// A run was asked for already and begins at once.
    Requested,
    /// The service waits for what a run needs, and begins one by itself then.
    NothingToRunFor,
    /// The service makes no runs.
    Watching,
    /// The service is about to end.
    Stopping,
}

impl RunRequest {
    /// The loop waits for a request from now on. To be called before it does.
    pub(crate) fn open(&self) {
        // One that is made already stays made.
        self.change(CLOSED, OPEN).ok();
    }

    /// Makes it, if the loop waits for it.
    pub(crate) fn make(&self) -> Made {
        match self.change(OPEN, MADE) {
            Ok(_) => {
                self.changed.notify_one();
                Made::Now
            }
            Err(MADE) => Made::Before,
            Err(_) => Made::Not,
        }
    }

    /// Waits until it is made. It stays made until a run begins.
    pub(crate) async fn made(&self) {
        while self.stage.load(Ordering::SeqCst) != MADE {
            self.changed.notified().await;
        }
    }

    /// The loop does not wait any more: a run begins, which is what was asked for, also if it was due anyway; or it is
    /// the end.
    pub(crate) fn close(&self) {
        self.stage.store(CLOSED, Ordering::SeqCst);
    }

    fn change(&self, from: u8, to: u8) -> Result<u8, u8> {
        self.stage.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_request_is_made_once_while_a_loop_waits_for_it_and_ends_with_the_run() {
        let request = RunRequest::default();
        let is_made = async || timeout(Duration::from_millis(50), request.made()).await.is_ok();
        assert_eq!((request.make(), is_made().await), (Made::Not, false));
        request.open();
        assert!(!is_made().await);
        assert_eq!([request.make(), request.make()], [Made::Now, Made::Before]);
        request.open();
        assert!(is_made().await, "one that was made is not lost");
        request.close();
        assert_eq!((request.make(), is_made().await), (Made::Not, false));
        request.open();
        assert_eq!(request.make(), Made::Now);
    }
}

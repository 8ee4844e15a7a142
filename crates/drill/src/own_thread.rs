//! A thread for each drill.
//!
//! A drill reads and compares what others may have written, for as long as that takes. Neither the loops of a service nor
//! its other tasks wait for it: not a heartbeat, not a stop, not a page. The runtime is shared, and with it connections and
//! timers; only what the drill computes between two waits is on a thread of its own.

use std::io;
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// As large as the stack of the main thread.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How long an abandoned drill may take to end its children and to remove its files, before the process goes on to end.
const LONGEST_END: Duration = Duration::from_secs(1);

/// Runs what `begin` makes, to its end, on a new thread. If the returned future is dropped, so is that.
///
/// Children that the thread starts get their death signal when it ends, so none may outlive the work.
///
/// # Errors
/// If the system gives no thread, or the work is not at its end after `longest`: then the thread is left to itself.
pub(crate) async fn on_own_thread<W>(
    longest: Duration,
    begin: impl FnOnce() -> W + Send + 'static,
) -> io::Result<W::Output>
where
    W: Future<Output: Send + 'static>,
{
    let (runtime, abandoned) = (Handle::current(), CancellationToken::new());
    let (done, ended) = oneshot::channel();
    let token = abandoned.clone();
    let thread = thread::Builder::new().name("drill".to_owned()).stack_size(STACK_BYTES).spawn(move || {
        let outcome = runtime.block_on(token.run_until_cancelled(Box::pin(async { begin().await })));
        // An abandoned drill has no receiver.
        drop(done.send(outcome));
    })?;
    let mut running = Running { thread: Some(thread), abandoned };
    let Ok(ended) = timeout(longest, ended).await else {
        return Err(io::Error::other("it neither ends nor stops"));
    };
    let outcome = ended.ok().flatten();
    match (outcome, running.thread.take().map(JoinHandle::join)) {
        (Some(outcome), _) => Ok(outcome),
        (None, Some(Err(panicked))) => resume_unwind(panicked),
        (None, _) => Err(io::Error::other("the thread has ended too early")),
    }
}

/// The thread, until its work is done or is not wanted any more.
struct Running {
    thread: Option<JoinHandle<()>>,
    abandoned: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.abandoned.cancel();
        let begun = Instant::now();
        while !thread.is_finished() && begun.elapsed() < LONGEST_END {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::FutureExt;
    use tokio::time::sleep;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Sets its flag when it is dropped.
    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// On a runtime of one thread, which is the least that there can be.
    #[tokio::test]
    async fn what_computes_for_long_holds_no_other_task_up_r091() {
        let work = on_own_thread(MINUTE, || async {
            sleep(Duration::from_millis(10)).await;
            thread::sleep(Duration::from_secs(1));
            sleep(Duration::from_millis(10)).await;
            7
        });
        let mut beats = 0;
        let beat = async {
            loop {
                sleep(Duration::from_millis(20)).await;
                beats += 1;
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome.unwrap(),
            () = beat => 0,
        };
        assert!(outcome == 7 && beats > 10, "{beats} beats");
    }

    #[tokio::test]
    async fn what_is_not_wanted_any_more_ends_at_once() {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Flag(Arc::clone(&ended));
        let work = on_own_thread(MINUTE, || async move {
            let _flag = flag;
            sleep(Duration::from_secs(3600)).await;
        });
        assert!(timeout(Duration::from_millis(200), work).await.is_err());
        assert!(ended.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn what_never_ends_is_left_to_itself() {
        let (longest, begun) = (Duration::from_millis(100), Instant::now());
        let stuck = || async { thread::sleep(Duration::from_secs(10)) };
        assert!(on_own_thread(longest, stuck).await.is_err() && begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_panic_is_that_of_the_caller() {
        let work = on_own_thread(MINUTE, || async { assert!(std::hint::black_box(false), "on purpose") });
        let panicked = std::panic::AssertUnwindSafe(work).catch_unwind().await.unwrap_err();
        assert_eq!(panicked.downcast_ref::<&str>(), Some(&"on purpose"));
    }
}

//! Tasks and threads whose lines in the log belong to what those of their maker belong to, such as a database.

use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

/// As [`tokio::spawn`], in the span of the caller.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future.in_current_span())
}

/// As [`tokio::task::spawn_blocking`], in the span of the caller.
pub fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

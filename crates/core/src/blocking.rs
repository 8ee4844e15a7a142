//! Work that may take long and waits for nothing, such as reading what another writer may have made as large as it may be.

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

/// Does `work` on a thread for such, so that no task waits for more than its outcome.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await.map_err(|error| error.try_into_panic()) {
        Ok(done) => done,
        Err(Ok(panicked)) => resume_unwind(panicked),
        // The runtime is about to end, and with it all tasks.
        Err(Err(_)) => std::future::pending().await,
    }
}

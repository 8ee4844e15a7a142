//! How far a run is: a counter for everyone, a line for a person at a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::task::AbortOnDropHandle;

const REFRESH: Duration = Duration::from_millis(200);

/// The bytes that were read from `pg_dump` so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    plain_bytes: Arc<AtomicU64>,
}

impl Progress {
    /// The counter that the codec moves.
    pub(crate) fn plain_bytes(&self) -> &Arc<AtomicU64> {
        &self.plain_bytes
    }

    /// Shows rate, bytes and time until the returned value is dropped; nothing where standard error
    /// is no terminal.
    pub(crate) fn show(&self) -> Option<ShownProgress> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let style = ProgressStyle::with_template("{spinner} {bytes} dumped, {bytes_per_sec}, {elapsed_precise}");
        let bar = ProgressBar::new_spinner().with_style(style.expect("the template is a constant"));
        let (shown, counter) = (bar.clone(), Arc::clone(&self.plain_bytes));
        let task = tokio::spawn(async move {
            loop {
                shown.set_position(counter.load(Ordering::Relaxed));
                shown.tick();
                tokio::time::sleep(REFRESH).await;
            }
        });
        Some(ShownProgress { bar, _task: AbortOnDropHandle::new(task) })
    }
}

/// See [`Progress::show`].
pub(crate) struct ShownProgress {
    bar: ProgressBar,
    _task: AbortOnDropHandle<()>,
}

impl Drop for ShownProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

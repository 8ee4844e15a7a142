//! How far a drill is: for `/status`, and a line for a person at a terminal.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio_util::task::AbortOnDropHandle;

const REFRESH: Duration = Duration::from_millis(200);

/// The step that a drill is in, and the bytes that it has got through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    step: Arc<Mutex<Step>>,
    done_bytes: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Step {
    name: &'static str,
    total_bytes: Option<u64>,
}

/// What [`Progress`] shows at one moment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Position {
    /// `fetch`, `restore`, ...; empty before the first.
    pub(crate) step: &'static str,
    pub(crate) done_bytes: u64,
    pub(crate) total_bytes: Option<u64>,
}

impl Progress {
    /// Begins a step, with its size where that is known.
    pub(crate) fn enter(&self, name: &'static str, total_bytes: Option<u64>) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        *step = Step { name, total_bytes };
        self.done_bytes.store(0, Ordering::Relaxed);
    }

    /// The counter of the step, to be moved by whoever does it.
    pub(crate) fn done_bytes(&self) -> &Arc<AtomicU64> {
        &self.done_bytes
    }

    pub(crate) fn position(&self) -> Position {
        let Step { name, total_bytes } = *self.step.lock().unwrap_or_else(PoisonError::into_inner);
        Position { step: name, done_bytes: self.done_bytes.load(Ordering::Relaxed), total_bytes }
    }

    /// Shows the step until the returned value is dropped; nothing where standard error is no terminal.
    pub(crate) fn show(&self) -> Option<ShownProgress> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed_precise}");
        let bar = ProgressBar::new_spinner().with_style(style.expect("the template is a constant"));
        let (shown, progress) = (bar.clone(), self.clone());
        let task = tokio::spawn(async move {
            loop {
                shown.set_message(progress.position().to_string());
                shown.tick();
                tokio::time::sleep(REFRESH).await;
            }
        });
        Some(ShownProgress { bar, _task: AbortOnDropHandle::new(task) })
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = backup_core::text::bytes;
        match (self.done_bytes, self.total_bytes) {
            (0, None) => formatter.write_str(self.step),
            (done, None) => write!(formatter, "{} {}", self.step, bytes(done)),
            (done, Some(total)) => write!(formatter, "{} {} of {}", self.step, bytes(done), bytes(total)),
        }
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

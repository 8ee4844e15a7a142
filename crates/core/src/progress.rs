//! How far a run is: for `/status`, and a line for a person at a terminal; and how long its steps took.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

const REFRESH: Duration = Duration::from_millis(200);

/// The step that a run is in, and the bytes that it has processed. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    steps: Arc<Mutex<Steps>>,
    done_bytes: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Steps {
    current: Option<Step>,
    seconds: StepSeconds,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    name: &'static str,
    total_bytes: Option<u64>,
    began: Instant,
}

/// Seconds by step. A step that a run repeats counts as often as it was taken.
pub type StepSeconds = BTreeMap<&'static str, f64>;

/// What [`Progress`] shows at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Position {
    /// `fetch`, `dump`, ...; empty before the first.
    pub step: &'static str,
    /// Bytes that the step has processed.
    pub done_bytes: u64,
    /// Bytes that it will have processed at its end, if that is known.
    pub total_bytes: Option<u64>,
}

impl Progress {
    /// Ends the current step and begins another one, with its size if that is known.
    pub fn enter(&self, name: &'static str, total_bytes: Option<u64>) {
        let mut steps = self.lock();
        steps.end();
        steps.current = Some(Step { name, total_bytes, began: Instant::now() });
        self.done_bytes.store(0, Ordering::Relaxed);
    }

    /// Ends the last step, and returns how long each took since the last call.
    pub fn finish(&self) -> StepSeconds {
        let mut steps = self.lock();
        steps.end();
        std::mem::take(&mut steps.seconds)
    }

    /// The counter of the step, which the code that processes the bytes moves.
    pub fn done_bytes(&self) -> &Arc<AtomicU64> {
        &self.done_bytes
    }

    /// Where the run is now.
    pub fn position(&self) -> Position {
        let (step, total_bytes) = self.lock().current.map_or(("", None), |step| (step.name, step.total_bytes));
        Position { step, done_bytes: self.done_bytes.load(Ordering::Relaxed), total_bytes }
    }

    /// Shows the step until the returned value is dropped; nothing if standard error is no terminal.
    pub fn show(&self) -> Option<ShownProgress> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed_precise}");
        let bar = ProgressBar::new_spinner().with_style(style.expect("the template is a constant"));
        let (shown, progress) = (bar.clone(), self.clone());
        let task = tokio::spawn(async move {
            loop {
                shown.set_message(progress.line());
                shown.tick();
                tokio::time::sleep(REFRESH).await;
            }
        });
        Some(ShownProgress { bar, _task: AbortOnDropHandle::new(task) })
    }

    /// The position, and the average rate of its bytes.
    fn line(&self) -> String {
        let position = self.position();
        let elapsed = self.lock().current.map(|step| step.began.elapsed().as_secs()).unwrap_or_default();
        match position.done_bytes.checked_div(elapsed) {
            None | Some(0) => position.to_string(),
            Some(rate) => format!("{position}, {}/s,", crate::text::bytes(rate)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steps {
    fn end(&mut self) {
        if let Some(step) = self.current.take() {
            *self.seconds.entry(step.name).or_default() += step.began.elapsed().as_secs_f64();
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = crate::text::bytes;
        match (self.done_bytes, self.total_bytes) {
            (0, None) => formatter.write_str(self.step),
            (done, None) => write!(formatter, "{} {}", self.step, bytes(done)),
            (done, Some(total)) => write!(formatter, "{} {} of {}", self.step, bytes(done), bytes(total)),
        }
    }
}

/// See [`Progress::show`].
pub struct ShownProgress {
    bar: ProgressBar,
    _task: AbortOnDropHandle<()>,
}

impl Drop for ShownProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_step_tells_how_long_it_took_and_forgets_it_with_the_run() {
        let progress = Progress::default();
        for (step, seconds) in [("inspect", 2), ("dump", 5), ("inspect", 1), ("dump", 7)] {
            progress.enter(step, None);
            progress.done_bytes().fetch_add(3, Ordering::Relaxed);
            tokio::time::advance(Duration::from_secs(seconds)).await;
        }
        assert_eq!(progress.line(), "dump 3 B");
        assert_eq!(progress.finish(), StepSeconds::from([("dump", 12.0), ("inspect", 3.0)]));
        assert_eq!((progress.finish(), progress.position().step), (StepSeconds::new(), ""));
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_moves_bytes_shows_its_rate() {
        let progress = Progress::default();
        progress.enter("dump", Some(10_000));
        progress.done_bytes().store(4_000, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(progress.line(), format!("{}, {}/s,", progress.position(), crate::text::bytes(1_000)));
    }
}

//! Ticks, and between them runs that make up for one that failed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Ticker;

/// Maximum number of pauses in a list.
const MAX_PAUSES: usize = 20;

/// Longest pause, in seconds: a day.
const MAX_PAUSE_SECONDS: u64 = 24 * 60 * 60;

/// When a run that failed is made up for. The last pause repeats; without any, the next tick is waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MakeUp(Vec<Duration>);

impl MakeUp {
    /// Reads whole seconds separated by commas, or `off`.
    ///
    /// # Errors
    /// What is wrong, without the text itself.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "is neither off nor whole numbers of seconds from 1 to 86400, separated by commas";
        if text.trim().eq_ignore_ascii_case("off") {
            return Ok(Self::default());
        }
        let seconds = text.split(',').map(|part| part.trim().parse::<u64>().ok());
        let in_range = seconds.map(|seconds| seconds.filter(|seconds| (1..=MAX_PAUSE_SECONDS).contains(seconds)));
        let pauses = in_range.map(|seconds| seconds.map(Duration::from_secs)).collect::<Option<Vec<_>>>();
        pauses.filter(|pauses| pauses.len() <= MAX_PAUSES).map(Self).ok_or(WRONG)
    }

    /// When to run again after `failures` runs in a row since the last tick, of which the last one ended at `now` and
    /// took `took`; `None` if `next_tick` is not later, or never.
    ///
    /// A pause is at least as long as the run was, so that a run that fails late does not keep a server at work.
    pub fn next(
        &self,
        failures: u32,
        took: Duration,
        now: DateTime<Utc>,
        next_tick: Option<DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        let place = usize::try_from(failures.saturating_sub(1)).ok()?;
        let pause = self.0.get(place).or(self.0.last())?;
        let due = now.checked_add_signed(chrono::TimeDelta::from_std((*pause).max(took)).ok()?)?;
        next_tick.is_none_or(|tick| due < tick).then_some(due)
    }
}

/// Whether the same run may end otherwise later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// An outage may be over.
    MayDiffer,
    /// It will fail in the same way until a person changes something.
    Same,
}

/// Why a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// This tick of the schedule has come.
    Tick(DateTime<Utc>),
    /// The last run failed, or was put off.
    MakeUp,
    /// Something has appeared in the bucket that asks for one.
    News,
}

/// A [`Ticker`] that also knows how runs ended. There is one run at a time, and never a queue.
pub struct Rhythm {
    ticker: Ticker,
    make_up: MakeUp,
    /// Runs that failed since the last tick.
    failures: u32,
    /// When the next run is due that no tick asks for. Measured by the monotonic clock.
    due: Option<(Instant, DateTime<Utc>)>,
}

impl Rhythm {
    /// Makes up for runs between the ticks of `ticker`.
    pub fn new(ticker: Ticker, make_up: MakeUp) -> Self {
        Self { ticker, make_up, failures: 0, due: None }
    }

    /// Asks for a run at `due`, unless a tick comes first.
    pub fn put_off_until(&mut self, due: DateTime<Utc>) {
        let wait = (due - self.ticker.now()).to_std().unwrap_or_default();
        self.due = Some((Instant::now() + wait, due));
    }

    /// Notes that the last run failed after `took`.
    pub fn failed(&mut self, took: Duration, outlook: Outlook) {
        self.failures = self.failures.saturating_add(1);
        self.due = None;
        if outlook == Outlook::Same {
            return;
        }
        if let Some(due) = self.make_up.next(self.failures, took, self.ticker.now(), self.ticker.upcoming()) {
            self.put_off_until(due);
        }
    }

    /// Notes that the last run succeeded: there is nothing to make up for.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.due = None;
    }

    /// Waits for the next run; `None` once `stop` is cancelled.
    pub async fn next(&mut self, stop: &CancellationToken) -> Option<Occasion> {
        let due = self.due.take();
        let tick = tokio::select! {
            biased;
            tick = self.ticker.next(stop) => tick?,
            () = until(due.map(|(instant, _)| instant)) => return Some(Occasion::MakeUp),
        };
        self.failures = 0;
        Some(Occasion::Tick(tick))
    }

    /// When the next run begins, to show it to people.
    pub fn upcoming(&self) -> Option<DateTime<Utc>> {
        let due = self.due.map(|(_, time)| time);
        due.into_iter().chain(self.ticker.upcoming()).min()
    }

    /// When the next tick comes.
    pub fn next_tick(&self) -> Option<DateTime<Utc>> {
        self.ticker.upcoming()
    }

    /// As [`Ticker::skipped_overlap`].
    pub fn skipped_overlap(&self) -> u64 {
        self.ticker.skipped_overlap()
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;

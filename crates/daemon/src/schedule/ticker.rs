//! The wait between two runs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::Schedule;

/// Longest sleep between two looks at the clock. A sleep does not notice that the clock was set or
/// that the machine was suspended; this is how late a run can be after either.
const SLICE: Duration = Duration::from_secs(30);

/// Most ticks that one overlong run is found to have skipped: a week of one a minute.
const SKIPPED_LIMIT: usize = 7 * 24 * 60;

/// Waits for one tick of a [`Schedule`] after the other.
///
/// It remembers the last tick, not the time at which it fired, so each tick fires at most once:
///
/// - A clock set back by up to two hours repeats nothing. Set back further, the clock is taken as
///   corrected and crontab ticks count from it again; an interval always counts from the new time.
/// - A clock set forward over many ticks fires once, with the last of them.
/// - Ticks that pass between two calls, while the job runs, are skipped and counted: there is one
///   job at a time and never a queue.
///
/// Ticks from before [`Ticker::new`] do not fire. For the catch-up ask [`Schedule::is_due`] first:
///
/// ```no_run
/// # use backup_daemon::schedule::{Schedule, Ticker};
/// # use chrono::{DateTime, Utc};
/// # async fn job() {}
/// # async fn example(schedule: Schedule, last_success: Option<DateTime<Utc>>) {
/// # let stop = tokio_util::sync::CancellationToken::new();
/// let now = Utc::now();
/// let is_due = schedule.is_due(last_success, now);
/// let mut ticker = Ticker::new(schedule, if is_due { Some(now) } else { last_success });
/// if is_due {
///     job().await;
/// }
/// while let Some(_tick) = ticker.next(&stop).await {
///     job().await;
/// }
/// # }
/// ```
pub struct Ticker {
    schedule: Schedule,
    /// No tick up to this one fires any more.
    last_tick: DateTime<Utc>,
    skipped_overlap: u64,
    clock: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

impl Ticker {
    /// Counts on from `last_tick`, which is the last tick or the start of the last run, or from now
    /// if there was none.
    pub fn new(schedule: Schedule, last_tick: Option<DateTime<Utc>>) -> Self {
        Self::with_clock(schedule, last_tick, Utc::now)
    }

    /// The same with a clock of the caller's, for tests that set it. It should run as fast as
    /// tokio's, by which the sleeps are measured.
    pub fn with_clock(
        schedule: Schedule,
        last_tick: Option<DateTime<Utc>>,
        clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> Self {
        let now = clock();
        let last_tick = schedule.trusted(last_tick.unwrap_or(now), now);
        Self {
            // Without this, ticks missed before the start would count as skipped by a job.
            last_tick: schedule.latest_tick(last_tick, now),
            schedule,
            skipped_overlap: 0,
            clock: Box::new(clock),
        }
    }

    /// Sleeps until the next tick and returns it; `None` once `stop` is cancelled, even if a tick
    /// has come.
    ///
    /// The tick may lie in the past by the length of a sleep, or by more if the clock was set
    /// forward. Dropping the future loses nothing. A crontab that is used up (in the year 2100)
    /// waits for `stop`.
    pub async fn next(&mut self, stop: &CancellationToken) -> Option<DateTime<Utc>> {
        self.skip_passed();
        // Ends with the tick or with `stop`.
        while !stop.is_cancelled() {
            let now = (self.clock)();
            self.last_tick = self.schedule.trusted(self.last_tick, now);
            let Some(tick) = self.schedule.next_after(self.last_tick) else {
                stop.cancelled().await;
                return None;
            };
            if tick <= now {
                self.last_tick = self.schedule.latest_tick(tick, now);
                return Some(self.last_tick);
            }
            let wait = (tick - now).to_std().unwrap_or(SLICE).min(SLICE);
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(wait) => {}
            }
        }
        None
    }

    /// The tick that [`Ticker::next`] would wait for if it were called now, to show it to people.
    pub fn upcoming(&self) -> Option<DateTime<Utc>> {
        self.schedule.next_tick(Some(self.last_tick), (self.clock)())
    }

    /// How many ticks passed while a job ran, since this was made. Of one run at most 10,080 are
    /// counted, if the schedule is a crontab.
    pub fn skipped_overlap(&self) -> u64 {
        self.skipped_overlap
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    fn skip_passed(&mut self) {
        let now = (self.clock)();
        let last_tick = self.schedule.trusted(self.last_tick, now);
        self.skipped_overlap += self.schedule.ticks_between(last_tick, now, SKIPPED_LIMIT);
        self.last_tick = self.schedule.latest_tick(last_tick, now);
    }
}

#[cfg(test)]
mod tests;

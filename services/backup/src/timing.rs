//! When runs happen, and how old a backup may be by that.

use std::time::Duration;

use backup_daemon::schedule::{MakeUp, Schedule};
use chrono::{DateTime, TimeDelta, Utc};

/// When runs happen and how long things may take.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    pub(crate) schedule: Schedule,
    pub(crate) run_on_startup: bool,
    pub(crate) min_interval: Duration,
    /// `None`: by the schedule.
    pub(crate) given_max_age: Option<Duration>,
    /// When a run that failed is made up for.
    pub(crate) make_up: MakeUp,
    pub(crate) run_timeout: Duration,
}

impl Timing {
    /// How old the newest full backup may be at `now`, unless `BACKUP_MAX_AGE` says: the longest gap of the schedule
    /// around it, a tenth of that and an hour, and as long as a run `takes`, since an age counts from the start of a
    /// run and the next backup is there at the end of one.
    pub(crate) fn max_age(&self, now: DateTime<Utc>, takes: TimeDelta) -> Duration {
        let takes = takes.to_std().unwrap_or_default().min(self.run_timeout);
        self.given_max_age.unwrap_or_else(|| self.schedule.tolerated_age(now) + takes)
    }
}

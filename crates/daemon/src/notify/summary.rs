//! The message of life of `NOTIFY_DIGEST`: what ran since the last one, what is safe, and what is wrong. Decided from
//! what happened and the time alone.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::database_name::DatabaseName;
use crate::schedule::{Schedule, ScheduleError};

/// How often it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rhythm {
    /// At 08:00.
    Daily,
    /// On Mondays at 08:00.
    Weekly,
}

impl Rhythm {
    /// When it is sent, by the clock of this time zone.
    ///
    /// # Errors
    /// None for the expressions here.
    pub(super) fn schedule(self, time_zone: Tz) -> Result<Schedule, ScheduleError> {
        let expression = match self {
            Self::Daily => "0 8 * * *",
            Self::Weekly => "0 8 * * MON",
        };
        Schedule::cron(expression, time_zone)
    }
}

/// Runs of one database that have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) succeeded: u32,
    pub(super) failed: u32,
}

/// What the next message of life is made from.
#[derive(Debug)]
pub(super) struct Summary {
    schedule: Schedule,
    since: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
    runs: BTreeMap<DatabaseName, Runs>,
}

impl Summary {
    /// Counts from `now` on.
    pub(super) fn begin(schedule: Schedule, now: DateTime<Utc>) -> Self {
        Self { next: schedule.next_after(now), schedule, since: now, runs: BTreeMap::new() }
    }

    /// A run of `database` has succeeded.
    pub(super) fn succeeded(&mut self, database: &DatabaseName) {
        let runs = self.runs.entry(database.clone()).or_default();
        runs.succeeded = runs.succeeded.saturating_add(1);
    }

    /// A run of `database` has failed.
    pub(super) fn failed(&mut self, database: &DatabaseName) {
        let runs = self.runs.entry(database.clone()).or_default();
        runs.failed = runs.failed.saturating_add(1);
    }

    /// When it is due next.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.next
    }

    /// Since when runs were counted, and which, if it is due at `now`. It is due once, also if several were missed while the
    /// machine slept.
    pub(super) fn due(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, BTreeMap<DatabaseName, Runs>)> {
        self.next.filter(|next| *next <= now)?;
        self.next = self.schedule.next_after(now);
        Some((std::mem::replace(&mut self.since, now), std::mem::take(&mut self.runs)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::notify::message::tests::at;

    fn begun(rhythm: Rhythm, zone: &str, now: &str) -> Summary {
        Summary::begin(rhythm.schedule(zone.parse().unwrap()).unwrap(), at(now))
    }

    #[track_caller]
    fn check(rhythm: Rhythm, zone: &str, now: &str, expected: &str) {
        assert_eq!(begun(rhythm, zone, now).next_due(), Some(at(expected)), "{rhythm:?} {zone} {now}");
    }

    #[test]
    fn it_is_due_in_the_morning_of_the_time_zone() {
        check(Rhythm::Daily, "UTC", "2026-11-29T07:59:59Z", "2026-11-29T08:00:00Z");
        check(Rhythm::Daily, "UTC", "2026-11-29T08:00:00Z", "2026-11-30T08:00:00Z");
        check(Rhythm::Daily, "Europe/Berlin", "2026-11-29T06:00:00Z", "2026-11-29T07:00:00Z");
        check(Rhythm::Daily, "Europe/Berlin", "2026-07-01T06:00:00Z", "2026-07-02T06:00:00Z");
        check(Rhythm::Weekly, "UTC", "2026-11-29T09:00:00Z", "2026-11-30T08:00:00Z");
        check(Rhythm::Weekly, "Australia/Sydney", "2026-11-29T22:00:00Z", "2026-12-06T21:00:00Z");
    }

    #[test]
    fn it_counts_what_ran_since_the_last_one_and_is_due_once() {
        let mut summary = begun(Rhythm::Daily, "UTC", "2026-11-29T03:00:00Z");
        let app = DatabaseName::from("app");
        summary.succeeded(&app);
        summary.failed(&app);
        summary.succeeded(&app);
        assert_eq!(summary.due(at("2026-11-29T07:59:59Z")), None);
        let runs = Runs { succeeded: 2, failed: 1 };
        let due = summary.due(at("2026-11-29T08:00:01Z"));
        assert_eq!(due, Some((at("2026-11-29T03:00:00Z"), BTreeMap::from([(app, runs)]))));
        assert_eq!(summary.due(at("2026-11-29T08:00:02Z")), None);
        // A machine that slept for three days sends one.
        let later = at("2026-12-02T12:00:00Z");
        assert_eq!(summary.due(later), Some((at("2026-11-29T08:00:01Z"), BTreeMap::new())));
        assert_eq!((summary.due(later), summary.next_due()), (None, Some(later + TimeDelta::hours(20))));
    }
}

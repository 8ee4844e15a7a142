//! What the daemon knows of itself, and when that is worth an alarm.

use std::time::Duration;

use backup_core::catalog::Drill;
use backup_daemon::{Board, State};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::report::{Report, Verdict};
use backup_daemon::{Position, Progress};

/// `/status`. An allow-list: nothing of the configuration is in it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Facts {
    pub(crate) version: &'static str,
    pub(crate) schedule: String,
    pub(crate) state: State,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) next_drill_at: Option<DateTime<Utc>>,
    /// While the bucket holds no backup at all: when that becomes an alarm.
    pub(crate) first_backup_by: Option<DateTime<Utc>>,
    /// When the last passed drill ended, of this process or by a record in the bucket.
    pub(crate) last_passed_at: Option<DateTime<Utc>>,
    /// How long ago that may be.
    pub(crate) max_age_seconds: u64,
    /// How long a drill may take.
    pub(crate) drill_timeout_seconds: u64,
    /// The newest record of a drill that the bucket held at start.
    pub(crate) recorded_drill: Option<Drill>,
    /// The last drill of this process.
    pub(crate) last_report: Option<Report>,
    /// Drills in a row that did not pass.
    pub(crate) consecutive_failures: u32,
    pub(crate) skipped_overlapping_drills: u64,
    /// Drills that were skipped since another process drilled at the same server.
    pub(crate) skipped_for_another: u64,
}

impl Facts {
    pub(crate) fn new(schedule: String, max_age: Duration, drill_timeout: Duration, now: DateTime<Utc>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            schedule,
            state: State::Starting,
            started_at: now,
            next_drill_at: None,
            first_backup_by: None,
            last_passed_at: None,
            max_age_seconds: max_age.as_secs(),
            drill_timeout_seconds: drill_timeout.as_secs(),
            recorded_drill: None,
            last_report: None,
            consecutive_failures: 0,
            skipped_overlapping_drills: 0,
            skipped_for_another: 0,
        }
    }

    /// What the bucket remembers of drills before the start: the newest of all, and the newest passed one.
    pub(crate) fn remember(&mut self, newest: Option<Drill>, last_passed_at: Option<DateTime<Utc>>) {
        self.recorded_drill = newest;
        self.last_passed_at = last_passed_at;
    }

    /// How a drill ended. A skipped one changes nothing: what was known before is still what is known.
    pub(crate) fn drilled(&mut self, report: Report) {
        match report.verdict {
            Verdict::Skipped => {
                self.skipped_for_another += 1;
                return;
            }
            Verdict::Passed => {
                self.last_passed_at = Some(report.ended_at);
                self.consecutive_failures = 0;
            }
            Verdict::Failed | Verdict::CouldNotRun | Verdict::Stopped => self.consecutive_failures += 1,
        }
        self.last_report = Some(report);
    }

    /// Everything that is wrong; empty means healthy: a drill has passed, or there is no backup yet and the first one
    /// still has time.
    pub(crate) fn alarms(&self, now: DateTime<Utc>) -> Vec<String> {
        match self.first_backup_by {
            Some(by) if now <= by => return Vec::new(),
            Some(by) => {
                return vec![format!(
                    "there is no backup, and the first one was due by {}",
                    by.format("%Y-%m-%d %H:%M UTC")
                )];
            }
            None => {}
        }
        let mut alarms = Vec::new();
        alarms.extend(self.alarm_of_last_drill());
        match self.last_passed_at {
            None => alarms.push(self.never_passed(now)),
            Some(at) => {
                let age_seconds = (now - at).num_seconds();
                let bound = self.max_age_seconds;
                if age_seconds > i64::try_from(bound).unwrap_or(i64::MAX) {
                    alarms.push(format!("the last passed drill is {age_seconds} s old, and {bound} s are allowed"));
                }
            }
        }
        alarms
    }

    fn alarm_of_last_drill(&self) -> Option<String> {
        let Some(report) = &self.last_report else {
            let failed = self.recorded_drill.filter(|drill| !drill.passed)?;
            return Some(format!("the last drill, of {}, failed", failed.time.format("%Y-%m-%d %H:%M UTC")));
        };
        let reason = report.reason();
        match report.verdict {
            Verdict::Passed | Verdict::Skipped => None,
            Verdict::Failed => Some(format!("the last drill failed: {reason}")),
            Verdict::CouldNotRun => Some(format!("the last drill could not run: {reason}")),
            Verdict::Stopped => Some(format!("the last drill was stopped: {reason}")),
        }
    }

    /// Red from the start; the words say whether the first drill still has time.
    fn never_passed(&self, now: DateTime<Utc>) -> String {
        let bound = TimeDelta::seconds(self.drill_timeout_seconds.cast_signed());
        if self.last_report.is_none() && now - self.started_at <= bound {
            return "no drill has ended since the start; the first one still has time".to_owned();
        }
        "no drill has passed yet".to_owned()
    }
}

/// `/status`: the facts, their alarms, and how far a running drill is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatusPage {
    #[serde(flatten)]
    pub(crate) facts: Facts,
    pub(crate) alarms: Vec<String>,
    pub(crate) progress: Option<Position>,
}

impl StatusPage {
    pub(crate) fn of(board: &Board<Facts>, progress: &Progress, now: DateTime<Utc>) -> Self {
        let facts = board.facts();
        let progress = (facts.state == State::Running).then(|| progress.position());
        Self { alarms: facts.alarms(now), facts, progress }
    }
}

#[cfg(test)]
mod tests {
    use backup_core::stop::Stop;

    use super::*;
    use crate::choose::ChooseError;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    /// Started at minute 0; a drill may take 30 minutes, and its result grows old in 60.
    fn facts() -> Facts {
        Facts::new("test".to_owned(), Duration::from_secs(3600), Duration::from_secs(1800), at(0))
    }

    fn report(verdict: Verdict, ended_at: DateTime<Utc>) -> Report {
        let error = ChooseError::Unclear("why".to_owned());
        Report { verdict, ended_at, ..Report::without_backup(ended_at, &error, &Stop::default()) }
    }

    #[test]
    fn it_is_never_green_before_a_drill_has_passed_r107() {
        let mut facts = facts();
        let waiting = "no drill has ended since the start; the first one still has time";
        assert_eq!(facts.alarms(at(0)), [waiting]);
        assert_eq!(facts.alarms(at(30)), [waiting]);
        assert_eq!(facts.alarms(at(31)), ["no drill has passed yet"]);
        facts.drilled(report(Verdict::Failed, at(5)));
        assert_eq!(facts.alarms(at(5)), ["the last drill failed: why", "no drill has passed yet"]);
        facts.drilled(report(Verdict::Passed, at(6)));
        assert!(facts.alarms(at(6)).is_empty());
    }

    /// Two services that are deployed together: before the first backup there is nothing to be wrong, for a while.
    #[test]
    fn waiting_for_the_first_backup_is_red_only_when_that_is_late() {
        let mut facts = facts();
        facts.first_backup_by = Some(at(60));
        assert_eq!(facts.alarms(at(60)), [] as [&str; 0]);
        assert_eq!(facts.alarms(at(61)), ["there is no backup, and the first one was due by 2026-11-22 13:00 UTC"]);
        facts.first_backup_by = None;
        assert_eq!(facts.alarms(at(61)), ["no drill has passed yet"]);
    }

    #[test]
    fn a_drill_that_did_not_pass_is_an_alarm_until_one_passes() {
        let mut facts = facts();
        facts.drilled(report(Verdict::Passed, at(1)));
        for (count, verdict, words) in [
            (1, Verdict::Failed, "the last drill failed: why"),
            (2, Verdict::CouldNotRun, "the last drill could not run: why"),
            (3, Verdict::Stopped, "the last drill was stopped: why"),
        ] {
            facts.drilled(report(verdict, at(2)));
            assert_eq!((facts.alarms(at(2)), facts.consecutive_failures), (vec![words.to_owned()], count));
        }
        facts.drilled(report(Verdict::Passed, at(3)));
        assert_eq!((facts.alarms(at(3)).len(), facts.consecutive_failures), (0, 0));
    }

    #[test]
    fn a_skipped_drill_neither_turns_red_nor_green_r064() {
        let mut facts = facts();
        facts.drilled(report(Verdict::Passed, at(1)));
        facts.drilled(report(Verdict::Skipped, at(2)));
        assert!(facts.alarms(at(2)).is_empty());
        facts.drilled(report(Verdict::Failed, at(3)));
        facts.drilled(report(Verdict::Skipped, at(4)));
        assert_eq!(facts.alarms(at(4)), ["the last drill failed: why"]);
        assert_eq!((facts.consecutive_failures, facts.skipped_for_another), (1, 2));
        assert_eq!(facts.alarms(at(62)).len(), 2, "skipping for ever grows old, too");
    }

    #[test]
    fn a_passed_drill_grows_old() {
        let mut facts = facts();
        facts.drilled(report(Verdict::Passed, at(0)));
        assert!(facts.alarms(at(60)).is_empty());
        assert_eq!(facts.alarms(at(61)), ["the last passed drill is 3660 s old, and 3600 s are allowed"]);
    }

    #[test]
    fn records_in_the_bucket_count_as_drills() {
        let mut facts = facts();
        facts.remember(Some(Drill { time: at(-10), passed: true, recorded_at: None }), Some(at(-10)));
        assert!(facts.alarms(at(0)).is_empty());
        facts.remember(Some(Drill { time: at(-5), passed: false, recorded_at: None }), Some(at(-10)));
        assert_eq!(facts.alarms(at(0)), ["the last drill, of 2026-11-22 11:55 UTC, failed"]);
        facts.drilled(report(Verdict::Passed, at(1)));
        assert!(facts.alarms(at(1)).is_empty());
    }
}

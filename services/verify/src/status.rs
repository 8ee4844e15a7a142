//! What the daemon knows of a database besides what every service knows.

use std::time::Duration;

use backup_core::repository::Drill;
use backup_daemon::notify::Safe;
use backup_daemon::{DatabaseState, State, StatusHead};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::alarms::conditions;
use crate::report::{Report, Verdict};
use crate::tell::learn;

/// A part of `/status`. An allow-list: nothing of the configuration is in it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Facts {
    /// While the bucket holds no backup at all: when that becomes an alarm.
    pub(crate) first_backup_by: Option<DateTime<Utc>>,
    /// When the bucket was last seen without a backup: from then on the first drill has its time.
    #[serde(skip)]
    pub(crate) first_drill_since: Option<DateTime<Utc>>,
    /// What is still safe, as far as drills and records of this service show.
    #[serde(skip)]
    pub(crate) safe: Safe,
    /// When the last passed drill ended, of this process or by a record in the bucket.
    pub(crate) last_passed_at: Option<DateTime<Utc>>,
    /// How long a drill may take.
    pub(crate) drill_timeout_seconds: u64,
    /// The newest record of a drill that the bucket held at start.
    pub(crate) recorded_drill: Option<Drill>,
    /// The last drill of this process.
    pub(crate) last_report: Option<Report>,
    /// Drills in a row that did not pass.
    pub(crate) consecutive_failures: u32,
    /// Drills that were skipped since another process drilled at the same server.
    pub(crate) skipped_for_another: u64,
}

impl Facts {
    pub(crate) fn new(drill_timeout: Duration) -> Self {
        Self { drill_timeout_seconds: drill_timeout.as_secs(), ..Self::default() }
    }

    /// What the bucket remembers of drills before the start: the newest of all, and the newest passed one.
    pub(crate) fn remember(&mut self, newest: Option<Drill>, last_passed_at: Option<DateTime<Utc>>, safe: Safe) {
        self.safe = safe;
        self.recorded_drill = newest;
        self.last_passed_at = last_passed_at;
    }

    /// How a drill ended. A skipped one changes nothing: what was known before is still what is known.
    pub(crate) fn drilled(&mut self, report: Report) {
        learn(&mut self.safe, &report);
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
}

/// `/status` as JSON. There is one database today.
pub(crate) fn status_page(state: &State<Facts>, now: DateTime<Utc>) -> String {
    let page = state.copy().into_iter().next().map(|(name, state)| {
        let head = state.head(&name, conditions, now);
        let DatabaseState { next_run_at: next_drill_at, skipped_overlapping_runs, own: facts, .. } = state;
        StatusPage { head, next_drill_at, skipped_overlapping_drills: skipped_overlapping_runs, facts }
    });
    serde_json::to_string(&page).unwrap_or_default()
}

#[derive(Serialize)]
struct StatusPage {
    #[serde(flatten)]
    head: StatusHead,
    next_drill_at: Option<DateTime<Utc>>,
    skipped_overlapping_drills: u64,
    #[serde(flatten)]
    facts: Facts,
}

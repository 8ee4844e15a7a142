//! `/status`, and what the API shows of drills.

use backup_daemon::{DatabaseState, Judge, RunPath, Shown, State, StatusHead, status_json};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::alarms;
use crate::status::Facts;

/// How the daemon shows what it knows.
pub(crate) const SHOWN: Shown<Facts> = Shown {
    service: "verify",
    judge: alarms::conditions,
    status: |state, now| status_page(state, alarms::conditions, now),
    drills: |facts| facts.history.summaries(),
    report: |facts, id| facts.history.report(id),
    runs: Some(RunPath::Drills),
};

/// `/status` as JSON: the only database, or the list of all.
pub(crate) fn status_page(state: &State<Facts>, judge: Judge<Facts>, now: DateTime<Utc>) -> String {
    let pages = state.copy().into_iter().map(|(name, state)| {
        let head = state.head(&name, judge, now);
        let DatabaseState { next_run_at: next_drill_at, skipped_overlapping_runs, own: facts, .. } = state;
        StatusPage { head, next_drill_at, skipped_overlapping_drills: skipped_overlapping_runs, facts }
    });
    status_json(&pages.collect::<Vec<_>>())
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

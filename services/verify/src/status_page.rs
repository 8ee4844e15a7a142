//! `/status`.

use backup_daemon::{DatabaseState, State, StatusHead};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::alarms::conditions;
use crate::status::Facts;

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

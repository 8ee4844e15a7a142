//! `/status`.

use backup_daemon::{DatabaseState, State, StatusHead};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::alarms::conditions;
use crate::status::Facts;
use crate::step;

/// `/status` as JSON. There is one database today.
pub(crate) fn status_page(state: &State<Facts>, now: DateTime<Utc>) -> String {
    let page = state.copy().into_iter().next().map(|(name, state)| {
        let dumping = Some(state.progress.position()).filter(|position| position.step == step::DUMP);
        let head = state.head(&name, conditions, now);
        let DatabaseState { next_run_at, skipped_overlapping_runs, own, .. } = state;
        let dumped_bytes = dumping.map(|position| position.done_bytes);
        StatusPage { head, next_run_at, skipped_overlapping_runs, dumped_bytes, facts: own }
    });
    serde_json::to_string(&page).unwrap_or_default()
}

#[derive(Serialize)]
struct StatusPage {
    #[serde(flatten)]
    head: StatusHead,
    next_run_at: Option<DateTime<Utc>>,
    skipped_overlapping_runs: u64,
    /// The counter of a running dump.
    dumped_bytes: Option<u64>,
    #[serde(flatten)]
    facts: Facts,
}

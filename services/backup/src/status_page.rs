//! `/status`, and what the API shows besides.

use backup_daemon::{DatabaseState, RunPath, Shown, State, StatusHead, status_json};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::alarms::conditions;
use crate::status::Facts;
use crate::step;

/// How the daemon shows what it knows. It makes no drills.
pub(crate) const SHOWN: Shown<Facts> = Shown {
    service: "backup",
    judge: conditions,
    status: status_page,
    drills: |_| Vec::new(),
    report: |_, _| None,
    runs: Some(RunPath::Backups),
};

/// `/status` as JSON: the only database, or the list of all.
fn status_page(state: &State<Facts>, now: DateTime<Utc>) -> String {
    let pages = state.copy().into_iter().map(|(name, state)| {
        let dumping = Some(state.progress.position()).filter(|position| position.step == step::DUMP);
        let head = state.head(&name, conditions, now);
        let DatabaseState { next_run_at, skipped_overlapping_runs, own, .. } = state;
        let dumped_bytes = dumping.map(|position| position.done_bytes);
        StatusPage { head, next_run_at, skipped_overlapping_runs, dumped_bytes, facts: own }
    });
    status_json(&pages.collect::<Vec<_>>())
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

//! What the page shows of a database besides what every service knows.

use std::sync::Arc;

use backup_daemon::Daemon;
use backup_daemon::State;
use backup_daemon::page::{Database, Letterhead, View, ViewSource};
use chrono::Utc;

use crate::alarms::conditions;
use crate::config::BackupConfig;
use crate::status::Facts;

/// The pages of `state`.
pub(crate) fn view(config: &BackupConfig, state: &State<Facts>) -> ViewSource {
    let (instance, time_zone) = (config.process.notify.instance().to_owned(), config.process.time_zone);
    let letterhead = Letterhead { daemon: Daemon::Backup, instance, time_zone };
    let state = state.clone();
    Arc::new(move || View::of(&letterhead, &state, conditions, Utc::now(), complete))
}

fn complete(facts: &Facts, database: &mut Database) {
    for backup in &mut database.backups {
        backup.rows = facts.rows.get(&backup.id).copied();
    }
    database.gaps.clone_from(&facts.gaps);
}

//! What the page shows of a database besides what every service knows.

use std::sync::Arc;

use backup_daemon::page::{Alarm, Database, Letterhead, View, ViewSource};
use backup_daemon::{AlarmCode, Daemon, Severity, State};
use chrono::Utc;

use crate::alarms::{conditions, first_failures};
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
        backup.is_suspicious = facts.suspects.iter().any(|id| id.as_str() == backup.id);
    }
    database.gaps.clone_from(&facts.gaps);
    // One failure may pass, so it raises no alarm. A person who looks sees it.
    if let Some((since, message)) = first_failures(facts) {
        database.alarms.push(Alarm { code: AlarmCode::Failing, severity: Severity::Warning, since, message });
    }
}

//! What the page shows of a database besides what every service knows.

use std::sync::Arc;

use backup_core::repository::BackupId;
use backup_daemon::page::{Backup, Database, DrillReport, Letterhead, Proof, View, ViewSource};
use backup_daemon::{Daemon, Judge, State};
use chrono::Utc;

use crate::config::VerifyConfig;
use crate::status::Facts;

/// The pages of `state`, of which `judge` finds what is wrong.
pub(crate) fn view(daemon: Daemon, config: &VerifyConfig, state: &State<Facts>, judge: Judge<Facts>) -> ViewSource {
    let (instance, time_zone) = (config.process.notify.instance().to_owned(), config.process.time_zone);
    let letterhead = Letterhead { daemon, instance, time_zone };
    let state = state.clone();
    Arc::new(move || View::of(&letterhead, &state, judge, Utc::now(), complete))
}

fn complete(facts: &Facts, database: &mut Database) {
    database.drills = facts.history.drills();
    database.gaps.clone_from(&facts.gaps);
    for backup in &mut database.backups {
        let drill = facts.history.verdict_on(&backup.id);
        backup.proof = proof(facts, backup, drill.map(|drill| (drill.proven, drill.ended_at)));
        let report = drill.filter(|drill| drill.proven == Some(true)).and_then(|drill| drill.report.as_ref());
        backup.rows = report.map(DrillReport::rows);
    }
}

/// What a listing shows is no proof here: anyone who can write to the bucket can write a record. A drill of this process,
/// or a record that it has written, is one.
fn proof(facts: &Facts, backup: &Backup, drill: Option<(Option<bool>, chrono::DateTime<Utc>)>) -> Proof {
    let is_proven = BackupId::parse(&backup.id).is_some_and(|id| facts.proven.contains(&id));
    match (is_proven, drill, backup.proof) {
        (true, Some((_, ended_at)), _) | (true, None, Proof::Proven(ended_at) | Proof::Failed(ended_at)) => {
            Proof::Proven(ended_at)
        }
        (false, Some((Some(false), ended_at)), _) => Proof::Failed(ended_at),
        (true, None, Proof::None) | (false, ..) => Proof::None,
    }
}

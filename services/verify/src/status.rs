//! What the daemon knows of a database besides what every service knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backup_core::repository::{BackupId, Catalog, Drill};
use backup_daemon::notify::{Dated, Safe};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::choose::DEFAULT_MAX_AGE;
use crate::figures::Figures;
use crate::report::{Report, Verdict};

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
    /// Backups in the bucket of which a drill has shown that they come back as they were.
    #[serde(skip)]
    pub(crate) proven: BTreeSet<BackupId>,
    /// Drills of this process, by how they ended.
    #[serde(skip)]
    pub(crate) drills: BTreeMap<Verdict, u64>,
    /// Of the last drill that passed or failed.
    #[serde(skip)]
    pub(crate) figures: Figures,
    /// How old the newest full backup may be.
    #[serde(skip)]
    pub(crate) backup_max_age: Duration,
    /// Bytes that the last drill needed below `VERIFY_SPOOL_DIR`; 0 if that is not known.
    #[serde(skip)]
    pub(crate) spool_needed_bytes: u64,
}

impl Facts {
    pub(crate) fn new(drill_timeout: Duration) -> Self {
        let drill_timeout_seconds = drill_timeout.as_secs();
        Self { drill_timeout_seconds, backup_max_age: DEFAULT_MAX_AGE, ..Self::default() }
    }

    /// What the bucket remembers of drills before the start: the newest of all, the newest passed one, and which
    /// backups were proven.
    pub(crate) fn remember(
        &mut self,
        newest: Option<Drill>,
        last_passed_at: Option<DateTime<Utc>>,
        proven: BTreeSet<BackupId>,
        safe: Safe,
    ) {
        self.safe = safe;
        self.recorded_drill = newest;
        self.last_passed_at = last_passed_at;
        self.proven = proven;
    }

    /// Forgets the proofs of backups that are not in the bucket any more.
    pub(crate) fn observe(&mut self, catalog: &Catalog) {
        self.proven.retain(|id| catalog.backups.iter().any(|backup| backup.id == *id));
    }

    /// How the last drill ended, of this process or by its record.
    pub(crate) fn last_verdict(&self) -> Option<Verdict> {
        let recorded = self.recorded_drill.map(|drill| if drill.passed { Verdict::Passed } else { Verdict::Failed });
        self.last_report.as_ref().map(|report| report.verdict).or(recorded)
    }

    /// How a drill ended. A skipped one changes nothing: what was known before is still what is known.
    pub(crate) fn drilled(&mut self, report: Report) {
        *self.drills.entry(report.verdict).or_default() += 1;
        self.measure(&report);
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

    fn measure(&mut self, report: &Report) {
        if matches!(report.verdict, Verdict::Passed | Verdict::Failed) {
            self.figures = Figures::of(report);
        }
        self.backup_max_age = report.backup_max_age.unwrap_or(self.backup_max_age);
        self.spool_needed_bytes = report.spool_needed_bytes.unwrap_or(self.spool_needed_bytes);
        let Some(backup) = &report.backup else { return };
        if report.proven == Some(false) {
            self.proven.remove(&backup.id);
        } else if report.proven == Some(true) {
            self.proven.insert(backup.id.clone());
        }
    }
}

/// Enters what a drill shows to be safe.
pub(crate) fn learn(safe: &mut Safe, report: &Report) {
    let Some(backup) = &report.backup else { return };
    let drilled = Dated { id: backup.id.to_string(), at: backup.snapshot_at };
    let is_newer = |known: &Option<Dated>| known.as_ref().is_none_or(|known| known.at <= drilled.at);
    if report.proven == Some(true) && is_newer(&safe.newest_proven) {
        safe.newest_proven = Some(drilled.clone());
    }
    if report.proven == Some(false) {
        // What failed now is not safe, also if it was known to be.
        for known in [&mut safe.newest_backup, &mut safe.newest_proven] {
            known.take_if(|known| known.id == drilled.id);
        }
    } else if is_newer(&safe.newest_backup) {
        safe.newest_backup = Some(drilled);
    }
}

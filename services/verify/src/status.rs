//! What the daemon knows of a database besides what every service knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backup_core::repository::{Backup, BackupId, Catalog, Drill, Kind};
use backup_daemon::AlarmCode;
use backup_daemon::notify::{Dated, Safe};
use backup_drill::{DEFAULT_MAX_AGE, Promised, Report, Verdict, wanted_for};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::backup_life::BackupLife;
use crate::config::TargetConfig;
use crate::figures::Figures;
use crate::history::History;
use crate::journal::PastDrills;
use crate::skips::Skips;

/// Maximum number of backups by which an alarm is compared with what was told of it before.
const MAX_SUBJECTS: usize = 100;

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
    /// When the last drill of earlier processes was killed, if several in a row were, and how many.
    #[serde(skip)]
    pub(crate) killed_drills: Option<(DateTime<Utc>, u32)>,
    /// The last drill of this process.
    pub(crate) last_report: Option<Report>,
    /// Drills in a row that did not pass.
    pub(crate) consecutive_failures: u32,
    /// Drills that were skipped since another process drilled at the same server.
    pub(crate) skipped_for_another: u64,
    /// When the first of them began.
    #[serde(skip)]
    pub(crate) first_skipped_at: Option<DateTime<Utc>>,
    /// Those of them in a row, since no drill has come about; also of earlier processes.
    #[serde(skip)]
    pub(crate) skips: Skips,
    /// Backups in the bucket of which a drill has shown that they come back as they were.
    #[serde(skip)]
    pub(crate) proven: BTreeSet<BackupId>,
    /// Backups in the bucket of which a drill has shown that they do not, and that have passed none since.
    #[serde(skip)]
    pub(crate) damaged: BTreeSet<BackupId>,
    /// Drills of this process, and of the records that were read at start.
    #[serde(skip)]
    pub(crate) history: History,
    /// What the last dump does not contain whose manifest a drill has read.
    #[serde(skip)]
    pub(crate) gaps: Option<Vec<String>>,
    /// Drills of this process, by how they ended.
    #[serde(skip)]
    pub(crate) drills: BTreeMap<Verdict, u64>,
    /// Of the last drill that passed or failed.
    #[serde(skip)]
    pub(crate) figures: Figures,
    /// How old the newest full backup may be.
    #[serde(skip)]
    pub(crate) backup_max_age: Duration,
    /// What the newest manifest says of the schedule of `backup`, once it was read.
    #[serde(skip)]
    pub(crate) promised: Option<Promised>,
    /// Backups whose data was deleted, the newest first.
    #[serde(skip)]
    pub(crate) lost: Vec<BackupId>,
    /// The newest full backup that was ever seen, if it is gone and no newer one has come. Retention never deletes the
    /// newest one.
    #[serde(skip)]
    pub(crate) gone: Option<Gone>,
    /// The newest run, if it has made no backup yet, and how long it may take if its start says so.
    #[serde(skip)]
    pub(crate) unfinished: Option<(BackupId, Option<Duration>)>,
    /// What a restore took in the last drill that came to its end, by its record also before a restart.
    #[serde(skip)]
    pub(crate) recovery_seconds: Option<f64>,
    /// How long a restore may take.
    #[serde(skip)]
    pub(crate) max_recovery_time: Option<Duration>,
    /// Free bytes below `VERIFY_SPOOL_DIR` while no drill was going on.
    #[serde(skip)]
    pub(crate) spool_free_bytes: Option<u64>,
    /// The newest full backup in the bucket.
    #[serde(skip)]
    pub(crate) newest_full: Option<BackupId>,
    /// The newest backup that a drill of this process, or by its record, has looked at.
    #[serde(skip)]
    pub(crate) last_drilled: Option<BackupId>,
    /// What the listing shows of `backup`.
    #[serde(skip)]
    pub(crate) backup: BackupLife,
    /// The last drill of an earlier process that did not pass, if none has passed since.
    #[serde(skip)]
    pub(crate) past_drill: Option<(DateTime<Utc>, Verdict)>,
    /// Bytes that the last drill needed below `VERIFY_SPOOL_DIR`; 0 if that is not known.
    #[serde(skip)]
    pub(crate) spool_needed_bytes: u64,
}

impl Facts {
    pub(crate) fn new(drill_timeout: Duration) -> Self {
        let drill_timeout_seconds = drill_timeout.as_secs();
        Self { drill_timeout_seconds, backup_max_age: DEFAULT_MAX_AGE, ..Self::default() }
    }

    /// What the bucket remembers of drills before the start: the newest of all, the newest passed one, and which backups
    /// were proven and which were found damaged.
    pub(crate) fn remember(
        &mut self,
        newest: Option<Drill>,
        last_passed_at: Option<DateTime<Utc>>,
        (proven, damaged): (BTreeSet<BackupId>, BTreeSet<BackupId>),
        safe: Safe,
    ) {
        self.safe = safe;
        self.recorded_drill = newest;
        self.last_passed_at = last_passed_at;
        (self.proven, self.damaged) = (proven, damaged);
    }

    /// Takes over what earlier processes have written down of drills and alarms.
    pub(crate) fn past(&mut self, past: &PastDrills) {
        self.past_drill = past.last;
        self.killed_drills = past.killed();
        self.skips = past.skips;
        let killed = self.killed_drills.map_or(0, |(_, in_a_row)| in_a_row);
        self.consecutive_failures = past.in_a_row.saturating_add(killed);
        // Which backup it was is not written down.
        self.gone = past.remembered.alarm_since(AlarmCode::DataLost).map(Gone::Told);
    }

    /// Enters what the newest manifest says, unless it was `given`.
    pub(crate) fn promise(&mut self, promised: Promised, given: Option<Duration>) {
        self.backup_max_age = given.or(promised.max_age).unwrap_or(DEFAULT_MAX_AGE);
        self.promised = Some(promised);
    }

    /// Enters what the next drill needs on the disk, by the sizes of its backup.
    pub(crate) fn needs(&mut self, sizes: Option<(u64, u64)>, config: &TargetConfig) {
        if let Some((plain_bytes, database_bytes)) = sizes {
            self.spool_needed_bytes = wanted_for(&config.drill, plain_bytes, database_bytes);
        }
    }

    /// What a listing showed: what is safe now. Proofs of backups that are not in the bucket any more are forgotten.
    pub(crate) fn observe(&mut self, catalog: &Catalog, now: DateTime<Utc>) {
        self.backup = BackupLife::of(catalog, now);
        self.lost = catalog.incomplete.iter().filter(|run| run.lost_its_data).map(|run| run.id.clone()).collect();
        let newest = catalog.newest(Kind::Full).map(|backup| &backup.id);
        let unfinished = catalog.incomplete.iter().find(|run| !run.lost_its_data && Some(&run.id) > newest);
        self.unfinished = unfinished.map(|run| (run.id.clone(), run.may_take));
        // That one has lost its data can be seen.
        self.gone.take_if(|gone| !self.lost.is_empty() && matches!(gone, Gone::Told(_)));
        let seen = self.newest_full.take();
        // A clock that was set back makes a backup one of the future. It is there all the same.
        let ahead = catalog.from_the_future.iter().map(|backup| &backup.id).find(|id| Some(*id) == seen.as_ref());
        let newest = ahead.or(newest);
        self.newest_full = newest.cloned();
        self.gone = Gone::after(seen, self.gone.take(), newest);
        self.proven.retain(|id| catalog.holds(id));
        self.damaged.retain(|id| catalog.holds(id));
        let dated = |backup: &Backup| Dated { id: backup.id.to_string(), at: backup.id.time() };
        // A drill knows the moment of the snapshot, which a listing does not tell.
        let known = |known: &Option<Dated>, listed: Dated| match known {
            Some(known) if known.id == listed.id => known.clone(),
            _ => listed,
        };
        let is_good = |backup: &&Backup| backup.kind == Kind::Full && !self.damaged.contains(&backup.id);
        let newest = catalog.backups.iter().find(is_good).map(dated);
        let proven = catalog.backups.iter().find(|backup| self.proven.contains(&backup.id)).map(dated);
        self.safe = Safe {
            newest_backup: newest.map(|newest| known(&self.safe.newest_backup, newest)),
            newest_proven: proven.map(|proven| known(&self.safe.newest_proven, proven)),
            suspicious: None, // Of sizes, `backup` tells.
        };
    }

    /// The newest backups that an alarm of this code is about: anyone who can write to the bucket can write any number of
    /// manifests.
    pub(crate) fn subjects(&self, code: AlarmCode) -> Vec<String> {
        let gone = self.gone.iter().filter_map(|gone| match gone {
            Gone::Seen(id) => Some(id),
            Gone::Told(_) => None,
        });
        match code {
            AlarmCode::DataLost => self.lost.iter().take(MAX_SUBJECTS).chain(gone).map(BackupId::to_string).collect(),
            AlarmCode::DrillFailed => self.damaged.iter().rev().take(MAX_SUBJECTS).map(BackupId::to_string).collect(),
            _ => Vec::new(),
        }
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
        self.history.add(&report);
        self.gaps = report.gaps.clone().or(self.gaps.take());
        learn(&mut self.safe, &report);
        // A signal may have come before the server was asked.
        if matches!(report.verdict, Verdict::Passed | Verdict::Failed | Verdict::CouldNotRun) {
            self.skips = Skips::default();
        }
        match report.verdict {
            Verdict::Skipped => {
                self.skipped_for_another += 1;
                self.first_skipped_at.get_or_insert(report.started_at);
                self.skips.add(report.started_at);
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
        self.recovery_seconds = report.recovery_time_seconds.or(self.recovery_seconds);
        self.spool_needed_bytes = report.spool_needed_bytes.unwrap_or(self.spool_needed_bytes);
        if let Some(id) = report.rejected() {
            self.proven.remove(id);
            self.damaged.insert(id.clone());
        }
        let Some(backup) = &report.backup else { return };
        self.last_drilled = self.last_drilled.take().max(Some(backup.id.clone()));
        if report.proven == Some(true) {
            self.proven.insert(backup.id.clone());
        }
        if report.verdict == Verdict::Passed {
            self.damaged.remove(&backup.id);
        }
    }
}

/// What is known of a newest backup that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gone {
    /// This one was seen.
    Seen(BackupId),
    /// An alarm of an earlier process, since this time, said so.
    Told(DateTime<Utc>),
}

impl Gone {
    /// What holds of a backup that was `seen` to be the newest, and of what was `known`, if now this is the newest.
    fn after(seen: Option<BackupId>, known: Option<Self>, newest: Option<&BackupId>) -> Option<Self> {
        let seen = match known {
            Some(Self::Seen(id)) => seen.max(Some(id)),
            Some(Self::Told(at)) if newest.is_none_or(|newest| newest.time() <= at) => return Some(Self::Told(at)),
            Some(Self::Told(_)) | None => seen,
        };
        seen.filter(|seen| Some(seen) > newest).map(Self::Seen)
    }
}

/// Enters what a drill shows to be safe.
pub(crate) fn learn(safe: &mut Safe, report: &Report) {
    if let Some(id) = report.rejected() {
        // What failed now is not safe, also if it was known to be.
        for known in [&mut safe.newest_backup, &mut safe.newest_proven] {
            known.take_if(|known| known.id == id.as_str());
        }
        return;
    }
    let Some(backup) = &report.backup else { return };
    let drilled = Dated { id: backup.id.to_string(), at: backup.snapshot_at };
    let is_newer = |known: &Option<Dated>| known.as_ref().is_none_or(|known| known.at <= drilled.at);
    if report.proven == Some(true) && is_newer(&safe.newest_proven) {
        safe.newest_proven = Some(drilled.clone());
    }
    if is_newer(&safe.newest_backup) {
        safe.newest_backup = Some(drilled);
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::Layout;
    use backup_core::storage::{ListedObject, Prefix};
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn an_alarm_is_about_the_newest_of_many_backups() {
        let id = |second: i64| BackupId::new(DateTime::UNIX_EPOCH + TimeDelta::seconds(second));
        let lost: Vec<BackupId> = (0..1_000).rev().map(id).collect();
        let facts = Facts { damaged: lost.iter().cloned().collect(), lost, ..Facts::default() };
        for code in [AlarmCode::DataLost, AlarmCode::DrillFailed] {
            let subjects = facts.subjects(code);
            let ends =
                [&subjects[0], &subjects[99]].map(|subject| BackupId::parse(subject).unwrap().time().timestamp());
            assert_eq!((subjects.len(), ends), (100, [999, 900]));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_loses_no_backup() {
        let at = |hour: i64| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hour);
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        let catalog = |hours: &[i64], now: DateTime<Utc>| {
            let ids = hours.iter().map(|hour| BackupId::new(at(*hour)));
            let keys = ids.flat_map(|id| ["app.dump", "manifest.json"].map(|name| format!("{id}/{name}")));
            let objects = keys.map(|key| ListedObject { key: layout.start().join(&key), bytes: 1, modified: None });
            Catalog::from_listing(&layout, objects.collect(), now)
        };
        let both = catalog(&[100, 200], at(201));
        let mut facts = Facts::new(Duration::from_secs(60));
        facts.observe(&both, at(201));
        let mut earlier = both.clone();
        (earlier.from_the_future, earlier.backups) =
            both.backups.iter().cloned().partition(|backup| backup.id.time() > at(150));
        facts.observe(&earlier, at(150));
        assert_eq!((facts.gone.as_ref(), facts.newest_full.as_ref()), (None, Some(&both.backups[0].id)));
        earlier.from_the_future.clear();
        facts.observe(&earlier, at(150));
        assert_eq!(facts.gone, Some(Gone::Seen(both.backups[0].id.clone())));
    }

    #[test]
    fn a_backup_is_gone_until_a_newer_one_comes_also_if_none_is_left() {
        let id = |hour: i64| BackupId::new(DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hour));
        let (old, lost, new) = (id(1), id(2), id(3));
        let seen = || Some(Gone::Seen(lost.clone()));
        let after = |known, newest: Option<&BackupId>| Gone::after(None, known, newest);
        assert_eq!(Gone::after(Some(lost.clone()), None, Some(&old)), seen());
        assert_eq!(Gone::after(Some(lost.clone()), None, None), seen());
        assert_eq!(Gone::after(Some(lost.clone()), None, Some(&lost)), None);
        assert_eq!([after(seen(), None), after(seen(), Some(&old)), after(seen(), Some(&new))], [seen(), seen(), None]);
        let told = || Some(Gone::Told(lost.time()));
        assert_eq!([after(told(), None), after(told(), Some(&old)), after(told(), Some(&new))], [told(), told(), None]);
    }
}

//! What a listing of the bucket shows of a repository, backup by backup: for the API and the page.

use std::collections::BTreeMap;

use backup_core::repository::{Backup, BackupId, Catalog, Drill, Incomplete, Kind};
use backup_core::storage::ObjectKey;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// Maximum number of backups that are shown, the newest ones.
const MAX_BACKUPS: usize = 1_000;

/// Maximum number of incomplete runs that are shown, the newest ones.
const MAX_INCOMPLETE_RUNS: usize = 100;

/// Maximum number of events of the journal that are shown, the newest ones.
const MAX_EVENTS: usize = 1_000;

/// Maximum number of drills of one backup that are shown, the newest ones.
const MAX_DRILLS: usize = 100;

/// Maximum number of keys of one backup that are shown. A backup has a manifest, a dump, roles, drills and events.
const MAX_KEYS: usize = 200;

/// The backups, incomplete runs and events of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryView {
    /// The newest first, those that are dated in the future before all others.
    pub backups: Vec<BackupView>,
    /// Number of older backups that are not shown.
    pub backups_not_shown: usize,
    /// The newest first; one of them may be running right now.
    pub incomplete_runs: Vec<IncompleteRunView>,
    /// The journal, the newest event first.
    pub events: Vec<EventView>,
    /// What retention goes by; `None` in a service that deletes nothing.
    pub retention: Option<RetentionView>,
}

/// A committed backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupView {
    /// Its id.
    pub id: BackupId,
    /// Full or partial.
    pub kind: Kind,
    /// The time of its id: when its run began, at most moments before the snapshot.
    pub snapshot_at: DateTime<Utc>,
    /// When the store says that its manifest was written.
    pub committed_at: Option<DateTime<Utc>>,
    /// Size of all its objects in the bucket.
    pub stored_bytes: u64,
    /// Size of the dump in the bucket.
    pub dump_bytes: u64,
    /// The file of the dump, whose suffixes tell compression and encryption.
    pub dump_name: String,
    /// Whether the roles of the cluster lie beside it.
    pub has_globals: bool,
    /// Whether it is dated in the future, so that it is never the newest.
    pub is_from_the_future: bool,
    /// Whether a record in the bucket says that a drill of it passed.
    pub is_proven: bool,
    /// The drills that left a record in the bucket, the newest last.
    pub drills: Vec<DrillView>,
    /// What retention will do with it; `None` in a service that deletes nothing, and for backups of the other kind.
    pub retention: Option<Fate>,
    /// The keys of its objects in the bucket. A list of backups leaves them out.
    #[serde(skip)]
    pub keys: Vec<String>,
}

/// A drill by its record in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillView {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Whether the backup passed it.
    pub passed: bool,
}

/// A run that left objects and no backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncompleteRunView {
    /// Its id.
    pub id: BackupId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Size of what it left.
    pub stored_bytes: u64,
    /// Whether it was a backup once, and its data was deleted.
    pub lost_its_data: bool,
}

/// One event of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventView {
    /// The run that it is about, or an id of its own.
    pub id: BackupId,
    /// The time of the id.
    pub at: DateTime<Utc>,
    /// What happened, as the name of its object says: `retention-degraded`.
    pub event: String,
}

/// What retention will do with a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Fate {
    /// It stays.
    Keep {
        /// Why; at least one rule.
        rules: Vec<KeepRule>,
        /// When no rule will keep it any more, if runs go on by the schedule and no further drill passes; `None`: no
        /// such time is known.
        until: Option<DateTime<Utc>>,
    },
    /// The next run deletes it.
    Delete,
    /// No rule keeps it, and a later run deletes it: enough others go first, or nothing is deleted now.
    Later,
}

/// A rule that keeps a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeepRule {
    /// Its name: `newest`, `days`, `daily`, `weekly`, `monthly`, `yearly`, `newest_proven`, `was_newest_proven`,
    /// `once_proven`, `from_the_future`.
    pub rule: &'static str,
    /// The same for a person: `newest 3`, `monthly 2026-11`, `newest proven`.
    pub label: String,
}

/// What retention goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RetentionView {
    /// The policy.
    pub policy: KeepPolicy,
    /// Why nothing is deleted now, although rules would allow it.
    pub refused: Option<String>,
}

/// How many backups each rule keeps; 0 switches a rule off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeepPolicy {
    /// Younger than so many times 24 hours.
    pub days: u32,
    /// The newest.
    pub last: u32,
    /// The newest of so many days.
    pub daily: u32,
    /// The newest of so many ISO weeks.
    pub weekly: u32,
    /// The newest of so many months.
    pub monthly: u32,
    /// The newest of so many years.
    pub yearly: u32,
    /// Maximum number of deletions in one run.
    pub max_deletes: u32,
}

impl RepositoryView {
    /// The view of `catalog`; retention is added by [`RepositoryView::plan`].
    pub fn of(catalog: &Catalog) -> Self {
        let future = catalog.from_the_future.iter().map(|backup| BackupView::of(backup, true));
        let all = future.chain(catalog.backups.iter().map(|backup| BackupView::of(backup, false)));
        let total = catalog.from_the_future.len() + catalog.backups.len();
        Self {
            backups: all.take(MAX_BACKUPS).collect(),
            backups_not_shown: total.saturating_sub(MAX_BACKUPS),
            incomplete_runs: catalog.incomplete.iter().take(MAX_INCOMPLETE_RUNS).map(IncompleteRunView::of).collect(),
            events: catalog.journal.events().take(MAX_EVENTS).map(EventView::of).collect(),
            retention: None,
        }
    }

    /// Adds what `retention` will do, backup by backup.
    pub fn plan(&mut self, retention: RetentionView, mut fates: BTreeMap<BackupId, Fate>) {
        for backup in &mut self.backups {
            backup.retention = fates.remove(&backup.id);
        }
        self.retention = Some(retention);
    }
}

impl BackupView {
    fn of(backup: &Backup, is_from_the_future: bool) -> Self {
        let old_drills = backup.drills.len().saturating_sub(MAX_DRILLS);
        Self {
            id: backup.id.clone(),
            kind: backup.kind,
            snapshot_at: backup.id.time(),
            committed_at: backup.committed_at,
            stored_bytes: backup.stored_bytes,
            dump_bytes: backup.dump_bytes,
            dump_name: backup.dump_name.clone(),
            has_globals: backup.has_globals,
            is_from_the_future,
            is_proven: backup.is_proven(),
            drills: backup.drills.iter().skip(old_drills).map(DrillView::of).collect(),
            retention: None,
            keys: backup.keys.iter().take(MAX_KEYS).map(ObjectKey::to_string).collect(),
        }
    }
}

impl DrillView {
    fn of(drill: &Drill) -> Self {
        Self { ended_at: drill.time, passed: drill.passed }
    }
}

impl IncompleteRunView {
    fn of(run: &Incomplete) -> Self {
        let (id, stored_bytes, lost_its_data) = (run.id.clone(), run.stored_bytes, run.lost_its_data);
        Self { started_at: id.time(), id, stored_bytes, lost_its_data }
    }
}

impl EventView {
    fn of(event: &backup_core::repository::Event) -> Self {
        Self { id: event.id.clone(), at: event.id.time(), event: event.kind.to_string() }
    }
}

/// What names a drill in the addresses of pages and of the API: when it ended, and the end of the id of its backup.
pub fn drill_id(ended_at: DateTime<Utc>, backup_id: Option<&str>) -> String {
    let time = ended_at.format("%Y%m%dT%H%M%SZ");
    match backup_id.and_then(|id| id.rsplit_once('-')) {
        Some((_, random)) => format!("{time}-{random}"),
        None => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{Layout, Role};
    use backup_core::storage::{ListedObject, Prefix};

    use super::*;

    /// A listing of so many backups, the first of which is dated in the future.
    fn catalog(backups: i64, now: DateTime<Utc>) -> Catalog {
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        let ids = (0..backups).map(|day| BackupId::new(now + chrono::TimeDelta::days(1 - 2 * day)));
        let drilled = now - chrono::TimeDelta::hours(1);
        let roles = [
            Role::Manifest,
            Role::Dump { kind: Kind::Full, suffix: ".zst" },
            Role::Drill { time: drilled, passed: true },
        ];
        let keys = ids.flat_map(|id| roles.iter().map(|role| layout.key(&id, role)).collect::<Vec<_>>());
        let objects = keys.map(|key| ListedObject { key, bytes: 5, modified: None });
        Catalog::from_listing(&layout, objects.collect(), now)
    }

    #[test]
    fn a_view_has_the_newest_backups_and_tells_how_many_it_does_not_show() {
        let now: DateTime<Utc> = "2026-11-29T03:00:00Z".parse().unwrap();
        let view = RepositoryView::of(&catalog(MAX_BACKUPS as i64 + 7, now));
        assert_eq!((view.backups.len(), view.backups_not_shown), (MAX_BACKUPS, 7));
        let [future, newest, ..] = &view.backups[..] else { panic!("no backups") };
        assert!(future.is_from_the_future && !newest.is_from_the_future && newest.snapshot_at < now);
        assert!(newest.is_proven && newest.drills.len() == 1, "{newest:?}");
        assert_eq!((newest.stored_bytes, newest.dump_name.as_str()), (15, "app.dump.zst"));
        assert_eq!(newest.keys.len(), 3);
    }

    #[test]
    fn a_plan_gives_each_backup_its_fate_and_leaves_out_what_it_does_not_name() {
        let now: DateTime<Utc> = "2026-11-29T03:00:00Z".parse().unwrap();
        let mut view = RepositoryView::of(&catalog(3, now));
        let fates = BTreeMap::from([(view.backups[2].id.clone(), Fate::Delete)]);
        view.plan(RetentionView::default(), fates);
        assert_eq!(view.backups[2].retention, Some(Fate::Delete));
        assert_eq!(view.backups[1].retention, None);
        let json = serde_json::to_value(&view.backups[2]).unwrap();
        assert_eq!(json["retention"], serde_json::json!({ "action": "delete" }));
    }
}

//! What a database leaves that has no backup.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Author, Catalog, EventKind, Kept};

/// Whether a database without backups was there; `None` if nothing says that it had some, or should have some by now.
pub(super) fn traces(catalog: &Catalog, now: DateTime<Utc>) -> Option<bool> {
    use Kept::{AlarmRaised, Told};
    let first_run = catalog.journal.longest_run();
    let is_trace = |kind: &EventKind, age: TimeDelta| match kind {
        // Also that there is no first backup yet is an alarm.
        EventKind::DatabaseAppeared
        | EventKind::BackupStarted { .. }
        | EventKind::BackupFailed { .. }
        | EventKind::BackupStopped
        | EventKind::Kept(AlarmRaised { by: Author::Backup, .. } | Told { by: Author::Backup, .. }, _) => {
            age.to_std().is_ok_and(|age| age > first_run)
        }
        // Only a service that has looked after it for a while writes others.
        _ => true,
    };
    let is_of_what_was_there = |kind: &EventKind| match kind {
        EventKind::BackupFailed { .. } | EventKind::BackupStopped | EventKind::Kept(..) => false,
        // The database has answered by then.
        EventKind::BackupStarted { .. } | EventKind::DatabaseAppeared => true,
        EventKind::RetentionDegraded
        | EventKind::SizeSuspect { .. }
        | EventKind::SizeAccepted { .. }
        | EventKind::DrillStarted
        | EventKind::DrillEnded { .. } => true,
    };
    let traces = catalog.journal.past_events(now).filter(|event| is_trace(&event.kind, now - event.id.time()));
    let lost_data = catalog.incomplete.iter().any(|run| run.lost_its_data).then_some(true);
    lost_data.into_iter().chain(traces.map(|event| is_of_what_was_there(&event.kind))).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::{BackupId, Event, Layout, Tag, Word};
    use crate::storage::{ListedObject, Prefix};

    /// Else a service that restarts after all backups were deleted has nothing that is wrong.
    #[test]
    fn a_database_whose_backups_are_all_gone_is_one_as_long_as_its_journal_tells_of_it() {
        const NOTHING: Option<bool> = None;
        // A name that nothing but its services has written is looked after by `verify`, and is no database that is gone.
        const A_NAME: Option<bool> = Some(false);
        const WAS_THERE: Option<bool> = Some(true);
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        let left_by = |hours: i64, kind: EventKind| {
            let event = Event { id: BackupId::new(now - TimeDelta::hours(hours)), kind };
            let object = ListedObject { key: layout.event_key(&event), bytes: 0, modified: None };
            traces(&Catalog::from_listing(&layout, vec![object], now), now)
        };
        let started = || EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None };
        let of_a_day = || EventKind::BackupStarted { cluster: None, tables: None, max_seconds: Some(86_400) };
        let failed = || EventKind::BackupFailed { class: Word::of("database_missing"), again: false };
        assert_eq!(left_by(5, started()), NOTHING, "this may be the first run");
        assert_eq!(left_by(7, started()), WAS_THERE);
        assert_eq!([left_by(23, of_a_day()), left_by(25, of_a_day())], [NOTHING, WAS_THERE]);
        assert_eq!([left_by(5, failed()), left_by(7, failed())], [NOTHING, A_NAME]);
        assert_eq!(left_by(0, EventKind::DrillEnded { verdict: Word::of("failed") }), WAS_THERE);
        let raised = |by| {
            let (code, severity) = (Word::of("no_backup"), Word::of("critical"));
            EventKind::Kept(Kept::AlarmRaised { by, code, severity }, Tag::none())
        };
        assert_eq!(left_by(5, raised(Author::Backup)), NOTHING, "the first run may have failed");
        assert_eq!(left_by(7, raised(Author::Backup)), A_NAME);
        assert_eq!(left_by(0, raised(Author::Verify)), A_NAME);
    }
}

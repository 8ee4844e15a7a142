//! What a listing shows of the service `backup`: whether it lives, and whether it tries.

use std::fmt;

use backup_core::repository::{Catalog, EventKind, Journal, Kind};
use chrono::{DateTime, Utc};

/// What `backup` has left in the bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BackupLife {
    /// The time of the newest full backup.
    pub(crate) newest_at: Option<DateTime<Utc>>,
    /// When it first stored anything: a run or a line of its journal.
    pub(crate) first_at: Option<DateTime<Utc>>,
    /// When it last did.
    pub(crate) seen_at: Option<DateTime<Utc>>,
    /// By when the first run is not under way any more of which nothing says that it has failed or was stopped.
    pub(crate) unfailed_ends_by: Option<DateTime<Utc>>,
    /// Runs that have failed since the newest full backup, and the class of the last one.
    pub(crate) failures: Option<(u32, String)>,
}

impl BackupLife {
    /// By what `catalog` holds at `now`.
    pub(crate) fn of(catalog: &Catalog, now: DateTime<Utc>) -> Self {
        let newest_at = catalog.newest(Kind::Full).map(|backup| backup.id.time());
        let backups = catalog.backups.iter().map(|backup| backup.id.time());
        let mut began: Vec<_> = catalog.incomplete.iter().map(|run| (run.id.time(), run.ends_by())).collect();
        let mut ended = Vec::new();
        let mut failures: Option<(u32, String)> = None;
        for event in catalog.journal.past_events(now) {
            let at = event.id.time();
            match &event.kind {
                EventKind::BackupStarted { .. } => began.extend(Journal::run_ends_by(event).map(|by| (at, by))),
                EventKind::BackupFailed { class, .. } => {
                    ended.push(at);
                    if Some(at) > newest_at {
                        failures.get_or_insert_with(|| (0, class.to_string())).0 += 1;
                    }
                }
                EventKind::BackupStopped => ended.push(at),
                _ => {}
            }
        }
        ended.sort_unstable();
        let unfailed = began.iter().filter(|run| !is_ended(**run, &ended)).map(|(_, ends_by)| *ends_by);
        let unfailed_ends_by = backups.clone().chain(unfailed).min();
        let seen = || backups.clone().chain(began.iter().map(|(at, _)| *at)).chain(ended.iter().copied());
        Self { newest_at, first_at: seen().min(), seen_at: seen().max(), unfailed_ends_by, failures }
    }
}

/// Whether one of these ends, the earliest first, is that of a run: when it began, and by when it is not under way any more.
/// A line about an end does not say of which run it is: it may be of all those that could still go on.
fn is_ended((began, ends_by): (DateTime<Utc>, DateTime<Utc>), ends: &[DateTime<Utc>]) -> bool {
    ends.get(ends.partition_point(|end| *end < began)).is_some_and(|end| *end <= ends_by)
}

/// What it does, to end a sentence about backups that do not come.
impl fmt::Display for BackupLife {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.failures, self.seen_at) {
            (Some((1, class)), _) => write!(formatter, "backup has tried and failed ({class})"),
            (Some((runs, class)), _) => write!(formatter, "backup has tried and failed ({class}) {runs} times"),
            (None, Some(at)) => {
                write!(formatter, "nothing new of backup since {}", at.format("%Y-%m-%d %H:%M UTC"))
            }
            (None, None) => formatter.write_str("nothing of backup in the bucket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{BackupId, Event, Layout, Word};
    use backup_core::storage::{ListedObject, Prefix};
    use chrono::TimeDelta;

    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    /// After a backup at hour 1, events at these hours.
    fn life(events: &[(i64, EventKind)]) -> BackupLife {
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        let id = BackupId::new(at(1));
        let names = ["app.dump", "manifest.json"].map(|name| layout.start().join(&format!("{id}/{name}")));
        let events = events
            .iter()
            .map(|(hour, kind)| layout.event_key(&Event { id: BackupId::new(at(*hour)), kind: kind.clone() }));
        let objects = names.into_iter().chain(events).map(|key| ListedObject { key, bytes: 1, modified: None });
        BackupLife::of(&Catalog::from_listing(&layout, objects.collect(), at(100)), at(100))
    }

    #[test]
    fn it_is_said_whether_backup_tries() {
        let failed = |class| EventKind::BackupFailed { class: Word::of(class), again: false };
        assert_eq!(life(&[]).to_string(), "nothing new of backup since 1970-01-01 01:00 UTC");
        let twice = life(&[(0, failed("lock")), (2, failed("auth")), (3, failed("auth"))]);
        assert_eq!(twice.to_string(), "backup has tried and failed (auth) 2 times");
        assert_eq!((twice.newest_at, twice.first_at, twice.seen_at), (Some(at(1)), Some(at(0)), Some(at(3))));
        assert_eq!(life(&[(101, failed("auth"))]).seen_at, Some(at(1)), "a line of the future is none");
        assert_eq!(life(&[(2, failed("auth"))]).to_string(), "backup has tried and failed (auth)");
        assert_eq!(life(&[(2, failed("auth"))]).unfailed_ends_by, Some(at(1)));
        let drill = EventKind::DrillEnded { verdict: Word::of("failed") };
        assert_eq!(life(&[(5, drill)]).seen_at, Some(at(1)), "what verify writes is no sign of backup");
        assert_eq!(BackupLife::default().to_string(), "nothing of backup in the bucket");
    }

    /// Also what a failed run has stored beside its start.
    #[test]
    fn a_run_that_failed_or_was_stopped_is_not_one_that_may_have_made_a_backup() {
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        let unfailed_ends_by = |events: &[(i64, EventKind)]| {
            let dumped = layout.start().join(&format!("{}/globals.sql", BackupId::new(at(3))));
            let events = events
                .iter()
                .map(|(hour, kind)| layout.event_key(&Event { id: BackupId::new(at(*hour)), kind: kind.clone() }));
            let objects = events.chain([dumped]).map(|key| ListedObject { key, bytes: 1, modified: None });
            BackupLife::of(&Catalog::from_listing(&layout, objects.collect(), at(100)), at(100)).unfailed_ends_by
        };
        let started = || EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None };
        let failed = || EventKind::BackupFailed { class: Word::of("auth"), again: false };
        assert_eq!(unfailed_ends_by(&[]), Some(at(9)));
        assert_eq!(unfailed_ends_by(&[(3, started()), (4, failed())]), None);
        assert_eq!(unfailed_ends_by(&[(3, started()), (4, EventKind::BackupStopped)]), None);
        assert_eq!(unfailed_ends_by(&[(3, started()), (9, failed())]), None);
        assert_eq!(unfailed_ends_by(&[(3, started()), (10, failed())]), Some(at(9)), "it was killed before");
        assert_eq!(unfailed_ends_by(&[(4, failed()), (5, started())]), Some(at(11)));
    }
}

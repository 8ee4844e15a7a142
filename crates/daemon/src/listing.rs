//! What a listing of the bucket says of one database, in numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use backup_core::repository::{Backup, BackupId, Catalog, Kind};
use backup_core::scrub::Scrubber;
use chrono::{DateTime, Utc};

use crate::view::{Fate, RepositoryView, RetentionView};

/// The last listing of a database's backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// When it was read.
    pub at: DateTime<Utc>,
    /// Whose backups they are.
    pub database: String,
    /// Full backups.
    pub full: Kept,
    /// Partial ones.
    pub partial: Kept,
    /// Runs without a manifest, or whose data was deleted.
    pub incomplete_runs: usize,
    /// Objects that are not ours.
    pub foreign_objects: usize,
    /// The backups one by one, as this listing showed them. Shared, since copies of the state are made often.
    pub view: Arc<RepositoryView>,
}

/// Looks at the bucket that failed, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unlisted {
    /// When the first of them did.
    pub since: Option<DateTime<Utc>>,
    looks: u32,
    /// Why the last of them did.
    reason: Option<String>,
}

/// Failed looks after which it is an alarm: one may pass.
const MAX_FAILED_LOOKS: u32 = 1;

impl Unlisted {
    /// Counts one more, which failed at `now`.
    pub fn failed(&mut self, now: DateTime<Utc>) {
        self.since.get_or_insert(now);
        self.looks = self.looks.saturating_add(1);
    }

    /// Counts one more, which failed at `now` because of `error`.
    pub fn failed_by(&mut self, error: &anyhow::Error, scrubber: &Scrubber, now: DateTime<Utc>) {
        self.failed(now);
        self.reason = Some(scrubber.scrub(&format!("{error:#}")).into_owned());
    }

    /// Why the last look has failed, as far as that is known.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whether the last look has failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.since.is_some()
    }

    /// Since when the bucket cannot be listed, if that has shown more than once.
    pub fn lasting(&self) -> Option<DateTime<Utc>> {
        self.since.filter(|_| self.looks > MAX_FAILED_LOOKS)
    }
}

/// The committed backups of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The time of the newest.
    pub newest: Option<DateTime<Utc>>,
    /// The time of the oldest.
    pub oldest: Option<DateTime<Utc>>,
    /// How many there are.
    pub backups: u64,
    /// What they take in the bucket.
    pub stored_bytes: u64,
}

impl Listing {
    /// Of `catalog`, as it was listed at `at`. Backups that are dated in the future do not count.
    pub fn of(database: &str, catalog: &Catalog, at: DateTime<Utc>) -> Self {
        let mut listing = Self {
            at,
            database: database.to_owned(),
            full: Kept::default(),
            partial: Kept::default(),
            incomplete_runs: catalog.incomplete.len(),
            foreign_objects: catalog.foreign_objects,
            view: Arc::new(RepositoryView::of(catalog)),
        };
        for Backup { kind, id, stored_bytes, .. } in &catalog.backups {
            listing.add(*kind, id.time(), *stored_bytes);
        }
        listing
    }

    /// This listing with what `retention` will do, backup by backup.
    #[must_use]
    pub fn planned(mut self, retention: RetentionView, fates: BTreeMap<BackupId, Fate>) -> Self {
        Arc::make_mut(&mut self.view).plan(retention, fates);
        self
    }

    /// This listing, in which those backups are proven of which the service knows it. The names of records tell it of others:
    /// anyone who writes to the bucket can make them.
    #[must_use]
    pub fn proven(mut self, is_proven: impl Fn(&BackupId) -> bool) -> Self {
        for backup in &mut Arc::make_mut(&mut self.view).backups {
            backup.is_proven = is_proven(&backup.id);
        }
        self
    }

    /// Counts one more backup. Its view follows with the next listing.
    pub fn add(&mut self, kind: Kind, time: DateTime<Utc>, stored_bytes: u64) {
        let kept = match kind {
            Kind::Full => &mut self.full,
            Kind::Partial => &mut self.partial,
        };
        kept.newest = kept.newest.max(Some(time));
        kept.oldest = Some(kept.oldest.map_or(time, |oldest| oldest.min(time)));
        kept.backups += 1;
        kept.stored_bytes = kept.stored_bytes.saturating_add(stored_bytes);
    }

    /// The backups of one kind.
    pub(crate) fn kept(&self, kind: Kind) -> &Kept {
        match kind {
            Kind::Full => &self.full,
            Kind::Partial => &self.partial,
        }
    }

    /// Both kinds, each with its name.
    pub(crate) fn kinds(listing: Option<&Self>) -> [(Kind, Kept); 2] {
        let kept = |pick: fn(&Self) -> &Kept| listing.map(pick).cloned().unwrap_or_default();
        [(Kind::Full, kept(|listing| &listing.full)), (Kind::Partial, kept(|listing| &listing.partial))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_that_fails_may_pass_and_two_are_a_state() {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let mut unlisted = Unlisted::default();
        unlisted.failed(at);
        assert_eq!((unlisted.since, unlisted.lasting()), (Some(at), None));
        unlisted.failed(at + chrono::TimeDelta::minutes(5));
        assert_eq!(unlisted.lasting(), Some(at));
    }

    #[test]
    fn kinds_are_counted_apart_with_their_newest_and_oldest() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (old, new) = (at("2026-11-20T03:00:00Z"), at("2026-11-21T03:00:00Z"));
        let mut listing = Listing::of("app", &Catalog::default(), new);
        assert_eq!((listing.database.as_str(), listing.at), ("app", new));
        listing.add(Kind::Full, new, 5);
        listing.add(Kind::Full, old, 7);
        listing.add(Kind::Partial, old, 1);
        assert_eq!(listing.full, Kept { newest: Some(new), oldest: Some(old), backups: 2, stored_bytes: 12 });
        assert_eq!(listing.partial, Kept { newest: Some(old), oldest: Some(old), backups: 1, stored_bytes: 1 });
    }
}

//! What a listing of the bucket says of one database, in numbers.

use backup_core::repository::{Backup, Catalog, Kind};
use chrono::{DateTime, Utc};

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
        };
        for Backup { kind, id, stored_bytes, .. } in &catalog.backups {
            listing.add(*kind, id.time(), *stored_bytes);
        }
        listing
    }

    /// Counts one more backup.
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

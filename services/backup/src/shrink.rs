//! A backup that is much smaller than usual: of an empty database, of another one, or of half of one.
//!
//! Decided from a listing alone. A backup that shrank is marked in the journal, and a marked one is never part
//! of what is usual, so the alarm stays until the size is back or an operator accepts the new one. It is judged
//! once, as the newest one: later retention thins out what was before it, and a database that shrinks slowly
//! would then look as if it had shrunk at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use backup_core::repository::{Backup, BackupId, Catalog, Event, EventKind, Kind};
use backup_core::text::bytes;
use chrono::TimeDelta;

use crate::batches::batches;

/// Number of backups that tell what is usual.
const HISTORY: usize = 5;

/// What counts as much smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SizeRule {
    /// `BACKUP_MAX_SHRINK_PERCENT`.
    pub(crate) max_shrink_percent: u64,
    /// `BACKUP_ACCEPT_SIZE_FROM`.
    pub(crate) accepted_from: Option<BackupId>,
    /// Of what is written within this time, only the largest tells what is usual: small ones that another writer adds
    /// hide no small one of ours.
    pub(crate) batch: TimeDelta,
}

/// What a listing tells about the sizes of the backups of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Backups that are smaller than was usual, and that no operator has accepted.
    pub(crate) suspects: BTreeSet<BackupId>,
    /// What is wrong with the newest one.
    pub(crate) shrunk: Option<Shrunk>,
    /// The event that still has to be written.
    pub(crate) unmarked: Option<Event>,
}

/// The newest backup is much smaller than usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shrunk {
    kind: Kind,
    measure: Measure,
    max_shrink_percent: u64,
    /// The first backup since the last one of a usual size: from it on the new size may be accepted.
    pub(crate) since: BackupId,
}

/// What is smaller. `before` is a median of `count` backups.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Measure {
    Bytes {
        newest: u64,
        before: u64,
        count: usize,
    },
    Tables {
        newest: u64,
        before: u64,
        count: usize,
    },
    /// It was marked, and the backups that it was held against are gone.
    Marked,
}

/// Looks at the backups of `kind`.
pub(crate) fn judge(catalog: &Catalog, kind: Kind, rule: &SizeRule) -> Sizes {
    let group: Vec<&Backup> = catalog.backups.iter().filter(|backup| backup.kind == kind).collect();
    let Some((newest, older)) = group.split_first() else { return Sizes::default() };
    if rule.max_shrink_percent >= 100 {
        return Sizes::default(); // Switched off, for what was marked before as well.
    }
    let accepted = accepted(catalog, &group, rule);
    let is_marked = |backup: &Backup| {
        let stands = |mark: &Option<BackupId>| mark.as_ref() >= accepted || accepted.is_some_and(|id| *id > backup.id);
        backup.events.size_suspect.iter().any(stands)
    };
    let usual = older.iter().copied().filter(|backup| !is_marked(backup));
    let usual = usual.filter(|backup| accepted.is_none_or(|from| backup.id >= *from));
    let usual = largest(&usual.collect::<Vec<_>>(), rule.batch);
    let measure = shrunk(newest, &usual, rule.max_shrink_percent);
    let measure = measure.or(is_marked(newest).then_some(Measure::Marked));
    let mut suspects: BTreeSet<BackupId> =
        group.iter().filter(|backup| is_marked(backup)).map(|backup| backup.id.clone()).collect();
    let Some(measure) = measure else { return Sizes { suspects, ..Sizes::default() } };
    suspects.insert(newest.id.clone());
    let since = group.iter().take_while(|backup| suspects.contains(&backup.id)).last().unwrap_or(newest);
    let shrunk = Shrunk { kind, measure, max_shrink_percent: rule.max_shrink_percent, since: since.id.clone() };
    let unmarked = (!is_marked(newest))
        .then(|| Event { id: newest.id.clone(), kind: EventKind::SizeSuspect { accepted: accepted.cloned() } });
    Sizes { suspects, shrunk: Some(shrunk), unmarked }
}

/// The largest of each batch of `group`, in its order.
fn largest<'all>(group: &[&'all Backup], batch: TimeDelta) -> Vec<&'all Backup> {
    let mut largest: BTreeMap<(usize, &str), &Backup> = BTreeMap::new();
    for (backup, batch) in group.iter().zip(batches(group, batch)) {
        let largest = largest.entry((batch, backup.dump_name.as_str())).or_insert(backup);
        if (backup.dump_bytes, &backup.id) > (largest.dump_bytes, &largest.id) {
            *largest = backup;
        }
    }
    let largest: BTreeSet<&BackupId> = largest.into_values().map(|backup| &backup.id).collect();
    group.iter().copied().filter(|backup| largest.contains(&backup.id)).collect()
}

/// From which backup of `group` on an operator has accepted a smaller size.
pub(crate) fn accepted<'all>(
    catalog: &'all Catalog,
    group: &[&Backup],
    rule: &'all SizeRule,
) -> Option<&'all BackupId> {
    // Anyone who can write to the bucket can write any number of either.
    let acceptable: BTreeSet<&BackupId> =
        group.iter().filter(|backup| is_acceptable(group, backup)).map(|backup| &backup.id).collect();
    let accepted = rule.accepted_from.iter().chain(catalog.journal.accepted_from());
    accepted.filter(|from| acceptable.contains(from)).max()
}

/// Whether the size of backup `id` can be accepted: only one that was found too small, or the newest one. To accept a
/// good one by mistake, or one that is not there, would make every small one since then usual, and the good ones old.
pub(crate) fn may_be_accepted(group: &[&Backup], id: &BackupId) -> bool {
    group.iter().any(|backup| backup.id == *id && is_acceptable(group, backup))
}

fn is_acceptable(group: &[&Backup], backup: &Backup) -> bool {
    let is_newest = group.first().is_some_and(|newest| newest.id == backup.id);
    is_newest || !backup.events.size_suspect.is_empty()
}

/// What of `newest` is more than `max_shrink_percent` smaller than the median of the newest of `usual`. Only dumps
/// that are stored in the same way have sizes to compare; numbers of tables compare always.
fn shrunk(newest: &Backup, usual: &[&Backup], max_shrink_percent: u64) -> Option<Measure> {
    let alike = usual.iter().filter(|backup| backup.dump_name == newest.dump_name);
    let sizes: Vec<u64> = alike.take(HISTORY).map(|backup| backup.dump_bytes).collect();
    if let Some(before) = median_far_above(&sizes, newest.dump_bytes, max_shrink_percent) {
        return Some(Measure::Bytes { newest: newest.dump_bytes, before, count: sizes.len() });
    }
    let tables = newest.events.tables?;
    let counts: Vec<u64> = usual.iter().filter_map(|backup| backup.events.tables).take(HISTORY).collect();
    let before = median_far_above(&counts, tables, max_shrink_percent)?;
    Some(Measure::Tables { newest: tables, before, count: counts.len() })
}

/// Whether `bytes` is by more than so many percent smaller than `usual`.
pub(crate) fn is_far_below(usual: u64, bytes: u64, max_shrink_percent: u64) -> bool {
    let allowed = u128::from(usual) * u128::from(100_u64.saturating_sub(max_shrink_percent));
    u128::from(bytes) * 100 < allowed
}

/// The median of `before`, if `newest` is by more than so many percent smaller.
fn median_far_above(before: &[u64], newest: u64, max_shrink_percent: u64) -> Option<u64> {
    let mut before = before.to_vec();
    before.sort_unstable();
    let median = *before.get(before.len() / 2)?;
    is_far_below(median, newest, max_shrink_percent).then_some(median)
}

impl fmt::Display for Shrunk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, measure, max_shrink_percent, since } = self;
        match measure {
            Measure::Bytes { newest, before, count } => write!(
                formatter,
                "the dump of the newest {kind} backup has {}, and the {count} before it {} (median)",
                bytes(*newest),
                bytes(*before)
            ),
            Measure::Tables { newest, before, count } => write!(
                formatter,
                "the newest {kind} backup is of a database with {newest} tables, and the {count} before it with \
                 {before} (median)"
            ),
            Measure::Marked => write!(formatter, "the newest {kind} backup is much smaller than those before it were"),
        }?;
        write!(
            formatter,
            ": is it the right database, and whole? Retention deletes nothing until the size is back, or until you \
             accept it by `backup accept-size {since}` (bound: BACKUP_MAX_SHRINK_PERCENT={max_shrink_percent})"
        )
    }
}

#[cfg(test)]
mod tests;

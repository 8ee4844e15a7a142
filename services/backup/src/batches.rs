//! Backups that were written at about one time. Anyone who can write to the bucket can write any number of them, so
//! what is asked of many backups, such as a usual size, is asked of a batch once.

use backup_core::repository::Backup;
use chrono::{DateTime, TimeDelta, Utc};

/// When the store has written `backup`. A store that does not say when cannot be asked, so the id is believed.
pub(crate) fn written_at(backup: &Backup) -> DateTime<Utc> {
    backup.committed_at.unwrap_or(backup.id.time())
}

/// The number of the batch of each of `group`, in its order: a batch begins with the first that was written at least
/// `within` after the begin of the one before.
pub(crate) fn batches(group: &[&Backup], within: TimeDelta) -> Vec<usize> {
    let mut by_time: Vec<usize> = (0..group.len()).collect();
    by_time.sort_by_key(|place| (written_at(group[*place]), &group[*place].id));
    let mut batches = vec![0; group.len()];
    let (mut batch, mut began) = (0, None);
    for place in by_time {
        let written = written_at(group[place]);
        if began.is_none_or(|began| written - began >= within) {
            (batch, began) = (batch + 1, Some(written));
        }
        batches[place] = batch;
    }
    batches
}

/// Three quarters of so many seconds between two runs. Two runs that are punctual by a quarter of that are in different
/// batches of this length; and of the batches that another writer adds to, more than half have a backup of ours in them.
pub(crate) fn most_of(gap_seconds: u64) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(gap_seconds).unwrap_or(i64::MAX / 1_000_000)) * 3 / 4
}

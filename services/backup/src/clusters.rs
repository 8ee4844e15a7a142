//! Whether two clusters store their backups in one place: a database of one name, and the same prefix. Each would
//! delete the other's backups, and each would take the other's for its own.

use std::fmt;

use backup_core::repository::{Backup, BackupId, Catalog};
use chrono::{DateTime, TimeDelta, Utc};

/// For how long a backup of another cluster shows that this one still goes on, at least.
const MIN_WINDOW: TimeDelta = TimeDelta::days(3);

/// A backup that lies among those of another cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnotherCluster {
    newest: BackupId,
    other: BackupId,
}

/// Decides from a listing whether two clusters take turns. That the newest backups are of another cluster than those
/// before them is no fault: a database that moved looks like this. One is, if a backup of another cluster than that
/// of the newest one lies between two of that, and is young enough for its daemon to be alive: no more than two of
/// `max_age` or three days old.
pub(crate) fn another(catalog: &Catalog, now: DateTime<Utc>, max_age: TimeDelta) -> Option<AnotherCluster> {
    let window = max_age.checked_mul(2).unwrap_or(TimeDelta::MAX).max(MIN_WINDOW);
    let mut known = catalog.backups.iter().filter(|backup| backup.events.cluster.is_some());
    let newest = known.next()?;
    let is_of_newest = |backup: &&Backup| backup.events.cluster == newest.events.cluster;
    let others: Vec<&Backup> = known.collect();
    let first = others.iter().rposition(&is_of_newest)?;
    let other = others[..first].iter().find(|backup| !is_of_newest(backup))?;
    (now - other.id.time() <= window).then(|| AnotherCluster { newest: newest.id.clone(), other: other.id.clone() })
}

impl fmt::Display for AnotherCluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { newest, other } = self;
        write!(
            formatter,
            "two PostgreSQL clusters store backups of a database of this name under one prefix: {newest} is of one and \
             {other} of another. Give each its own BACKUP_PREFIX; retention deletes nothing until one of them stops"
        )
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{ClusterTag, Layout};
    use backup_core::storage::{ListedObject, Prefix};

    use super::*;

    const NOW: &str = "2026-11-30T04:00:00Z";

    /// One backup a night until [`NOW`], the oldest first, of the clusters that the letters name; `-` is not known.
    #[track_caller]
    fn check(clusters: &str, expected: bool) {
        let prefix = Prefix::parse("p").unwrap();
        let mut objects = Vec::new();
        let now: DateTime<Utc> = NOW.parse().unwrap();
        for (night, cluster) in clusters.chars().rev().enumerate() {
            let time = now - TimeDelta::hours(1) - TimeDelta::days(i64::try_from(night).unwrap());
            let id = format!("{}-calpt5zmzst5hrp2", time.format("%Y%m%dT%H%M%SZ"));
            let tag = ClusterTag::of(&cluster.to_string());
            let tag = if cluster == '-' { "unknown".to_owned() } else { tag.to_string() };
            let names = [
                format!("{id}/app.dump"),
                format!("{id}/manifest.json"),
                format!("events/{id}-backup-started-{tag}-7"),
            ];
            objects.extend(names.map(|name| ListedObject {
                key: prefix.key(&format!("app/{name}")),
                bytes: 1,
                modified: None,
            }));
        }
        let catalog = Catalog::from_listing(&Layout::new(prefix, "app"), objects, now);
        assert_eq!((catalog.backups.len(), catalog.foreign_objects), (clusters.len(), 0));
        assert_eq!(another(&catalog, now, TimeDelta::hours(27)).is_some(), expected, "{clusters}");
    }

    #[test]
    fn two_clusters_that_take_turns_are_noticed_and_one_that_moved_is_not() {
        check("", false);
        check("A", false);
        check("AAAA", false);
        check("--AA", false);
        check("AABB", false);
        check("AAAB", false);
        check("AABA", true);
        check("ABAB", true);
        check("BAAA", false);
        check("A-B-A", true);
        // Back to the old cluster after a try: over once the try is old.
        check("AABBAAA", false);
        check("AABBAA", true);
    }
}

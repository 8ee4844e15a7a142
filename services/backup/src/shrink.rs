//! A backup that is much smaller than those before it: of an empty database, or of another one.

use backup_core::catalog::{Backup, Catalog, Kind};
use backup_core::text::bytes;

/// So many backups before the newest tell what is usual.
const HISTORY: usize = 5;

/// What is wrong with the size of the newest full backup, if anything: it is more than `max_shrink_percent`
/// smaller than the median of the five before it. Only those that are stored in the same way are compared.
/// A listing is all that it takes, so the alarm outlives a restart, and ends once the new size is usual.
pub(crate) fn alarm(catalog: &Catalog, max_shrink_percent: u64) -> Option<String> {
    let mut full = catalog.backups.iter().filter(|backup| backup.kind == Kind::Full);
    let newest = full.next()?;
    let alike = full.filter(|backup| dump_name(backup) == dump_name(newest));
    let mut before: Vec<u64> = alike.take(HISTORY).map(|backup| backup.stored_bytes).collect();
    before.sort_unstable();
    let usual = *before.get(before.len() / 2)?;
    let allowed = u128::from(usual) * u128::from(100_u64.saturating_sub(max_shrink_percent)) / 100;
    (u128::from(newest.stored_bytes) < allowed).then(|| {
        format!(
            "the newest full backup has {}, and the {} before it {} (median): is it the right database, and whole? \
             BACKUP_MAX_SHRINK_PERCENT ({max_shrink_percent}) sets the bound",
            bytes(newest.stored_bytes),
            before.len(),
            bytes(usual)
        )
    })
}

/// The file of the dump, whose suffixes tell compression and encryption.
fn dump_name(backup: &Backup) -> Option<&str> {
    let mut names = backup.keys.iter().filter_map(|key| key.as_str().rsplit('/').next());
    names.find(|name| name.contains(".dump"))
}

#[cfg(test)]
mod tests {
    use backup_core::catalog::Shelf;
    use backup_core::storage::{ListedObject, Prefix};
    use chrono::{DateTime, Utc};

    use super::*;

    /// A catalog with full backups of these sizes in MiB, the oldest first, in files of these suffixes.
    fn catalog(sizes: &[(u64, &str)]) -> Catalog {
        let shelf = Shelf::new(Prefix::parse("p").unwrap(), "app");
        let mut objects = Vec::new();
        for (day, (mebibytes, suffix)) in sizes.iter().enumerate() {
            let folder = format!("app/202611{:02}T030000Z-calpt5zmzst5hrp2", day + 1);
            for (name, bytes) in [(format!("app.dump{suffix}"), mebibytes << 20), ("manifest.json".to_owned(), 0)] {
                let key = Prefix::parse("p").unwrap().key(&format!("{folder}/{name}"));
                objects.push(ListedObject { key, bytes, modified: None });
            }
        }
        let now: DateTime<Utc> = "2026-11-28T00:00:00Z".parse().unwrap();
        let catalog = Catalog::from_listing(&shelf, objects, now);
        assert_eq!(catalog.backups.len(), sizes.len());
        catalog
    }

    #[track_caller]
    fn check(sizes: &[u64], expected: bool) {
        let sizes: Vec<(u64, &str)> = sizes.iter().map(|size| (*size, ".zst")).collect();
        assert_eq!(alarm(&catalog(&sizes), 50).is_some(), expected);
    }

    #[test]
    fn a_size_far_below_the_median_of_the_last_five_is_an_alarm_r018() {
        check(&[], false);
        check(&[1], false);
        check(&[100, 49], true);
        check(&[100, 50], false);
        // One that was small before is not what is usual.
        check(&[100, 100, 1, 100, 100, 49], true);
        check(&[100, 100, 100, 100, 100, 1000], false);
        // It ends by itself once most of the last five are small.
        check(&[100, 100, 100, 100, 100, 10, 10, 10], true);
        check(&[100, 100, 100, 100, 100, 10, 10, 10, 10], false);
        // What lies further back does not matter.
        check(&[1000, 1000, 1000, 100, 100, 100, 100, 100, 90], false);
    }

    #[test]
    fn another_compression_is_no_alarm_and_the_message_names_the_variable_r018() {
        assert_eq!(alarm(&catalog(&[(100, ""), (100, ""), (10, ".zst")]), 50), None);
        let told = alarm(&catalog(&[(100, ""), (100, ".zst"), (10, "")]), 50).unwrap();
        assert!(
            told.contains("10.00 MiB") && told.contains("100.00 MiB") && told.contains("BACKUP_MAX_SHRINK_PERCENT"),
            "{told}"
        );
        assert_eq!(alarm(&catalog(&[(100, ""), (0, "")]), 100), None);
    }
}

//! Keys of a bucket: ids, names of objects, events, folders of databases. An input is a listing: a key on each line.

use backup_core::repository::{BackupId, Catalog, DatabaseDir, Kind, Layout, RUN_MAY_TAKE};
use backup_core::storage::{ListedObject, Prefix};
use chrono::{DateTime, TimeDelta, Utc};

use crate::run::{Target, words};

#[test]
fn keys_are_ours_or_foreign() {
    let words = words(&[
        "app/",
        "/",
        "\n",
        "20261122T030000Z-calpt5zmzst5hrp2",
        "20261122T030000Z",
        "-",
        "manifest.json",
        "app.dump",
        "app.partial.dump",
        "globals.sql",
        ".zst",
        ".gz",
        ".age",
        ".enc",
        "events/",
        "drill-20261122T040000Z-passed.json",
        "-failed.json",
        "-backup-started-0123456789ab-7",
        "-backup-started-unknown-unknown",
        "-retention-degraded",
        "-size-suspect-none",
        "-size-suspect-20261122T030000Z-calpt5zmzst5hrp2",
        "-size-accepted-20261122T030000Z-calpt5zmzst5hrp2",
        "~2F",
        "~",
        ".",
        "..",
        "00000101T000000Z",
        "99991231T235959Z",
        "+10000101T000000Z",
        "60Z",
        "é",
        "18446744073709551615",
    ]);
    Target { name: "keys", items: Vec::new(), words, once: Vec::new(), bytes_per_byte: 128 }.fuzz(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let prefix = Prefix::parse("p").expect("a prefix");
        let layout = Layout::new(prefix.clone(), "app");
        let now: DateTime<Utc> = "2026-11-29T00:00:00Z".parse().expect("a time");
        let mut listing = Vec::new();
        for line in text.split('\n') {
            check_names(line);
            let key = prefix.key(line);
            if let Some((id, role)) = layout.parse(&key) {
                assert_eq!(layout.key(&id, &role), key);
                assert_eq!(BackupId::parse(id.as_str()).map(|again| again.time()), Some(id.time()));
            }
            if let Some(event) = layout.parse_event(&key) {
                assert_eq!(layout.event_key(&event), key);
                assert!(layout.parse(&key).is_none(), "an event is no object of a backup");
            }
            let modified = line.bytes().last().map(|byte| now + TimeDelta::days(i64::from(byte) - 64));
            // The largest size that a store can say, now and then.
            let bytes = if line.len().is_multiple_of(5) { i64::MAX.unsigned_abs() } else { line.len() as u64 };
            listing.push(ListedObject { key, bytes, modified });
        }
        let listed = listing.len();
        let catalog = Catalog::from_listing(&layout, listing, now);
        check_catalog(&catalog, listed, now);
    });
}

/// What is written is read again, and nothing else is read.
fn check_names(text: &str) {
    assert_eq!(DatabaseDir::decode(&DatabaseDir::encode(text).to_string()).as_deref(), Some(text));
    if let Some(name) = DatabaseDir::decode(text) {
        assert_eq!(DatabaseDir::encode(&name).to_string(), text);
    }
    if let Some(id) = BackupId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(prefix) = Prefix::parse(text) {
        assert_eq!(Prefix::parse(&prefix.to_string()).as_ref(), Ok(&prefix));
        assert_eq!(prefix.strip(&prefix.key(text)), Some(text));
    }
}

/// Every object is in one place only, and only a run with a manifest and a dump is a backup.
fn check_catalog(catalog: &Catalog, listed: usize, now: DateTime<Utc>) {
    let backups = || catalog.backups.iter().chain(&catalog.from_the_future);
    let mut keys: Vec<&str> = backups().flat_map(|backup| &backup.keys).map(|key| key.as_str()).collect();
    keys.extend(catalog.incomplete.iter().flat_map(|run| &run.keys).map(|key| key.as_str()));
    let all = keys.len();
    assert!(all + catalog.foreign_objects <= listed);
    for backup in backups() {
        assert!(backup.keys.first().is_some_and(|key| key.as_str().ends_with("/manifest.json")));
        assert!(backup.stored_bytes >= backup.dump_bytes);
    }
    catalog.to_table(now);
    catalog.to_json();
    catalog.outdated_events(now);
    catalog.journal.first_start(now - TimeDelta::hours(1), now);
    assert!(
        [Kind::Full, Kind::Partial].iter().all(|kind| catalog.longest_run(*kind, RUN_MAY_TAKE) >= TimeDelta::zero())
    );
}

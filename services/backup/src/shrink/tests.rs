use backup_core::repository::Layout;
use backup_core::storage::{ListedObject, Prefix};
use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::retention::{Authority, Candidate, RetentionPolicy, Verdict, plan};
use crate::standing::Standing;

/// A bucket without a server: what is listed in it is all that there is.
struct Bucket {
    layout: Layout,
    objects: Vec<ListedObject>,
    rule: SizeRule,
    nights: i64,
}

impl Bucket {
    fn new() -> Self {
        let rule = SizeRule { max_shrink_percent: 50, accepted_from: None, batch: TimeDelta::hours(18) };
        Self { layout: Layout::new(Prefix::parse("p").unwrap(), "app"), objects: Vec::new(), rule, nights: 0 }
    }

    fn tonight(&self) -> DateTime<Utc> {
        "2026-01-01T03:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(self.nights)
    }

    fn put(&mut self, name: &str, bytes: u64) {
        let key = Prefix::parse("p").unwrap().key(&format!("app/{name}"));
        self.objects.push(ListedObject { key, bytes, modified: None });
    }

    fn catalog(&self) -> Catalog {
        Catalog::from_listing(&self.layout, self.objects.clone(), self.tonight())
    }

    fn sizes(&self) -> Sizes {
        judge(&self.catalog(), Kind::Full, &self.rule)
    }

    /// One night: a backup of so many bytes, and the mark that it asks for. Its id.
    fn backup(&mut self, bytes: u64, suffix: &str, tables: &str) -> BackupId {
        self.nights += 1;
        let id = format!("{}-calpt5zmzst5hrp2", self.tonight().format("%Y%m%dT%H%M%SZ"));
        self.put(&format!("{id}/app.dump{suffix}"), bytes);
        self.put(&format!("{id}/manifest.json"), 2_000);
        self.put(&format!("events/{id}-backup-started-unknown-{tables}"), 0);
        if let Some(event) = self.sizes().unmarked {
            let key = self.layout.event_key(&event);
            self.objects.push(ListedObject { key, bytes: 0, modified: None });
        }
        BackupId::parse(&id).unwrap()
    }

    fn nights_of(&mut self, sizes: &[u64]) -> BackupId {
        let ids: Vec<BackupId> = sizes.iter().map(|bytes| self.backup(*bytes, ".zst", "unknown")).collect();
        ids.last().unwrap().clone()
    }

    /// What retention does in the run of `committed`; whether it was refused.
    fn retention(&mut self, committed: &BackupId) -> bool {
        let catalog = self.catalog();
        let sizes = judge(&catalog, Kind::Full, &self.rule);
        let candidates = catalog.backups.iter().map(|backup| Candidate {
            id: backup.id.to_string(),
            time: backup.id.time(),
            kind: backup.kind,
            proven_since: backup.proven_since(),
            once_proven_since: backup.once_proven_since(),
            standing: Standing::Counts,
            is_signed: false,
            suspect: sizes.suspects.contains(&backup.id),
            stored_bytes: backup.stored_bytes,
        });
        let policy = RetentionPolicy {
            keep_days: 7,
            keep_last: 3,
            keep_daily: 0,
            keep_weekly: 0,
            keep_monthly: 0,
            keep_yearly: 0,
            max_deletes: 100,
        };
        let authority = Authority::Committed(committed.to_string());
        let candidates: Vec<Candidate> = candidates.collect();
        let plan = plan(&candidates, self.tonight(), &policy, &authority, sizes.shrunk.as_ref().map(Into::into));
        let gone: Vec<&str> = plan.deletions().map(|line| line.id.as_str()).collect();
        assert!(plan.refused.is_none() || gone.is_empty());
        assert!(plan.lines.iter().all(|line| line.verdict != Verdict::Delete || gone.contains(&line.id.as_str())));
        self.objects.retain(|object| !gone.iter().any(|id| object.key.as_str().contains(id)));
        plan.refused.is_some()
    }

    fn has(&self, id: &BackupId) -> bool {
        self.catalog().backups.iter().any(|backup| backup.id == *id)
    }
}

#[track_caller]
fn check(sizes: &[u64], expected: bool) {
    let mut bucket = Bucket::new();
    if !sizes.is_empty() {
        bucket.nights_of(sizes);
    }
    assert_eq!(bucket.sizes().shrunk.is_some(), expected);
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
    // It does not end by itself, and ends with the first backup of the usual size.
    check(&[100, 100, 100, 100, 100, 10, 10, 10, 10, 10, 10, 10, 10], true);
    check(&[100, 100, 100, 100, 100, 10, 10, 10, 10, 10, 10, 10, 10, 90], false);
    check(&[100, 10, 10, 10, 10, 60], false);
    // What lies further back does not matter, nor does a size that shrinks slowly.
    check(&[1000, 1000, 1000, 600, 600, 600, 600, 600, 350], false);
    check(&[1000, 800, 640, 512, 410, 330, 260], false);
    check(&[0, 0], false);
}

/// Another writer adds small ones, by the hour after a night or one in the middle of each day.
#[test]
fn small_ones_between_the_nights_hide_no_small_night() {
    for hours in [vec![1, 2, 3, 4, 5, 19], vec![12], vec![9, 19]] {
        let mut bucket = Bucket::new();
        for _ in 0..6 {
            bucket.backup(100, ".zst", "unknown");
            for hour in &hours {
                let id = (bucket.tonight() + TimeDelta::hours(*hour)).format("%Y%m%dT%H%M%SZ-calpt5zmzst5hrp2");
                bucket.put(&format!("{id}/app.dump.zst"), 3);
                bucket.put(&format!("{id}/manifest.json"), 2_000);
            }
        }
        bucket.backup(100, ".zst", "unknown");
        assert_eq!(bucket.sizes().shrunk, None, "{hours:?}");
        bucket.backup(10, ".zst", "unknown");
        assert!(bucket.sizes().shrunk.is_some(), "{hours:?}");
    }
}

/// R146: DATABASE_URL points to an empty database for thirty nights, with 7 days of retention.
#[test]
fn thirty_nights_of_an_empty_database_delete_no_good_backup_r146() {
    let mut bucket = Bucket::new();
    let mut last_good = None;
    for night in 0..20 {
        let id = bucket.nights_of(&[1_000_000 + night * 10_000]);
        assert!(!bucket.retention(&id), "a size that grows is right");
        last_good = Some(id);
    }
    let good = bucket.catalog().backups.len();
    assert_eq!(good, 7, "retention works");
    for night in 1..=30 {
        let id = bucket.nights_of(&[900]);
        assert!(bucket.retention(&id), "night {night}");
        assert!(bucket.sizes().shrunk.is_some(), "night {night}");
        assert_eq!(bucket.catalog().backups.len(), good + night);
    }
    assert!(bucket.has(last_good.as_ref().unwrap()));
    // The right database again: what is kept are good ones, however many small ones are newer.
    let back = bucket.nights_of(&[1_300_000]);
    assert!(!bucket.retention(&back));
    assert_eq!(bucket.sizes().shrunk, None);
    assert!(bucket.has(last_good.as_ref().unwrap()) && bucket.has(&back));
    for _ in 0..10 {
        let id = bucket.nights_of(&[1_300_000]);
        assert!(!bucket.retention(&id));
    }
    assert_eq!(bucket.catalog().backups.len(), 7);
    assert_eq!(bucket.sizes(), Sizes::default());
}

#[test]
fn what_an_operator_accepts_is_usual_from_then_on_r146() {
    for by_variable in [true, false] {
        let mut bucket = Bucket::new();
        bucket.nights_of(&[1000, 1000, 1000]);
        let first = bucket.nights_of(&[100]);
        bucket.nights_of(&[100, 100]);
        let shrunk = bucket.sizes().shrunk.unwrap();
        assert_eq!(shrunk.since, first, "the first of the small ones is the one to accept");
        if by_variable {
            bucket.rule.accepted_from = Some(first.clone());
        } else {
            bucket.put(&format!("events/20260105T120000Z-calpt5zmzst5hrp2-size-accepted-{first}"), 0);
        }
        assert_eq!(bucket.sizes(), Sizes::default());
        let id = bucket.nights_of(&[100]);
        assert!(!bucket.retention(&id));
        // The next mistake is found, and the old acceptance does not cover it.
        let second = bucket.nights_of(&[10]);
        let id = bucket.nights_of(&[10, 10, 10, 10, 10, 10]);
        assert!(bucket.retention(&id));
        assert_eq!(bucket.sizes().shrunk.unwrap().since, second);
        bucket.rule.accepted_from = Some(second);
        assert_eq!(bucket.sizes().shrunk, None);
    }
}

/// The id of a good backup, given in the belief that it says which one is right, makes the wrong ones no good ones.
#[test]
fn only_what_was_found_too_small_can_be_accepted_r146() {
    let mut bucket = Bucket::new();
    bucket.nights_of(&[1000, 1000, 1000]);
    let good = bucket.nights_of(&[1000]);
    let first = bucket.nights_of(&[10]);
    let newest = bucket.nights_of(&[10, 10, 10, 10, 10]);
    bucket.rule.accepted_from = Some(good.clone());
    bucket.put(&format!("events/20260120T120000Z-calpt5zmzst5hrp2-size-accepted-{good}"), 0);
    assert!(bucket.retention(&newest), "the good ones are at risk");
    assert_eq!(bucket.sizes().shrunk.unwrap().since, first);
    bucket.rule.accepted_from = BackupId::parse("20251231T030000Z-calpt5zmzst5hrp2");
    assert_eq!(bucket.sizes().shrunk.unwrap().since, first);
    bucket.put(&format!("events/20260120T130000Z-calpt5zmzst5hrp2-size-accepted-{first}"), 0);
    assert_eq!(bucket.sizes().shrunk, None);
}

#[test]
fn what_is_still_to_come_cannot_be_accepted_r146() {
    let mut bucket = Bucket::new();
    bucket.rule.accepted_from = BackupId::parse("20270101T030000Z-calpt5zmzst5hrp2");
    bucket.nights_of(&[1000, 100]);
    assert!(bucket.sizes().shrunk.is_some());
    bucket.rule.accepted_from = BackupId::parse("20250101T030000Z-calpt5zmzst5hrp2");
    assert!(bucket.sizes().shrunk.is_some(), "one from before all of them changes nothing");
}

/// Yearly backups are what is left of a database that shrank over the year.
#[test]
fn what_retention_thins_out_makes_no_alarm_later_r146() {
    let mut bucket = Bucket::new();
    let slowly: Vec<u64> = (0..60).map(|night| 1000 - night * 15).collect();
    bucket.nights_of(&slowly);
    let kept = bucket.catalog().backups.iter().take(3).map(|backup| backup.id.to_string()).collect::<Vec<_>>();
    bucket.objects.retain(|object| {
        object.key.as_str().contains("20260102T") || kept.iter().any(|id| object.key.as_str().contains(id.as_str()))
    });
    assert_eq!(bucket.catalog().backups.len(), 4);
    bucket.nights_of(&[110]);
    assert_eq!(bucket.sizes(), Sizes::default());
}

#[test]
fn tables_that_are_gone_are_an_alarm_whatever_the_size_r146() {
    let mut bucket = Bucket::new();
    for _ in 0..5 {
        bucket.backup(1000, ".zst", "12");
    }
    bucket.backup(990, ".zst", "6");
    assert_eq!(bucket.sizes().shrunk, None);
    // Another compression: sizes say nothing, tables do.
    bucket.backup(900, "", "0");
    let told = bucket.sizes().shrunk.unwrap().to_string();
    assert!(told.contains("with 0 tables, and the 5 before it with 12 (median)"), "{told}");
    bucket.backup(1000, ".zst", "unknown");
    assert_eq!(bucket.sizes().shrunk, None, "what is not known is no alarm");
}

#[test]
fn records_of_drills_are_no_part_of_the_size_r018() {
    let mut bucket = Bucket::new();
    let id = bucket.nights_of(&[1000]);
    bucket.put(&format!("{id}/drill-20260102T050000Z-passed.json"), 50_000);
    bucket.nights_of(&[900]);
    assert_eq!(bucket.sizes().shrunk, None);
}

#[test]
fn another_compression_is_no_alarm_and_the_message_names_what_to_do_r018() {
    let mut bucket = Bucket::new();
    bucket.backup(100 << 20, "", "unknown");
    bucket.backup(10 << 20, ".zst", "unknown");
    assert_eq!(bucket.sizes().shrunk, None);
    let id = bucket.backup(9 << 20, "", "unknown");
    let told = bucket.sizes().shrunk.unwrap().to_string();
    for part in ["9.00 MiB", "100.00 MiB", "BACKUP_MAX_SHRINK_PERCENT=50", &format!("accept-size {id}")] {
        assert!(told.contains(part), "{told}");
    }
    assert!(told.chars().count() <= 300, "it is cut in messages: {told}");
    bucket.rule.max_shrink_percent = 100;
    assert_eq!(bucket.sizes(), Sizes::default());
}

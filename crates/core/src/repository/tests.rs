use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::storage::{ListedObject, Prefix};

mod signed;

fn layout(prefix: &str, database: &str) -> Layout {
    Layout::new(Prefix::parse(prefix).unwrap(), database)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn object(key: ObjectKey, modified: &str) -> ListedObject {
    ListedObject { key, bytes: 10, modified: Some(at(modified)) }
}

const ZST: Role = Role::Dump { kind: Kind::Full, suffix: ".zst" };

fn committed(layout: &Layout, id: &BackupId, modified: &str) -> Vec<ListedObject> {
    [ZST, Role::Manifest].iter().map(|role| object(layout.key(id, role), modified)).collect()
}

/// A store may say any size; the largest that fits into the protocol is 2^63 - 1.
#[test]
fn sizes_that_no_store_has_do_not_overflow() {
    let (layout, id) = (layout("p", "app"), BackupId::new(at("2026-11-22T03:00:00Z")));
    let roles = [ZST, Role::Globals { suffix: ".zst" }, Role::Manifest];
    let huge = |role: &Role| ListedObject { key: layout.key(&id, role), bytes: u64::MAX / 2, modified: None };
    let catalog = Catalog::from_listing(&layout, roles.iter().map(huge).collect(), at("2026-11-23T00:00:00Z"));
    assert_eq!(catalog.backups[0].stored_bytes, u64::MAX);
}

proptest! {
    #[test]
    fn every_database_name_comes_back_from_its_folder_r140(name in "\\PC{1,21}") {
        let folder = DatabaseDir::encode(&name).to_string();
        prop_assert_eq!(DatabaseDir::decode(&folder), Some(name));
        prop_assert!(folder.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.~".contains(&b)));
        prop_assert!(folder != "." && folder != "..");
    }

    #[test]
    fn two_names_never_share_a_key_r011(a in "[a-c_.~/ %2Fü]{1,6}", b in "[a-c_.~/ %2Fü]{1,6}") {
        prop_assume!(a != b);
        let id = BackupId::new(Utc::now());
        let (a, b) = (layout("p", &a), layout("p", &b));
        for role in [ZST, Role::Manifest, Role::Globals { suffix: "" }] {
            let key = a.key(&id, &role);
            prop_assert_eq!(a.parse(&key), Some((id.clone(), role)));
            prop_assert_eq!(b.parse(&key), None);
            prop_assert!(!key.as_str().starts_with(b.start().as_str()));
        }
    }
}

#[test]
fn names_of_databases_as_folders() {
    for (name, folder) in [
        ("app", "app"),
        ("app_staging", "app_staging"),
        ("..", "~2E."),
        (".hidden", "~2Ehidden"),
        ("a/b", "a~2Fb"),
        ("100%", "100~25"),
        ("host=evil dbname=x", "host~3Devil~20dbname~3Dx"),
        ("Größe", "Gr~C3~B6~C3~9Fe"),
    ] {
        assert_eq!(DatabaseDir::encode(name).to_string(), folder);
        assert_eq!(DatabaseDir::decode(folder).as_deref(), Some(name));
    }
    for not_ours in ["~2e.", "~", "~2", "~41", "a b", "~FF"] {
        assert_eq!(DatabaseDir::decode(not_ours), None, "{not_ours}");
    }
}

#[test]
fn only_complete_keys_are_ours_r012() {
    let layout = layout("p", "app");
    let prefix = Prefix::parse("p").unwrap();
    let id = "20261122T030000Z-abcdefghijklmnop";
    for ours in [
        "app.dump.zst",
        "app.dump",
        "app.partial.dump.gz",
        "app.dump.zst.age",
        "app.dump.enc",
        "app.partial.dump.gz.enc",
        "globals.sql.age",
        "globals.sql.gz",
        "manifest.json",
        "drill-20261122T040000Z-passed.json",
    ] {
        assert!(layout.parse(&prefix.key(&format!("app/{id}/{ours}"))).is_some(), "{ours}");
    }
    for foreign in [
        format!("app/{id}/app_staging.dump.zst"),
        format!("app/{id}/app.dump.zst.tmp"),
        format!("app/{id}/app.dump.age.zst"),
        format!("app/{id}/app.dump.zst.age.enc"),
        format!("app/{id}/manifest.json.age"),
        format!("app/{id}/x/app.dump.zst"),
        format!("app/{id}/drill-20261122T040000Z-maybe.json"),
        format!("app/{id}/drill-2026-passed.json"),
        format!("app/x{id}/manifest.json"),
        "app/20261322T030000Z-abcdefghijklmnop/manifest.json".to_owned(),
        "app/20261122T030000Z-abcdefghijklmno1/manifest.json".to_owned(),
        "app/20261122T030000Z-abcdefghijklmno/manifest.json".to_owned(),
        "app/notes.txt".to_owned(),
        format!("app_staging/{id}/manifest.json"),
    ] {
        assert_eq!(layout.parse(&prefix.key(&foreign)), None, "{foreign}");
    }
}

#[test]
fn newest_is_by_id_whatever_the_store_says_was_modified_when_r029() {
    let layout = layout("p", "app");
    let now = at("2026-11-22T12:00:00Z");
    let ids: Vec<BackupId> = (1..=3).map(|days| BackupId::new(now - TimeDelta::days(days))).collect();
    let mut objects = committed(&layout, &ids[0], "2026-01-01T00:00:00Z");
    objects.extend(committed(&layout, &ids[1], "2026-11-22T11:00:00Z"));
    objects.extend(committed(&layout, &ids[2], "2026-06-01T00:00:00Z"));
    objects.reverse();
    let catalog = Catalog::from_listing(&layout, objects, now);
    assert_eq!(catalog.newest(Kind::Full).unwrap().id, ids[0]);
    assert_eq!(catalog.backups.iter().map(|backup| backup.id.clone()).collect::<Vec<_>>(), ids);
}

#[test]
fn a_backup_from_the_future_is_reported_and_never_the_newest_r029() {
    let layout = layout("p", "app");
    let now = at("2026-11-22T12:00:00Z");
    let (past, soon, future) = (
        BackupId::new(now - TimeDelta::hours(1)),
        BackupId::new(now + TimeDelta::minutes(9)),
        BackupId::new(now + TimeDelta::minutes(11)),
    );
    let objects = [&past, &future].iter().flat_map(|id| committed(&layout, id, "2026-11-22T11:00:00Z")).collect();
    let catalog = Catalog::from_listing(&layout, objects, now);
    assert_eq!(catalog.newest(Kind::Full).unwrap().id, past);
    assert_eq!(catalog.from_the_future[0].id, future);
    let catalog = Catalog::from_listing(&layout, committed(&layout, &soon, "2026-11-22T11:00:00Z"), now);
    assert_eq!(catalog.newest(Kind::Full).unwrap().id, soon);
}

#[test]
fn data_without_manifest_and_manifest_without_data_are_no_backups_r009() {
    let layout = layout("p", "app");
    let now = at("2026-11-22T12:00:00Z");
    let ids: Vec<BackupId> = (1..=3).map(|hours| BackupId::new(now - TimeDelta::hours(hours))).collect();
    let mut objects = vec![object(layout.key(&ids[0], &ZST), "2026-11-22T11:00:00Z")];
    objects.push(object(layout.key(&ids[1], &Role::Manifest), "2026-11-22T11:00:00Z"));
    objects.extend(committed(&layout, &ids[2], "2026-11-22T11:00:00Z"));
    let catalog = Catalog::from_listing(&layout, objects, now);
    assert_eq!(catalog.newest(Kind::Full).unwrap().id, ids[2]);
    assert_eq!(catalog.incomplete.iter().map(|run| run.lost_its_data).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_partial_dump_is_never_the_newest_full_one_r016() {
    let layout = layout("p", "app");
    let now = at("2026-11-22T12:00:00Z");
    let (old, new) = (BackupId::new(now - TimeDelta::days(2)), BackupId::new(now - TimeDelta::days(1)));
    let mut objects = committed(&layout, &old, "2026-11-20T12:00:00Z");
    for role in [Role::Dump { kind: Kind::Partial, suffix: "" }, Role::Manifest] {
        objects.push(object(layout.key(&new, &role), "2026-11-21T12:00:00Z"));
    }
    let catalog = Catalog::from_listing(&layout, objects, now);
    assert_eq!(catalog.newest(Kind::Full).unwrap().id, old);
    assert_eq!(catalog.newest(Kind::Partial).unwrap().id, new);
}

/// What fails from the first run on leaves lines as well.
#[test]
fn only_what_is_about_a_backup_tells_that_there_was_one() {
    let (layout, now) = (layout("p", "app"), at("2026-11-22T12:00:00Z"));
    let had = |kind: EventKind| {
        let event = Event { id: BackupId::new(now - TimeDelta::days(2)), kind };
        let objects = vec![object(layout.event_key(&event), "2026-11-20T12:00:00Z")];
        Catalog::from_listing(&layout, objects, now).had_backups(now)
    };
    assert!(!had(EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None }));
    assert!(!had(EventKind::BackupFailed { class: Word::of("auth"), again: false }));
    // A drill that finds no backup leaves both.
    assert!(!had(EventKind::DrillStarted) && !had(EventKind::DrillEnded { verdict: Word::of("failed") }));
    assert!(had(EventKind::RetentionDegraded));
    let alone = object(layout.key(&BackupId::new(now - TimeDelta::days(1)), &Role::Manifest), "2026-11-21T12:00:00Z");
    assert!(Catalog::from_listing(&layout, vec![alone], now).had_backups(now));
}

/// A copy is as old as its id says, and was written when it was copied.
#[test]
fn a_backup_that_was_copied_tells_nothing_of_how_long_runs_take() {
    let (layout, now) = (layout("p", "app"), at("2026-11-22T12:00:00Z"));
    let longest = |ids: &[&str]| {
        let objects = ids.iter().flat_map(|id| committed(&layout, &BackupId::new(at(id)), "2026-11-22T03:20:00Z"));
        let catalog = Catalog::from_listing(&layout, objects.collect(), now);
        catalog.longest_run(Kind::Full, std::time::Duration::from_secs(3_600))
    };
    assert_eq!(longest(&["2026-11-22T03:00:00Z", "2026-11-20T03:00:00Z"]), TimeDelta::minutes(20));
    assert_eq!(longest(&["2026-11-20T03:00:00Z"]), TimeDelta::zero());
}

/// What passed once may be damaged since, and a drill may say when it was, but not when its record was written.
#[test]
fn a_backup_is_proven_if_the_record_that_was_written_last_says_so() {
    let day = |day: i64| DateTime::UNIX_EPOCH + TimeDelta::days(day);
    // The day of each drill, that of its record, and its verdict.
    let backup = |drills: &[(i64, Option<i64>, bool)]| {
        let (layout, id) = (layout("p", "app"), BackupId::new(day(0)));
        let catalog = Catalog::from_listing(&layout, committed(&layout, &id, "1970-01-01T00:00:00Z"), day(100));
        let drill = |(time, recorded, passed): &(i64, Option<i64>, bool)| Drill {
            time: day(*time),
            passed: *passed,
            recorded_at: recorded.map(day),
        };
        Backup { drills: drills.iter().map(drill).collect(), ..catalog.backups[0].clone() }
    };
    let seen = |drills| {
        let backup = backup(drills);
        assert_eq!(backup.is_proven(), backup.proven_since().is_some());
        (backup.proven_since(), backup.once_proven_since(), backup.is_damaged())
    };
    assert_eq!(seen(&[]), (None, None, false));
    assert_eq!(seen(&[(1, Some(1), true), (2, Some(2), true)]), (Some(day(1)), Some(day(1)), false));
    assert_eq!(seen(&[(1, None, true), (2, None, false)]), (None, Some(day(1)), true));
    assert_eq!(seen(&[(1, Some(4), true), (2, Some(3), false)]), (Some(day(4)), Some(day(4)), false));
    let flips = [(1, Some(1), true), (2, Some(2), false), (3, Some(3), true), (4, Some(4), true)];
    assert_eq!(seen(&flips), (Some(day(3)), Some(day(1)), false));
    assert_eq!(seen(&[(1, Some(1), true), (1, Some(1), false)]), (None, Some(day(1)), true));
}

#[test]
fn the_manifest_is_deleted_before_its_data_and_drills_last() {
    let layout = layout("p", "app");
    let now = at("2026-11-22T12:00:00Z");
    let id = BackupId::new(now - TimeDelta::days(1));
    let drill = Role::Drill { time: now, passed: true };
    let roles = [drill, Role::Globals { suffix: ".zst" }, ZST, Role::Manifest];
    let objects = roles.iter().map(|role| object(layout.key(&id, role), "2026-11-22T12:00:01Z")).collect();
    let catalog = Catalog::from_listing(&layout, objects, now);
    let backup = catalog.newest(Kind::Full).unwrap();
    assert!(backup.is_proven() && backup.has_globals);
    let expected: Vec<ObjectKey> = roles.iter().rev().map(|role| layout.key(&id, role)).collect();
    assert_eq!(backup.keys, expected);
}

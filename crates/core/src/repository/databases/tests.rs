use super::*;
use crate::repository::{Event, EventKind, Kind, Word};
use crate::storage::ObjectKey;

#[test]
fn databases_are_those_with_backups_r011() {
    let prefix = Prefix::parse("p").unwrap();
    let id = BackupId::new("2026-11-22T03:00:00Z".parse().unwrap());
    let dump = Role::Dump { kind: Kind::Full, suffix: "" };
    let key = |database: &str, role: &Role| Layout::new(prefix.clone(), database).key(&id, role);
    let keys = [
        key("app", &Role::Manifest),
        key("app", &dump),
        key("Süd/1", &dump),
        key("Süd/1", &Role::Manifest),
        key("running", &dump),
        key("lost", &Role::Manifest),
        prefix.key("notes.txt"),
        prefix.key("s~C3/x"),
    ];
    let listed = |key: ObjectKey| ListedObject { key, bytes: 1, modified: None };
    let names = |now: &str| {
        let Folders { found, emptied } = found_in(keys.clone().map(listed).into(), &prefix, now.parse().unwrap());
        (
            found.into_iter().map(|found| found.name).collect::<Vec<_>>(),
            emptied.into_iter().map(|emptied| emptied.name).collect(),
        )
    };
    let all = |emptied: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        (owned(&["Süd/1", "app"]), owned(emptied))
    };
    assert_eq!(names("2026-11-23T00:00:00Z"), all(&["lost"]));
    assert_eq!(names("2020-01-01T00:00:00Z"), all(&["lost"]));
}

/// The lines of its own runs that fail must not make a service believe in a database that it was told of by mistake.
#[test]
fn a_name_that_only_failed_runs_have_written_is_none_that_was_there() {
    let (prefix, began) = (Prefix::parse("p").unwrap(), "2026-11-22T03:00:00Z".parse::<DateTime<Utc>>().unwrap());
    let left = |name: &str, event: &str| {
        let key = prefix.key(&format!("{name}/events/{}-{event}", BackupId::new(began)));
        ListedObject { key, bytes: 0, modified: None }
    };
    let objects =
        vec![left("dropped", "backup-started-0123456789ab-1"), left("typo", "backup-failed-database_missing")];
    let folders = found_in(objects, &prefix, began + chrono::TimeDelta::days(1));
    let names: Vec<&str> = folders.emptied.iter().map(|emptied| emptied.name.as_str()).collect();
    assert_eq!(names, ["dropped", "typo"]);
    assert_eq!(folders.by_age(), ["dropped"]);
}

/// Names that come before others in the alphabet take no place from what was there before.
#[test]
fn of_too_many_databases_those_count_that_the_bucket_has_had_the_longest() {
    let found = |name: &str, day: Option<u32>| Found {
        name: name.to_owned(),
        manifests: Vec::new(),
        since: day.map(|day| format!("2026-11-{day:02}T03:00:00Z").parse().unwrap()),
    };
    let all = || vec![found("0", Some(9)), found("1", None), found("app", Some(9)), found("zoo", Some(3))];
    let names = |most| {
        let (found, beyond) = first_of(all(), most);
        (found.into_iter().map(|found| found.name).collect::<Vec<_>>(), beyond)
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(2), (owned(&["0", "zoo"]), owned(&["app", "1"])));
    assert_eq!(names(3), (owned(&["0", "app", "zoo"]), owned(&["1"])));
    assert_eq!(names(5), (owned(&["0", "1", "app", "zoo"]), Vec::new()));
}

/// Neither do traces of backups that are gone, nor forged backups those of real ones.
#[test]
fn databases_come_in_the_order_of_the_time_that_the_bucket_has_had_them() {
    let time = |day: u32| format!("2026-11-{day:02}T03:00:00Z").parse::<DateTime<Utc>>().unwrap();
    let found = |name: &str, day| Found { name: name.to_owned(), manifests: Vec::new(), since: Some(time(day)) };
    let folders = Folders {
        found: vec![found("a", 9), found("m", 5)],
        emptied: [("b", None), ("c", Some(8)), ("z", Some(4))]
            .map(|(name, day)| Emptied { name: name.to_owned(), was_there: true, since: day.map(time) })
            .into(),
    };
    assert_eq!(folders.by_age(), ["z", "m", "c", "a", "b"]);
    let prefix = Prefix::parse("p").unwrap();
    let traces = [9, 3, 7].map(|day| {
        let kind = EventKind::DrillEnded { verdict: Word::of("failed") };
        let key = Layout::new(prefix.clone(), "app").event_key(&Event { id: BackupId::new(time(day)), kind });
        ListedObject { key, bytes: 0, modified: Some(time(day)) }
    });
    let found = found_in(traces.into(), &prefix, time(20));
    let emptied: Vec<_> = found.emptied.iter().map(|emptied| (emptied.name.as_str(), emptied.since)).collect();
    assert_eq!(emptied, [("app", Some(time(3)))]);
}

/// A writer who adds manifests makes neither the first one nor more than the newest ones be read.
#[test]
fn the_newest_manifests_and_the_first_one_are_read() {
    let prefix = Prefix::parse("p").unwrap();
    let layout = Layout::new(prefix.clone(), "app");
    let time = |day: u32| format!("2026-11-{day:02}T03:00:00Z").parse::<DateTime<Utc>>().unwrap();
    // Ids of many days, all written on one; and one that was there before.
    let written = |day: u32| if day == 9 { time(9) } else { time(22) };
    let ids: Vec<BackupId> = (1..20).map(|day| BackupId::new(time(day))).collect();
    let objects = ids.iter().zip(1..20).flat_map(|(id, day)| {
        [Role::Manifest, Role::Dump { kind: Kind::Full, suffix: "" }].map(|role| ListedObject {
            key: layout.key(id, &role),
            bytes: u64::from(day),
            modified: Some(written(day)),
        })
    });
    let found = found_in(objects.collect(), &prefix, time(23));
    let read: Vec<(BackupId, u64)> = [(18, 19), (17, 18), (8, 9)].map(|(at, bytes)| (ids[at].clone(), bytes)).into();
    assert_eq!((found.found[0].manifests.clone(), found.found[0].since), (read, Some(time(9))));
}

#[test]
fn what_does_not_count_is_named() {
    let all = || ["app", "crm", "shop"].map(str::to_owned).to_vec();
    let none = || Signature::NoneOf(Vec::new());
    let known = |entries: &[(&str, Signature)]| {
        entries.iter().map(|(name, signature)| ((*name).to_owned(), signature.clone())).collect::<BTreeMap<_, _>>()
    };
    let stored = StoredDatabases::of(all(), &known(&[("app", none()), ("shop", Signature::Good)]));
    let one = |name: &str| vec![name.to_owned()];
    assert_eq!(
        stored,
        StoredDatabases { names: one("shop"), unsigned: one("app"), unread: one("crm"), ..StoredDatabases::default() }
    );
    // If there is no good one, signatures tell nothing.
    let stored = StoredDatabases::of(all(), &known(&[("app", none())]));
    assert_eq!(stored, StoredDatabases { names: all(), ..StoredDatabases::default() });
}

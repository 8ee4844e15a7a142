use backup_core::repository::{RUN_MAY_TAKE, RunEvents};

use super::*;

const MAX_AGE: Duration = Duration::from_secs(26 * 3600);

fn now() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn id(hours_ago: i64) -> BackupId {
    let time = (now() - TimeDelta::hours(hours_ago)).format("%Y%m%dT%H%M%SZ");
    BackupId::parse(&format!("{time}-abcdefghijklmnop")).unwrap()
}

fn backup(hours_ago: i64, kind: Kind) -> Backup {
    Backup {
        id: id(hours_ago),
        kind,
        stored_bytes: 1,
        dump_bytes: 1,
        dump_name: "app.dump".to_owned(),
        committed_at: None,
        events: RunEvents::default(),
        has_globals: false,
        drills: Vec::new(),
        keys: Vec::new(),
    }
}

fn full(hours_ago: &[i64]) -> Catalog {
    let backups = hours_ago.iter().map(|hours_ago| backup(*hours_ago, Kind::Full)).collect();
    Catalog { backups, ..Catalog::default() }
}

fn incomplete(hours_ago: i64, lost_its_data: bool) -> Incomplete {
    Incomplete { id: id(hours_ago), keys: Vec::new(), stored_bytes: 1, lost_its_data, may_take: None }
}

fn select_at_random(catalog: &Catalog, selector: &Selector, random: u64) -> Result<Choice, ChooseError> {
    select(catalog, selector, &Rules { now: now(), max_age: MAX_AGE, running_for: RUN_MAY_TAKE, random })
}

/// Which backup is chosen, by its age in hours, and the beginnings of what is found.
#[track_caller]
fn check(catalog: &Catalog, selector: &Selector, hours_ago: i64, findings: &[&str]) {
    let chosen = select_at_random(catalog, selector, 0).unwrap();
    assert_eq!(chosen.backup.id, id(hours_ago));
    let found: Vec<&str> = chosen.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(found.len(), findings.len(), "{found:?}");
    for (found, expected) in found.iter().zip(findings) {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn the_newest_full_backup_is_drilled_unless_another_is_wanted() {
    let mut catalog = full(&[2, 26, 50]);
    check(&catalog, &Selector::Newest, 2, &[]);
    check(&catalog, &Selector::Oldest, 50, &[]);
    check(&catalog, &Selector::Named(id(26)), 26, &[]);
    catalog.backups.insert(0, backup(1, Kind::Partial));
    check(&catalog, &Selector::Newest, 2, &[]);
    check(&catalog, &Selector::Named(id(1)), 1, &[]);
}

#[test]
fn chance_reaches_every_backup_that_is_wanted() {
    let reached = |catalog: &Catalog, selector: &Selector| {
        let mut ids: Vec<BackupId> =
            (0..6).map(|random| select_at_random(catalog, selector, random).unwrap().backup.id).collect();
        ids.sort_by(|a, b| b.cmp(a));
        ids.dedup();
        ids
    };
    assert_eq!(reached(&full(&[2, 26, 50]), &Selector::Random), [id(2), id(26), id(50)]);
    assert_eq!(reached(&full(&[2, 26, 50]), &Selector::Older), [id(26), id(50)]);
    assert_eq!(reached(&full(&[2]), &Selector::Older), [id(2)]);
}

#[test]
fn a_newest_run_without_a_manifest_is_found_and_the_committed_one_drilled_r027() {
    let mut catalog = full(&[9]);
    catalog.incomplete = vec![incomplete(7, false)];
    check(&catalog, &Selector::Newest, 9, &["the newest run, 20261122T050000Z-abcdefghijklmnop, is incomplete"]);
    let young_enough_to_be_running = vec![incomplete(6, false)];
    catalog.incomplete = young_enough_to_be_running;
    check(&catalog, &Selector::Newest, 9, &[]);
    // Its start says how long it may take, whatever the manifest of an earlier run says.
    for (hours, expected) in
        [(8, [].as_slice()), (6, &["the newest run, 20261122T050000Z-abcdefghijklmnop, is incomplete"])]
    {
        let may_take = Some(Duration::from_secs(hours * 3600));
        catalog.incomplete = vec![Incomplete { may_take, ..incomplete(7, false) }];
        check(&catalog, &Selector::Newest, 9, expected);
    }
    let older_than_the_committed_one = vec![incomplete(10, false)];
    catalog.incomplete = older_than_the_committed_one;
    check(&catalog, &Selector::Newest, 9, &[]);
    let mut catalog = full(&[27]);
    catalog.incomplete = vec![incomplete(7, false)];
    check(&catalog, &Selector::Newest, 27, &["the newest full backup, ", "the newest run, "]);
}

#[test]
fn a_newest_manifest_without_data_is_found_however_young_r009() {
    let mut catalog = full(&[5]);
    catalog.incomplete = vec![incomplete(0, true)];
    check(&catalog, &Selector::Newest, 5, &["20261122T120000Z-abcdefghijklmnop has lost its data"]);
    catalog.incomplete = vec![incomplete(9, true)];
    check(&catalog, &Selector::Newest, 5, &[]);
    assert_eq!(select_at_random(&catalog, &Selector::Newest, 0).unwrap().notes.len(), 1);
}

#[test]
fn a_newest_backup_over_its_promised_age_is_found_whichever_is_drilled_r028() {
    check(&full(&[26, 50]), &Selector::Newest, 26, &[]);
    check(
        &full(&[27, 50]),
        &Selector::Newest,
        27,
        &["the newest full backup, 20261121T090000Z-abcdefghijklmnop, is 27 h"],
    );
    check(&full(&[27, 50]), &Selector::Named(id(50)), 50, &["the newest full backup, "]);
    let stale = select_at_random(&full(&[27]), &Selector::Newest, 0).unwrap().recovery_point;
    assert_eq!((stale.name, stale.state), ("recovery_point", CheckState::Failed));
}

#[test]
fn a_backup_from_the_future_is_reported_and_not_drilled_r029() {
    let mut catalog = full(&[5]);
    catalog.from_the_future = vec![backup(-3, Kind::Full)];
    let chosen = select_at_random(&catalog, &Selector::Newest, 0).unwrap();
    assert_eq!(chosen.backup.id, id(5));
    assert!(chosen.notes[0].contains("is dated in the future"), "{:?}", chosen.notes);
}

#[test]
fn nothing_to_restore_is_a_finding_and_not_an_idle_green() {
    let mut catalog = Catalog { backups: vec![backup(1, Kind::Partial)], ..Catalog::default() };
    for selector in [Selector::Newest, Selector::Oldest, Selector::Random, Selector::Older] {
        for catalog in [&catalog, &Catalog::default()] {
            let error = select_at_random(catalog, &selector, 0).unwrap_err();
            assert!(matches!(error, ChooseError::NoBackup(_)), "{selector:?}: {error}");
        }
    }
    catalog.incomplete = vec![incomplete(2, true), incomplete(3, false)];
    let named = |hours_ago| select_at_random(&catalog, &Selector::Named(id(hours_ago)), 0).unwrap_err();
    assert!(matches!(named(2), ChooseError::NoBackup(_)));
    assert!(matches!(named(3), ChooseError::Unclear(_)));
    assert!(matches!(named(4), ChooseError::Unclear(_)));
}

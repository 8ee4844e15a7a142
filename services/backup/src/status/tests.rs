use backup_core::repository::RunEvents;
use chrono::TimeZone;

use super::*;
use crate::shrink::SizeRule;

/// What a listing changes, with defaults and a clock that agrees.
fn observe(facts: &mut Facts, catalog: &Catalog) -> bool {
    let config = crate::config::tests::good();
    let size_rule = SizeRule { max_shrink_percent: 50, accepted_from: None, batch: config.size_rule.batch };
    let limits =
        Limits { kind: Kind::Full, size_rule: &size_rule, timing: &config.timing, retention: &config.retention };
    facts.observe(catalog, &limits, &Oddities::of(catalog, &limits, Clock::Agrees, Utc::now()))
}

pub(crate) fn full_backup(id: &BackupId) -> Backup {
    Backup {
        id: id.clone(),
        kind: Kind::Full,
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

/// Two deployments may overlap: what the other process has made is a backup, too.
#[test]
fn a_newer_backup_of_another_process_ends_the_failures_in_a_row() {
    let mut facts = Facts::default();
    let failed_at = Utc::now() - TimeDelta::minutes(5);
    let class = Some(FailureClass::DatabaseMissing);
    let failed = RunReport { class, ended_at: failed_at, ..RunReport::begin(failed_at) };
    facts.ran(&failed, Occasion::Tick(failed_at));
    // One that a clock has dated which was ahead tells of no repair.
    for (minutes, in_a_row) in [(-1, 1), (12, 1), (1, 0)] {
        let made = full_backup(&BackupId::new(failed_at + TimeDelta::minutes(minutes)));
        let catalog = Catalog { backups: vec![made], ..Catalog::default() };
        assert_eq!(observe(&mut facts, &catalog), in_a_row == 0);
        assert_eq!((facts.consecutive_failures, facts.is_database_missing), (in_a_row, in_a_row > 0));
        assert!(in_a_row > 0 || !observe(&mut facts, &catalog), "it is told once");
    }
}

/// A page must not call a backup safe that the last drill found damaged.
#[test]
fn what_failed_its_last_drill_is_neither_safe_nor_proven() {
    let start = Utc.with_ymd_and_hms(2026, 11, 1, 3, 0, 0).unwrap();
    let drill = |day, passed| Drill { time: start + TimeDelta::days(day), passed, recorded_at: None };
    let backup = |day, drills: &[Drill]| Backup {
        drills: drills.to_vec(),
        ..full_backup(&BackupId::new(start + TimeDelta::days(day)))
    };
    let mut backups = vec![backup(1, &[drill(1, true), drill(4, false)]), backup(0, &[drill(0, true)])];
    let safe = |backups: &[Backup]| {
        let catalog = Catalog { backups: backups.to_vec(), ..Catalog::default() };
        let Safe { newest_backup, newest_proven, suspicious: _ } = safe_in(&catalog, &BTreeSet::new());
        [newest_backup, newest_proven].map(|dated| dated.map(|dated| (dated.at - start).num_days()))
    };
    assert_eq!(safe(&backups), [Some(0), Some(0)]);
    backups.insert(0, backup(2, &[]));
    assert_eq!(safe(&backups), [Some(2), Some(0)]);
    assert_eq!(safe(&backups[1..2]), [None, None]);
}

/// Else the message that says that data may be missing would call that backup the safe one.
#[test]
fn what_is_much_smaller_than_usual_is_not_safe_and_stands_beside_what_is() {
    let start = Utc.with_ymd_and_hms(2026, 11, 1, 3, 0, 0).unwrap();
    let passed = Drill { time: start + TimeDelta::days(9), passed: true, recorded_at: None };
    let backup = |day, dump_bytes| Backup {
        dump_bytes,
        drills: vec![passed],
        ..full_backup(&BackupId::new(start + TimeDelta::days(day)))
    };
    let mut facts = Facts::default();
    let backups = vec![backup(6, 10), backup(4, 100), backup(3, 100), backup(2, 100)];
    let ids: Vec<String> = backups.iter().map(|backup| backup.id.to_string()).collect();
    observe(&mut facts, &Catalog { backups, ..Catalog::default() });
    let Safe { newest_backup, newest_proven, suspicious } = facts.safe.clone();
    let found = [suspicious, newest_backup, newest_proven].map(|dated| dated.unwrap().id);
    assert_eq!(found, [&ids[0], &ids[1], &ids[1]].map(String::clone));
}

/// A clock that is far off is seen in no listing: the store refuses it.
#[test]
fn a_refusal_tells_what_is_wrong_with_the_clock_until_another_one_or_a_listing_does() {
    use Clock::{Agrees, Apart, Unknown};
    let (mut facts, apart) = (Facts::default(), Apart { ahead_seconds: 1_200 });
    let told = [(Unknown, None), (apart, Some(apart)), (Unknown, Some(apart)), (Agrees, None), (apart, Some(apart))];
    for (clock, known) in told {
        facts.told_by_a_refusal(clock);
        assert_eq!(facts.clock, known, "{clock:?}");
    }
    observe(&mut facts, &Catalog::default());
    assert_eq!(facts.clock, None);
}

#[test]
fn what_was_seen_once_is_known_to_have_been_there() {
    let mut facts = Facts::default();
    observe(&mut facts, &Catalog::default());
    assert!(!facts.had_backups);
    let made = full_backup(&BackupId::new(Utc::now() - TimeDelta::hours(1)));
    observe(&mut facts, &Catalog { backups: vec![made], ..Catalog::default() });
    observe(&mut facts, &Catalog::default());
    assert!(facts.had_backups && facts.newest_full_backup.is_none());
}

#[test]
fn without_a_verdict_in_the_bucket_the_pair_was_never_verified_r107() {
    let mut facts = Facts::default();
    observe(&mut facts, &Catalog::default());
    let page = serde_json::to_string(&facts).unwrap();
    assert_eq!(page.matches("verified").count(), 1, "{page}");
    assert!(page.contains("never verified"), "{page}");

    let id = BackupId::new(Utc::now());
    let drill = |day: u32, passed| Drill {
        time: Utc.with_ymd_and_hms(2026, 11, day, 3, 0, 0).unwrap(),
        passed,
        recorded_at: None,
    };
    let backup = |drills| Backup { drills, ..full_backup(&id) };
    let backups = vec![backup(vec![drill(1, true), drill(20, false)]), backup(vec![drill(19, true)])];
    observe(&mut facts, &Catalog { backups, ..Catalog::default() });
    let page = serde_json::to_string(&facts).unwrap();
    assert!(page.contains(&format!("the newest drill failed, of backup {id}, at 2026-11-20T03:00:00Z")), "{page}");
    assert!(!page.contains("verified"), "{page}");
}

use std::time::Duration;

use backup_core::repository::{Kind, RunEvents};
use nix::sys::resource::{UsageWho, getrusage};

use super::*;

/// What this thread has computed, so that a busy machine makes no work look long.
pub(crate) fn cpu_time() -> Duration {
    let user = getrusage(UsageWho::RUSAGE_THREAD).unwrap().user_time();
    Duration::from_micros(u64::try_from(user.tv_sec() * 1_000_000 + user.tv_usec()).unwrap())
}

fn at(hours: i64) -> DateTime<Utc> {
    "2026-11-22T03:00:00Z".parse::<DateTime<Utc>>().unwrap() - TimeDelta::hours(hours)
}

/// A dump of so many bytes whose id says that it is so many hours old, and that was written so many hours ago.
fn backup(id_hours: i64, written_hours: i64, dump_bytes: u64) -> Backup {
    backup_at(at(id_hours), at(written_hours), dump_bytes)
}

/// As [`backup`], at exact times.
pub(crate) fn backup_at(id_time: DateTime<Utc>, written: DateTime<Utc>, dump_bytes: u64) -> Backup {
    let id = format!("{}-calpt5zmzst5hrp2", id_time.format("%Y%m%dT%H%M%SZ"));
    Backup {
        id: BackupId::parse(&id).unwrap(),
        kind: Kind::Full,
        stored_bytes: dump_bytes,
        dump_bytes,
        dump_name: "app.dump.zst".to_owned(),
        committed_at: Some(written),
        events: RunEvents::default(),
        has_globals: false,
        drills: Vec::new(),
        keys: Vec::new(),
    }
}

/// A schedule of one run a day.
pub(crate) fn rule() -> StandingRule {
    let max_late = MIN_LATE;
    let (burst, usual) = (TimeDelta::hours(12), TimeDelta::hours(18));
    StandingRule { burst, usual, max_late, max_shrink_percent: 50, accepted_from: None }
}

/// `c` for what counts, `b` for a burst, `s` for small, `o` for another time, `O` for the newest of these.
#[track_caller]
fn check(rule: &StandingRule, group: &[Backup], expected: &str) {
    let letter = |standing| match standing {
        Standing::Counts => 'c',
        Standing::Doubtful { doubt: Doubt::Burst { .. }, .. } => 'b',
        Standing::Doubtful { doubt: Doubt::Small { .. }, .. } => 's',
        Standing::Doubtful { doubt: Doubt::OtherTime { leads: true }, .. } => 'O',
        Standing::Doubtful { doubt: Doubt::OtherTime { leads: false }, .. } => 'o',
    };
    let found: String = standings(&group.iter().collect::<Vec<_>>(), rule).into_iter().map(letter).collect();
    assert_eq!(found, expected);
}

/// One backup a night, the newest first, each written an hour after its id.
fn nights(count: i64) -> Vec<Backup> {
    (0..count).map(|night| backup(24 * night + 1, 24 * night, 1_000)).collect()
}

#[test]
fn what_was_written_when_its_id_says_counts() {
    check(&rule(), &nights(5), "ccccc");
    check(&rule(), &[], "");
    // Without a time of the store the id is believed.
    let mut group = nights(2);
    group[0].committed_at = None;
    check(&rule(), &group, "cc");
    // A copy that is made every other night, and a long run.
    check(&rule(), &[backup(48, 0, 1_000), backup(96, 49, 1_000)], "cc");
}

#[test]
fn ids_of_another_time_and_bursts_do_not_count() {
    let forged = |hours| backup(hours, 0, 1_000);
    let mut group = vec![forged(-100), forged(-1)];
    group.extend(nights(3));
    group.extend([forged(200), forged(300)]);
    check(&rule(), &group, "Oocccoo");
    let mut group: Vec<Backup> = (0..20).map(forged).collect();
    group.extend(nights(3).into_iter().skip(1));
    check(&rule(), &group, "cbbbbbbbbbbbbbbbbbbbcc");
}

/// What was written at one time as a genuine backup counts for it only if it is as large.
#[test]
fn the_largest_of_a_batch_counts_and_of_equal_ones_the_newest() {
    let batch = |sizes: [u64; 3]| {
        let mut group: Vec<Backup> = (0..3).zip(sizes).map(|(hours, bytes)| backup(hours, hours, bytes)).collect();
        group.extend(nights(5).into_iter().skip(1));
        group
    };
    check(&rule(), &batch([1_000, 1_000, 1_000]), "cbbcccc");
    check(&rule(), &batch([990, 1_000, 1_000]), "bcbcccc");
    check(&rule(), &batch([600, 999, 1_000]), "bbccccc");
    check(&rule(), &batch([1, 1_001, 1_000]), "scbcccc");
    let group = batch([600, 999, 1_000]);
    let ranks = |standing: Standing| match standing {
        Standing::Doubtful { doubt: Doubt::Burst { rank }, .. } => Some(rank),
        _ => None,
    };
    let found: Vec<_> = standings(&group.iter().collect::<Vec<_>>(), &rule()).into_iter().filter_map(ranks).collect();
    assert_eq!(found, [2, 1]);
}

#[test]
fn what_is_far_smaller_than_other_nights_does_not_count() {
    let mut group = nights(5);
    group[0].dump_bytes = 499;
    check(&rule(), &group, "scccc");
    group[0].dump_bytes = 500;
    check(&rule(), &group, "ccccc");
    check(&StandingRule { max_shrink_percent: 100, ..rule() }, &[backup(1, 0, 1), backup(25, 24, 1_000)], "cc");
    // Many small ones at once are one among five.
    let mut group: Vec<Backup> = (1..9).map(|hours| backup(hours, 0, 3)).collect();
    group.extend(nights(5).into_iter().skip(1));
    check(&rule(), &group, "sssssssscccc");
    // In another compression sizes differ, but not by a hundred times.
    let mut group = nights(3);
    group[0].dump_name = "app.dump.gz".to_owned();
    group[0].dump_bytes = 10;
    check(&rule(), &group, "ccc");
    group[0].dump_bytes = 9;
    check(&rule(), &group, "scc");
    // From an accepted one on the smaller size is right.
    let mut group = nights(5);
    (group[0].dump_bytes, group[1].dump_bytes) = (10, 10);
    check(&rule(), &group, "ssccc");
    check(&rule().accepting(Some(group[1].id.clone())), &group, "ccccc");
}

/// Two runs a night an hour apart leave room for forty small ones between each two nights.
#[test]
fn small_ones_are_never_usual_however_unevenly_runs_lie() {
    let rule = StandingRule { burst: TimeDelta::minutes(30), usual: most_of(23 * 3600), ..rule() };
    let genuine = |minutes: i64| minutes % 1_440 == 0 || minutes % 1_440 == 60;
    for nights in [2, 5] {
        for step in [30, 35, 300] {
            let times = (0..nights * 1_440).filter(|minutes| genuine(*minutes) || minutes % step == 7);
            let group = times.map(|minutes| {
                let written = at(0) - TimeDelta::minutes(minutes);
                backup_at(written, written, if genuine(minutes) { 1_000 } else { 3 })
            });
            let group: Vec<Backup> = group.collect();
            let group: Vec<&Backup> = group.iter().collect();
            for (backup, standing) in group.iter().zip(standings(&group, &rule)) {
                let counts = standing == Standing::Counts;
                assert_eq!(counts, backup.dump_bytes == 1_000, "{nights} nights, {step}: {}, {standing:?}", backup.id);
            }
        }
    }
}

/// Of sizes that repeat, in every place.
#[test]
fn a_median_without_some_sizes_is_that_of_the_others() {
    let all = [1, 1, 2, 2, 2, 3, 5, 8, 8, 9_u64];
    for mask in 0_u32..1 << all.len() {
        let (left_out, others): (Vec<_>, Vec<_>) =
            all.iter().enumerate().partition(|(place, _)| mask & (1 << place) != 0);
        let sizes = |some: Vec<(usize, &u64)>| some.into_iter().map(|(_, bytes)| *bytes).collect::<Vec<u64>>();
        let (left_out, others) = (sizes(left_out), sizes(others));
        assert_eq!(median_without(&all, left_out.clone()), others.get(others.len() / 2).copied(), "{left_out:?}");
    }
}

/// A writer who adds backups for as long as they like chooses how many there are, and with a frequent schedule there are as
/// many batches.
#[test]
fn a_hundred_thousand_backups_of_as_many_times_are_judged_in_seconds() {
    let rule = StandingRule { burst: TimeDelta::minutes(1), usual: TimeDelta::minutes(1), ..rule() };
    let written = |minute: i64| at(0) - TimeDelta::minutes(minute);
    let backups: Vec<Backup> = (0..100_000).map(|minute| backup_at(written(minute), written(minute), 1_000)).collect();
    let begun = cpu_time();
    let found = standings(&backups.iter().collect::<Vec<_>>(), &rule);
    assert!(found.iter().all(|standing| *standing == Standing::Counts));
    let took = cpu_time() - begun;
    assert!(took.as_secs() < 10, "{took:?}");
}

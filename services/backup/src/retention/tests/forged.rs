//! What a writer to the bucket adds at the time of a genuine backup, and that is smaller, takes nothing from it.

use backup_core::repository::Backup;
use proptest::prelude::*;

use super::histories::{kept, policy};
use super::*;
use crate::standing::standings;
use crate::standing::tests::{backup_at, cpu_time, rule};

/// A dump of so many bytes that was written when its id says.
fn dump(time: DateTime<Utc>, bytes: u64) -> Backup {
    backup_at(time, time, bytes)
}

/// What an operator's `prune` plans for `backups` at `now`.
fn planned(backups: &[Backup], now: DateTime<Utc>, policy: &RetentionPolicy) -> PrunePlan {
    let group: Vec<&Backup> = backups.iter().collect();
    let candidate = |(backup, standing): (&&Backup, Standing)| Candidate {
        id: backup.id.to_string(),
        time: backup.id.time(),
        kind: backup.kind,
        proven_since: None,
        once_proven_since: None,
        standing,
        is_signed: false,
        suspect: false,
        stored_bytes: backup.stored_bytes,
    };
    let candidates: Vec<Candidate> = group.iter().zip(standings(&group, &rule())).map(candidate).collect();
    plan(&candidates, now, policy, &Authority::Operator, None)
}

#[test]
fn a_burst_of_smaller_ones_displaces_no_genuine_backup() {
    let nights = |count: i64| (0..count).map(|night| dump(at(NOW) - Duration::days(night), 3_000));
    let mut backups: Vec<Backup> = nights(7).collect();
    let genuine: BTreeSet<String> = backups.iter().map(|one| one.id.to_string()).collect();
    let after = |minutes| at(NOW) + Duration::minutes(minutes);
    backups.extend((1..=7).map(|minutes| dump(after(minutes), 1)));
    backups.push(dump(after(8), 1_500));
    let policy = RetentionPolicy { keep_days: 1, keep_last: 7, ..NEWEST_ONLY };
    let plan = planned(&backups, at(NOW) + Duration::hours(25), &policy);
    assert!(genuine.is_subset(&kept(&plan)), "{plan:#?}");
    // As many that are larger than half of it, beside one that is as large as the dump.
    backups.extend((1..=9).map(|seconds| dump(after(9) + Duration::seconds(seconds), 2_999)));
    backups.push(dump(after(10), 3_000));
    let plan = planned(&backups, at(NOW) + Duration::hours(25), &policy);
    assert!(genuine.is_subset(&kept(&plan)), "{plan:#?}");
}

#[test]
fn a_smaller_one_after_the_last_backup_of_a_month_does_not_take_the_month() {
    let last_days = ["02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31"];
    let last_days = last_days.map(|day| at(&format!("2026-{day}T03:00:00Z")));
    let mut backups: Vec<Backup> = (0..300).map(|night| dump(at(NOW) - Duration::days(night), 3_000)).collect();
    backups.extend(last_days.map(|time| dump(time + Duration::minutes(1), 1_600)));
    let policy = RetentionPolicy { keep_days: 7, keep_monthly: 12, ..NEWEST_ONLY };
    let stays = kept(&planned(&backups, at(NOW), &policy));
    let genuine = last_days.map(|time| dump(time, 3_000).id.to_string());
    let lost: Vec<&String> = genuine.iter().filter(|id| !stays.contains(*id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// A second backup by hand that is a few bytes smaller stays as the newest, and the larger one as the one that counts.
#[test]
fn of_two_honest_backups_of_one_time_the_newest_is_among_the_newest() {
    let mut backups: Vec<Backup> = (0..4).map(|night| dump(at(NOW) - Duration::days(night), 3_000)).collect();
    backups.push(dump(at(NOW) + Duration::seconds(50), 2_990));
    let plan = planned(&backups, at(NOW) + Duration::hours(1), &RetentionPolicy { keep_last: 2, ..NEWEST_ONLY });
    assert_eq!(verdicts(&plan), ["newest 2", "newest 2", "newest 2", "delete", "delete"]);
}

/// What is added in one night is not looked at again for each other night.
#[test]
fn hundreds_of_forgeries_beside_each_of_many_backups_are_planned_in_seconds() {
    let night = |night: i64| at(NOW) - Duration::days(night);
    let forged =
        |number| (1..=250).map(move |bytes| dump(night(number) + Duration::seconds(bytes), bytes.unsigned_abs()));
    let genuine: Vec<Backup> = (0..100).map(|number| dump(night(number), 3_000)).collect();
    let mut all = genuine.clone();
    all.extend((0..100).flat_map(forged));
    let policy = RetentionPolicy { keep_days: 7, keep_monthly: 12, max_deletes: u32::MAX, ..NEWEST_ONLY };
    let now = at(NOW) + Duration::hours(1);
    let begun = cpu_time();
    let stays = kept(&planned(&all, now, &policy));
    let took = cpu_time() - begun;
    assert!(took.as_secs() < 10, "{took:?}");
    assert!(kept(&planned(&genuine, now, &policy)).is_subset(&stays));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Under any rules, what they keep of the genuine backups stays if smaller ones come after them.
    #[test]
    fn no_rule_loses_a_genuine_backup_to_smaller_ones_of_its_time(
        nights in prop::collection::vec((2_000..3_000_u64, prop::option::weighted(0.2, 2_000..3_000_u64)), 1..40),
        forged in prop::collection::vec((0..40_i64, 3..600_i64, 1..2_000_u64), 0..40),
        policy in policy(),
    ) {
        let now = at(NOW);
        let night = |night: i64| now - Duration::hours(24 * night + 11);
        let mut genuine: Vec<Backup> = Vec::new();
        for (number, (bytes, by_hand)) in (0_i64..).zip(&nights) {
            genuine.push(dump(night(number), *bytes));
            genuine.extend(by_hand.map(|bytes| dump(night(number) + Duration::minutes(1), bytes)));
        }
        let policy = RetentionPolicy { max_deletes: u32::MAX, ..policy };
        let before = kept(&planned(&genuine, now, &policy));
        let count = i64::try_from(nights.len()).unwrap();
        let mut all = genuine;
        all.extend(forged.into_iter().map(|(number, minutes, bytes)| {
            dump(night(number % count) + Duration::minutes(minutes), bytes)
        }));
        let after = kept(&planned(&all, now, &policy));
        prop_assert!(before.is_subset(&after), "{:?}", before.difference(&after).collect::<Vec<_>>());
    }
}

//! Anyone who can put objects invents ids, manifests and records of drills, and no genuine backup goes for that.

use backup_core::repository::{BackupId, Layout, Manifest, Repository, SigningKey};
use backup_core::secret::Secret;
use backup_core::storage::Prefix;
use chrono::{TimeDelta, Utc};
use e2e::proxy::{Fault, Operation, Rule};

use super::{committed, deletions, prune, seed_days};
use crate::encryption::signing_pair;
use crate::read::open;
use crate::stand::Stand;

/// So many genuine backups, one a night.
const NIGHTS: i64 = 20;

/// Keeps the backup of a run and [`NIGHTS`] before it, by their number alone.
const POLICY: [(&str, &str); 2] = [("BACKUP_RETENTION_DAYS", "1"), ("BACKUP_KEEP_LAST", "21")];

/// Nights of genuine backups, then `forge`, then what deletes: a run, and an operator.
#[track_caller]
fn check_all_genuine_stay(forge: impl Fn(&Stand)) {
    let stand = Stand::with_rows(10);
    let genuine = seed_days(&stand, 1..=NIGHTS);
    forge(&stand);
    let output = stand.backup().args(["run"]).envs(POLICY).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let output = prune(&stand, &[], &POLICY);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let left = committed(&stand);
    let gone: Vec<_> = genuine.iter().filter(|id| !left.contains(*id)).collect();
    assert!(gone.is_empty(), "{} of {NIGHTS} genuine backups are gone\n{}", gone.len(), output.stdout);
}

#[test]
fn a_burst_of_forged_ids_counts_once() {
    check_all_genuine_stay(|stand| (1..=30).for_each(|minutes| drop(stand.forge(TimeDelta::minutes(minutes)))));
}

#[test]
fn ids_that_were_written_at_another_time_than_they_say_do_not_count() {
    // Between the genuine ones, over weeks.
    check_all_genuine_stay(|stand| (1..=30).for_each(|half| drop(stand.forge(TimeDelta::hours(half * 12 - 6)))));
    // A minute ahead, which is no error of a clock by itself; and what was the future when it was written.
    check_all_genuine_stay(|stand| (1..=30).for_each(|second| drop(stand.forge(-TimeDelta::seconds(60 + second)))));
    check_all_genuine_stay(|stand| {
        for hours in 1..=30 {
            let id = stand.forge(TimeDelta::hours(hours * 20));
            for file in [format!("{}.dump.zst", stand.database.name), "manifest.json".to_owned()] {
                let long_ago = Utc::now() - TimeDelta::days(90);
                stand.s3.set_modified(&stand.key(&id, &file), long_ago.into());
            }
        }
    });
}

/// Nothing that lies beside the objects of a backup makes it look written at another time, smaller or partial.
#[test]
fn objects_put_beside_genuine_ones_do_not_change_what_these_are() {
    check_all_genuine_stay(|stand| {
        let name = &stand.database.name;
        for id in committed(stand) {
            for file in ["globals.sql".to_owned(), format!("{name}.dump"), format!("{name}.partial.dump")] {
                stand.s3.write(&stand.key(&id, &file), b"x");
            }
        }
        (1..=30).for_each(|minutes| drop(stand.forge(TimeDelta::minutes(minutes))));
    });
}

/// Written at the right time, one a night, by someone who does not have as much to write as a database.
#[test]
fn what_is_far_smaller_than_the_rest_takes_no_place() {
    let stand = Stand::with_rows(10);
    let genuine: Vec<String> = (1..=NIGHTS).map(|night| stand.seed_of(TimeDelta::days(night), 1_000)).collect();
    for night in 1..=10 {
        stand.seed_of(TimeDelta::days(night) - TimeDelta::hours(12), 400);
    }
    let newest = stand.seed_of(TimeDelta::hours(1), 1_000);
    let policy = [("BACKUP_RETENTION_DAYS", "1"), ("BACKUP_KEEP_LAST", "10")];
    let output = prune(&stand, &[], &policy);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("it is far smaller than the others"), "{}", output.stdout);
    let left = committed(&stand);
    assert!(genuine[..9].iter().chain([&newest]).all(|id| left.contains(id)), "{}", output.stdout);
    assert!(!left.contains(&genuine[9]), "what no rule keeps goes all the same");
}

/// A bucket that was copied to another store: every manifest is younger than its id, and retention goes on.
#[test]
fn a_bucket_that_was_copied_is_pruned_as_before_and_says_so() {
    let stand = Stand::with_rows(10);
    let copied: Vec<String> = (30..40).map(|days| stand.forge(TimeDelta::days(days))).collect();
    let plan = prune(&stand, &["--dry-run"], &[]);
    assert!(plan.stdout.contains("it was written at another time than its id says"), "{}", plan.stdout);
    assert!(plan.stderr.contains("copied from another bucket, or forged"), "{}", plan.stderr);
    assert_eq!(prune(&stand, &[], &[]).code, Some(0));
    assert_eq!(committed(&stand), copied[..3].iter().cloned().collect());
    // And with backups of the new place: they count, and the copies go when they are old.
    stand.run_ok();
    assert_eq!(committed(&stand).len(), 3);
    let status = stand.backup().args(["list"]).output();
    assert_eq!(status.code, Some(0));
}

/// A copy of a bucket that is made again every few days, and into which nothing else is written.
#[test]
fn a_bucket_that_is_only_ever_copied_can_be_pruned() {
    let stand = Stand::with_rows(10);
    for week in 0..6 {
        for day in 0..7 {
            let id = stand.forge(TimeDelta::days(week * 7 + day + 3));
            for file in [format!("{}.dump.zst", stand.database.name), "manifest.json".to_owned()] {
                let copied = Utc::now() - TimeDelta::days(week * 7);
                stand.s3.set_modified(&stand.key(&id, &file), copied.into());
            }
        }
    }
    assert_eq!(prune(&stand, &[], &[("BACKUP_RETENTION_DAYS", "1")]).code, Some(0));
    let left = committed(&stand).len();
    assert!(left <= 10, "{left} of 42 stay");
}

/// A backup of now signed by `new`, and ones of 2, 3 and 4 days ago signed by `old`; their ids, the newest first.
async fn signed_backups(stand: &Stand, old: &str, new: &str) -> Vec<String> {
    let run = stand.backup().args(["run"]).envs([("BACKUP_SIGNING_KEY", new), ("BACKUP_GLOBALS", "false")]);
    let output = run.output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let newest = committed(stand).pop_last().unwrap();
    let dump = format!("{}.dump.zst", stand.database.name);
    let text = stand.s3.read(&stand.key(&newest, "manifest.json"));
    let mut manifest: Manifest = serde_json::from_slice(&text).unwrap();
    let key = SigningKey::parse(&Secret::new(old.to_owned())).unwrap();
    let layout = Layout::new(Prefix::parse("postgres-backups").unwrap(), &stand.database.name);
    let repository = Repository::new(open(&stand.s3, &stand.proxy), layout);
    let mut ids = vec![newest.clone()];
    for days in 2..=4 {
        let time = Utc::now() - TimeDelta::days(days);
        manifest.id = BackupId::new(time);
        let id = manifest.id.to_string();
        stand.s3.write(&stand.key(&id, &dump), stand.s3.read(&stand.key(&newest, &dump)));
        repository.commit(&manifest, Some(&key)).await.unwrap();
        for file in [dump.as_str(), "manifest.json"] {
            stand.s3.set_modified(&stand.key(&id, file), time.into());
        }
        ids.push(id);
    }
    ids
}

/// With the public keys and the right to read, neither the right time nor the right size helps.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_public_keys_prune_counts_signed_backups_only() {
    let ((old, old_public), (new, new_public)) = (signing_pair(), signing_pair());
    let keys = format!("{old_public}, {new_public}");
    let stand = Stand::with_rows(10);
    let genuine = signed_backups(&stand, &old, &new).await;
    let dump = stand.s3.read(&stand.key(&genuine[0], &format!("{}.dump.zst", stand.database.name)));
    let manifest = stand.s3.read(&stand.key(&genuine[0], "manifest.json"));
    // One a night, of the right size, at the right time, with a manifest that was signed for another id.
    for night in 0..5 {
        let age = TimeDelta::hours(night * 24 + 14);
        let id = stand.seed_of(age, dump.len());
        let key = stand.key(&id, "manifest.json");
        stand.s3.write(&key, &manifest);
        stand.s3.set_modified(&key, (Utc::now() - age).into());
    }
    let policy = [("BACKUP_RETENTION_DAYS", "1"), ("BACKUP_KEEP_LAST", "3")];
    let with_key = [policy.as_slice(), &[("VERIFY_TRUSTED_KEYS", keys.as_str())]].concat();
    // Who may not read deletes nothing by half of the truth.
    stand.proxy.rule(Rule::new(Operation::GetObject, Fault::status(403, "AccessDenied")));
    let output = prune(&stand, &[], &with_key);
    assert_eq!((output.code, deletions(&stand)), (Some(1), Vec::new()), "{}", output.stdout);
    assert!(output.stderr.contains("needs s3:GetObject on manifests"), "{}", output.stderr);
    stand.proxy.clear_rules();
    let plan = prune(&stand, &["--dry-run"], &policy).stdout;
    assert!(
        genuine[1..].iter().all(|id| plan.contains(&format!("delete  {id}"))),
        "without a key all are alike\n{plan}"
    );
    let output = prune(&stand, &[], &with_key);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let left = committed(&stand);
    assert!(genuine[..3].iter().all(|id| left.contains(id)) && !left.contains(&genuine[3]), "{}", output.stdout);
}

/// A record of the year 2999, and records of now beside garbage: the newest backup that really passed stays.
#[test]
fn forged_records_take_nothing_from_the_newest_proven_backup() {
    let stand = Stand::with_rows(10);
    let proven = stand.seed(TimeDelta::days(40));
    let record = stand.key(&proven, "drill-20261001T000000Z-passed.json");
    stand.s3.write(&record, "{}");
    stand.s3.set_modified(&record, (Utc::now() - TimeDelta::days(39)).into());
    let younger = seed_days(&stand, [30, 2, 1]);
    let garbage = stand.forge(TimeDelta::minutes(5));
    for id in younger.iter().chain([&garbage]) {
        stand.s3.write(&stand.key(id, "drill-29990101T000000Z-passed.json"), "{}");
        stand.s3.write(&stand.key(id, &format!("drill-{}-passed.json", Utc::now().format("%Y%m%dT%H%M%SZ"))), "{}");
    }
    let policy = [("BACKUP_RETENTION_DAYS", "7"), ("BACKUP_KEEP_LAST", "1")];
    let output = prune(&stand, &[], &policy);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(committed(&stand).contains(&proven), "{}", output.stdout);
    let list = stand.backup().args(["list"]).output().stdout;
    assert!(!list.contains("2999"), "{list}");
}

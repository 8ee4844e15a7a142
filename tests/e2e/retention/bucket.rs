//! Which objects of a bucket may go at all.

use std::collections::BTreeMap;

use backup_core::repository::BackupId;
use chrono::{TimeDelta, Utc};
use e2e::proxy::{Fault, Operation, Rule};

use super::{committed, deletions, prune, seed_days};
use crate::daemon::{Running, SOON, Script};
use crate::stand::Stand;

#[test]
fn runs_that_fail_delete_nothing_however_old_the_backups_are_r008() {
    let stand = Stand::with_rows(10);
    seed_days(&stand, 30..40);
    let before = stand.s3.objects();
    let broken = Script::pg_dump("head -c 1000 /dev/zero; echo 'no space' >&2; exit 1");
    let failing = || broken.on(stand.backup()).args(["run"]).env("BACKUP_GLOBALS", "false");
    for _ in 0..3 {
        assert_eq!(failing().output().code, Some(1));
    }
    stand.assert_no_commit(&before);
    // The dump is whole, and the commit fails.
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(403, "AccessDenied")).key("manifest.json"));
    assert_eq!(stand.run().code, Some(1));
    assert_eq!(deletions(&stand), Vec::<String>::new());
    assert!(before.keys().all(|key| stand.s3.objects().contains_key(key)));
    // The same bucket, and a run that succeeds: now the old ones go.
    stand.proxy.clear_rules();
    stand.run_ok();
    assert_eq!(committed(&stand).len(), 3);
}

#[test]
fn a_daemon_whose_runs_fail_deletes_nothing_r008() {
    let stand = Stand::with_rows(10);
    seed_days(&stand, 30..40);
    let before = stand.s3.objects();
    let broken = Script::pg_dump("echo 'no' >&2; exit 1");
    let run = broken.on(stand.backup()).env("BACKUP_GLOBALS", "false").env("BACKUP_INTERVAL", "10");
    let daemon = Running::start(run);
    daemon.wait_for(SOON, |status| status["consecutive_failures"].as_u64() >= Some(2));
    drop(daemon);
    stand.assert_no_commit(&before);
    assert_eq!(deletions(&stand), Vec::<String>::new());
}

#[test]
fn only_committed_backups_count_as_the_newest_ones_to_keep_r009() {
    let stand = Stand::with_rows(10);
    let good = seed_days(&stand, [30, 31, 32, 33]);
    // Newer than all of them: runs that never committed, data that was lost, and a partial dump.
    for hours in [1, 2, 3] {
        let dead = stand.seed(TimeDelta::hours(hours));
        stand.s3.delete(&stand.key(&dead, "manifest.json"));
    }
    let lost = stand.seed(TimeDelta::hours(4));
    stand.s3.delete(&stand.key(&lost, &format!("{}.dump.zst", stand.database.name)));
    let partial = stand.seed(TimeDelta::hours(5));
    stand.s3.delete(&stand.key(&partial, &format!("{}.dump.zst", stand.database.name)));
    stand.s3.write(&stand.key(&partial, &format!("{}.partial.dump.zst", stand.database.name)), "x");
    let manifest = stand.run_ok();
    let left = committed(&stand);
    let expected = [manifest["id"].as_str().unwrap(), &good[0], &good[1], &lost, &partial];
    assert_eq!(left, expected.iter().map(|id| (*id).to_owned()).collect());
}

/// Keys that look like ours and are not, each with what it is not.
fn foreign_keys(stand: &Stand) -> BTreeMap<String, &'static str> {
    let name = &stand.database.name;
    let id = BackupId::new(Utc::now() - TimeDelta::days(60)).to_string();
    let (time, tail) = id.split_at(17);
    let dump = format!("{name}.dump.zst");
    let mut keys = BTreeMap::new();
    let files = ["manifest.json", dump.as_str()];
    let mut add = |folder: String, why| {
        for file in files {
            keys.insert(format!("{folder}/{file}"), why);
        }
    };
    let ours = format!("postgres-backups/{name}");
    add(format!("{ours}_staging/{id}"), "a database with a longer name");
    add(format!("{ours}/x/{id}"), "a folder more");
    add(format!("{ours}/{id}/x"), "a folder more at the end");
    add(format!("postgres-backups/{id}"), "a folder less");
    add(format!("postgres-backups2/{name}/{id}"), "a longer prefix");
    add(format!("postgres-backup/{name}/{id}"), "a shorter prefix");
    add(format!("x/{ours}/{id}"), "a prefix before the prefix");
    add(format!("Postgres-Backups/{name}/{id}"), "another case");
    add(format!("{ours}/{}", id.to_lowercase()), "a lower-case id");
    add(format!("{ours}/{id}x"), "a longer id");
    add(format!("{ours}/{}", &id[..id.len() - 1]), "a shorter id");
    add(format!("{ours}/{time}{}", tail.replace(&tail[..1], "1")), "a character that ids never have");
    add(format!("{ours}/20250230T000000Z-{tail}"), "a date that no calendar has");
    add(format!("{ours}/{}", id.replace('-', "_")), "another separator");
    for file in [
        format!("{name}.dump.zst.tmp"),
        format!("{name}.dump.bz2"),
        format!("{name}.DUMP.zst"),
        format!("{name}_staging.dump.zst"),
        "manifest.json.bak".to_owned(),
        "Manifest.json".to_owned(),
        "globals.sql.xz".to_owned(),
        "drill-20250101T000000Z-maybe.json".to_owned(),
        "notes of a person ü.txt".to_owned(),
    ] {
        keys.insert(format!("{ours}/{id}/{file}"), "a file that no run makes");
    }
    keys.insert("README.txt".to_owned(), "somebody else's");
    keys.insert(format!("{ours}/README.txt"), "somebody else's");
    keys
}

#[test]
fn what_is_not_completely_ours_is_never_deleted_r010_r011() {
    let stand = Stand::with_rows(10);
    let foreign = foreign_keys(&stand);
    for key in foreign.keys() {
        stand.s3.write(key, "not yours");
    }
    let ours = seed_days(&stand, 30..36);
    let before = stand.s3.objects();
    assert_eq!(stand.run().code, Some(0));
    assert_eq!(prune(&stand, &[], &[]).code, Some(0));
    let after = stand.s3.objects();
    for (key, why) in &foreign {
        assert_eq!(after.get(key), before.get(key), "{key}: {why}");
    }
    assert!(deletions(&stand).iter().all(|key| ours.iter().any(|id| key.contains(&format!("/{id}/")))));
    assert_eq!(committed_of(&stand, &ours), 2, "retention did its work beside them");
    for listing in stand.proxy.requests_of(Operation::ListObjectsV2) {
        let start = format!("postgres-backups/{}/", stand.database.name);
        assert!(listing.query["prefix"].starts_with(&start), "{listing:?}");
    }
}

fn committed_of(stand: &Stand, ids: &[String]) -> usize {
    ids.iter().filter(|id| stand.s3.objects().contains_key(&stand.key(id, "manifest.json"))).count()
}

#[test]
fn another_prefix_in_the_same_bucket_is_another_world_r011() {
    let stand = Stand::with_rows(10);
    seed_days(&stand, 30..36);
    let before = stand.s3.objects();
    for prefix in ["postgres", "postgres-backups/deeper", "p"] {
        let run = stand.backup().args(["run"]).env("BACKUP_PREFIX", prefix).env("BACKUP_KEEP_LAST", "1");
        assert_eq!(run.output().code, Some(0));
        let list = stand.backup().args(["list"]).env("BACKUP_PREFIX", prefix).output();
        assert!(list.stdout.contains("1 committed"), "{prefix}: {}", list.stdout);
    }
    assert_eq!(deletions(&stand), Vec::<String>::new());
    assert!(before.keys().all(|key| stand.s3.objects().contains_key(key)));
}

#[test]
fn what_dead_runs_left_goes_after_a_day_and_not_before() {
    let stand = Stand::with_rows(10);
    let dead = |age| {
        let id = stand.seed(age);
        stand.s3.delete(&stand.key(&id, "manifest.json"));
        stand.s3.write(&stand.key(&id, "globals.sql.zst"), "x");
        id
    };
    let old = dead(TimeDelta::hours(25));
    let young = dead(TimeDelta::hours(23));
    let rows = |id: &str| stand.s3.objects().keys().filter(|key| key.contains(id)).count();
    stand.run_ok();
    assert_eq!((rows(&old), rows(&young)), (0, 2));
    // A run may take a day here, so it may still be going on after more than one.
    let long = dead(TimeDelta::hours(40));
    assert_eq!(prune(&stand, &[], &[("BACKUP_TIMEOUT", "86400")]).code, Some(0));
    assert_eq!(rows(&long), 2);
}

#[test]
fn a_manifest_is_deleted_before_its_data() {
    let stand = Stand::with_rows(10);
    let ids = seed_days(&stand, 30..36);
    for id in &ids {
        stand.s3.write(&stand.key(id, "globals.sql.zst"), "x");
        stand.s3.write(&stand.key(id, "drill-20250101T000000Z-failed.json"), "x");
    }
    stand.run_ok();
    let requests = deletions(&stand);
    let gone: Vec<&String> = ids.iter().rev().take(4).collect();
    assert_eq!(requests.len(), 4 * 4, "{requests:?}");
    for (id, keys) in gone.iter().zip(requests.chunks(4)) {
        assert!(keys.iter().all(|key| key.contains(id.as_str())), "the oldest goes first, whole: {requests:?}");
        assert!(keys[0].ends_with("/manifest.json"), "{keys:?}");
    }
}

#[test]
fn a_deletion_that_is_refused_does_not_fail_the_run_and_is_not_repeated_for_ever_r115() {
    let stand = Stand::with_rows(10);
    seed_days(&stand, 30..40);
    stand.proxy.deny(&[Operation::DeleteObject]);
    let output = stand.run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("retention did not finish"), "{}", output.stderr);
    let tried = deletions(&stand).len();
    assert!(tried <= 10, "a refusal is not repeated for ever: {tried}");
    let daemon = Running::start(stand.backup().env("RUN_ON_STARTUP", "true").env("BACKUP_MIN_INTERVAL", "0"));
    let status = daemon.wait_for(SOON, |status| status["retention"]["degraded"].is_string());
    assert!(status["retention"]["degraded"].as_str().unwrap().contains("403"), "{status:#}");
    assert_eq!((&status["last_run"]["succeeded"], &status["consecutive_failures"]), (&true.into(), &0.into()));
    assert_eq!(daemon.get("/health").0, 200);
    assert!(deletions(&stand).len() <= tried + 10);
    assert_eq!(stand.manifests().len(), 12);
}

//! What a stolen credential of `backup` cannot do if the bucket is set up for that.

use std::collections::BTreeMap;
use std::process::Command;

use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule, VersioningConfiguration,
};
use backup_core::repository::BackupId;
use chrono::{TimeDelta, Utc};
use e2e::proxy::Operation;

use super::{Account, BUCKET, PREFIX, document};
use crate::daemon::{Running, SOON};
use crate::documents::commands;
use crate::harness::s3::{client, code};
use crate::stand::{Stand, wait_for_the_next_second};

const BACKUP: &str = "Policy of backup";
const WITHOUT_DELETION: &str = "Policy of backup without deletion";
const PRUNING: &str = "Policy of pruning elsewhere";

/// The versions of all objects with their bytes.
async fn versions(account: &Account) -> BTreeMap<(String, String), Vec<u8>> {
    let owner = account.as_owner();
    let listed = owner.list_object_versions().bucket(BUCKET).send().await.unwrap();
    let mut versions = BTreeMap::new();
    for version in listed.versions() {
        let (key, id) = (version.key().unwrap().to_owned(), version.version_id().unwrap().to_owned());
        let object = owner.get_object().bucket(BUCKET).key(&key).version_id(&id).send().await.unwrap();
        versions.insert((key, id), object.body.collect().await.unwrap().to_vec());
    }
    versions
}

/// A backup of so many days ago that retention would delete, put there by the owner.
async fn seed(account: &Account, days: i64) {
    let id = BackupId::new(Utc::now() - TimeDelta::days(days)).to_string();
    for name in [format!("{}.dump.zst", account.stand.database.name), "manifest.json".to_owned()] {
        let key = account.stand.key(&id, &name);
        account.as_owner().put_object().bucket(BUCKET).key(key).body(vec![b'x'; 10].into()).send().await.unwrap();
    }
}

/// Runs a block of commands of SECURITY.md as the account's owner.
#[track_caller]
fn run_as_owner(account: &Account, block: &str) {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &commands("SECURITY.md", block)]);
    bash.env("AWS_ACCESS_KEY_ID", &account.owner.access).env("AWS_SECRET_ACCESS_KEY", &account.owner.secret);
    bash.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", account.moto.port())).env("AWS_PAGER", "");
    let output = bash.env("AWS_DEFAULT_REGION", "us-east-1").output().unwrap();
    assert!(output.status.success(), "{block}: {}", String::from_utf8_lossy(&output.stderr));
}

// `#[test]` alone, which the check of documents looks for.
#[test]
fn the_commands_for_the_bucket_harden_it() {
    let Some(account) = Account::open("hardened::the_commands_for_the_bucket_harden_it", &[BACKUP]) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let owner = account.as_owner();
    run_as_owner(&account, "lock");
    run_as_owner(&account, "harden");
    runtime.block_on(async {
        let lock = owner.get_object_lock_configuration().bucket(BUCKET).send().await.unwrap();
        let rule =
            lock.object_lock_configuration().and_then(|lock| lock.rule()).and_then(|rule| rule.default_retention());
        assert_eq!(rule.and_then(|rule| rule.days()), Some(14));
        let encryption = owner.get_bucket_encryption().bucket(BUCKET).send().await.unwrap();
        assert!(encryption.server_side_encryption_configuration().is_some());
        let access = owner.get_public_access_block().bucket(BUCKET).send().await.unwrap();
        assert_eq!(
            access.public_access_block_configuration().and_then(|access| access.block_public_policy()),
            Some(true)
        );
        let lifecycle = owner.get_bucket_lifecycle_configuration().bucket(BUCKET).send().await.unwrap();
        let [uploads, versions] = lifecycle.rules() else { panic!("{lifecycle:#?}") };
        let days = uploads.abort_incomplete_multipart_upload().and_then(|rule| rule.days_after_initiation());
        assert_eq!(days, Some(1));
        let days = versions.noncurrent_version_expiration().and_then(|rule| rule.noncurrent_days());
        assert_eq!(days, Some(30));
    });
    // What it is for. Without versioning, the version of every object is `null`.
    let output = account.backup(BACKUP).env("S3_CHECKSUM", "crc32").args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let stored = runtime.block_on(versions(&account));
    assert!(!stored.is_empty() && stored.keys().all(|(_, version)| version != "null"), "{:?}", stored.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_versioned_bucket_a_thief_reads_overwrites_and_destroys_nothing_r067_r044() {
    let name = "in_a_versioned_bucket_a_thief_reads_overwrites_and_destroys_nothing_r067_r044";
    let Some(account) = Account::open(name, &[BACKUP]) else { return };
    let owner = account.as_owner();
    owner.create_bucket().bucket(BUCKET).send().await.unwrap();
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    owner.put_bucket_versioning().bucket(BUCKET).versioning_configuration(on).send().await.unwrap();
    let backup = || account.backup(BACKUP).env("BACKUP_KEEP_LAST", "1");
    let output = backup().args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let before = versions(&account).await;

    let thief = account.client(account.keys(BACKUP));
    for (key, version) in before.keys() {
        let get = thief.get_object().bucket(BUCKET).key(key);
        assert_eq!(code(get.clone().send().await), "AccessDenied");
        assert_eq!(code(get.version_id(version).send().await), "AccessDenied");
        let delete = thief.delete_object().bucket(BUCKET).key(key);
        assert_eq!(code(delete.clone().version_id(version).send().await), "AccessDenied");
        assert_eq!(code(delete.send().await), "OK", "a marker is all that this makes");
        assert_eq!(code(thief.put_object().bucket(BUCKET).key(key).body(vec![].into()).send().await), "OK");
    }
    let off = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    let suspended = thief.put_bucket_versioning().bucket(BUCKET).versioning_configuration(off).send().await;
    assert_eq!(code(suspended), "AccessDenied");
    let after = versions(&account).await;
    assert!(before.iter().all(|version| after.get(version.0) == Some(version.1)), "a version is gone or changed");

    // Retention works, and the status tells what its deletions are here.
    seed(&account, 30).await;
    wait_for_the_next_second();
    let daemon = Running::start(backup().env("RUN_ON_STARTUP", "true").env("BACKUP_MIN_INTERVAL", "0"));
    let status = daemon.wait_for(SOON, |status| status["retention"].is_object());
    let note = status["retention"]["note"].as_str().unwrap_or_default();
    assert!(note.starts_with("deletes create markers; space is not freed here"), "{status:#}");
    assert_eq!((status["retention"]["degraded"].is_null(), daemon.get("/health").0), (true, 200));
    let log = daemon.process.stderr_so_far();
    assert_eq!(log.matches("deletes create markers").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_object_lock_not_even_the_owner_removes_a_version_before_its_time_r067_r044() {
    let name = "under_object_lock_not_even_the_owner_removes_a_version_before_its_time_r067_r044";
    let Some(account) = Account::open(name, &[BACKUP]) else { return };
    let owner = account.as_owner();
    owner.create_bucket().bucket(BUCKET).object_lock_enabled_for_bucket(true).send().await.unwrap();
    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).days(1).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build())
        .build();
    owner.put_object_lock_configuration().bucket(BUCKET).object_lock_configuration(lock).send().await.unwrap();
    // In one piece: the policy engine forgets the bucket's retention for objects of several parts.
    account.stand.sql("TRUNCATE t");
    let output = account.backup(BACKUP).env("S3_CHECKSUM", "crc32").args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let before = versions(&account).await;
    for (key, version) in before.keys() {
        let deleted = owner.delete_object().bucket(BUCKET).key(key).version_id(version).send().await;
        assert_eq!(code(deleted), "AccessDenied", "{key}");
    }
    assert_eq!(versions(&account).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_delete_backups_succeed_and_another_machine_prunes_r067_r115() {
    let name = "without_the_right_to_delete_backups_succeed_and_another_machine_prunes_r067_r115";
    let Some(account) = Account::open(name, &[WITHOUT_DELETION, PRUNING]) else { return };
    account.as_owner().create_bucket().bucket(BUCKET).send().await.unwrap();
    for days in 30..33 {
        seed(&account, days).await;
    }
    let backup = |heading| account.backup(heading).env("BACKUP_KEEP_LAST", "1");
    let daemon = Running::start(backup(WITHOUT_DELETION).env("RUN_ON_STARTUP", "true"));
    let status = daemon.wait_for(SOON, |status| status["retention"]["degraded"].is_string());
    assert!(status["retention"]["degraded"].as_str().unwrap().contains("403"), "{status:#}");
    assert_eq!((&status["last_run"]["succeeded"], daemon.get("/health").0), (&true.into(), 200));
    assert_eq!(account.proxy.requests_of(Operation::DeleteObject).len(), 3, "one refusal for each backup is enough");
    let objects = account.objects().await;
    let of_runs = objects.iter().filter(|key| !key.contains("/events/")).count();
    assert_eq!(of_runs, 3 * 2 + 3, "{objects:?}");
    for event in ["-backup-started-", "-retention-degraded"] {
        assert_eq!(objects.iter().filter(|key| key.contains(event)).count(), 1, "{event}: {objects:?}");
    }

    let thief = account.client(account.keys(WITHOUT_DELETION));
    for key in &objects {
        assert_eq!(code(thief.delete_object().bucket(BUCKET).key(key).send().await), "AccessDenied");
        assert_eq!(code(thief.get_object().bucket(BUCKET).key(key).send().await), "AccessDenied");
    }
    let pruned = backup(PRUNING).args(["prune"]).output();
    assert_eq!(pruned.code, Some(0), "{}", pruned.stderr);
    let left = account.objects().await.into_iter().filter(|key| !key.contains("/events/")).count();
    assert_eq!(left, 3, "{}", pruned.stdout);
    let thief = account.client(account.keys(PRUNING));
    let key = format!("{PREFIX}/x");
    assert_eq!(code(thief.put_object().bucket(BUCKET).key(&key).body(vec![].into()).send().await), "AccessDenied");
}

/// The policy engine knows no conditions, so the proxy stands in for what AWS makes of this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_insists_on_if_none_match_takes_every_backup_and_no_overwriting_r067() {
    let policy: serde_json::Value = serde_json::from_str(&document("Bucket policy against overwriting")).unwrap();
    assert_eq!(policy["Statement"][0]["Condition"]["Null"]["s3:if-none-match"], "true");
    let stand = Stand::with_rows(120_000);
    stand.proxy.require_if_none_match();
    let large = stand.backup().env("COMPRESSION", "none").env("PART_SIZE", "5").args(["run"]).output();
    assert_eq!(large.code, Some(0), "{}", large.stderr);
    assert_eq!(stand.run().code, Some(0));
    assert_eq!(stand.backup().args(["check"]).output().code, Some(0));

    let thief = client(&stand.s3, &stand.proxy.endpoint());
    for key in stand.s3.objects().keys() {
        let before = stand.s3.read(key);
        let put = || thief.put_object().bucket(stand.s3.bucket()).key(key).body(vec![].into());
        assert_eq!(code(put().send().await), "AccessDenied");
        assert_eq!(code(put().if_none_match("*").send().await), "PreconditionFailed");
        assert_eq!(stand.s3.read(key), before);
    }
}

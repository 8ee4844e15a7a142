//! Classes, locks, tags and encryption of objects, as the configuration asks a store for them.

use std::time::{Duration, Instant};

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ObjectLockMode, ServerSideEncryption, StorageClass};
use chrono::{DateTime, Utc};
use e2e::process::Run;
use e2e::proxy::{Fault, Operation, Rule};

use super::{Account, BUCKET};
use crate::stand::Stand;

const BACKUP: &str = "Policy of backup";

/// What the store says of each object, by its key.
async fn heads(account: &Account) -> Vec<(String, HeadObjectOutput)> {
    let owner = account.as_owner();
    let mut heads = Vec::new();
    for key in account.objects().await {
        let head = owner.head_object().bucket(BUCKET).key(&key).send().await.unwrap();
        heads.push((key, head));
    }
    heads
}

async fn tags(account: &Account, key: &str) -> Vec<(String, String)> {
    let tagging = account.as_owner().get_object_tagging().bucket(BUCKET).key(key).send().await.unwrap();
    tagging.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

async fn assert_locked_and_tagged(account: &Account, key: &str, head: &HeadObjectOutput) {
    let hours = (head.object_lock_retain_until_date().unwrap().secs() - Utc::now().timestamp()) / 3600;
    assert!((14 * 24 - 1..=14 * 24).contains(&hours), "{key}: {hours}");
    let mut tags = tags(account, key).await;
    tags.sort();
    let expected = [("cost center", "4 2+"), ("team", "data")];
    assert_eq!(tags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())), "{key}");
}

fn with_everything(run: Run) -> Run {
    run.env("S3_SSE", "aws:kms")
        .env("S3_SSE_KMS_KEY_ID", "arn:aws:kms:us-east-1:123456789012:key/of-backups")
        .env("S3_STORAGE_CLASS", "standard_ia")
        .env("S3_OBJECT_LOCK_DAYS", "14")
        .env("S3_OBJECT_LOCK_MODE", "compliance")
        .env("S3_TAGS", "team=data,cost center=4 2+")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_keeps_each_object_as_the_configuration_asks() {
    let Some(account) = Account::open("keeping::a_store_keeps_each_object_as_the_configuration_asks", &[BACKUP]) else {
        return;
    };
    let owner = account.as_owner();
    owner.create_bucket().bucket(BUCKET).object_lock_enabled_for_bucket(true).send().await.unwrap();
    let output = with_everything(account.backup(BACKUP)).args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let heads = heads(&account).await;
    let (mut data, mut manifests, mut notes) = (0, 0, 0);
    for (key, head) in &heads {
        assert_eq!(head.server_side_encryption(), Some(&ServerSideEncryption::AwsKms), "{key}");
        assert_eq!(head.ssekms_key_id(), Some("arn:aws:kms:us-east-1:123456789012:key/of-backups"), "{key}");
        let is_note = key.contains("/events/");
        let is_data = !is_note && !key.ends_with("/manifest.json");
        // The store of the test forgets what else an upload of several parts began with: that is looked at on its way.
        if !key.ends_with(".dump") {
            assert_eq!(head.storage_class() == Some(&StorageClass::StandardIa), is_data, "{key}: {head:?}");
            assert_eq!(head.object_lock_mode() == Some(&ObjectLockMode::Compliance), !is_note, "{key}");
            if !is_note {
                assert_locked_and_tagged(&account, key, head).await;
            }
        }
        data += usize::from(is_data);
        notes += usize::from(is_note);
        manifests += usize::from(!is_note && !is_data);
    }
    assert_eq!((data, manifests), (2, 1), "{:?}", heads.iter().map(|(key, _)| key).collect::<Vec<_>>());
    assert!(notes <= 1);
    let begun = account.proxy.requests_of(Operation::CreateMultipartUpload);
    let [begun] = begun.as_slice() else { panic!("{begun:#?}") };
    for (name, value) in [
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-tagging", "team=data&cost%20center=4%202%2B"),
        ("x-amz-server-side-encryption", "aws:kms"),
    ] {
        assert_eq!(begun.header(name), Some(value));
    }
    let until = begun.header("x-amz-object-lock-retain-until-date").unwrap().parse::<DateTime<Utc>>().unwrap();
    assert!((13..=14).contains(&(until - Utc::now()).num_days()), "{until}");
}

/// Without any of the variables, nothing is asked for: other stores refuse what they do not know.
#[test]
fn a_store_is_asked_for_nothing_by_default() {
    let stand = Stand::with_rows(10);
    stand.run_ok();
    let names = ["x-amz-storage-class", "x-amz-tagging", "x-amz-object-lock-mode", "x-amz-server-side-encryption"];
    for request in stand.proxy.requests() {
        assert!(names.iter().all(|name| request.header(name).is_none()), "{} {}", request.method, request.key);
    }
}

#[test]
fn a_refusal_names_the_rights_and_the_variables_that_may_be_its_cause() {
    let stand = Stand::with_rows(10);
    let run = || with_everything(stand.backup()).args(["run"]).output();
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(403, "AccessDenied")));
    let output = run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    for words in ["s3:PutObjectRetention", "s3:PutObjectTagging", "kms:GenerateDataKey"] {
        assert!(output.stderr.contains(words), "{words:?} is missing in {}", output.stderr);
    }
    stand.proxy.clear_rules();
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(400, "InvalidRequest")));
    let output = run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("S3_OBJECT_LOCK_DAYS (Object Lock must be on in the bucket)"), "{}", output.stderr);
}

#[test]
fn the_database_is_read_no_faster_than_its_bound() {
    let stand = Stand::with_rows(120_000);
    let took = |rate: Option<&str>| {
        let run = stand.backup().env("COMPRESSION", "none").args(["run"]);
        let run = rate.iter().fold(run, |run, rate| run.env("BACKUP_MAX_RATE", rate));
        let started = Instant::now();
        let output = run.output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        started.elapsed()
    };
    took(None);
    let manifest = stand.manifests().pop_last().unwrap().0;
    let manifest: serde_json::Value = serde_json::from_slice(&stand.s3.read(&manifest)).unwrap();
    let mib = manifest["dump"]["plain_bytes"].as_f64().unwrap() / (1024.0 * 1024.0);
    let expected = Duration::from_secs_f64(mib / 4.0);
    let bounded = took(Some("4"));
    assert!(bounded > expected - Duration::from_secs(1), "{mib} MiB at 4 MiB/s took {bounded:?}");
    assert!(bounded < expected * 2 + Duration::from_secs(5), "{mib} MiB at 4 MiB/s took {bounded:?}");
}

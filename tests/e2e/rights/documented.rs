//! The two policies that must suffice, exactly.

use std::collections::BTreeSet;
use std::time::Duration;

use backup_core::repository::BackupId;
use chrono::{TimeDelta, Utc};
use e2e::process::{Output, Run};
use e2e::proxy::{Fault, Operation, Rule};
use serde_json::Value;

use super::{Account, BUCKET, PREFIX, document, security_md};
use crate::daemon::{Running, SOON};
use crate::harness::s3::code;

const BACKUP: &str = "Policy of backup";
const VERIFY: &str = "Policy of verify";

/// What `backup` sends, the abort of a dump that failed aside. The list of uploads is refused, which is no failure.
const OF_BACKUP: [Operation; 7] = [
    Operation::ListMultipartUploads,
    Operation::ListObjectsV2,
    Operation::PutObject,
    Operation::CreateMultipartUpload,
    Operation::UploadPart,
    Operation::CompleteMultipartUpload,
    Operation::DeleteObject,
];

/// Rights without which a backup succeeds.
const OPTIONAL: [&str; 2] = ["AbortMultipartUpload", "ListMultipartUploads"];

const OF_VERIFY: [Operation; 2] = [Operation::ListObjectsV2, Operation::GetObject];

#[track_caller]
fn assert_done(output: &Output) {
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
}

/// A bucket with a committed backup of so many days ago.
async fn account(test: &str, headings: &[&'static str], days: i64) -> Option<(Account, String)> {
    let account = Account::open(test, headings)?;
    let owner = account.as_owner();
    owner.create_bucket().bucket(BUCKET).send().await.unwrap();
    let id = BackupId::new(Utc::now() - TimeDelta::days(days)).to_string();
    for name in [format!("{}.dump.zst", account.stand.database.name), "manifest.json".to_owned()] {
        let key = account.stand.key(&id, &name);
        owner.put_object().bucket(BUCKET).key(key).body(vec![b'x'; 10].into()).send().await.unwrap();
    }
    Some((account, id))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_backup_suffices_for_every_command_and_allows_no_reading_r113_r067() {
    let name = "the_policy_of_backup_suffices_for_every_command_and_allows_no_reading_r113_r067";
    let Some((account, old)) = account(name, &[BACKUP], 30).await else { return };
    let backup = || account.backup(BACKUP).env("BACKUP_KEEP_LAST", "1");
    for arguments in [&["check"][..], &["run"], &["list"], &["prune", "--dry-run"], &["prune"]] {
        assert_done(&backup().args(arguments).output());
    }
    let daemon = Running::start(backup().env("RUN_ON_STARTUP", "true").env("BACKUP_MIN_INTERVAL", "0"));
    let status = daemon.wait_for(SOON, |status| status["retention"].is_object());
    assert_eq!(status["retention"]["degraded"], Value::Null, "{status:#}");
    assert_eq!((daemon.get("/readyz").0, daemon.get("/health").0), (200, 200));
    account.assert_calls(&OF_BACKUP);
    let objects = account.objects().await;
    let of_backups = objects.iter().filter(|key| !key.contains("/events/")).count();
    assert!(of_backups == 6 && !objects.iter().any(|key| key.contains(&old)), "{objects:?}");

    let thief = account.client(account.keys(BACKUP));
    let key = &objects[0];
    assert_eq!(code(thief.get_object().bucket(BUCKET).key(key).send().await), "AccessDenied");
    assert!(thief.head_object().bucket(BUCKET).key(key).send().await.is_err());
    assert_eq!(code(thief.list_multipart_uploads().bucket(BUCKET).send().await), "AccessDenied");
    let copied = thief.copy_object().bucket(BUCKET).key("mine").copy_source(format!("{BUCKET}/{key}")).send().await;
    assert!(copied.is_err(), "a copy reads");
    let outside = thief.put_object().bucket(BUCKET).key("elsewhere/x").body(vec![].into()).send().await;
    assert_eq!(code(outside), "AccessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_that_the_policy_refuses_is_one_warning_with_the_lifecycle_hint_r113() {
    let name = "an_abort_that_the_policy_refuses_is_one_warning_with_the_lifecycle_hint_r113";
    let Some((account, _)) = account(name, &[BACKUP], 1).await else { return };
    account.proxy.rule(Rule::new(Operation::UploadPart, Fault::status(403, "AccessDenied")));
    let output = account.backup(BACKUP).args(["run"]).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let aborts = account.proxy.requests_of(Operation::AbortMultipartUpload);
    assert_eq!(aborts.iter().map(|abort| abort.status).collect::<Vec<_>>(), [Some(403)]);
    let hints: Vec<_> = output.stderr.lines().filter(|line| line.contains("lifecycle rule")).collect();
    assert!(matches!(&hints[..], [hint] if hint.contains("WARN")), "{}", output.stderr);
    let objects = account.objects().await;
    assert_eq!(objects.iter().filter(|key| !key.contains("/events/")).count(), 2, "the older backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_verify_suffices_for_every_command_and_allows_no_writing_r114() {
    let name = "the_policy_of_verify_suffices_for_every_command_and_allows_no_writing_r114";
    let Some((account, _)) = account(name, &[BACKUP, VERIFY], 1).await else { return };
    assert_done(&account.backup(BACKUP).args(["run"]).output());
    let before = account.proxy.requests().len();
    let folder = crate::drill_safety::open_folder();
    let verify = || {
        account
            .signed(Run::new("verify"), VERIFY)
            .env("PG_BIN_DIR", account.stand.postgres.bin_dir())
            .env("TMPDIR", folder.path())
            .envs([("LOG_FORMAT", "json"), ("PORT", "0"), ("VERIFY_JOBS", "2")])
            .deadline(Duration::from_secs(180))
    };
    let target = format!("{}_restored", account.stand.database.name);
    let restore_url = account.stand.postgres.url(&target);
    for arguments in [&["list"][..], &["show", "latest"], &["run"], &["restore", "latest", "--create"], &["self-test"]]
    {
        assert_done(&verify().env("RESTORE_URL", &restore_url).args(arguments).output());
    }
    let mut daemon = Running::start(verify().env("RUN_ON_STARTUP", "true"));
    daemon.process.wait_for_line("drill", Duration::from_secs(120));
    let status = daemon.wait_for(Duration::from_secs(120), |status| status["last_report"].is_object());
    assert_eq!(status["last_report"]["verdict"], "passed", "{status:#}");
    let requests = account.proxy.requests().split_off(before);
    assert!(requests.iter().all(|request| request.status != Some(403)), "{requests:#?}");
    let called: BTreeSet<Operation> = requests.iter().map(|request| request.operation).collect();
    assert_eq!(called, OF_VERIFY.into());

    let thief = account.client(account.keys(VERIFY));
    let key = account.objects().await.remove(0);
    let put = thief.put_object().bucket(BUCKET).key(&key).body(vec![].into()).send().await;
    assert_eq!(code(put), "AccessDenied");
    assert_eq!(code(thief.delete_object().bucket(BUCKET).key(&key).send().await), "AccessDenied");
    assert_eq!(code(thief.create_multipart_upload().bucket(BUCKET).key(&key).send().await), "AccessDenied");
}

/// The table of calls names what the tests above see, and the policies grant what it names.
#[test]
fn security_md_lists_every_call_with_the_permission_that_the_policies_grant_r113_r114() {
    let text = security_md();
    let table = text.split_once("### Every call\n").unwrap().1.split_once("\nNothing else is called").unwrap().0;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let named = |column: usize| -> BTreeSet<String> {
        let called = rows.iter().filter(|row| row[column] != "-" && !row[column].starts_with("only with"));
        called.map(|row| row[0].to_owned()).collect()
    };
    let names = |operations: &[Operation]| operations.iter().map(|operation| format!("{operation:?}")).collect();
    assert_eq!(named(2), names(&[&OF_BACKUP[..], &[Operation::AbortMultipartUpload]].concat()));
    assert_eq!(named(3), names(&OF_VERIFY));
    for (heading, column) in [(BACKUP, 2), (VERIFY, 3)] {
        let policy: Value = serde_json::from_str(&document(heading)).unwrap();
        let granted = &policy["Statement"][0]["Action"];
        let needed = rows.iter().filter(|row| named(column).contains(row[0]) && !OPTIONAL.contains(&row[0]));
        let needed: BTreeSet<&str> = needed.map(|row| row[1]).collect();
        let granted: BTreeSet<&str> =
            granted.as_array().unwrap().iter().map(|action| action.as_str().unwrap()).collect();
        assert_eq!(granted, needed, "{heading}");
        assert_eq!(policy["Statement"][0]["Resource"][1], format!("arn:aws:s3:::{BUCKET}/{PREFIX}/*"));
    }
}

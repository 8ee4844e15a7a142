//! What the manifest says is what is in the bucket, and what comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use e2e::process::{Output, Run, wait_until};
use e2e::proxy::Operation;
use serde_json::Value;

use crate::stand::Stand;

const SOON: Duration = Duration::from_secs(20);

const WRITES: [Operation; 4] =
    [Operation::PutObject, Operation::CreateMultipartUpload, Operation::UploadPart, Operation::CompleteMultipartUpload];

/// R006, for a dump of one request and for one of several parts, with the roles beside it.
#[test]
fn listed_size_bytes_sent_and_digest_agree_and_the_manifest_is_written_last_r006() {
    let stand = Stand::with_rows(1_000);
    stand.run_ok();
    check_newest(&stand, Operation::PutObject);
    stand.sql("INSERT INTO t SELECT g, repeat(md5(g::text), 4) FROM generate_series(1, 130000) g");
    for key in stand.s3.objects().keys() {
        stand.s3.delete(key);
    }
    let output = stand.backup().args(["run"]).env("COMPRESSION", "none").env("PART_SIZE", "5").output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    check_newest(&stand, Operation::UploadPart);
}

#[track_caller]
fn check_newest(stand: &Stand, dump_goes_by: Operation) {
    let (manifest_key, _) = stand.manifests().pop_last().expect("a manifest in the bucket");
    let folder = manifest_key.strip_suffix("manifest.json").unwrap();
    let manifest: Value = serde_json::from_slice(&stand.s3.read(&manifest_key)).unwrap();
    let requests = stand.proxy.requests();
    for object in ["dump", "globals"] {
        let facts = &manifest[object];
        let key = format!("{folder}{}", facts["name"].as_str().expect("a name"));
        let data = [Operation::PutObject, Operation::UploadPart];
        let sent = requests.iter().filter(|request| request.key == key && data.contains(&request.operation));
        if object == "dump" {
            assert!(sent.clone().all(|request| request.operation == dump_goes_by));
        }
        let sent_bytes: u64 = sent.map(|request| request.body_bytes).sum();
        let listed_bytes = stand.s3.objects()[&key];
        let claimed = (facts["stored_bytes"].as_u64(), facts["stored_sha256"].as_str());
        let digest = sha256(&stand.s3.path(&key));
        assert_eq!(claimed, (Some(listed_bytes), Some(digest.as_str())), "{object}");
        assert_eq!(sent_bytes, listed_bytes, "{object}");
    }
    let last_write = requests.iter().rfind(|request| WRITES.contains(&request.operation)).unwrap();
    assert_eq!(last_write.key, manifest_key);
    let manifest_puts = requests.iter().filter(|request| request.key == manifest_key).count();
    assert_eq!(manifest_puts, 1);
}

fn sha256(path: &std::path::Path) -> String {
    let output: Output = Run::program("/usr/bin/sha256sum").args([path]).output();
    output.stdout.split(' ').next().unwrap_or_default().to_owned()
}

/// R019. The counts are those of the dump's own snapshot, not of a moment before or after it.
#[test]
fn counts_are_exact_while_rows_come_and_go_r019() {
    let stand = Stand::new();
    for table in ["grows", "shrinks", "turns_over"] {
        stand.sql(&format!("CREATE TABLE {table} AS SELECT g AS id FROM generate_series(1, 50000) g"));
    }
    let churn = "BEGIN; INSERT INTO grows SELECT generate_series(1, 100);
        DELETE FROM shrinks WHERE id IN (SELECT id FROM shrinks LIMIT 50);
        INSERT INTO turns_over SELECT generate_series(1, 30);
        DELETE FROM turns_over WHERE ctid IN (SELECT ctid FROM turns_over LIMIT 29); COMMIT";
    let done = AtomicBool::new(false);
    let manifest = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                stand.sql(churn);
            }
        });
        let count = || stand.sql("SELECT count(*) FROM grows");
        let has_begun = wait_until(SOON, || count() != "50000");
        let output = stand.run();
        // One more change at least, so that counts taken too late would differ, too.
        let last = count();
        let goes_on = wait_until(SOON, || count() != last);
        done.store(true, Ordering::Relaxed);
        assert!(has_begun && goes_on, "the tables do not change");
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let newest = stand.manifests().pop_last().expect("a manifest in the bucket").0;
        serde_json::from_slice::<Value>(&stand.s3.read(&newest)).unwrap()
    });
    let restored = stand.restore_newest();
    for table in ["grows", "shrinks", "turns_over"] {
        let listed = manifest["inventory"]["tables"].as_array().unwrap();
        let rows = listed.iter().find(|entry| entry["name"] == table).unwrap()["rows"].to_string();
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(stand.postgres.sql(&restored.name, &count), rows, "{table}");
        assert_ne!(rows, "50000", "{table} did not change before the dump");
        assert_ne!(stand.sql(&count), rows, "{table} did not change during the dump");
    }
}

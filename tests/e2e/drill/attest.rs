//! The verdict beside the backup, for `backup` to see.

use backup_core::repository::DrillRecord;
use chrono::{TimeDelta, Utc};
use e2e::proxy::Operation;
use serde_json::{Value, json};

use super::DrillStand;
use super::stand::{ids, restore_then, sealed, sha256};

/// What wrote the records of these tests.
const TOOL: &str = concat!("verify ", env!("CARGO_PKG_VERSION"));

/// The records of drills beside the backup `id`.
fn records(stand: &DrillStand, id: &str) -> Vec<String> {
    let start = stand.stand.key(id, "drill-");
    stand.stand.s3.objects().into_keys().filter(|key| key.starts_with(&start)).collect()
}

#[test]
fn the_newest_proven_backup_outlives_retention() {
    let stand = DrillStand::small("zstd");
    let proven = stand.copy_as(TimeDelta::days(40));
    let failed = stand.copy_as(TimeDelta::days(30));
    let attest = || stand.verify().env("VERIFY_ATTEST", "true");
    stand.drill_of(attest(), &["--backup", &proven]).assert_verdict("passed", 0);
    let tools = restore_then("exit 1");
    stand.drill_of(attest().env("PG_BIN_DIR", tools.path()), &["--backup", &failed]).assert_verdict("failed", 1);

    let passed = records(&stand, &proven);
    assert!(passed.len() == 1 && passed[0].ends_with("-passed.json"), "{passed:?}");
    let record: Value = serde_json::from_slice(&stand.stand.s3.read(&passed[0])).unwrap();
    assert_eq!((&record["report"]["verdict"], &record["backup_id"]), (&"passed".into(), &proven.as_str().into()));
    let of_failed = records(&stand, &failed);
    assert!(of_failed.len() == 1 && of_failed[0].ends_with("-failed.json"), "{of_failed:?}");

    let list = stand.stand.backup().args(["list"]).output();
    let line = |id: &str| list.stdout.lines().find(|line| line.contains(id)).unwrap().to_owned();
    assert!(line(&proven).contains("passed ") && line(&failed).contains("FAILED "), "{}", list.stdout);

    let policy = [("BACKUP_KEEP_LAST", "1"), ("BACKUP_RETENTION_DAYS", "1")];
    let output = stand.stand.backup().args(["prune"]).envs(policy).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(ids(&stand.stand), [proven, stand.id.clone()]);
}

/// The format of records is a promise: docs/format.md.
#[test]
fn a_record_says_which_manifest_it_is_about_and_is_sealed() {
    let stand = DrillStand::small("zstd");
    let drill = stand.drill_with(stand.verify().env("VERIFY_ATTEST", "true"));
    drill.assert_verdict("passed", 0);
    let [key] = records(&stand, &stand.id).try_into().expect("one record");
    let text = stand.stand.s3.read(&key);
    let record = DrillRecord::open(&text).unwrap();
    let manifest = stand.stand.s3.read(&stand.key("manifest.json"));
    assert_eq!((record.format, record.proven, record.backup_id.as_str()), (1, true, stand.id.as_str()));
    assert_eq!(record.manifest_sha256, sha256(&manifest));
    assert_eq!((record.database.as_str(), record.tool.as_str()), (stand.stand.database.name.as_str(), TOOL));
    assert!(key.ends_with(&format!("drill-{}-passed.json", record.ended_at.format("%Y%m%dT%H%M%SZ"))), "{key}");
    // All that the drill says in the end is in it.
    assert_eq!(record.report, drill.report);
    let digest = serde_json::from_slice::<Value>(&text).unwrap()["record_sha256"].as_str().unwrap().to_owned();
    let zeroed = String::from_utf8(text.to_vec()).unwrap().replace(&digest, &"0".repeat(64));
    assert_eq!(sha256(zeroed.as_bytes()), digest);
}

/// The other manifest is whole and restores: only the record tells that it was not there before.
#[test]
fn a_manifest_that_was_replaced_after_a_drill_is_found() {
    let stand = DrillStand::small("zstd");
    stand.drill_with(stand.verify().env("VERIFY_ATTEST", "true")).assert_verdict("passed", 0);
    let key = stand.key("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&stand.stand.s3.read(&key)).unwrap();
    manifest["notes"] = json!(["nothing to add"]);
    stand.stand.s3.write(&key, sealed(manifest));
    stand.drill().assert_found_by("manifest", "it was replaced since");
    // Also among newer records of another writer, of which a note tells.
    let forged: Vec<String> = (1..=30)
        .map(|seconds| {
            (Utc::now() + TimeDelta::seconds(seconds)).format("drill-%Y%m%dT%H%M%SZ-passed.json").to_string()
        })
        .map(|name| stand.key(&name))
        .collect();
    forged.iter().for_each(|key| stand.stand.s3.write(key, "{}"));
    let drill = stand.drill();
    drill.assert_found_by("manifest", "it was replaced since");
    assert!(
        drill.report.to_string().contains("30 records of drills beside this backup were not written"),
        "{}",
        drill.report
    );
    forged.iter().for_each(|key| stand.stand.s3.delete(key));
    // Not if another writer has put the record there.
    let [record] = records(&stand, &stand.id).try_into().expect("one record");
    let text = String::from_utf8(stand.stand.s3.read(&record).to_vec()).unwrap();
    stand.stand.s3.write(&record, text.replace("\"proven\": true", "\"proven\": false"));
    stand.drill().assert_verdict("passed", 0);
}

#[test]
fn a_drill_writes_nothing_to_the_bucket_unless_it_is_asked_to_r114() {
    let stand = DrillStand::small("zstd");
    let before = stand.stand.s3.objects();
    let written = || stand.stand.proxy.requests_of(Operation::PutObject).len();
    let writes = written();
    stand.drill().assert_verdict("passed", 0);
    assert_eq!((stand.stand.s3.objects(), written()), (before, writes));
    // A bucket that refuses the record does not change the verdict.
    stand.stand.proxy.deny(&[Operation::PutObject]);
    let drill = stand.drill_with(stand.verify().env("VERIFY_ATTEST", "true"));
    drill.assert_verdict("passed", 0);
    let notes = drill.report["notes"].to_string();
    assert!(notes.contains("the verdict is not in the bucket"), "{notes}");
}

/// An old newest backup is red, and it came back all the same: retention must know.
#[test]
fn an_old_backup_that_came_back_is_recorded_as_proven() {
    let stand = DrillStand::small("zstd");
    let old = stand.copy_as(TimeDelta::days(40));
    stand.remove_original();
    let drill = stand.drill_with(stand.verify().env("VERIFY_ATTEST", "true"));
    drill.assert_found_by("recovery_point", "");
    assert_eq!(drill.report["proven"], true);
    let records = records(&stand, &old);
    assert!(records.len() == 1 && records[0].ends_with("-passed.json"), "{records:?}");
}

/// Rows that were counted, or compared in part, are no proof that retention may rely on.
#[test]
fn a_drill_that_does_not_compare_all_contents_proves_nothing_to_retention() {
    let stand = DrillStand::small("zstd");
    // As many rows, and other ones: only a look at the contents could tell.
    let tools = restore_then(r#""$PSQL" -q "${DB#--dbname=}" -c "UPDATE t SET v = 'changed'" >&2 || exit 1"#);
    for content in ["off", "sample"] {
        let verify = stand.verify().env("VERIFY_ATTEST", "true").env("VERIFY_CONTENT", content);
        let drill = if content == "off" { verify.env("PG_BIN_DIR", tools.path()) } else { verify };
        let drill = stand.drill_with(drill);
        drill.assert_verdict("passed", 0);
        let compared = if content == "off" { "none" } else { content };
        assert_eq!((&drill.report["proven"], &drill.report["contents_compared"]), (&Value::Null, &compared.into()));
        assert!(drill.report["notes"].to_string().contains("no record of this drill"), "{:#}", drill.report["notes"]);
        assert_eq!(records(&stand, &stand.id), Vec::<String>::new());
    }
    // What is wrong is told all the same.
    let broken = restore_then("exit 1");
    let verify = stand.verify().env("VERIFY_ATTEST", "true").env("VERIFY_CONTENT", "off");
    stand.drill_with(verify.env("PG_BIN_DIR", broken.path())).assert_verdict("failed", 1);
    assert!(records(&stand, &stand.id)[0].ends_with("-failed.json"));
    let drill = stand.drill_with(stand.verify().env("VERIFY_ATTEST", "true"));
    assert_eq!((&drill.report["proven"], &drill.report["contents_compared"]), (&true.into(), &"all".into()));
}

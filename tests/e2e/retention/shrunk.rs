//! R146: retention does not follow a mistake.

use chrono::TimeDelta;
use serde_json::Value;

use super::{committed, deletions, prune};
use crate::daemon::Running;
use crate::stand::{Stand, wait_for_the_next_second};

/// Retention that keeps as little as it may, so that every further run would delete a good backup.
const STRICT: [(&str, &str); 2] = [("BACKUP_RETENTION_DAYS", "1"), ("BACKUP_KEEP_LAST", "1")];

/// The reasons of `/health`, which must be red.
#[track_caller]
fn red(daemon: &Running) -> String {
    let (code, page) = daemon.get("/health");
    assert_eq!(code, 503, "{page}");
    page["reasons"].to_string()
}

/// `DATABASE_URL` leads to an empty database from tonight on. The ids of the good backups.
fn after_a_mistake(nights: usize) -> (Stand, Vec<String>) {
    let stand = Stand::new();
    let good: Vec<String> = (2..6).map(|days| stand.seed_of(TimeDelta::days(days), 100_000)).collect();
    for _ in 0..nights {
        let output = stand.backup().args(["run"]).envs(STRICT).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains("is it the right database, and whole?"), "{}", output.stderr);
        wait_for_the_next_second();
    }
    (stand, good)
}

#[test]
fn an_empty_database_deletes_no_good_backup_however_often_it_is_backed_up_r146() {
    let (stand, good) = after_a_mistake(7);
    assert_eq!(deletions(&stand), Vec::<String>::new());
    assert!(good.iter().all(|id| committed(&stand).contains(id)));
    let marks = stand.events().into_iter().filter(|event| event.ends_with("-size-suspect-none"));
    assert_eq!(marks.count(), 7);
    // Red at the start, and after a run of the daemon.
    let daemon =
        Running::start(stand.backup().envs(STRICT).env("RUN_ON_STARTUP", "true").env("BACKUP_MIN_INTERVAL", "0"));
    let status = daemon.wait_for(crate::daemon::SOON, |status| status["last_run"]["succeeded"] == true);
    let status = if status["retention"] == Value::Null { daemon.wait_until_waiting() } else { status };
    assert!(status["retention"]["refused"].as_str().unwrap().starts_with("nothing deleted: "), "{status:#}");
    assert_eq!(status["retention"]["degraded"], Value::Null, "this is on purpose");
    assert!(red(&daemon).contains("Retention deletes nothing until the size is back"));
    drop(daemon);
    // An operator is told the same, and how to go on.
    let output = prune(&stand, &[], &STRICT);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(
        output.stdout.contains("nothing will be deleted: ") && !output.stdout.contains("\ndelete"),
        "{}",
        output.stdout
    );
    assert!(output.stderr.contains("backup accept-size 20"), "{}", output.stderr);
    assert_eq!(deletions(&stand), Vec::<String>::new());
}

#[test]
fn the_right_size_again_ends_it_and_the_last_good_backup_stays_r146() {
    let (stand, good) = after_a_mistake(2);
    stand.sql(
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) || md5((g * 7)::text) AS v FROM generate_series(1, 4000) g",
    );
    let output = stand.backup().args(["run"]).envs(STRICT).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(!output.stderr.contains("is it the right database"), "{}", output.stderr);
    let left = committed(&stand);
    // The small ones are younger than a day, and take the place of none of the good ones.
    assert!(!left.contains(&good[0]) && left.len() == 3, "{left:?}");
    let (stand, good) = after_a_mistake(2);
    let plan = prune(&stand, &["--dry-run"], &[("BACKUP_RETENTION_DAYS", "1"), ("BACKUP_KEEP_LAST", "2")]).stdout;
    assert!(plan.lines().any(|line| line.starts_with("keep") && line.contains(&good[1])), "{plan}");
}

#[test]
fn an_operator_accepts_the_smaller_size_as_documented_r146() {
    let (stand, good) = after_a_mistake(2);
    let first = committed(&stand).into_iter().nth(good.len()).unwrap();
    // By a variable, as on Railway.
    let accepted = [("BACKUP_ACCEPT_SIZE_FROM", first.as_str())];
    let plan = prune(&stand, &["--dry-run"], &accepted);
    assert!(!plan.stdout.contains("nothing will be deleted"), "{}", plan.stdout);
    // By a command, which leaves a marker in the bucket.
    let unknown = stand.backup().args(["accept-size", "20200101T030000Z-calpt5zmzst5hrp2"]).output();
    assert_eq!(unknown.code, Some(1), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("there is no backup 20200101T030000Z-calpt5zmzst5hrp2"), "{}", unknown.stderr);
    let too_early = stand.backup().args(["accept-size", &good[0]]).output();
    assert_eq!(too_early.code, Some(1), "{}", too_early.stderr);
    let output = stand.backup().args(["accept-size", &first]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let daemon = Running::start(stand.backup());
    daemon.wait_until_waiting();
    assert_eq!(daemon.get("/health").0, 200);
    drop(daemon);
    assert_eq!(prune(&stand, &[], &STRICT).code, Some(0));
    assert_eq!(committed(&stand).len(), 2, "the good ones are old, and go");
    assert!(stand.events().iter().any(|event| event.ends_with(&format!("-size-accepted-{first}"))));
}

/// If there is a key, only a word of an operator that is signed counts.
#[test]
fn an_acceptance_that_anybody_could_have_written_does_not_count_where_there_is_a_key_r146() {
    let (stand, good) = after_a_mistake(2);
    let first = committed(&stand).into_iter().filter(|id| !good.contains(id)).min().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("key.pem");
    std::fs::write(&private, stand.backup().args(["keygen", "--signing"]).output().stdout).unwrap();
    let key = [("BACKUP_SIGNING_KEY_FILE", private.to_str().unwrap())];
    let variables = [STRICT.as_slice(), &key].concat();
    let forged = format!("{}-size-accepted-{first}", backup_core::repository::BackupId::new(chrono::Utc::now()));
    let events = stand.s3.objects().into_keys().find(|key| key.contains("/events/")).unwrap();
    stand.s3.write(&format!("{}/{forged}", events.rsplit_once('/').unwrap().0), b"");
    assert_eq!(prune(&stand, &[], &variables).code, Some(1), "a forged acceptance counts");
    assert_eq!(deletions(&stand), Vec::<String>::new());
    let output = stand.backup().args(["accept-size", &first]).envs(key).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(prune(&stand, &[], &variables).code, Some(0));
}

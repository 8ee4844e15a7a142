//! A `pg_dump` that does not end well: nothing of it may become a backup.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::process::{Output, wait_until};
use e2e::proxy::{Fault, Operation, Rule};
use e2e::tools::FakeTools;

use crate::stand::Stand;

/// The first bytes of a real archive, then 50 MB that look like a dump.
const FIFTY_MEGABYTES: &str = r#""$REAL" "$@" 2>/dev/null | head -c 2000; head -c 50000000 /dev/urandom;"#;

/// A stand with one good backup in its bucket, and what the bucket holds.
fn with_a_backup() -> (Stand, BTreeMap<String, u64>) {
    let stand = Stand::with_rows(1_000);
    stand.run_ok();
    let before = stand.s3.objects();
    (stand, before)
}

/// `backup run` with `body` in the place of `pg_dump`. The good backup would be old enough to go.
fn run_with(stand: &Stand, body: &str) -> Output {
    let mut tools = FakeTools::new();
    tools.script("pg_dump", body);
    stand.backup().args(["run"]).env("PG_BIN_DIR", tools.path()).output()
}

#[track_caller]
fn assert_failed(output: &Output, words: &str) {
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains(words), "{}", output.stderr);
}

/// R001.
#[test]
fn a_dump_that_fails_after_50_megabytes_is_no_backup_and_its_words_are_shown_r001() {
    let (stand, before) = with_a_backup();
    let body = format!("{FIFTY_MEGABYTES} echo 'pg_dump: error: disk read failed' >&2; exit 1");
    let output = run_with(&stand, &body);
    assert_failed(&output, "pg_dump failed (exit status: 1): pg_dump: error: disk read failed");
    stand.assert_no_commit(&before);
    assert!(!stand.proxy.requests_of(Operation::UploadPart).is_empty(), "the dump never reached the bucket");
    assert_eq!(
        stand.proxy.requests_of(Operation::DeleteObject).iter().filter(|r| before.contains_key(&r.key)).count(),
        0
    );
}

/// R002: to the reader of the pipe, the end looks as clean as any.
#[test]
fn a_dump_that_is_killed_after_50_megabytes_is_no_backup_r002() {
    let (stand, before) = with_a_backup();
    let output = run_with(&stand, &format!("{FIFTY_MEGABYTES} kill -KILL $$"));
    assert_failed(&output, "pg_dump failed (signal: 9 (SIGKILL))");
    stand.assert_no_commit(&before);
}

/// A dump of a few bytes ends before an upload has begun.
#[test]
fn a_dump_that_fails_at_once_is_no_backup_r001() {
    let (stand, before) = with_a_backup();
    for (body, words) in [
        ("exit 1", "pg_dump failed (exit status: 1): it said nothing"),
        (r#""$REAL" "$@"; exit 3"#, "pg_dump failed (exit status: 3)"),
        (r#""$REAL" "$@"; kill -TERM $$"#, "pg_dump failed (signal: 15 (SIGTERM))"),
    ] {
        assert_failed(&run_with(&stand, body), words);
        stand.assert_no_commit(&before);
    }
}

/// R003.
#[test]
fn a_dump_whose_session_is_terminated_mid_copy_is_no_backup_and_names_the_table_r003() {
    let stand = Stand::new();
    stand.sql("CREATE TABLE precious AS SELECT g AS id, repeat('x', 1000) AS v FROM generate_series(1, 120000) g");
    // Slow enough that far more than the buffers is still to come when the first part is on its way.
    let slow = Fault::Throttle { bytes_per_second: 4_000_000, pause: Duration::ZERO };
    stand.proxy.rule(Rule::new(Operation::UploadPart, slow));
    let run = stand.backup().args(["run"]).env("COMPRESSION", "none").env("PART_SIZE", "5").env("RETRY_ATTEMPTS", "1");
    let run = run.env("BACKUP_GLOBALS", "false").spawn();
    let terminate = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = '{}' AND query LIKE 'COPY%precious%'",
        stand.database.name
    );
    let begun = || !stand.proxy.requests_of(Operation::UploadPart).is_empty();
    assert!(wait_until(Duration::from_secs(20), begun), "no part was sent");
    assert!(wait_until(Duration::from_secs(10), || stand.sql(&terminate) == "t"), "pg_dump was not copying");
    let output = run.wait(Duration::from_secs(60));
    assert_failed(&output, r#"Dumping the contents of table \"precious\" failed"#);
    assert!(output.stderr.contains("upload aborted: pg_dump failed"), "{}", output.stderr);
    stand.assert_no_commit(&BTreeMap::new());
}

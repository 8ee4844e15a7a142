//! The operator's own questions.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use super::DrillStand;
use super::stand::DRILL_LIMIT;

const HOLD: &str = "
-- name: enough rows
-- expect: >= 100
SELECT count(*) FROM t;
-- name: no gaps
SELECT min(id) = 1, max(id) = 100 FROM t;
-- name: a name
-- expect: = open
SELECT 'open';
";

const DO_NOT: &str = "
-- name: too few
-- expect: > 100
SELECT count(*) FROM t;
-- name: one is false
SELECT true, id < 100 FROM t;
-- name: nothing
SELECT true FROM t WHERE id < 0;
-- name: slow
SELECT pg_sleep(600) IS NULL;
-- name: writes
DELETE FROM t RETURNING true;
-- name: gets out of its transaction
COMMIT; DELETE FROM t;
-- name: wrong
SELECT true FROM no_such_table;
-- name: after all of them
-- expect: = 101
SELECT count(*) FROM t;
";

#[test]
fn questions_of_the_operator_hold_or_are_findings() {
    let stand = DrillStand::small("zstd");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let verify = |file: &tempfile::NamedTempFile| {
        stand.verify().env("VERIFY_QUERIES_FILE", file.path()).env("VERIFY_QUERY_TIMEOUT", "1")
    };
    file.write_all(HOLD.as_bytes()).unwrap();
    let drill = stand.drill_with(verify(&file).env("VERIFY_SQL", "SELECT count(*) = 100 FROM t"));
    drill.assert_verdict("passed", 0);
    let checks = drill.report["checks"].as_array().unwrap();
    let figures = &checks.iter().find(|check| check["name"] == "queries").unwrap()["figures"];
    assert_eq!(figures, "4 asked");

    file.write_all(DO_NOT.as_bytes()).unwrap();
    let started = Instant::now();
    let drill = stand.drill_with(verify(&file));
    assert!(started.elapsed() < Duration::from_secs(60), "the slow question was waited for");
    drill.assert_found_by("queries", "");
    assert_eq!(
        drill.findings(),
        [
            r#"queries: query "too few": 100, and > 100 is expected"#,
            r#"queries: query "one is false": a boolean is not true"#,
            r#"queries: query "nothing": no row"#,
            r#"queries: query "slow": canceling statement due to statement timeout"#,
            r#"queries: query "writes": cannot execute DELETE in a read-only transaction"#,
            r#"queries: query "gets out of its transaction": cannot insert multiple commands into a prepared statement"#,
            r#"queries: query "wrong": relation "no_such_table" does not exist"#,
            r#"queries: query "after all of them": 100, and = 101 is expected"#,
        ]
    );
    // What comes after the questions was looked at, too.
    assert!(drill.checks("passed").contains(&"amcheck".to_owned()), "{:?}", drill.checks("passed"));
}

/// The answer is 600 MB, and its last row is the one that is wrong.
#[test]
fn an_answer_of_any_size_is_read_row_by_row_to_its_last_one() {
    const MOST_KIB: u64 = 300 * 1024;
    let stand = DrillStand::small("zstd");
    let sql = "SELECT repeat('x', 1000), n < 600000 FROM generate_series(1, 600000) n";
    let mut running = stand.verify().env("VERIFY_SQL", sql).args(["run"]).spawn();
    let peak_file = format!("/proc/{}/status", running.pid());
    let mut peak_kib = 0;
    while running.is_running() {
        let status = fs::read_to_string(&peak_file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
        peak_kib = peak_kib.max(line.split_whitespace().next().unwrap_or("0").parse().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = running.wait(DRILL_LIMIT);
    assert_eq!(output.code, Some(1), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("a boolean is not true"), "{}", output.stdout);
    assert!(peak_kib > 0 && peak_kib < MOST_KIB, "{peak_kib} KiB of memory");
}

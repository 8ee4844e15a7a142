//! The operator's own questions.

use std::io::Write;
use std::time::{Duration, Instant};

use super::DrillStand;

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

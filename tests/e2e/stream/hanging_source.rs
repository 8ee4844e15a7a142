//! A `pg_dump` that talks too much, or not at all: every wait has an end, every text a bound.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::process::{processes_named, wait_until};
use e2e::tools::FakeTools;

use crate::stand::Stand;

/// 50 MB of complaints.
const FLOOD: &str = "yes 'pg_dump: warning: the same again and again' | head -c 50000000 >&2;";

/// Everything that a run may say about a flood: its bounded end, once for each line that holds it.
const LONGEST_OUTPUT_BYTES: usize = 64 * 1024;

#[test]
fn a_flood_of_warnings_neither_stops_a_dump_nor_fills_the_log() {
    let stand = Stand::with_rows(1_000);
    let mut tools = FakeTools::new();
    tools.script("pg_dump", &format!(r#"{FLOOD} exec "$REAL" "$@""#));
    let output = stand.backup().args(["run"]).env("PG_BIN_DIR", tools.path()).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(stand.manifests().len(), 1);
    assert!(output.stderr.contains("the same again"), "the warnings are lost: {}", output.stderr);
    assert!(output.stderr.len() < LONGEST_OUTPUT_BYTES, "{} bytes of output", output.stderr.len());
}

#[test]
fn a_flood_of_errors_ends_in_a_bounded_message_with_the_last_words() {
    let stand = Stand::with_rows(1_000);
    let mut tools = FakeTools::new();
    tools.script("pg_dump", &format!("{FLOOD} echo 'pg_dump: error: that was all' >&2; exit 1"));
    let output = stand.backup().args(["run"]).env("PG_BIN_DIR", tools.path()).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("pg_dump: error: that was all"), "{}", output.stderr);
    assert!(output.stderr.len() < LONGEST_OUTPUT_BYTES, "{} bytes of output", output.stderr.len());
    stand.assert_no_commit(&BTreeMap::new());
}

/// The archive is whole, and yet only the exit status may say so.
#[test]
fn a_dump_that_closes_its_output_and_hangs_is_ended_by_the_bound_of_the_run() {
    for (case, hang) in [("itself", "exec sleep 1000"), ("a child of it", "sleep 1000; exit 0")] {
        let stand = Stand::with_rows(1_000);
        let mut tools = FakeTools::new();
        // The variable tells this sleeper from those of other tests.
        let marker = format!("{}-{case}", stand.database.name);
        tools.script("pg_dump", &format!(r#""$REAL" "$@"; exec >&-; export MARKER='{marker}'; {hang}"#));
        let started = Instant::now();
        let run = stand.backup().args(["run"]).env("PG_BIN_DIR", tools.path()).env("BACKUP_TIMEOUT", "5");
        let output = run.output();
        assert_eq!(output.code, Some(1), "{case}: {}", output.stderr);
        assert!(output.stderr.contains("the run took longer than its bound of 5 s"), "{case}: {}", output.stderr);
        assert!(started.elapsed() < Duration::from_secs(20), "{case}: {:?}", started.elapsed());
        stand.assert_no_commit(&BTreeMap::new());
        let gone = || processes_named("sleep", ("MARKER", &marker)).is_empty();
        assert!(wait_until(Duration::from_secs(5), gone), "{case}: the tool outlived the run");
    }
}

/// What a tool leaves behind holds its standard error open, or its standard output, and would hold the run as well.
#[test]
fn what_a_tool_leaves_behind_neither_holds_the_run_nor_outlives_it() {
    for (case, start) in [
        ("listens", "sleep 1000 >&- &"),
        ("does not listen", "(trap '' TERM; sleep 1000) >&- &"),
        ("holds the output", "sleep 1000 &"),
    ] {
        let stand = Stand::with_rows(1_000);
        let mut tools = FakeTools::new();
        let marker = format!("{}-{case}", stand.database.name);
        tools.script("pg_dump", &format!(r#"export MARKER='{marker}'; {start} exec "$REAL" "$@""#));
        let started = Instant::now();
        let output = stand.backup().args(["run"]).env("PG_BIN_DIR", tools.path()).output();
        assert_eq!(output.code, Some(0), "{case}: {}", output.stderr);
        assert!(started.elapsed() < Duration::from_secs(20), "{case}: {:?}", started.elapsed());
        let gone = || processes_named("sleep", ("MARKER", &marker)).is_empty();
        assert!(wait_until(Duration::from_secs(5), gone), "{case}: it outlived the run");
    }
    // One that has left the group of the tool cannot be ended, and what it may still write is not waited for.
    let stand = Stand::with_rows(1_000);
    let mut tools = FakeTools::new();
    tools.script("pg_dump", r#"setsid sleep 60 & exec "$REAL" "$@""#);
    let started = Instant::now();
    let output = stand.backup().args(["run"]).env("PG_BIN_DIR", tools.path()).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("a process that it started holds its output"), "{}", output.stderr);
    assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
}

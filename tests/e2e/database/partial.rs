//! Dumps that hold less than the whole database.

use e2e::process::{Run, wait_until};
use e2e::tools::FakeTools;
use serde_json::{Value, json};

use super::{SOON, check, manifest_of, page, start_daemon, stored_key};
use crate::stand::Stand;

/// A `pg_dump` that takes the `--filter` of version 17 and ignores it.
const WITHOUT_FILTER: &str = r#"
for arg in "$@"; do shift; case "$arg" in --filter=*) ;; *) set -- "$@" "$arg";; esac; done
exec "$REAL" "$@""#;

/// A table in each of two schemas, and a large object.
fn stand() -> Stand {
    let stand = Stand::with_rows(10);
    stand.sql("CREATE SCHEMA audit; CREATE TABLE audit.log AS SELECT 1 AS id; SELECT lo_from_bytea(0, 'x')");
    stand
}

#[test]
fn every_option_that_narrows_the_dump_makes_a_partial_backup_r016() {
    let stand = stand();
    let mut tools = FakeTools::new();
    tools.script("pg_dump", WITHOUT_FILTER);
    for (options, narrowed_by) in [
        ("-t t", "--table"),
        ("-T t", "--exclude-table"),
        ("-n public", "--schema"),
        ("-N audit", "--exclude-schema"),
        ("-a", "--data-only"),
        ("-s", "--schema-only"),
        ("--exclude-table-data=audit.*", "--exclude-table-data"),
        ("--no-blobs", "--no-blobs"),
        ("--section=data", "--section"),
        ("--filter=/etc/filter", "--filter"),
    ] {
        let run = stand.backup().env("PG_BIN_DIR", tools.path()).env("PG_DUMP_OPTIONS", options);
        let manifest = manifest_of(&stand, run);
        assert_eq!((&manifest["kind"], &manifest["narrowed_by"]), (&json!("partial"), &json!([narrowed_by])));
        stored_key(&stand, &manifest, ".partial.dump");
    }
    let listed = stand.backup().args(["list", "--json"]).output().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let kinds: Vec<&Value> = listed["backups"].as_array().unwrap().iter().map(|backup| &backup["kind"]).collect();
    assert_eq!(kinds, vec!["partial"; 10]);
}

#[test]
fn patterns_without_a_schema_find_what_they_name_r016() {
    let stand = stand();
    // `pg_dump` looks such patterns up in the search path, and says nothing if it finds nothing.
    for (options, in_it) in [
        ("", "TABLE t, TABLE DATA t, TABLE log, TABLE DATA log"),
        ("-t t", "TABLE t, TABLE DATA t"),
        ("-T t", "TABLE log, TABLE DATA log"),
        ("--exclude-table-data=t", "TABLE t, TABLE log, TABLE DATA log"),
    ] {
        let run = stand.backup().env("COMPRESSION", "none").env("PG_DUMP_OPTIONS", options);
        let manifest = manifest_of(&stand, run);
        let archive = stand.s3.path(&stored_key(&stand, &manifest, ".dump"));
        let pg_restore = stand.postgres.bin_dir().join("pg_restore");
        let list = Run::program(pg_restore).args(["-l", archive.to_str().unwrap()]).output().stdout;
        for (wanted, line) in [
            ("TABLE t", " TABLE public t "),
            ("TABLE DATA t", " TABLE DATA public t "),
            ("TABLE log", " TABLE audit log "),
            ("TABLE DATA log", " TABLE DATA audit log "),
        ] {
            assert_eq!(
                list.contains(line),
                in_it.split(", ").any(|entry| entry == wanted),
                "{options}: {line}\n{list}"
            );
        }
    }
}

#[test]
fn options_that_leave_everything_in_make_a_full_backup_r016() {
    let stand = stand();
    let run = stand.backup().env("PG_DUMP_OPTIONS", "--no-owner --verbose --clean --if-exists");
    let manifest = manifest_of(&stand, run);
    assert_eq!((&manifest["kind"], &manifest["narrowed_by"]), (&json!("full"), &json!([])));
    assert!(!stored_key(&stand, &manifest, ".dump").contains(".partial."));
}

#[test]
fn a_fresh_partial_backup_does_not_make_a_daemon_healthy_r016() {
    let stand = stand();
    let (mut daemon, port) = start_daemon(stand.backup().env("PG_DUMP_OPTIONS", "-s"));
    daemon.wait_for_line("backup committed", SOON);
    assert!(wait_until(SOON, || page(port, "/status").1.contains("\"state\":\"waiting\"")));
    let (status, reasons) = page(port, "/health");
    assert_eq!(status, 503, "{reasons}");
    assert!(reasons.contains("there is no full backup"), "{reasons}");
    let report: Value = serde_json::from_str(&page(port, "/status").1).unwrap();
    assert_eq!((&report["newest_full_backup"], &report["last_run"]["succeeded"]), (&Value::Null, &json!(true)));
    drop(daemon);

    // A full one makes the same daemon healthy.
    stand.run_ok();
    let (_daemon, port) = start_daemon(stand.backup().env("PG_DUMP_OPTIONS", "-s"));
    assert!(wait_until(SOON, || page(port, "/health").0 == 200));
    let (_, report) = check(stand.backup().env("PG_DUMP_OPTIONS", "-t public.t"));
    assert!(report.contains("PG_DUMP_OPTIONS has --table: the backup is partial"), "{report}");
}

//! When runs happen, and that one that hangs does not hang for ever.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use e2e::process::{is_alive, wait_until};
use e2e::proxy::{Fault, Operation, Rule};

use super::{Running, SOON, Script};
use crate::stand::Stand;

#[test]
fn a_hanging_dump_ends_at_the_bound_and_the_next_run_succeeds_r092() {
    let stand = Stand::with_rows(100);
    let script = Script::pg_dump(r#"[ -e "$D/healthy" ] || exec sleep 1000; exec "$REAL" "$@""#);
    let run = script.on(stand.backup()).env("BACKUP_INTERVAL", "10").env("BACKUP_TIMEOUT", "4");
    let daemon = Running::start(run);
    let status = daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == false);
    let error = status["last_run"]["error"].as_str().unwrap();
    assert!(error.contains("bound of 4 s"), "{error}");
    assert_eq!(script.starts().len(), 1, "a run out of time is not tried again");
    let hung = script.starts()[0];
    assert!(wait_until(SOON, || !is_alive(hung)), "the hanging pg_dump is still there");
    script.give("healthy");
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    assert_eq!((stand.manifests().len(), script.starts().len()), (1, 2));
}

#[test]
fn a_run_ends_at_the_bound_wherever_the_bucket_swallows_a_request_r092() {
    // 12 MB are three parts of 5 MiB.
    let (small, large) = (10, 110_000);
    let stages = [
        ("globals", Operation::PutObject, "globals.sql", small),
        ("dump in one request", Operation::PutObject, ".dump", small),
        ("begin of an upload", Operation::CreateMultipartUpload, "", large),
        ("part", Operation::UploadPart, "", large),
        ("end of an upload", Operation::CompleteMultipartUpload, "", large),
        ("listing", Operation::ListObjectsV2, "", small),
        ("manifest", Operation::PutObject, "manifest.json", small),
    ];
    thread::scope(|scope| {
        for (stage, operation, key, rows) in stages {
            scope.spawn(move || {
                let stand = Stand::with_rows(rows);
                stand.proxy.rule(Rule::new(operation, Fault::BlackHole).key(key));
                let run = stand.backup().env("BACKUP_TIMEOUT", "5").env("PART_SIZE", "5").env("COMPRESSION", "none");
                let output = run.args(["run"]).deadline(Duration::from_secs(25)).output();
                assert_eq!(output.code, Some(1), "{stage}: {}", output.stderr);
                assert!(output.stderr.contains("bound of 5 s"), "{stage}: {}", output.stderr);
                assert!(stand.manifests().is_empty(), "{stage}");
            });
        }
    });
}

#[test]
fn a_run_ends_at_the_bound_when_the_database_or_a_tool_never_answers_r092() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://u:p4ssw0rd@{}/app", silent.local_addr().unwrap());
    let stand = Stand::new();
    let bounded = || stand.backup().args(["run"]).env("BACKUP_TIMEOUT", "2").deadline(SOON);
    let output = bounded().env("DATABASE_URL", url).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("bound of 2 s"), "{}", output.stderr);
    let mut script = Script::pg_dump("exit 1");
    script.tools.version("pg_dump", "15'; exec sleep 1000; '"); // It says its version, and does not end.
    let output = script.on(bounded()).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("bound of 2 s"), "{}", output.stderr);
}

#[test]
fn deletions_that_hang_do_not_hold_the_next_run_back_r092() {
    let stand = Stand::with_rows(10);
    for days in 30..34 {
        stand.seed(chrono::TimeDelta::days(days));
    }
    stand.proxy.rule(Rule::new(Operation::DeleteObject, Fault::BlackHole));
    let run = stand.backup().env("BACKUP_INTERVAL", "10").env("BACKUP_TIMEOUT", "5");
    let daemon = Running::start(run);
    daemon.wait_for(SOON, |status| status["retention"]["degraded"].is_string());
    assert!(wait_until(SOON, || stand.manifests().len() >= 6), "{}", daemon.process.stderr_so_far());
}

#[test]
fn a_run_longer_than_the_interval_runs_alone_and_the_skipped_ones_are_counted_r099() {
    let stand = Stand::with_rows(100);
    let script = Script::pg_dump(
        r#"mkdir "$D/running" || : > "$D/overlapped"
           [ -e "$D/slow" ] || { : > "$D/slow"; sleep 12; }
           "$REAL" "$@"; code=$?; rmdir "$D/running"; exit $code"#,
    );
    let daemon = Running::start(script.on(stand.backup()).env("BACKUP_INTERVAL", "10"));
    let status = daemon.wait_for(Duration::from_secs(40), |status| {
        status["skipped_overlapping_runs"] == 1 && status["state"] == "waiting"
    });
    assert_eq!(status["last_run"]["succeeded"], true);
    assert!(!script.path().join("overlapped").exists(), "two dumps ran at the same time");
    // The tick at 10 s is skipped, not queued: what follows the run of 12 s is that of 20 s.
    assert_eq!((script.starts().len(), stand.manifests().len()), (2, 2));
}

#[test]
fn schedules_that_cannot_work_stop_the_start_with_the_reason_r098() {
    let stand = Stand::new();
    for (schedule, time_zone, reason) in [
        ("0 0 31 2 *", "UTC", "never fires"),
        ("0 0 3 * * *", "UTC", "6 fields"),
        ("0 3 * * 8", "UTC", "day of week"),
        ("0 3 1 * MON", "UTC", "both restricted"),
    ] {
        let output = stand.backup().env("BACKUP_SCHEDULE", schedule).env("TZ", time_zone).output();
        assert_eq!(output.code, Some(78), "{schedule}: {}", output.stderr);
        assert!(output.stderr.contains("BACKUP_SCHEDULE: "), "{schedule}: {}", output.stderr);
        assert!(output.stderr.contains(reason), "{schedule}: {}", output.stderr);
    }
    let output = stand.backup().env("BACKUP_SCHEDULE", "x").env("TZ", "Mars/Olympus").output();
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    for problem in ["  TZ: is an unknown time zone; ", "  BACKUP_SCHEDULE: the expression has 1 field"] {
        assert!(output.stderr.contains(problem), "{}", output.stderr);
    }
    let output = stand.backup().env("BACKUP_INTERVAL", "9").output();
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    assert!(output.stderr.contains("BACKUP_INTERVAL: "), "{}", output.stderr);
}

#[test]
fn check_prints_the_next_five_times_in_utc_and_local_time_r098() {
    let stand = Stand::with_rows(1);
    let run = stand.backup().env("BACKUP_SCHEDULE", "30 12 * * sun,7").env("TZ", "Asia/Tokyo");
    let output = run.args(["check"]).output();
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    let times = output.stdout.lines().filter(|line| line.contains("03:30 UTC (12:30 Asia/Tokyo)"));
    assert_eq!(times.count(), 5, "{}", output.stdout);
    assert!(stand.s3.objects().is_empty(), "check left something in the bucket");
}

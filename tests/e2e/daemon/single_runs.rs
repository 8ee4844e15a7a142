//! Single runs, as a CronJob starts them: what they leave for those after them.

use std::time::Duration;

use backup_core::repository::BackupId;
use chrono::{TimeDelta, Utc};
use e2e::process::Run;
use e2e::proxy::{Fault, Operation, Rule};
use e2e::tools::FakeTools;

use super::alarms::has;
use super::{Running, SOON};
use crate::drill::{DrillStand, restore_then};
use crate::stand::Stand;

/// The lines of the journal that tell of runs or drills that have failed.
fn failures(stand: &Stand) -> Vec<String> {
    let mut events = stand.events();
    events.retain(|name| name.contains("-backup-failed-") || name.contains("-drill-"));
    events
}

/// Makes the only failure of the last hour so old.
fn age(stand: &Stand, event: &str, age: TimeDelta) {
    let key = |event: &str| format!("postgres-backups/{}/events/{event}", stand.database.name);
    let (_, what) = event[17..].split_once('-').unwrap();
    stand.s3.delete(&key(event));
    stand.s3.write(&key(&format!("{}-{what}", BackupId::new(Utc::now() - age))), "");
}

fn failing_tools() -> FakeTools {
    let mut tools = FakeTools::new();
    tools.script("pg_dump", "echo 'pg_dump: error: out of luck' >&2; exit 1");
    tools
}

#[test]
fn failed_single_runs_count_as_those_of_a_daemon_do() {
    let stand = Stand::with_rows(10);
    let tools = failing_tools();
    let failing = || stand.backup().env("PG_BIN_DIR", tools.path()).env("RETRY_ATTEMPTS", "1");
    for run in 1..=3 {
        let output = failing().args(["run"]).output();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        let events = failures(&stand);
        assert_eq!(events.len(), run, "{events:?}");
        // One after the other, days apart; the ids tell which is new.
        let newest = events.iter().max().unwrap();
        age(&stand, newest, TimeDelta::hours(100 - 20 * i64::try_from(run).unwrap()));
    }
    // For verify.
    let verify = Run::new("verify").envs(stand.s3.env()).env("VERIFY_SOURCE_DATABASE", &stand.database.name);
    let verify = verify.args(["watch"]);
    let verify = verify.envs([("LOG_FORMAT", "json"), ("PORT", "0"), ("BACKUP_MAX_AGE", "60")]);
    let status = Running::start(verify).wait_for(SOON, has("backup_silent"));
    assert!(status["alarms"].to_string().contains("backup has tried and failed (other) 3 times"), "{status:#}");
    // And for a daemon, before a run of its own.
    let daemon = Running::start(failing().env("BACKUP_INTERVAL", "604800"));
    let status = daemon.wait_for(SOON, has("failing"));
    assert_eq!(status["consecutive_failures"], 3, "{status:#}");
    assert!(status["alarms"].to_string().contains("the last 3 runs failed"), "{status:#}");
}

#[test]
fn a_crash_loop_of_single_runs_writes_one_line_a_minute() {
    let stand = Stand::with_rows(10);
    let tools = failing_tools();
    for _ in 0..3 {
        let output = stand.backup().env("PG_BIN_DIR", tools.path()).env("RETRY_ATTEMPTS", "1").args(["run"]).output();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
    }
    assert_eq!(failures(&stand).len(), 1, "{:?}", failures(&stand));
}

#[test]
fn a_store_that_takes_no_line_changes_nothing_about_a_run() {
    let stand = Stand::with_rows(10);
    let run = || stand.backup().env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").env("RETRY_ATTEMPTS", "1");
    stand.proxy.deny(&[Operation::PutObject]);
    let output = run().args(["run"]).output();
    assert_eq!((output.code, failures(&stand).len()), (Some(1), 0), "{}", output.stderr);
    assert_eq!(
        output.stderr.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).count(),
        1,
        "{}",
        output.stderr
    );
    // One that never answers is waited for within a bound.
    stand.proxy.rule(Rule::new(Operation::Any, Fault::BlackHole));
    let output = run().args(["run"]).deadline(Duration::from_secs(30)).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
}

#[test]
fn a_single_drill_writes_down_how_it_failed_only_if_it_may() {
    let stand = DrillStand::small("zstd");
    let tools = restore_then("exit 1");
    let run = |attest: &str| {
        let verify = stand.verify().env("PG_BIN_DIR", tools.path()).env("VERIFY_ATTEST", attest);
        verify.args(["run"]).output().code
    };
    assert_eq!((run("false"), failures(&stand.stand)), (Some(1), Vec::new()));
    assert_eq!(run("true"), Some(1));
    let events = failures(&stand.stand);
    assert!(events.len() == 1 && events[0].ends_with("-drill-failed"), "{events:?}");
    // Soon after another one it belongs to a loop.
    assert_eq!((run("true"), failures(&stand.stand).len()), (Some(1), 1));
    let could_not_run =
        stand.verify().env("VERIFY_ATTEST", "true").env("VERIFY_DATABASE_URL", "postgres://a@127.0.0.1:1/b");
    age(&stand.stand, &events[0], TimeDelta::hours(1));
    assert_eq!(could_not_run.args(["run"]).output().code, Some(4));
    assert!(
        failures(&stand.stand).iter().any(|event| event.ends_with("-drill-could_not_run")),
        "{:?}",
        failures(&stand.stand)
    );
}

/// Else a name with a typo would look like a database that has lost its backups.
#[test]
fn a_single_drill_of_a_database_that_never_had_a_backup_writes_nothing_down() {
    let stand = DrillStand::small("zstd");
    let s3 = &stand.stand.s3;
    let run = || {
        let verify = stand.verify().env("VERIFY_ATTEST", "true").env("VERIFY_SOURCE_DATABASE", "nope");
        verify.args(["run"]).output().code
    };
    let before = s3.objects().len();
    assert_eq!((run(), s3.objects().len()), (Some(1), before));
    // Its first run may still be going on.
    s3.write(&format!("postgres-backups/nope/events/{}-backup-started-unknown-1", BackupId::new(Utc::now())), "");
    assert_eq!((run(), s3.objects().len()), (Some(1), before + 1));
}

//! A daemon has no state of its own: what it does after a start, it reads from the bucket.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{HELD, Running, SOON, Script};
use crate::stand::Stand;

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}

/// A daemon with an interval of an hour, after its first decisions, and its `/status`.
#[track_caller]
fn started(stand: &Stand) -> (Running, Value) {
    let daemon = Running::start(stand.backup().env("BACKUP_INTERVAL", "3600"));
    let status = daemon.wait_until_waiting();
    (daemon, status)
}

#[test]
fn a_young_backup_in_the_bucket_needs_no_catch_up_r093() {
    let stand = Stand::with_rows(10);
    let id = stand.seed(TimeDelta::minutes(50));
    let (daemon, status) = started(&stand);
    assert_eq!(status["newest_full_backup"]["id"], *id);
    assert_eq!(status["last_run"], Value::Null);
    assert_eq!(stand.manifests().len(), 1, "{}", daemon.process.stderr_so_far());
    // The rhythm goes on from the backup in the bucket, not from the start.
    let wait = time(&status["next_run_at"]) - Utc::now();
    assert!(wait > TimeDelta::minutes(8) && wait < TimeDelta::minutes(11), "{status:#}");
}

#[test]
fn a_backup_older_than_an_interval_is_followed_by_one_catch_up_run_r093() {
    let stand = Stand::with_rows(10);
    stand.seed(TimeDelta::minutes(200));
    let (daemon, status) = started(&stand);
    assert_eq!(status["last_run"]["succeeded"], true, "{}", daemon.process.stderr_so_far());
    assert_eq!(stand.manifests().len(), 2, "three missed runs are caught up by one");
    assert!(daemon.process.stderr_so_far().contains("catching up a run that was missed"));
    assert!(time(&status["next_run_at"]) - Utc::now() > TimeDelta::minutes(55), "{status:#}");
}

#[test]
fn only_committed_full_backups_count_as_a_last_success_r093() {
    let stand = Stand::with_rows(10);
    let dead = stand.seed(TimeDelta::minutes(10));
    stand.s3.delete(&stand.key(&dead, "manifest.json"));
    let partial = stand.seed(TimeDelta::minutes(20));
    stand.s3.delete(&stand.key(&partial, &format!("{}.dump.zst", stand.database.name)));
    stand.s3.write(&stand.key(&partial, &format!("{}.partial.dump.zst", stand.database.name)), "x");
    let (daemon, status) = started(&stand);
    assert_eq!(status["last_run"]["succeeded"], true, "{}", daemon.process.stderr_so_far());
}

#[test]
fn an_empty_bucket_gets_one_backup_at_once_r093() {
    let stand = Stand::with_rows(10);
    let (_daemon, status) = started(&stand);
    assert_eq!(status["last_run"]["succeeded"], true);
    assert_eq!(stand.manifests().len(), 1);
}

#[test]
fn twenty_restarts_in_a_row_make_one_backup_r093() {
    let stand = Stand::with_rows(10);
    for restart in 1..=20 {
        let run = stand.backup().env("RUN_ON_STARTUP", "true").env("BACKUP_SCHEDULE", "0 0 1 1 *");
        let mut daemon = Running::start(run);
        daemon.wait_until_waiting();
        daemon.process.kill9();
        assert_eq!(stand.manifests().len(), 1, "after start {restart}");
    }
}

#[test]
fn a_clock_that_was_set_back_does_not_let_restarts_fill_the_bucket_r093() {
    let stand = Stand::with_rows(10);
    stand.seed(TimeDelta::minutes(-5));
    let run = stand.backup().env("RUN_ON_STARTUP", "true").env("BACKUP_SCHEDULE", "0 0 1 1 *");
    let daemon = Running::start(run);
    daemon.wait_until_waiting();
    assert_eq!(stand.manifests().len(), 1, "{}", daemon.process.stderr_so_far());
}

#[test]
fn run_on_startup_runs_although_nothing_was_missed_r093() {
    let stand = Stand::with_rows(10);
    stand.seed(TimeDelta::minutes(10));
    let run = stand.backup().env("RUN_ON_STARTUP", "true").env("BACKUP_SCHEDULE", "0 0 1 1 *");
    let daemon = Running::start(run);
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    assert_eq!(stand.manifests().len(), 2);
}

/// R147: a process that dies in every run begins no more of them than one that ends them.
#[test]
fn a_restart_loop_begins_one_dump_in_the_shortest_interval_r147() {
    let stand = Stand::with_rows(10);
    let script = Script::pg_dump(HELD);
    let mut daemon = Running::start(script.on(stand.backup()));
    script.wait_for("held");
    daemon.process.kill9();
    for restart in 1..=5 {
        let mut daemon = Running::start(script.on(stand.backup()));
        let status = daemon.wait_until_waiting();
        assert_eq!(script.starts().len(), 1, "restart {restart} began another dump");
        let wait = time(&status["next_run_at"]) - Utc::now();
        assert!(wait > TimeDelta::minutes(3) && wait < TimeDelta::minutes(6), "it is made up for soon: {status:#}");
        daemon.process.kill9();
    }
    let mut events = stand.events();
    events.retain(|name| !name.contains("-alarm-"));
    assert!(
        events.len() == 1 && events[0].contains("-backup-started-") && events[0].ends_with("-1-21600"),
        "{events:?}"
    );
    // When the time has come, the run that was put off takes place.
    script.give("go");
    let daemon = Running::start(script.on(stand.backup()).env("BACKUP_MIN_INTERVAL", "1"));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
}

#[test]
fn a_run_that_died_is_put_off_and_then_takes_place_r147() {
    let stand = Stand::with_rows(10);
    let died = stand.seed(TimeDelta::zero());
    for file in ["manifest.json".to_owned(), format!("{}.dump.zst", stand.database.name)] {
        stand.s3.delete(&stand.key(&died, &file));
    }
    let event = format!("postgres-backups/{}/events/{died}-backup-started-unknown-unknown", stand.database.name);
    stand.s3.write(&event, "");
    let daemon = Running::start(stand.backup().env("BACKUP_MIN_INTERVAL", "4"));
    let status = daemon.wait_until_waiting();
    assert_eq!(status["last_run"], Value::Null, "{status:#}");
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
}

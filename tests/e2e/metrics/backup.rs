//! What `backup` shows in each of its states, held against `/status`.

use super::scrape::{Scrape, seconds};
use crate::daemon::{HELD, Running, SOON, Script};
use crate::stand::{Stand, wait_for_the_next_second};

/// A sample of the stand's database with one more label.
fn of(stand: &Stand, name: &str, label: &str) -> String {
    let label = if label.is_empty() { String::new() } else { format!(",{label}") };
    format!("postgres_backup_{name}{{database=\"{}\"{label}}}", stand.database.name)
}

#[test]
fn a_first_scrape_has_everything_and_a_run_fills_it_r108() {
    let stand = Stand::with_rows(2_000);
    let script = Script::pg_dump(HELD);
    let daemon = Running::start(script.on(stand.backup()));
    script.wait_for("held");
    let fresh = Scrape::of(&daemon);
    fresh.check("metrics::backup: fresh");
    let value = |scrape: &Scrape, name: &str, label: &str| scrape.value(&of(&stand, name, label));
    assert_eq!(value(&fresh, "newest_timestamp_seconds", "kind=\"full\""), 0.0);
    assert_eq!((value(&fresh, "running", ""), value(&fresh, "alarm", "alarm=\"no_backup\"")), (1.0, 1.0));
    assert!(value(&fresh, "run_started_timestamp_seconds", "") > 0.0);
    assert!(value(&fresh, "listing_timestamp_seconds", "") > 0.0);
    script.give("go");
    let status = daemon.wait_for(SOON, |status| status["state"] == "waiting");
    let done = Scrape::of(&daemon);
    done.check("metrics::backup: after a run");
    assert_eq!(done.series(), fresh.series(), "no series comes or goes");
    let newest = &status["newest_full_backup"];
    for (name, label, expected) in [
        ("newest_timestamp_seconds", "kind=\"full\"", seconds(&newest["at"])),
        ("oldest_timestamp_seconds", "kind=\"full\"", seconds(&newest["at"])),
        ("kept", "kind=\"full\"", 1.0),
        ("kept", "kind=\"partial\"", 0.0),
        ("kept_bytes", "kind=\"full\"", newest["stored_bytes"].as_f64().unwrap()),
        ("last_stored_bytes", "", newest["stored_bytes"].as_f64().unwrap()),
        ("last_run_timestamp_seconds", "", seconds(&status["last_run"]["ended_at"])),
        ("next_run_timestamp_seconds", "", seconds(&status["next_run_at"])),
        ("last_run", "outcome=\"succeeded\"", 1.0),
        ("last_run", "outcome=\"failed\"", 0.0),
        ("runs_total", "outcome=\"succeeded\"", 1.0),
        ("last_rows", "", 2_000.0),
        ("last_tables", "", 1.0),
        ("running", "", 0.0),
        ("run_dumped_bytes", "", 0.0),
        ("alarm", "alarm=\"no_backup\"", 0.0),
        ("max_age_seconds", "", status["max_age_seconds"].as_f64().unwrap()),
        ("schedule_interval_seconds", "", 86_400.0),
        ("consecutive_failures", "", 0.0),
        ("incomplete_runs", "", 0.0),
        ("foreign_objects", "", 0.0),
    ] {
        assert_eq!(value(&done, name, label), expected, "{name} {label}: {status:#}");
    }
    assert!(value(&done, "source_bytes", "") > 1_000_000.0);
    assert!(value(&done, "last_duration_seconds", "phase=\"dump\"") > 0.0);
    let put = "postgres_backup_store_requests_total{operation=\"store\",outcome=\"succeeded\"}";
    assert!(done.value(put) >= 2.0, "a dump and its manifest");
    let sent = "postgres_backup_store_bytes_total{direction=\"sent\"}";
    assert!(done.value(sent) >= newest["stored_bytes"].as_f64().unwrap());
}

#[test]
fn failures_are_counted_and_the_last_backup_is_still_there_after_a_restart_r157() {
    let stand = Stand::with_rows(100);
    stand.run_ok();
    wait_for_the_next_second();
    let script = Script::pg_dump("echo broken >&2; exit 1");
    let startup = ("RUN_ON_STARTUP", "true");
    let run = script.on(stand.backup()).env(startup.0, startup.1).env("BACKUP_MIN_INTERVAL", "0");
    let daemon = Running::start(run);
    let status = daemon.wait_for(SOON, |status| status["consecutive_failures"] == 1);
    let failing = Scrape::of(&daemon);
    failing.check("metrics::backup: failing");
    let value = |scrape: &Scrape, name: &str, label: &str| scrape.value(&of(&stand, name, label));
    for (name, label, expected) in [
        ("runs_total", "outcome=\"failed\"", 1.0),
        ("runs_total", "outcome=\"succeeded\"", 0.0),
        ("last_run", "outcome=\"failed\"", 1.0),
        ("consecutive_failures", "", 1.0),
        ("last_rows", "", 0.0),
    ] {
        assert_eq!(value(&failing, name, label), expected, "{name} {label}: {status:#}");
    }
    let newest = seconds(&status["newest_full_backup"]["at"]);
    assert_eq!(value(&failing, "newest_timestamp_seconds", "kind=\"full\""), newest);
    assert!(value(&failing, "newest_age_seconds", "kind=\"full\"") > 0.0);
    drop(daemon);
    let daemon = Running::start(stand.backup());
    daemon.wait_until_waiting();
    let restarted = Scrape::of(&daemon);
    restarted.check("metrics::backup: restarted");
    assert_eq!(restarted.series(), failing.series(), "no series comes or goes");
    assert_eq!(value(&restarted, "newest_timestamp_seconds", "kind=\"full\""), newest);
    assert_eq!(value(&restarted, "runs_total", "outcome=\"failed\""), 0.0, "a counter begins again");
    assert!(value(&restarted, "scheduler_tick_timestamp_seconds", "") > newest);
}

//! What `verify` shows in each of its states, held against `/status`.

use super::scrape::{Scrape, seconds};
use crate::daemon::{Running, SOON};
use crate::drill::{DRILL_LIMIT, DrillStand};

#[test]
fn a_drill_fills_the_metrics_and_a_record_keeps_them_over_a_restart_r108() {
    let stand = DrillStand::small("zstd");
    let database = stand.stand.database.name.clone();
    let sample = |name: &str, label: &str| {
        let label = if label.is_empty() { String::new() } else { format!(",{label}") };
        format!("postgres_{name}{{database=\"{database}\"{label}}}")
    };
    let verify = || stand.verify().env("VERIFY_SOURCE_DATABASE", &database).env("VERIFY_ATTEST", "true");
    let daemon = Running::start(verify());
    let fresh = Scrape::of(&daemon);
    fresh.check("metrics::verify: fresh");
    assert_eq!(fresh.value(&sample("verify_last_passed_timestamp_seconds", "")), 0.0);
    daemon.wait_for(DRILL_LIMIT, |status| status["last_report"].is_object() && status["state"] == "waiting");
    let (status, done) = (daemon.status(), Scrape::of(&daemon));
    done.check("metrics::verify: passed");
    assert_eq!(done.series(), fresh.series(), "no series comes or goes");
    let report = &status["last_report"];
    assert_eq!(report["verdict"], "passed", "{status:#}");
    let newest = done.value(&sample("backup_newest_timestamp_seconds", "kind=\"full\""));
    assert!(newest > 0.0);
    for (name, label, expected) in [
        ("verify_last_passed_timestamp_seconds", "", seconds(&status["last_passed_at"])),
        ("verify_last_drill_timestamp_seconds", "", seconds(&report["ended_at"])),
        ("verify_next_drill_timestamp_seconds", "", seconds(&status["next_drill_at"])),
        ("verify_proven_timestamp_seconds", "", newest),
        ("verify_oldest_proven_timestamp_seconds", "", newest),
        ("verify_proven", "", 1.0),
        ("verify_last_drill", "outcome=\"passed\"", 1.0),
        ("verify_drills_total", "outcome=\"passed\"", 1.0),
        ("verify_drills_total", "outcome=\"failed\"", 0.0),
        ("verify_rows", "", 100.0),
        ("verify_tables", "", 1.0),
        ("verify_running", "", 0.0),
        ("verify_recovery_point_seconds", "", report["recovery_point_seconds"].as_f64().unwrap()),
        ("verify_duration_seconds", "", report["durations"]["total_seconds"].as_f64().unwrap()),
        ("verify_recovery_time_seconds", "step=\"fetch\"", report["durations"]["fetch_seconds"].as_f64().unwrap()),
        ("verify_max_age_seconds", "", status["max_age_seconds"].as_f64().unwrap()),
        ("verify_findings", "check=\"contents\"", 0.0),
        ("verify_alarm", "alarm=\"never_passed\"", 0.0),
        ("backup_kept", "kind=\"full\"", 1.0),
    ] {
        // Numbers in JSON are read to within their last place.
        let value = done.value(&sample(name, label));
        assert!((value - expected).abs() <= expected.abs() * f64::EPSILON, "{name} {label}: {value}, {status:#}");
    }
    let needed = done.value(&sample("verify_spool_needed_bytes", ""));
    assert!(needed > 0.0 && done.value(&sample("verify_spool_free_bytes", "")) > needed);
    let received = done.value("postgres_verify_store_bytes_total{direction=\"received\"}");
    assert!(received >= report["backup"]["stored_bytes"].as_f64().unwrap() / 2.0, "{received}");
    drop(daemon);
    let daemon = Running::start(verify());
    daemon.wait_for(SOON, |status| status["state"] == "waiting");
    let restarted = Scrape::of(&daemon);
    restarted.check("metrics::verify: restarted");
    assert_eq!(restarted.series(), fresh.series());
    assert_eq!(restarted.value(&sample("verify_proven_timestamp_seconds", "")), newest);
    assert_eq!(restarted.value(&sample("verify_last_drill", "outcome=\"passed\"")), 1.0);
    assert_eq!(restarted.value(&sample("verify_drills_total", "outcome=\"passed\"")), 0.0);
}

/// The name of the only database under the prefix need not be given, and is learned from the listing.
#[test]
fn a_drill_that_fails_shows_which_check_found_something_r157() {
    let stand = DrillStand::small("none");
    let mut damaged = stand.pristine(&stand.dump_key()).to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    stand.stand.s3.write(&stand.dump_key(), damaged);
    let daemon = Running::start(stand.verify());
    let status =
        daemon.wait_for(DRILL_LIMIT, |status| status["last_report"].is_object() && status["state"] == "waiting");
    assert_eq!(status["last_report"]["verdict"], "failed", "{status:#}");
    let failing = Scrape::of(&daemon);
    failing.check("metrics::verify: failing");
    let value = |name: &str, label: &str| {
        failing.value(&format!("postgres_verify_{name}{{database=\"{}\"{label}}}", stand.stand.database.name))
    };
    let finding = &status["last_report"]["findings"][0];
    let check = format!(",check=\"{}\"", finding["check"].as_str().unwrap());
    assert_eq!(value("findings", &check), 1.0, "{status:#}");
    assert_eq!(value("last_drill", ",outcome=\"failed\""), 1.0);
    assert_eq!((value("proven", ""), value("alarm", ",alarm=\"drill_failed\"")), (0.0, 2.0));
}

/// Another writer chooses the names of folders, and so of databases: what a terminal obeys, what ends a line or a label, and
/// what would have the label of another one.
#[test]
fn names_that_another_writer_chooses_break_no_answer_and_move_no_cursor() {
    let stand = DrillStand::small("zstd");
    let own = stand.stand.database.name.as_str();
    let dump = stand.dump_key();
    let (prefix, below) = dump.split_once(&format!("/{own}/")).unwrap();
    let id = below.split_once('/').unwrap().0;
    for folder in ["x~1B~5B2J~C2~9B1A~0D~0Ay~22~7D~201~0Az~5C~E2~80~AE~E2~80~A8~F3~A0~81~81", "a~1B", "a~5Cu~7B1b~7D"] {
        for name in [format!("{folder}.dump.zst"), "manifest.json".to_owned()] {
            stand.stand.s3.write(&format!("{prefix}/{folder}/{id}/{name}"), "{}");
        }
    }
    let daemon = Running::start(stand.verify());
    daemon.wait_for(DRILL_LIMIT, |status| {
        let databases = status["databases"].as_array().map(Vec::as_slice).unwrap_or_default();
        databases.len() == 4 && databases.iter().all(|database| database["last_report"].is_object())
    });
    let scrape = Scrape::of(&daemon);
    scrape.check("metrics::verify: hostile names");
    for label in [own, "a\\\\u{1b}", "a\\\\u{5c}u{1b}"] {
        scrape.value(&format!("postgres_verify_proven{{database=\"{label}\"}}"));
    }
    let is_obeyed = |one: &char| {
        *one != '\n' && one.is_control()
            || matches!(one, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
    };
    for path in ["/metrics", "/status", "/health", "/api/v1/databases", "/api/v1/backups", "/"] {
        let (_, text) = daemon.get_text(path);
        assert!(text.contains("u{1b}") || text.contains("\\u001b"), "{path}: {text}");
        assert_eq!(text.chars().find(is_obeyed), None, "{path}: {text:?}");
    }
    let log = daemon.process.stderr_so_far();
    assert_eq!(log.chars().find(is_obeyed), None, "{log:?}");
}

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use backup_core::repository::{BackupId, Drill, Kind};
use backup_core::stop::Stop;
use backup_daemon::{AlarmCode, DatabaseName};
use backup_drill::{BackupFacts, ChooseError, Finding, Report};
use chrono::{DateTime, Utc};

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn state() -> (State<Facts>, DatabaseName) {
    let name = DatabaseName::from("app");
    let facts = Facts::new(Duration::from_secs(1800));
    let database = DatabaseState::new("daily".to_owned(), Duration::from_secs(3600), Utc::now(), facts);
    (State::new([(name.clone(), database)]), name)
}

fn text(state: &State<Facts>) -> String {
    let (databases, mut families) = (state.copy(), Families::default());
    proofs(&databases, &mut families);
    drills(&databases, &mut families);
    figures(&databases, &mut families);
    spool(&databases, Some(123), &mut families);
    families.text()
}

fn report(verdict: Verdict, proven: Option<bool>, id: &BackupId) -> Report {
    let ended_at = at("2026-11-22T05:00:10Z");
    let error = ChooseError::Unclear("canary-reason".to_owned());
    let backup = BackupFacts {
        id: id.clone(),
        manifest_sha256: "0".repeat(64),
        database: "app".to_owned(),
        kind: Kind::Full,
        snapshot_at: id.time(),
        server_version: String::new(),
        tool: String::new(),
        stored_bytes: 1,
        plain_bytes: 1,
    };
    let mut report = Report::without_backup(ended_at, &error, &Stop::default());
    (report.verdict, report.proven, report.ended_at, report.backup) = (verdict, proven, ended_at, Some(backup));
    report
}

#[track_caller]
fn assert_has(text: &str, samples: &[(&str, f64)]) {
    for (sample, value) in samples {
        let line = format!("postgres_verify_{sample} {value:?}");
        assert!(text.lines().any(|one| one == line), "no {line:?} in\n{text}");
    }
}

#[test]
fn every_outcome_step_and_check_is_there_before_the_first_drill() {
    let (state, _) = state();
    let text = text(&state);
    for outcome in ["passed", "failed", "could_not_run", "stopped", "skipped"] {
        let labels = format!("{{database=\"app\",outcome=\"{outcome}\"}}");
        assert_has(&text, &[(&format!("last_drill{labels}"), 0.0), (&format!("drills_total{labels}"), 0.0)]);
    }
    for step in ["fetch", "restore_data", "restore_post_data"] {
        assert_has(&text, &[(&format!("recovery_time_seconds{{database=\"app\",step=\"{step}\"}}"), 0.0)]);
    }
    assert_eq!(text.matches("postgres_verify_findings{").count(), CHECKS.len());
    assert_has(&text, &[("proven_timestamp_seconds{database=\"app\"}", 0.0), ("proven{database=\"app\"}", 0.0)]);
    assert_has(&text, &[("max_age_seconds{database=\"app\"}", 3600.0)]);
    assert_has(&text, &[("max_recovery_time_seconds{database=\"app\"}", 0.0)]);
}

#[test]
fn the_bound_of_a_restore_is_a_metric() {
    let (state, name) = state();
    state.change(&name, |state| state.own.max_recovery_time = Some(Duration::from_secs(7200)));
    assert_has(&text(&state), &[("max_recovery_time_seconds{database=\"app\"}", 7200.0)]);
}

#[test]
fn the_proven_backup_is_the_newest_that_passed_and_was_not_found_damaged_since() {
    let (state, name) = state();
    let (old, new) = (BackupId::new(at("2026-11-20T03:00:00Z")), BackupId::new(at("2026-11-21T03:00:00Z")));
    let seconds = |id: &BackupId| id.time().timestamp() as f64;
    let drill = |verdict, proven, id: &BackupId| {
        state.change(&name, |state| state.own.drilled(report(verdict, proven, id)));
        text(&state)
    };
    let proven = "proven_timestamp_seconds{database=\"app\"}";
    assert_has(
        &drill(Verdict::Passed, Some(true), &old),
        &[(proven, seconds(&old)), ("proven{database=\"app\"}", 1.0)],
    );
    // It came back as it was, and is too old: the alarm says so, and it is proven all the same.
    let text = drill(Verdict::Failed, Some(true), &new);
    let oldest = "oldest_proven_timestamp_seconds{database=\"app\"}";
    assert_has(&text, &[(proven, seconds(&new)), (oldest, seconds(&old)), ("proven{database=\"app\"}", 2.0)]);
    assert_has(&drill(Verdict::CouldNotRun, None, &new), &[(proven, seconds(&new))]);
    let text = drill(Verdict::Failed, Some(false), &new);
    assert_has(&text, &[(proven, seconds(&old)), ("last_drill{database=\"app\",outcome=\"failed\"}", 1.0)]);
    assert_has(&text, &[("drills_total{database=\"app\",outcome=\"failed\"}", 2.0)]);
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn figures_are_of_the_last_drill_with_a_verdict() {
    let (state, name) = state();
    let id = BackupId::new(at("2026-11-21T03:00:00Z"));
    let mut failed = report(Verdict::Failed, Some(false), &id);
    failed.durations.fetch_seconds = Some(2.5);
    failed.recovery_point_seconds = Some(7200);
    failed.spool_needed_bytes = Some(55);
    failed.findings = ["contents", "contents", "indexes"]
        .map(|check| Finding { check, message: "canary-finding".to_owned() })
        .to_vec();
    state.change(&name, |state| {
        state.own.drilled(failed);
        state.own.drilled(report(Verdict::CouldNotRun, None, &id));
    });
    let text = text(&state);
    assert_has(
        &text,
        &[
            ("last_drill{database=\"app\",outcome=\"could_not_run\"}", 1.0),
            ("recovery_time_seconds{database=\"app\",step=\"fetch\"}", 2.5),
            ("recovery_point_seconds{database=\"app\"}", 7200.0),
            ("findings{database=\"app\",check=\"contents\"}", 2.0),
            ("findings{database=\"app\",check=\"indexes\"}", 1.0),
            ("findings{database=\"app\",check=\"restore\"}", 0.0),
            ("spool_free_bytes{database=\"app\"}", 123.0),
            ("spool_needed_bytes{database=\"app\"}", 55.0),
            ("last_drill_timestamp_seconds{database=\"app\"}", at("2026-11-22T05:00:10Z").timestamp() as f64),
        ],
    );
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn a_restart_keeps_what_the_records_in_the_bucket_say() {
    let (state, name) = state();
    let (id, time) = (BackupId::new(at("2026-11-21T03:00:00Z")), at("2026-11-21T05:00:00Z"));
    let drill = Drill { time, passed: true, recorded_at: None };
    state.change(&name, |state| {
        state.own.remember(Some(drill), Some(time), ([id.clone()].into(), BTreeSet::new()), Default::default())
    });
    let text = text(&state);
    assert_has(
        &text,
        &[
            ("last_drill{database=\"app\",outcome=\"passed\"}", 1.0),
            ("last_passed_timestamp_seconds{database=\"app\"}", time.timestamp() as f64),
            ("proven_timestamp_seconds{database=\"app\"}", id.time().timestamp() as f64),
            ("drills_total{database=\"app\",outcome=\"passed\"}", 0.0),
        ],
    );
}

/// Calls `see` for every file of sources of the service.
fn each_source(folder: &Path, see: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // These two print reports of their own, which are no drills.
        let is_other = ["tests.rs", "tests", "restore_roles.rs", "restore"].contains(&name.as_str());
        if path.is_dir() && !is_other {
            each_source(&path, see);
        } else if name.ends_with(".rs") && !is_other {
            see(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// A check that is not in the list would never be in a metric.
#[test]
fn every_check_of_a_drill_is_in_the_list_of_metrics() {
    let mut found = Vec::new();
    each_source(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/drill/src")), &mut |source| {
        let source = source.split("mod tests {").next().unwrap();
        for call in [".record(", ".skip(", ".damaged("] {
            for rest in source.split(call).skip(1) {
                let argument = rest.trim_start();
                if let Some(name) = argument.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                    found.push(name.to_owned());
                }
            }
        }
    });
    found.extend([backup_drill::RECOVERY_POINT, backup_drill::CLUSTERS, backup_drill::CLEANUP].map(str::to_owned));
    found.extend(["definitions", "restore"].map(str::to_owned)); // Constants of their own files.
    for name in &found {
        assert!(CHECKS.contains(&name.as_str()), "{name} is not in CHECKS");
    }
    for check in CHECKS {
        assert!(found.iter().any(|name| name == check), "no check is called {check}");
    }
}

/// An alarm that the catalogue does not give to the service would never be in a metric.
#[test]
fn the_catalogue_has_the_alarms_that_the_service_raises() {
    let of_catalogue: Vec<AlarmCode> = AlarmCode::all_of(Daemon::Verify).collect();
    let source = include_str!("../alarms.rs");
    let code = source.split_once("fn code(&self)").unwrap().1.split_once("fn severity").unwrap().0;
    let named = code.split("AlarmCode::").skip(1).map(|rest| rest.split([',', '\n']).next().unwrap());
    let mut count = 0;
    for name in named {
        count += 1;
        assert!(of_catalogue.iter().any(|code| format!("{code:?}") == name), "{name} is not in the catalogue");
    }
    // Two are of every service.
    assert!(count + 2 >= of_catalogue.len());
}

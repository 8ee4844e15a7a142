use std::time::Duration;

use backup_core::repository::{BackupId, Kind};
use backup_daemon::schedule::Occasion;
use backup_daemon::{AlarmCode, DatabaseName};
use chrono::Utc;

use super::*;
use crate::prune::Pruned;
use crate::prune::RetentionState;
use crate::run_report::{Made, RunReport};

fn state() -> (State<Facts>, DatabaseName) {
    let name = DatabaseName::from("app");
    let database = DatabaseState::new("daily".to_owned(), Duration::from_secs(60), Utc::now(), Facts::default());
    (State::new([(name.clone(), database)]), name)
}

fn page(state: &State<Facts>) -> String {
    metrics(&StoreCounters::default(), &Deliveries::default(), state).page()
}

#[track_caller]
fn assert_has(text: &str, samples: &[(&str, &str)]) {
    for (sample, value) in samples {
        let line = format!("postgres_backup_{sample} {value}");
        assert!(text.lines().any(|one| one == line), "no {line:?} in\n{text}");
    }
}

fn made() -> Made {
    Made {
        id: BackupId::new(Utc::now()),
        kind: Kind::Full,
        plain_bytes: 4_000,
        stored_bytes: 1_000,
        tables: 3,
        rows: 500,
        source_bytes: 9_000,
    }
}

#[test]
fn every_outcome_phase_and_alarm_is_there_before_the_first_run() {
    let (state, _) = state();
    let text = page(&state);
    for outcome in ["succeeded", "failed", "stopped"] {
        let labels = format!("{{database=\"app\",outcome=\"{outcome}\"}}");
        assert_has(&text, &[(&format!("last_run{labels}"), "0.0"), (&format!("runs_total{labels}"), "0.0")]);
    }
    for phase in ["inspect", "dump_roles", "dump", "commit", "wait_for_another_attempt", "retention"] {
        let sample = format!("last_duration_seconds{{database=\"app\",phase=\"{phase}\"}}");
        assert_has(&text, &[(&sample, "0.0")]);
    }
    // The bucket has not been listed yet, which is worth a warning and no more.
    assert_has(&text, &[("alarm{database=\"app\",alarm=\"bucket_unseen\"}", "1.0")]);
    assert_has(&text, &[("alarm{database=\"app\",alarm=\"failing\"}", "0.0")]);
    assert_eq!(text.matches("postgres_backup_alarm{").count(), AlarmCode::all_of(Daemon::Backup).count());
}

#[test]
fn runs_are_counted_by_outcome_and_the_last_backup_outlives_a_failure() {
    let (state, name) = state();
    let retention = RetentionState {
        pruned: Some(Pruned { deleted_backups: 2, ..Pruned::default() }),
        ..RetentionState::default()
    };
    let begun = || RunReport::begin(Utc::now());
    let step_seconds = [("dump roles", 1.5)].into();
    let good = RunReport {
        outcome: Outcome::Succeeded,
        backup: Some(made()),
        retention: Some(retention),
        step_seconds,
        ..begun()
    };
    let bad = RunReport { error: Some("canary-reason".to_owned()), ended_at: Utc::now(), ..begun() };
    state.change(&name, |state| {
        state.own.ran(&good, Occasion::Tick(Utc::now()));
        state.own.retained(&good);
    });
    assert_has(&page(&state), &[("last_duration_seconds{database=\"app\",phase=\"dump_roles\"}", "1.5")]);
    state.change(&name, |state| {
        state.own.ran(&bad, Occasion::Tick(Utc::now()));
        // What makes up for a failure is a run, and no second failure.
        state.own.ran(&bad, Occasion::MakeUp);
        state.own.stopped();
    });
    let text = page(&state);
    assert_has(
        &text,
        &[
            ("runs_total{database=\"app\",outcome=\"succeeded\"}", "1.0"),
            ("runs_total{database=\"app\",outcome=\"failed\"}", "2.0"),
            ("runs_total{database=\"app\",outcome=\"stopped\"}", "1.0"),
            ("last_run{database=\"app\",outcome=\"failed\"}", "1.0"),
            ("last_run{database=\"app\",outcome=\"succeeded\"}", "0.0"),
            ("consecutive_failures{database=\"app\"}", "1.0"),
            ("last_stored_bytes{database=\"app\"}", "1000.0"),
            ("last_plain_bytes{database=\"app\"}", "4000.0"),
            ("last_rows{database=\"app\"}", "500.0"),
            ("last_tables{database=\"app\"}", "3.0"),
            ("source_bytes{database=\"app\"}", "9000.0"),
            ("retention_deleted_total{database=\"app\"}", "2.0"),
            ("retention_degraded{database=\"app\"}", "0.0"),
        ],
    );
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn a_dump_that_runs_shows_its_bytes_and_only_while_it_runs() {
    let (state, name) = state();
    let progress = state.progress(&name);
    progress.enter(step::DUMP, None);
    progress.done_bytes().store(77, std::sync::atomic::Ordering::Relaxed);
    assert_has(&page(&state), &[("run_dumped_bytes{database=\"app\"}", "0.0"), ("running{database=\"app\"}", "0.0")]);
    state.change(&name, |state| state.activity = Activity::Running);
    assert_has(&page(&state), &[("run_dumped_bytes{database=\"app\"}", "77.0"), ("running{database=\"app\"}", "1.0")]);
}

/// An alarm that the catalogue does not give to the service would never be in a metric.
#[test]
fn the_catalogue_has_the_alarms_that_the_service_raises() {
    let of_catalogue: Vec<AlarmCode> = AlarmCode::all_of(Daemon::Backup).collect();
    let source = include_str!("../alarms.rs");
    let code = source.split_once("fn code(&self)").unwrap().1.split_once("fn severity").unwrap().0;
    let named: Vec<&str> =
        code.split("AlarmCode::").skip(1).map(|rest| rest.split([',', '\n']).next().unwrap()).collect();
    // Two are of every service.
    assert!(named.len() + 2 >= of_catalogue.len(), "{named:?}");
    for name in named {
        assert!(of_catalogue.iter().any(|code| format!("{code:?}") == name), "{name} is not in the catalogue");
    }
}

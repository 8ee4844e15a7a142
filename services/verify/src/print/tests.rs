use std::os::unix::fs::PermissionsExt;

use backup_core::repository::{BackupId, Kind};
use backup_core::stop::Stop;
use backup_drill::{Check, ChooseError, Finding, NotExercised};
use chrono::{DateTime, Utc};

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn table(name: &str, source_rows: u64, restored_rows: u64) -> TableFigures {
    TableFigures {
        schema: "public".to_owned(),
        name: name.to_owned(),
        source_rows: Some(source_rows),
        archive_rows: Some(source_rows),
        restored_rows: Some(restored_rows),
        content_equal: Some(source_rows == restored_rows),
    }
}

fn failed() -> Report {
    let started_at = at("2026-11-22T05:00:00Z");
    let nothing = ChooseError::Unclear("unused".to_owned());
    Report {
        verdict: Verdict::Failed,
        backup: Some(BackupFacts {
            id: BackupId::parse("20261122T030000Z-calpt5zmzst5hrp2").unwrap(),
            manifest_sha256: "0".repeat(64),
            database: "app".to_owned(),
            kind: Kind::Full,
            snapshot_at: at("2026-11-22T03:00:00Z"),
            server_version: "15.18".to_owned(),
            tool: "backup 0.1.0".to_owned(),
            stored_bytes: 1,
            plain_bytes: 2,
        }),
        server: Some(ServerFacts {
            kind: "throwaway",
            version: "15.18".to_owned(),
            network_isolated: true,
            files_isolated: true,
            as_superuser: false,
        }),
        durations: Durations {
            fetch_seconds: Some(1.0),
            restore_data_seconds: Some(0.5),
            server_seconds: Some(7.0), // No part of the recovery time.
            total_seconds: 20.0,
            ..Durations::default()
        },
        recovery_time_seconds: Some(12.34),
        recovery_point_seconds: Some(7200),
        checks: vec![
            Check { name: "row_counts", state: CheckState::Failed, figures: "1 of 2 tables equal".to_owned() },
            Check { name: "amcheck", state: CheckState::Skipped, figures: "VERIFY_AMCHECK=off".to_owned() },
        ],
        tables: vec![table("large", 5000, 5000), table("orders", 1200, 1199)],
        findings: vec![Finding { check: "row_counts", message: "public.orders has 1 row less".to_owned() }],
        not_exercised: vec![NotExercised {
            object: "EVENT TRIGGER audit_ddl".to_owned(),
            reason: "needs a superuser".to_owned(),
            holds_rows: false,
        }],
        notes: vec!["a note".to_owned()],
        error: None,
        ..Report::without_backup(started_at, &nothing, &Stop::default())
    }
}

#[test]
fn a_report_says_the_verdict_first_and_names_what_differs_before_what_is_large() {
    let expected = "\
FAILED  full backup 20261122T030000Z-calpt5zmzst5hrp2 of app, 2 h old

recovery time   12.3 s (fetch 1.0, data 0.5)
recovery point  2 h
server          throwaway, PostgreSQL 15.18, no network, own files only, restored as plain role
rows restored   6,199 in 2 tables
whole drill     20.0 s

checks
  FAILED   row_counts         1 of 2 tables equal
  skipped  amcheck            VERIFY_AMCHECK=off

          SOURCE        ARCHIVE       RESTORED  CONTENTS  TABLE
           1,200          1,200          1,199  DIFFER    public.orders
           5,000          5,000          5,000  equal     public.large

findings
  row_counts: public.orders has 1 row less

not exercised
  EVENT TRIGGER audit_ddl: needs a superuser

notes
  a note
";
    assert_eq!(report(&failed(), Paint::Off).to_string(), expected);
}

#[test]
fn colours_add_nothing_but_colours() {
    let painted = report(&failed(), Paint::On).to_string();
    assert!(painted.starts_with("\u{1b}[31mFAILED\u{1b}[0m  full backup"), "{painted}");
    let mut plain = painted;
    for code in ["31", "32", "33", "90", "0"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, report(&failed(), Paint::Off).to_string());
}

/// Colours of names are written out, whether or not the report has its own.
#[test]
fn no_name_sets_a_colour() {
    let mut hostile = failed();
    hostile.notes = vec!["\u{1b}[32mPASSED\u{1b}[0m".to_owned()];
    hostile.tables.push(table("s\u{1b}[90m", 1, 0));
    for paint in [Paint::On, Paint::Off] {
        let text = report(&hostile, paint).to_string();
        assert!(!text.contains("\u{1b}[32mPASSED") && text.contains("\\u{1b}[32mPASSED"), "{text}");
        assert!(text.contains("s\\u{1b}[90m"), "{text}");
    }
}

/// No line is a verdict but the first one.
#[test]
fn no_name_makes_a_line_of_its_own() {
    const HOSTILE: &str = "x\n\nPASSED  full backup\r\nnotes\u{202e}";
    let mut hostile = failed();
    hostile.backup.as_mut().unwrap().database = HOSTILE.to_owned();
    hostile.tables.push(table(HOSTILE, 1, 0));
    hostile.findings[0].message = format!("TABLE {HOSTILE} differs");
    hostile.not_exercised[0].object = HOSTILE.to_owned();
    hostile.notes = vec![HOSTILE.to_owned()];
    hostile.checks[0].figures = HOSTILE.to_owned();
    hostile.error = Some(format!("connect to {HOSTILE}\nhint: look"));
    let text = report(&hostile, Paint::Off).to_string();
    let starts = |start: &str| text.lines().filter(|line| line.trim_start().starts_with(start)).count();
    assert_eq!((starts("PASSED"), starts("notes"), starts("FAILED  full")), (0, 1, 1), "{text}");
    assert!(!text.contains(['\r', '\u{202e}']) && text.contains("| hint: look"), "{text}");
}

#[test]
fn a_drill_that_could_not_run_says_why_in_its_first_line() {
    let error = ChooseError::Unclear("the disk is full".to_owned());
    let could_not_run = Report::without_backup(Utc::now(), &error, &Stop::default());
    assert!(report(&could_not_run, Paint::Off).to_string().starts_with("COULD NOT RUN  the disk is full\n"));
}

#[test]
fn the_file_appears_whole_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let file = ReportFile::create(&path).unwrap();
    assert!(!path.exists());
    file.finish(&failed()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((&json["verdict"], &json["backup"]["kind"]), (&"failed".into(), &"full".into()));
    drop(ReportFile::create(&path).unwrap());
    assert_eq!(files(), 1, "an abandoned file is removed");
    // One that kill -9 has left, readable by all users and longer than what comes now.
    std::fs::write(folder.path().join("report.json.tmp"), "x".repeat(1 << 20)).unwrap();
    let file = ReportFile::create(&path).unwrap();
    assert!(ReportFile::create(&path).unwrap_err().chain().any(|cause| cause.to_string().contains("another process")));
    file.finish(&failed()).unwrap();
    assert_eq!(files(), 1, "the file of a killed process stays");
    let _: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(ReportFile::create(&folder.path().join("nowhere/report.json")).is_err());
}

//! A page of every state, from made-up data: what the unit tests say in words is drawn here.

use std::sync::Arc;

use backup_daemon::page::{
    Activity, Alarm, Backup, Database, Drill, DrillReport, Event, Proof, Retention, Run, Tone, Verdict, View,
};
use backup_daemon::{AlarmCode, Daemon, Severity};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// When all of it is looked at.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-29T05:00:00Z".parse().unwrap()
}

fn hours_ago(hours: i64) -> DateTime<Utc> {
    now() - TimeDelta::hours(hours)
}

/// Every state by its name.
pub(crate) fn states() -> Vec<(&'static str, View)> {
    let first_run = Run {
        started_at: now() - TimeDelta::seconds(95),
        step: "dump",
        done_bytes: 300 << 20,
        total_bytes: Some(1 << 30),
    };
    vec![
        ("waiting", backup(Database { activity: Activity::Waiting(Some(now() + TimeDelta::seconds(40))), ..empty() })),
        ("running-first", backup(Database { activity: Activity::Running(first_run), ..empty() })),
        ("proven", backup(full())),
        ("verify-proven", verify(full())),
        ("unproven", backup(unproven())),
        ("warning", backup(Database { alarms: vec![retention_degraded()], ..full() })),
        ("failing", backup(failing())),
        ("stale", backup(stale())),
        ("unknown", backup(Database { silent_since: Some(hours_ago(3)), ..full() })),
        ("verify-waiting", verify(empty())),
        ("verify-failed", verify(drill_failed())),
        ("watch-proven", watch(full())),
        ("watch-unproven", watch(Database { drills: Vec::new(), ..unproven() })),
        ("watch-stale", watch(watched_stale())),
        ("several", several()),
        ("hostile", verify(hostile())),
    ]
}

fn of(daemon: Daemon, databases: Vec<Database>) -> View {
    View { daemon, instance: "production / eu-central".to_owned(), time_zone: chrono_tz(), databases }
}

fn chrono_tz() -> backup_daemon::page::Tz {
    "Europe/Berlin".parse().unwrap()
}

fn backup(database: Database) -> View {
    of(Daemon::Backup, vec![Database { drills: Vec::new(), ..database }])
}

fn verify(database: Database) -> View {
    let schedule = "daily at 05:00 Europe/Berlin".to_owned();
    let backups = database.backups.into_iter().map(|one| Backup { retention: Retention::Unknown, ..one }).collect();
    of(Daemon::Verify, vec![Database { schedule, backups, ..database }])
}

/// A `verify` without drills of its own.
fn watch(database: Database) -> View {
    let View { databases, .. } = verify(database);
    let schedule = "a look every 300 s".to_owned();
    let watched = |one| Database { activity: Activity::Watching, schedule: schedule.clone(), gaps: None, ..one };
    of(Daemon::Watch, databases.into_iter().map(watched).collect())
}

fn watched_stale() -> Database {
    let message =
        "the newest full backup is 180000 s old, and 93600 s are allowed; backup has tried and failed (auth) 3 times";
    let database = Database { drills: Vec::new(), ..unproven() };
    Database { alarms: vec![alarm(AlarmCode::Stale, Severity::Critical, 2, message)], ..database }
}

fn empty() -> Database {
    Database {
        name: "shop".to_owned(),
        schedule: "daily at 03:00 Europe/Berlin".to_owned(),
        started_at: hours_ago(1),
        activity: Activity::Waiting(None),
        listed_at: Some(now()),
        silent_since: None,
        alarms: Vec::new(),
        backups: Vec::new(),
        drills: Vec::new(),
        gaps: None,
        events: Vec::new(),
    }
}

fn id(days: i64) -> String {
    (hours_ago(24 * days + 3)).format("%Y%m%dT%H%M%SZ-calpt5zmzst5hrp2").to_string()
}

/// Of the night so many days ago.
fn night(days: i64) -> Backup {
    let size = 1_240_000_000 - days.cast_unsigned() * 9_500_000 + days.cast_unsigned() % 3 * 14_000_000;
    let kept = |reasons: &[&str]| reasons.iter().map(|reason| (*reason).to_owned()).collect::<Vec<_>>();
    let retention = match days {
        0 => Retention::Kept(kept(&["newest 3", "newest proven", "younger than 7 days"]), None),
        1..=6 => Retention::Kept(kept(&["younger than 7 days"]), Some(now() + TimeDelta::days(7 - days))),
        13 => Retention::Kept(kept(&["weekly 2026-W46"]), Some(now() + TimeDelta::days(17))),
        29 => Retention::Kept(kept(&["monthly 2026-10"]), Some(now() + TimeDelta::days(40))),
        _ => Retention::Due,
    };
    let proof = match days {
        3 | 9 | 20 => Proof::None,
        11 => Proof::Failed(hours_ago(24 * days + 1)),
        _ => Proof::Proven(hours_ago(24 * days + 2)),
    };
    Backup {
        id: id(days),
        at: hours_ago(24 * days + 3),
        is_partial: days == 9,
        is_from_the_future: false,
        stored_bytes: size,
        rows: (days < 20).then(|| 12_403_113 - days.cast_unsigned() * 40_321),
        is_suspicious: false,
        run_seconds: Some(412 + days.cast_unsigned() * 7 % 60),
        proof,
        retention,
    }
}

/// The drill of that night.
fn drill(days: i64, verdict: Verdict) -> Arc<Drill> {
    Arc::new(Drill {
        id: hours_ago(24 * days + 2).format("%Y%m%dT%H%M%SZ").to_string(),
        verdict,
        ended_at: hours_ago(24 * days + 2),
        backup_id: Some(id(days)),
        snapshot_at: Some(hours_ago(24 * days + 3)),
        proven: Some(verdict == Verdict::Passed),
        report: Some(report(days, verdict)),
    })
}

fn report(days: i64, verdict: Verdict) -> DrillReport {
    let tables: Vec<Value> = (0..184)
        .map(|table| {
            let rows = 12_403_113_u64 / 184 + table * 11;
            let restored = if verdict == Verdict::Failed && table == 7 { rows - 3 } else { rows };
            json!({ "schema": "public", "name": format!("order_items_{table:03}"), "source_rows": rows,
                    "archive_rows": rows, "restored_rows": restored, "content_equal": restored == rows })
        })
        .collect();
    let failed = verdict == Verdict::Failed;
    let findings = match failed {
        true => json!([{ "check": "row_counts", "message":
            "public.order_items_007 has 67,482 rows, and 67,485 were there when the dump was made" }]),
        false => json!([]),
    };
    let error = (verdict == Verdict::CouldNotRun)
        .then_some("the spool has 1.1 GiB left, and the drill needs 2.4 GiB below /var/spool/verify");
    let report = json!({
        "verdict": "passed", "contents_compared": "all", "findings": findings, "error": error,
        "backup": { "server_version": "17.2", "tool": "backup 0.1.0", "manifest_sha256": "5f".repeat(32),
                    "stored_bytes": 1_240_000_000_u64, "plain_bytes": 6_120_000_000_u64 },
        "server": { "kind": "throwaway", "version": "17.2", "network_isolated": true, "files_isolated": true,
                    "as_superuser": false },
        "durations": { "fetch_seconds": 71.5 + days as f64, "server_seconds": 2.1, "restore_data_seconds": 128.0 - days as f64,
                       "restore_post_data_seconds": 50.9, "checks_seconds": 31.0, "total_seconds": 284.0 },
        "recovery_time_seconds": 250.4, "recovery_point_seconds": 7_261,
        "checks": [
            { "name": "recovery_point", "state": "passed", "figures": "2 h old, 26 h are allowed" },
            { "name": "digests", "state": "passed", "figures": "1.15 GiB stored, 5.70 GiB decoded" },
            { "name": "inventory", "state": "passed", "figures": "1,204 objects of 14 kinds" },
            { "name": "row_counts", "state": if failed { "failed" } else { "passed" },
              "figures": if failed { "183 of 184 tables equal" } else { "184 of 184 tables equal, 12,403,113 rows" } },
            { "name": "contents", "state": "passed", "figures": "184 of 184 tables equal to the archive, row for row" },
            { "name": "amcheck", "state": "skipped", "figures": "the extension is not installed on this server" },
        ],
        "tables": tables,
        "not_exercised": [{ "object": "EVENT TRIGGER audit_ddl", "reason": "only a superuser can own it", "holds_rows": false }],
        "notes": ["the source had lc_monetary = \"de_DE.UTF-8\", which this server does not have"],
    });
    DrillReport::read(report).unwrap()
}

fn full() -> Database {
    let drills = (0..20).map(|days| drill(days, if days == 11 { Verdict::Failed } else { Verdict::Passed }));
    let event = |hours, tone, text: &str| Event { at: hours_ago(hours), tone, text: text.to_owned() };
    Database {
        activity: Activity::Waiting(Some(now() + TimeDelta::hours(21))),
        backups: (0..30).map(night).collect(),
        drills: drills.collect(),
        gaps: Some(vec![
            "Settings of the database (ALTER DATABASE ... SET): search_path, timezone.".to_owned(),
            "Passwords of roles: they are dumped without their hashes.".to_owned(),
        ]),
        events: vec![
            event(265, Tone::Bad, "A drill failed."),
            event(264, Tone::Good, "Resolved: drill failed. It lasted 23 hours."),
            event(500, Tone::Warning, "A backup run failed (network)."),
        ],
        ..empty()
    }
}

fn unproven() -> Database {
    let backups = (0..6).map(|days| Backup { proof: Proof::None, rows: None, ..night(days) }).collect();
    Database { backups, drills: Vec::new(), events: Vec::new(), ..full() }
}

fn alarm(code: AlarmCode, severity: Severity, hours: i64, message: &str) -> Alarm {
    Alarm { code, severity, since: hours_ago(hours), message: message.to_owned() }
}

fn retention_degraded() -> Alarm {
    let message = "retention did not finish after the last 3 runs, and backups that should be gone are still there (4): \
                   AccessDenied: the credentials may not delete";
    alarm(AlarmCode::RetentionDegraded, Severity::Warning, 50, message)
}

fn failing() -> Database {
    let message =
        "the last 3 runs failed, the latest with: pg_dump failed (exit status: 1): permission denied for table audit";
    let alarms = vec![
        alarm(AlarmCode::Failing, Severity::Critical, 123, message),
        alarm(
            AlarmCode::Undelivered,
            Severity::Warning,
            40,
            "a message could not be delivered to hooks.slack.com: 404",
        ),
    ];
    Database { alarms, backups: (5..20).map(night).collect(), ..full() }
}

fn stale() -> Database {
    let message = "the newest full backup is 442800 s old, and 93600 s are allowed";
    let alarms = vec![alarm(AlarmCode::Stale, Severity::Critical, 97, message)];
    let backups = (5..20).map(|days| Backup { proof: Proof::None, ..night(days) }).collect();
    Database { alarms, backups, ..full() }
}

fn drill_failed() -> Database {
    let message =
        "the last drill failed: public.order_items_007 has 67,482 rows, and 67,485 were there when the dump was made";
    let mut database = full();
    database.alarms = vec![alarm(AlarmCode::DrillFailed, Severity::Critical, 2, message)];
    database.backups[0].proof = Proof::Failed(hours_ago(2));
    database.drills[0] = drill(0, Verdict::Failed);
    database.drills[1] = drill(1, Verdict::CouldNotRun);
    database
}

fn several() -> View {
    let databases = vec![
        Database { name: "shop".to_owned(), ..full() },
        Database { name: "crm".to_owned(), ..failing() },
        Database { name: "wiki".to_owned(), ..unproven() },
        Database { name: "metrics".to_owned(), ..empty() },
    ];
    of(Daemon::Backup, databases)
}

/// Names and texts that would like to be something else.
fn hostile() -> Database {
    let text =
        "<script>alert(1)</script>\" onload=alert(1) '</style><img src=http://evil.example/x>\u{202e}gnp\n".to_owned();
    let long = "x".repeat(400);
    Database {
        name: text.clone(),
        schedule: text.clone(),
        alarms: vec![alarm(AlarmCode::Failing, Severity::Critical, 2, &format!("{text}: {text}{long}"))],
        gaps: Some(vec![text.clone(), long]),
        events: vec![Event { at: hours_ago(1), tone: Tone::Neutral, text: text.clone() }],
        drills: vec![Arc::new(Drill { report: Some(hostile_report(&text)), ..(*drill(0, Verdict::Failed)).clone() })],
        ..full()
    }
}

fn hostile_report(text: &str) -> DrillReport {
    let report = json!({
        "findings": [{ "check": text, "message": text }], "notes": [text], "error": text,
        "backup": { "server_version": text, "tool": text, "manifest_sha256": text },
        "server": { "kind": text, "version": text },
        "checks": [{ "name": text, "state": text, "figures": text }],
        "tables": [{ "schema": text, "name": text, "source_rows": u64::MAX, "restored_rows": u64::MAX }],
        "not_exercised": [{ "object": text, "reason": text }],
    });
    DrillReport::read(report).unwrap()
}

//! The sentence of every state, and what holds for every page.

mod foreign;

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;

use super::headline::Standing;
use super::*;
use crate::alarm::Severity;
use crate::alarm_code::AlarmCode;
use crate::daemon::Daemon;

mod links;

/// A Sunday, 06:00 in Berlin.
fn now() -> DateTime<Utc> {
    "2026-11-29T05:00:00Z".parse().unwrap()
}

fn hours_ago(hours: i64) -> DateTime<Utc> {
    now() - TimeDelta::hours(hours)
}

fn waiting() -> Database {
    Database {
        name: "shop".to_owned(),
        schedule: "daily".to_owned(),
        started_at: hours_ago(1),
        activity: Activity::Waiting(Some(now() + TimeDelta::seconds(40))),
        listed_at: Some(now()),
        silent_since: None,
        alarms: Vec::new(),
        backups: Vec::new(),
        drills: Vec::new(),
        gaps: None,
        events: Vec::new(),
    }
}

fn backup(hours: i64, proof: Proof) -> Backup {
    Backup {
        id: format!("id-{hours}"),
        at: hours_ago(hours),
        is_partial: false,
        is_from_the_future: false,
        stored_bytes: 1 << 30,
        rows: Some(12_403_113),
        run_seconds: Some(250),
        is_suspicious: false,
        proof,
        retention: Retention::Unknown,
    }
}

fn backed_up(backups: impl IntoIterator<Item = Backup>) -> Database {
    Database { backups: backups.into_iter().collect(), ..waiting() }
}

/// Backed up each night at 03:00 in Berlin, the newest `nights` ago, and all of them proven two hours later.
fn proven(nights: i64) -> Database {
    backed_up((nights..nights + 3).map(|night| backup(24 * night + 3, Proof::Proven(hours_ago(24 * night + 2)))))
}

fn alarm(code: AlarmCode, severity: Severity, since: i64, message: &str) -> Alarm {
    Alarm { code, severity, since: hours_ago(since), message: message.to_owned() }
}

fn with_alarm(code: AlarmCode, severity: Severity, message: &str, database: Database) -> Database {
    Database { alarms: vec![alarm(code, severity, 123, message)], ..database }
}

fn drill(hours: i64, verdict: Verdict) -> Drill {
    let table = json!({ "schema": "public", "name": "t", "source_rows": 5, "archive_rows": 5, "restored_rows": 5 });
    let report = json!({ "contents_compared": "all", "tables": [table, table], "recovery_time_seconds": 250.0 });
    Drill {
        id: format!("drill-{hours}"),
        verdict,
        ended_at: hours_ago(hours),
        backup_id: Some(format!("id-{}", hours + 1)),
        snapshot_at: Some(hours_ago(hours + 1)),
        proven: Some(verdict == Verdict::Passed),
        report: DrillReport::read(report),
    }
}

fn view(daemon: Daemon, database: Database) -> View {
    View { daemon, instance: String::new(), time_zone: Tz::Europe__Berlin, databases: vec![database] }
}

#[track_caller]
fn check_of(daemon: Daemon, database: Database, standing: Standing, words: &str) {
    let told = headline(daemon, &database, Clock { now: now(), time_zone: Tz::Europe__Berlin });
    let found = [&[told.sentence][..], &told.further].concat().join(" ");
    assert_eq!((told.standing, found.as_str()), (standing, words));
    let page = view(daemon, database).home(now());
    assert!(page.contains(&format!("<title>{} · shop · {}</title>", standing.word(), daemon.name())), "{page}");
}

#[track_caller]
fn check(database: Database, standing: Standing, words: &str) {
    check_of(Daemon::Backup, database, standing, words);
}

#[test]
fn before_the_first_backup_the_page_says_what_it_waits_for_and_that_nothing_is_safe() {
    let listed_never = |activity| Database { activity, listed_at: None, started_at: hours_ago(0), ..waiting() };
    check(listed_never(Activity::Starting), Standing::Starting, "The bucket is being looked at for the first time.");
    check(waiting(), Standing::Waiting, "No backup yet. The first run starts in 40 s.");
    let run = Run { started_at: hours_ago(0), step: "dump", done_bytes: 5, total_bytes: None };
    let running = Database { activity: Activity::Running(run), ..waiting() };
    check(running, Standing::NothingSafeYet, "The first backup is being made. Nothing is safe yet.");
    let words = "No backup yet. The first drill starts as soon as there is one.";
    check_of(Daemon::Verify, waiting(), Standing::Waiting, words);
    // Of an alarm that only says that it is early, this is the better text.
    let early = with_alarm(AlarmCode::NoBackup, Severity::Warning, "there is no full backup", waiting());
    check(early, Standing::Waiting, "No backup yet. The first run starts in 40 s.");
    let late = with_alarm(AlarmCode::NoBackup, Severity::Critical, "there is no full backup", waiting());
    check(late, Standing::Stale, "There is no backup. Nothing is known to be safe.");
}

#[test]
fn a_proof_is_told_with_what_came_back_and_how_that_is_known() {
    let words =
        "Proven restorable 2 hours ago. verify has recorded that the backup of today 03:00 came back as it was.";
    check(proven(0), Standing::Proven, words);
    let drilled = Database { drills: vec![Arc::new(drill(2, Verdict::Passed))], ..proven(0) };
    let words = "Proven restorable 2 hours ago: 2 tables, 10 rows, 4 min 10 s to recover. The backup of today 03:00 was \
                 restored into a database of its own and compared with what was there, row for row.";
    check_of(Daemon::Verify, drilled, Standing::Proven, words);
    let mut newer = proven(1);
    newer.backups.insert(0, backup(3, Proof::None));
    let words = "Proven restorable 26 hours ago. verify has recorded that the backup of yesterday 03:00 came back as it was. \
                 The newest backup, of today 03:00, is not proven yet.";
    check(newer, Standing::Proven, words);
}

/// `backup` has no alarm for it, since `verify` has one.
#[test]
fn a_newest_backup_that_failed_its_drill_is_told_first() {
    let failed = backup(3, Proof::Failed(hours_ago(2)));
    let words = "The newest backup, of today 03:00, failed its drill 2 hours ago. Nothing is known to be safe.";
    check(backed_up([failed.clone()]), Standing::Warning, words);
    let words = "The newest backup, of today 03:00, failed its drill 2 hours ago. Still safe: the backup of yesterday \
                 03:00, proven.";
    check(backed_up([failed, backup(27, Proof::Proven(hours_ago(20)))]), Standing::Warning, words);
}

#[test]
fn a_backup_without_a_proof_that_is_young_is_backed_up_and_not_proven() {
    let words = "Backed up 3 hours ago, not proven. No drill has restored a backup yet, so whether they come back is not \
                 known.";
    check(backed_up([backup(3, Proof::None)]), Standing::Unproven, words);
    let old = backed_up([backup(3, Proof::None), backup(24 * 10 + 3, Proof::Proven(hours_ago(24 * 10)))]);
    let words = "Backed up 3 hours ago, not proven. The newest backup that a drill has restored is the one of 19 November \
                 03:00.";
    check(old, Standing::Unproven, words);
    // A partial backup, and one of tomorrow, are none to rely on.
    let partial = Backup { is_partial: true, ..backup(1, Proof::Proven(hours_ago(0))) };
    let future = Backup { is_from_the_future: true, ..backup(-30, Proof::Proven(hours_ago(0))) };
    check(backed_up([future, partial]), Standing::Waiting, "No backup yet. The first run starts in 40 s.");
}

#[test]
fn what_fails_is_told_with_its_reason_and_with_what_is_still_safe() {
    let message = "the last 3 runs failed, the latest with: permission denied for table audit";
    let failing = with_alarm(AlarmCode::Failing, Severity::Critical, message, proven(5));
    let words = "Backups have failed since Tuesday 03:00: permission denied for table audit. Still safe: the backup of \
                 Tuesday 03:00, proven.";
    check(failing, Standing::Failing, words);
    let mut failed =
        with_alarm(AlarmCode::DrillFailed, Severity::Critical, "the last drill failed: a row is lost", proven(0));
    failed.backups[0].proof = Proof::Failed(hours_ago(2));
    let words = "A drill failed Tuesday 03:00: a row is lost. Still safe: the backup of yesterday 03:00, proven.";
    check_of(Daemon::Verify, failed.clone(), Standing::Failing, words);
    let report = json!({ "findings": [{ "check": "digests", "message": "the SHA-256 is 00 in place of 11" }] });
    let failed_drill = Drill { proven: Some(false), report: DrillReport::read(report), ..drill(2, Verdict::Failed) };
    failed.drills = vec![Arc::new(failed_drill)];
    let words = "The backup of today 03:00 does not come back as it was: the check digests failed. Still safe: the backup \
                 of yesterday 03:00, proven.";
    check_of(Daemon::Verify, failed, Standing::Failing, words);
    let failing = with_alarm(AlarmCode::Failing, Severity::Critical, message, backed_up([backup(99, Proof::None)]));
    let words = "Backups have failed since Tuesday 03:00: permission denied for table audit. Still there: the backup of \
                 Wednesday 03:00, which no drill has proven.";
    check(failing, Standing::Failing, words);
}

/// One failed run sends no alarm, and a person who opens the page sees it with its reason.
#[test]
fn a_run_that_failed_is_told_at_once_beside_what_is_safe() {
    let failed = |database| Database {
        alarms: vec![alarm(AlarmCode::Failing, Severity::Warning, 2, "the last run failed: why")],
        ..database
    };
    let words = "Backed up 3 hours ago, not proven. Backups have failed since today 04:00: why. The next attempt starts in \
                 40 s. No drill has restored a backup yet, so whether they come back is not known.";
    check(failed(backed_up([backup(3, Proof::None)])), Standing::Warning, words);
    let run = Run { started_at: hours_ago(0), step: "dump", done_bytes: 5, total_bytes: None };
    let running = Database { activity: Activity::Running(run), ..proven(0) };
    let words = "Proven restorable 2 hours ago. Backups have failed since today 04:00: why. Another attempt is running. \
                 verify has recorded that the backup of today 03:00 came back as it was.";
    check(failed(running), Standing::Warning, words);
    let mut none = failed(waiting());
    none.alarms.push(alarm(AlarmCode::NoBackup, Severity::Critical, 1, "there is no full backup"));
    let words = "There is no backup. Nothing is known to be safe. Backups have failed since today 04:00: why.";
    check(none, Standing::Stale, words);
}

#[test]
fn a_backup_that_is_much_smaller_than_usual_is_none_to_rely_on() {
    let mut shrunk = with_alarm(AlarmCode::Shrunk, Severity::Critical, "the newest backup has 1 MiB", proven(0));
    shrunk.backups[0].is_suspicious = true;
    let words = "The newest backup has 1 MiB. Still safe: the backup of yesterday 03:00, proven. Not counted: the newest, of \
                 today 03:00, which is much smaller than usual.";
    check(shrunk, Standing::Failing, words);
}

/// A service that makes no drills says whose they are, and nothing of what it cannot know.
#[test]
fn a_watcher_claims_no_more_than_records_show() {
    let watched = |database| Database { activity: Activity::Watching, ..database };
    check_of(Daemon::Watch, watched(waiting()), Standing::Waiting, "No backup yet.");
    let unproven = || watched(Database { backups: vec![backup(3, Proof::None)], ..waiting() });
    let words = "Backed up 3 hours ago, not proven. This service makes no drills, and the bucket has no record of one that was \
                 written with its credentials: whether backups come back is not known here.";
    check_of(Daemon::Watch, unproven(), Standing::Unproven, words);
    let drilled = Database { drills: vec![Arc::new(drill(2, Verdict::Passed))], ..proven(0) };
    let words = "Proven restorable 2 hours ago: 2 tables, 10 rows, 4 min 10 s to recover. By the record of another verify, \
                 which uses the same credentials of the bucket: the backup of today 03:00 was restored and compared with what \
                 was there, row for row.";
    check_of(Daemon::Watch, watched(drilled), Standing::Proven, words);
    let message = "the newest full backup is 10800 s old, and 3600 s are allowed; backup has tried and failed (auth)";
    let stale = with_alarm(AlarmCode::Stale, Severity::Critical, message, unproven());
    let words = "The newest full backup is 10800 s old, and 3600 s are allowed; backup has tried and failed (auth). Still there: \
                 the backup of today 03:00. Whether it comes back is not known here.";
    check_of(Daemon::Watch, stale, Standing::Stale, words);
    let page = view(Daemon::Watch, unproven()).home(now());
    assert!(page.contains("none by this service") && page.contains("no record of a drill tells"), "{page}");
    for claim in ["No drill has", "no drill has", "drill of this process"] {
        assert!(!page.contains(claim), "{claim}: {page}");
    }
}

#[test]
fn what_is_too_old_and_what_is_a_warning_are_told_apart() {
    let message = "the newest full backup is 442800 s old, and 93600 s are allowed";
    let stale = with_alarm(AlarmCode::Stale, Severity::Critical, message, proven(5));
    let words = "The newest backup is 5 days old, which is older than it may be. Still safe: the backup of Tuesday 03:00, \
                 proven.";
    check(stale, Standing::Stale, words);
    let mut database = with_alarm(AlarmCode::Stale, Severity::Critical, "the last passed drill is old", proven(5));
    database.drills = vec![Arc::new(drill(122, Verdict::Passed))];
    let words = "The last drill that passed ended 5 days ago; that is too long ago. Still safe: the backup of Tuesday \
                 03:00, proven.";
    check_of(Daemon::Verify, database, Standing::Stale, words);
    let message = "this machine's clock is 3 h ahead";
    let warning = with_alarm(AlarmCode::ClockSkew, Severity::Warning, message, proven(0));
    let words = "Proven restorable 2 hours ago. Warning: the clock is wrong. verify has recorded that the backup of today \
                 03:00 came back as it was.";
    check(warning, Standing::Warning, words);
}

#[test]
fn a_bucket_that_does_not_answer_outranks_everything_but_what_is_known_to_be_wrong() {
    let silent = |listed_at, silent_since| Database { listed_at, silent_since, ..proven(0) };
    let failing =
        with_alarm(AlarmCode::Failing, Severity::Critical, "why", silent(Some(hours_ago(4)), Some(hours_ago(3))));
    let words = "Backups have failed since Tuesday 03:00: why. Still safe: the backup of today 03:00, proven.";
    check(failing, Standing::Failing, words);
    let words = "The bucket could not be listed since today 03:00; this page shows what was known then. Still safe: the backup \
                 of today 03:00, proven.";
    check(silent(Some(hours_ago(4)), Some(hours_ago(3))), Standing::Unknown, words);
    let words = "The bucket could not be listed since the start, today 05:00; nothing is known.";
    check(silent(None, None), Standing::Unknown, words);
    check(Database { activity: Activity::Starting, ..silent(None, None) }, Standing::Unknown, words);
}

#[test]
fn several_databases_are_listed_the_worst_first_and_each_has_a_page() {
    let named = |name: &str, database: Database| Database { name: name.to_owned(), ..database };
    let failing = with_alarm(AlarmCode::Failing, Severity::Critical, "x: why", proven(5));
    let view = View {
        databases: vec![named("a b", proven(0)), named("crm", failing), named("wiki", waiting())],
        ..view(Daemon::Backup, waiting())
    };
    let page = view.home(now());
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text} in {page}"));
    assert!(place("/databases/crm") < place("/databases/wiki") && place("/databases/wiki") < place("/databases/a%20b"));
    assert!(page.contains("<title>failing · backup</title>"), "{page}");
    assert!(view.database("a b", now()).unwrap().contains("Proven restorable"));
    assert_eq!(view.database("c", now()), None);
    assert!(view.badge(now()).contains("restore: failing") && view.icon(now()).contains("#ad241c"));
}

#[test]
fn a_page_renews_itself_only_while_something_runs() {
    let run = Run { started_at: hours_ago(0), step: "dump", done_bytes: 5 << 20, total_bytes: Some(10 << 20) };
    let page = |activity| view(Daemon::Backup, Database { activity, ..proven(0) }).home(now());
    let running = page(Activity::Running(run));
    assert!(running.contains("http-equiv=\"refresh\"") && running.contains("5.00 MiB of 10.00 MiB"), "{running}");
    assert!(running.contains("<progress max=\"10485760\" value=\"5242880\""), "{running}");
    for activity in [Activity::Waiting(None), Activity::Waiting(Some(now()))] {
        assert!(!page(activity).contains("refresh"));
    }
}

#[test]
fn an_alarm_has_what_to_do_and_a_runbook() {
    let page =
        view(Daemon::Backup, with_alarm(AlarmCode::Shrunk, Severity::Critical, "it is small", proven(0))).home(now());
    assert!(page.contains("run <code>backup accept-size</code>."), "{page}");
    assert!(page.contains("<a href=\"/runbooks#the-newest-backup-is-much-smaller\">Runbook</a>"), "{page}");
    assert!(!view(Daemon::Backup, proven(0)).home(now()).contains("Runbook"));
}

#[test]
fn the_page_of_a_drill_has_everything_that_its_report_has() {
    let report = json!({
        "contents_compared": "all", "recovery_time_seconds": 250.4, "recovery_point_seconds": 7_261,
        "findings": [{ "check": "row_counts", "message": "public.b has 4 rows" }],
        "checks": [{ "name": "digests", "state": "passed", "figures": "1 MiB" }, { "name": "amcheck", "state": "skipped", "figures": "why not" }],
        "tables": [
            { "schema": "public", "name": "a", "source_rows": 5, "archive_rows": 5, "restored_rows": 5, "content_equal": true },
            { "schema": "public", "name": "b", "source_rows": 5, "archive_rows": 5, "restored_rows": 4, "content_equal": false },
        ],
        "not_exercised": [{ "object": "EVENT TRIGGER t", "reason": "superusers only", "holds_rows": true }],
        "server": { "kind": "throwaway", "version": "17.2", "network_isolated": true }, "notes": ["a note"],
        "durations": { "fetch_seconds": 71.5, "total_seconds": 284.0 }, "of_a_later_version": 7,
    });
    let drill = Drill { report: DrillReport::read(report), ..drill(2, Verdict::Failed) };
    let view = view(Daemon::Verify, Database { drills: vec![Arc::new(drill)], ..proven(0) });
    let page = view.drill("drill-2", now()).unwrap();
    for expected in [
        "row_counts",
        "public.b has 4 rows",
        "digests",
        "why not",
        "4 min 10 s",
        "2 h 1 min",
        "1 min 11 s",
        "4 min 44 s",
        "EVENT TRIGGER t",
        "its rows are unproven",
        "A throwaway server, PostgreSQL 17.2, without a network.",
        "a note",
        "2 tables, 1 differ",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert!(page.find("public.b</bdi>").unwrap() < page.find("public.a</bdi>").unwrap(), "what differs comes first");
    assert_eq!(view.drill("drill-3", now()), None);
}

//! The loop: what the pages say before, during and after a drill, and how it ends.

use std::time::{Duration, Instant};

use e2e::process::{Run, wait_until};
use nix::sys::signal::Signal;

use super::DrillStand;
use super::stand::DRILL_LIMIT;
use crate::daemon::{Running, SOON, Script};
use crate::stand::Stand;

/// The real `pg_restore`, held until the test makes the file `go`.
const HELD: &str = r#": > "$D/held"
    while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.05; done
    exec "$REAL" "$@""#;

/// The platform's patience is 10 s, ours ends before.
const END_LIMIT: Duration = Duration::from_secs(8);

#[test]
fn health_is_red_until_a_drill_has_passed_r107() {
    let stand = DrillStand::small("zstd");
    let script = Script::of("pg_restore", HELD);
    let mut daemon = Running::start(script.on(stand.verify()).env("RUN_ON_STARTUP", "true"));
    script.wait_for("held");
    let (code, health) = daemon.get("/health");
    assert!(code == 503 && health.to_string().contains("no drill has ended"), "{health}");
    let status = daemon.status();
    assert_eq!((&status["state"], &status["progress"]["step"]), (&"running".into(), &"restore rows".into()));
    assert!(status["last_report"].is_null(), "{status:#}");
    assert_eq!((daemon.get("/readyz").0, daemon.get("/livez").0), (200, 200));
    script.give("go");
    let status = daemon.wait_for(DRILL_LIMIT, |status| status["last_report"].is_object());
    assert_eq!(status["last_report"]["verdict"], "passed", "{status:#}");
    assert_eq!(status["last_report"]["backup"]["id"], stand.id.as_str());
    assert_eq!(status["last_report"]["tables"][0]["restored_rows"], 100);
    assert!(daemon.wait_until_waiting()["next_drill_at"].is_string());
    assert_eq!(daemon.get("/health").0, 200);
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(END_LIMIT).code, Some(0));
    stand.assert_nothing_is_left();
}

/// The record of a drill that is recent enough makes a start wait for its schedule, and the pages green.
#[test]
fn a_start_drills_where_it_is_asked_to_or_has_missed_one() {
    let stand = DrillStand::small("zstd");
    let verify = || stand.verify().env("VERIFY_ATTEST", "true").env("VERIFY_INTERVAL", "86400");
    let daemon = Running::start(verify());
    daemon.wait_for(DRILL_LIMIT, |status| status["last_report"]["verdict"] == "passed");
    daemon.wait_until_waiting();
    drop(daemon);
    let daemon = Running::start(verify());
    let status = daemon.wait_until_waiting();
    assert!(status["last_report"].is_null() && status["recorded_drill"]["passed"] == true, "{status:#}");
    assert_eq!(daemon.get("/health").0, 200);
    drop(daemon);
    let daemon = Running::start(verify().env("RUN_ON_STARTUP", "true"));
    daemon.wait_for(DRILL_LIMIT, |status| status["last_report"]["verdict"] == "passed");
}

#[test]
fn sigterm_in_the_middle_of_a_restore_leaves_nothing_r107() {
    let stand = DrillStand::small("zstd");
    let script = Script::of("pg_restore", HELD);
    let reports = tempfile::tempdir().unwrap();
    let file = reports.path().join("report.json");
    let verify = script.on(stand.verify()).args(["run", "--report", file.to_str().unwrap()]);
    let mut process = verify.spawn();
    script.wait_for("held");
    let asked = Instant::now();
    process.signal(Signal::SIGTERM);
    let output = process.wait(END_LIMIT);
    assert!(asked.elapsed() < END_LIMIT);
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["error"]), (&"stopped".into(), &"stopped by a signal".into()));
    assert!(output.stderr.contains("drill stopped"), "{}", output.stderr);
    stand.assert_nothing_is_left();
    // The daemon was asked to end, which is no failure of it.
    let script = Script::of("pg_restore", HELD);
    let mut daemon = Running::start(script.on(stand.verify()).env("RUN_ON_STARTUP", "true"));
    script.wait_for("held");
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(END_LIMIT).code, Some(0));
    stand.assert_nothing_is_left();
}

/// Both services of a new deployment start together.
/// A drill that needs more memory than its container has is killed together with `verify`, at each start again.
#[test]
fn drills_that_are_killed_again_and_again_are_an_alarm_until_one_passes() {
    let stand = DrillStand::small("zstd");
    let script = Script::of("pg_restore", HELD);
    let verify = || script.on(stand.verify()).env("RUN_ON_STARTUP", "true").env("VERIFY_ATTEST", "true");
    let mut daemon = Running::start(verify());
    script.wait_for("held");
    let s3 = &stand.stand.s3;
    let started = || s3.objects().into_keys().filter(|key| key.ends_with("-drill-started")).collect::<Vec<_>>();
    assert!(wait_until(SOON, || started().len() == 1), "{:?}", started());
    daemon.process.signal(Signal::SIGKILL);
    daemon.process.wait(END_LIMIT);
    // Two that were killed on earlier days.
    let (folder, name) =
        started()[0].rsplit_once('/').map(|(folder, name)| (folder.to_owned(), name.to_owned())).unwrap();
    for day in ["20260101", "20260102"] {
        s3.write(&format!("{folder}/{day}{}", &name[day.len()..]), b"");
    }
    let daemon = Running::start(verify());
    let status = daemon.wait_for(SOON, |status| status["alarms"][0]["code"] == "could_not_run");
    let message = status["alarms"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("the last 3 drills were killed before their end"), "{message}");
    script.give("go");
    daemon
        .wait_for(DRILL_LIMIT, |status| status["last_report"]["verdict"] == "passed" && status["alarms"][0].is_null());
    drop(daemon);
    // What ends otherwise has a line, and what passes has a record.
    let daemon = Running::start(verify());
    daemon
        .wait_for(DRILL_LIMIT, |status| status["last_report"]["verdict"] == "passed" && status["alarms"][0].is_null());
}

#[test]
fn a_daemon_that_is_there_before_the_first_backup_waits_for_it() {
    let stand = Stand::with_rows(10);
    let folder = crate::drill_safety::open_folder();
    let verify = Run::new("verify")
        .envs(stand.s3.env())
        .env("PG_BIN_DIR", stand.postgres.bin_dir())
        .env("TMPDIR", folder.path())
        .envs([("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0")]);
    let daemon = Running::start(verify.deadline(DRILL_LIMIT));
    let status = daemon.wait_for(SOON, |status| status["first_backup_by"].is_string());
    assert_eq!((&status["state"], &status["alarms"]), (&"waiting".into(), &serde_json::json!([])), "{status:#}");
    assert_eq!(daemon.get("/health").0, 200);
    stand.run_ok();
    let status = daemon.wait_for(DRILL_LIMIT, |status| status["last_report"].is_object());
    assert_eq!(status["last_report"]["verdict"], "passed", "{status:#}");
    assert!(status["first_backup_by"].is_null(), "{status:#}");
}

/// A request that no drill could follow is refused, and not accepted and forgotten.
#[test]
fn a_drill_that_is_asked_for_before_the_first_backup_is_refused_with_a_reason() {
    const TOKEN: &str = "canary-token-of-this-test";
    let stand = Stand::with_rows(10);
    let verify = Run::new("verify").envs(stand.s3.env()).env("PG_BIN_DIR", stand.postgres.bin_dir()).envs([
        ("RETRY_DELAY", "0"),
        ("LOG_FORMAT", "json"),
        ("PORT", "0"),
        ("HTTP_TOKEN", TOKEN),
    ]);
    let daemon = Running::start(verify);
    let ask = |method, path| crate::api::ask_with(daemon.port(), method, path, TOKEN);
    let waits = || ask("GET", "/status").1["first_backup_by"].is_string();
    assert!(wait_until(SOON, waits), "{}", daemon.process.stderr_so_far());
    let (status, body) = ask("POST", "/api/v1/drills");
    let reason = body["error"].as_str().unwrap();
    assert!(status == 409 && reason.contains("there is no backup yet"), "{body}");
}

/// The proof follows the backup, not the clock.
#[test]
fn a_newer_backup_is_drilled_as_soon_as_it_is_found() {
    let stand = DrillStand::small("zstd");
    let verify = stand.verify().env("BUCKET_POLL_INTERVAL", "5").env("VERIFY_MIN_INTERVAL", "0");
    let daemon = Running::start(verify.env("VERIFY_INTERVAL", "86400"));
    let of = |id: &str, status: &serde_json::Value| {
        status["last_report"]["backup"]["id"] == id && status["last_report"]["verdict"] == "passed"
    };
    daemon.wait_for(DRILL_LIMIT, |status| of(&stand.id, status));
    crate::stand::wait_for_the_next_second();
    let newer = stand.stand.run_ok()["id"].as_str().unwrap().to_owned();
    daemon.wait_for(DRILL_LIMIT, |status| of(&newer, status));
    let status = daemon.wait_until_waiting();
    assert!(status["next_drill_at"].is_string(), "the schedule goes on: {status:#}");
}

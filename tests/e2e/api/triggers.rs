//! Runs that a client asks for.

use std::time::Duration;

use e2e::process::wait_until;
use serde_json::Value;

use super::{Answer, TOKEN, ask, bearer, both, wait_until_waiting};
use crate::daemon::{HELD, Running, SOON, Script};
use crate::stand::{Stand, wait_for_the_next_second};

#[track_caller]
fn request(daemon: &Running, path: &str) -> Answer {
    ask(daemon.port(), "POST", path, &[&bearer()])
}

/// Asks for a run and waits for its end; the report of it in `/status`.
#[track_caller]
pub(super) fn run_now(daemon: &Running, path: &str) -> Value {
    let before = wait_until_waiting(daemon);
    let asked = request(daemon, path);
    assert_eq!(asked.status, 202, "{}", asked.body);
    assert!(asked.head.contains("location: /status"), "{}", asked.head);
    let requested_at = asked.body["requested_at"].as_str().unwrap().to_owned();
    let report =
        |status: &Value| [&status["last_run"], &status["last_report"]].into_iter().find(|one| one.is_object()).cloned();
    let mut status = before;
    let ended = wait_until(Duration::from_secs(120), || {
        status = wait_until_waiting(daemon);
        report(&status).is_some_and(|one| time(one["started_at"].as_str().unwrap()) >= time(&requested_at))
    });
    assert!(ended, "{status:#}\n{}", daemon.process.stderr_so_far());
    report(&status).unwrap()
}

fn time(text: &str) -> chrono::DateTime<chrono::Utc> {
    text.parse().unwrap()
}

#[test]
fn a_run_and_a_drill_begin_when_they_are_asked_for() {
    let stand = Stand::with_rows(10);
    let [backup, verify] = both(&stand);
    let before = stand.manifests().len();
    wait_for_the_next_second();
    // The one before it is younger than BACKUP_MIN_INTERVAL.
    assert_eq!(run_now(&backup, "/api/v1/backups")["succeeded"], true);
    assert_eq!(stand.manifests().len(), before + 1);
    assert_eq!(run_now(&verify, "/api/v1/drills")["verdict"], "passed");
    assert_eq!(request(&backup, "/api/v1/drills").status, 405);
    assert_eq!(request(&verify, "/api/v1/backups").status, 405);
}

#[test]
fn a_request_during_a_run_is_refused_and_no_second_run_follows() {
    let stand = Stand::with_rows(2_000);
    let script = Script::pg_dump(HELD);
    let daemon = Running::start(script.on(stand.backup().env("HTTP_TOKEN", TOKEN)));
    script.wait_for("held");
    for _ in 0..3 {
        assert_eq!(request(&daemon, "/api/v1/backups").status, 409);
    }
    script.give("go");
    wait_until_waiting(&daemon);
    assert_eq!((script.starts().len(), stand.manifests().len()), (1, 1));
    // Of two requests at once, one is taken.
    let statuses = [request(&daemon, "/api/v1/backups").status, request(&daemon, "/api/v1/backups").status];
    assert_eq!(statuses, [202, 409]);
    assert!(wait_until(SOON, || script.starts().len() == 2), "{}", daemon.process.stderr_so_far());
    wait_until_waiting(&daemon);
    assert_eq!(script.starts().len(), 2);
}

#[test]
fn nothing_is_deleted_restored_or_configured_over_http() {
    let stand = Stand::with_rows(10);
    let daemon = Running::start(stand.backup().env("HTTP_TOKEN", TOKEN));
    wait_until_waiting(&daemon);
    let id = daemon_backup(&daemon);
    for path in ["/api/v1/backups", &format!("/api/v1/backups/{id}"), "/api/v1/retention", "/status", "/api/v1/drills"]
    {
        for method in ["DELETE", "PUT", "PATCH"] {
            assert_eq!(ask(daemon.port(), method, path, &[&bearer()]).status, 405, "{method} {path}");
        }
    }
    for path in ["/api/v1/prune", "/api/v1/restore", "/api/v1/config", &format!("/api/v1/backups/{id}/restore")] {
        assert_eq!(request(&daemon, path).status, 404, "{path}");
    }
    assert_eq!(stand.manifests().len(), 1);
}

fn daemon_backup(daemon: &Running) -> String {
    let backups = ask(daemon.port(), "GET", "/api/v1/backups", &[&bearer()]).body;
    backups["backups"][0]["id"].as_str().unwrap().to_owned()
}

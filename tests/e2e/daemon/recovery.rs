//! What is down comes up again, without a restart of the daemon.

use std::path::PathBuf;
use std::time::Duration;

use e2e::process::{Run, wait_until};
use e2e::proxy::{Fault, Operation, Rule};
use e2e::s3::{S3Options, S3Server};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{Running, SOON, Script};
use crate::stand::Stand;

/// A place for the database's socket, at which the server is there only while a link is.
pub(crate) struct Door {
    folder: TempDir,
    socket: PathBuf,
    pub(crate) url: String,
}

impl Door {
    pub(crate) fn new(stand: &Stand) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_str().unwrap();
        let server = stand.postgres.socket_dir().to_str().unwrap();
        let url = stand.postgres.socket_url(&stand.database.name).replace(server, here);
        assert!(url.contains(here), "{url}");
        let socket = stand.postgres.socket_dir().join(format!(".s.PGSQL.{}", stand.postgres.port()));
        Self { folder, socket, url }
    }

    fn here(&self) -> PathBuf {
        self.folder.path().join(self.socket.file_name().unwrap())
    }

    pub(crate) fn open(&self) {
        std::os::unix::fs::symlink(&self.socket, self.here()).unwrap();
    }

    pub(crate) fn close(&self) {
        std::fs::remove_file(self.here()).unwrap();
    }
}

fn reasons(page: &Value) -> String {
    page["reasons"].to_string()
}

#[test]
fn a_database_that_is_down_at_the_start_is_waited_for_r094() {
    let stand = Stand::with_rows(10);
    let door = Door::new(&stand);
    let run = stand.backup().env("DATABASE_URL", &door.url).env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "2");
    let mut daemon = Running::start(run);
    let status = daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == false);
    assert!(status["last_run"]["error"].as_str().unwrap().contains("connect to"), "{status:#}");
    assert_eq!(status["last_run"]["class"], "database_unreachable", "{status:#}");
    assert!(daemon.process.is_running());
    assert_eq!(daemon.get("/livez").0, 200);
    let (code, page) = daemon.get("/health");
    assert_eq!(code, 503);
    assert!(reasons(&page).contains("there is no full backup"), "{page}");
    let (code, page) = daemon.get("/readyz");
    assert_eq!(code, 503);
    assert!(reasons(&page).contains("database: connect to"), "{page}");
    assert!(!reasons(&page).contains("bucket"), "{page}");

    door.open();
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    assert_eq!(daemon.get("/health").0, 200);
    assert!(wait_until(SOON, || daemon.get("/readyz").0 == 200), "{}", daemon.process.stderr_so_far());
}

#[test]
fn a_bucket_that_is_down_at_the_start_is_waited_for_r094() {
    let mut stand = Stand::with_rows(10);
    let root = tempfile::tempdir().unwrap();
    let options = S3Options {
        root: root.path().to_owned(),
        port: e2e::process::free_port(),
        bucket: stand.s3.bucket().to_owned(),
        access_key: stand.s3.access_key().to_owned(),
        secret_key: stand.s3.secret_key().to_owned(),
    };
    let run = stand.backup().env("S3_ENDPOINT", format!("http://127.0.0.1:{}", options.port));
    let mut daemon = Running::start(run.env("RETRY_ATTEMPTS", "1"));
    daemon.process.wait_for_line("cannot list the bucket", SOON);
    assert_eq!(daemon.get("/livez").0, 200);
    let (code, page) = daemon.get("/health");
    assert_eq!(code, 503);
    assert!(reasons(&page).contains("the bucket could not be listed since the start"), "{page}");
    let (code, page) = daemon.get("/readyz");
    assert_eq!(code, 503);
    assert!(reasons(&page).contains("bucket: list"), "{page}");
    assert!(daemon.process.is_running());

    stand.s3 = S3Server::open(options).unwrap().into();
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    assert_eq!((daemon.get("/health").0, stand.manifests().len()), (200, 1));
}

#[test]
fn a_daemon_that_waits_for_the_bucket_ends_at_once_when_told_to_r094() {
    let stand = Stand::new();
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::BlackHole));
    let mut daemon = Running::start(stand.backup());
    assert!(wait_until(SOON, || !stand.proxy.requests().is_empty()));
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(Duration::from_secs(5)).code, Some(0));
}

#[test]
fn a_database_that_goes_down_turns_readyz_red_and_not_livez_r094() {
    let stand = Stand::with_rows(10);
    let door = Door::new(&stand);
    door.open();
    let daemon = Running::start(stand.backup().env("DATABASE_URL", &door.url).env("BACKUP_INTERVAL", "3600"));
    daemon.wait_until_waiting();
    assert_eq!(daemon.get("/readyz").0, 200);
    door.close();
    assert!(wait_until(SOON, || daemon.get("/readyz").0 == 503), "{}", daemon.process.stderr_so_far());
    assert_eq!((daemon.get("/livez").0, daemon.get("/health").0), (200, 200));
}

#[test]
fn a_bucket_that_keeps_failing_turns_health_red_and_tells_why_r088() {
    let stand = Stand::with_rows(10);
    stand.seed(chrono::TimeDelta::seconds(20));
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(503, "SlowDown")));
    let run = stand.backup().env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "1");
    let daemon = Running::start(run.env("BACKUP_MAX_AGE", "3600"));
    daemon.wait_for(SOON, |status| status["consecutive_failures"] == 1);
    assert_eq!(daemon.get("/health").0, 200, "one failure may pass");
    let status = daemon.wait_for(SOON, |status| status["consecutive_failures"] == 3);
    assert!(status["newest_full_backup"]["id"].is_string(), "the last success is still shown: {status:#}");
    let (code, page) = daemon.get("/health");
    assert_eq!(code, 503);
    assert!(reasons(&page).contains("the last 3 runs failed"), "{page}");
    assert!(reasons(&page).contains("503 SlowDown"), "{page}");
    assert_eq!(
        (&page["alarms"][0]["code"], &status["last_run"]["class"]),
        (&"failing".into(), &"bucket_unreachable".into())
    );
    assert_eq!((daemon.get("/livez").0, daemon.get("/readyz").0), (200, 200));

    stand.proxy.clear_rules();
    daemon.wait_for(SOON, |status| status["consecutive_failures"] == 0);
    assert_eq!(daemon.get("/health").0, 200);
}

fn attempts(words: &str, env: &[(&str, &str)]) -> (usize, i32) {
    let stand = Stand::with_rows(10);
    let script = Script::pg_dump(&format!("echo 'pg_dump: error: {words}' >&2; exit 1"));
    let run = script.on(stand.backup()).args(["run"]).envs(env.iter().copied());
    let output = run.output();
    assert!(output.stderr.contains(words), "{}", output.stderr);
    stand.assert_no_commit(&only_globals(&stand));
    (script.starts().len(), output.code.unwrap())
}

/// What failed attempts may leave: roles without a manifest, which are no backup.
fn only_globals(stand: &Stand) -> std::collections::BTreeMap<String, u64> {
    stand.s3.objects().into_iter().filter(|(key, _)| key.contains("/globals.sql")).collect()
}

#[test]
fn only_reasons_that_pass_are_tried_again_r003() {
    let passing = "server closed the connection unexpectedly";
    assert_eq!(attempts(passing, &[]), (3, 1), "RETRY_ATTEMPTS is 3");
    assert_eq!(attempts(passing, &[("RETRY_ATTEMPTS", "2")]), (2, 1));
    assert_eq!(attempts("permission denied for table t", &[]), (1, 1));
}

#[test]
fn a_run_that_failed_for_a_passing_reason_succeeds_when_it_is_over_r003() {
    let stand = Stand::with_rows(500);
    let script = Script::pg_dump(
        r#"[ "$(wc -l < "$D/starts")" -ge 3 ] && exec "$REAL" "$@"
           head -c 300000 /dev/zero; echo 'pg_dump: error: terminating connection due to administrator command' >&2; exit 1"#,
    );
    let output: Run = script.on(stand.backup()).args(["run"]);
    let output = output.output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!((script.starts().len(), stand.manifests().len()), (3, 1));
    stand.restore_newest();
}

/// R147: an outage of a minute does not cost a day.
#[test]
fn a_run_that_failed_is_made_up_for_before_the_next_tick_r147() {
    let stand = Stand::with_rows(10);
    let door = Door::new(&stand);
    let run = stand.backup().env("DATABASE_URL", &door.url).env("BACKUP_SCHEDULE", "0 0 1 1 *");
    let daemon = Running::start(run.env("RETRY_ATTEMPTS", "1").env("BACKUP_RETRY_AFTER", "1"));
    let failures = || daemon.process.stderr_so_far().matches("backup failed").count();
    assert!(wait_until(SOON, || failures() >= 3), "{}", daemon.process.stderr_so_far());
    assert_eq!(daemon.status()["consecutive_failures"], 1, "one outage is one failure");
    door.open();
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    let status = daemon.wait_until_waiting();
    assert_eq!((&status["consecutive_failures"], stand.manifests().len()), (&0.into(), 1));
    let next: chrono::DateTime<chrono::Utc> = status["next_run_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(next.format("%m-%d %H:%M").to_string(), "01-01 00:00", "and then the schedule goes on");
}

#[test]
fn a_run_that_would_fail_in_the_same_way_waits_for_the_tick_r147() {
    let stand = Stand::with_rows(10);
    let script = Script::pg_dump("echo 'pg_dump: error: permission denied for table t' >&2; exit 1");
    let run = script.on(stand.backup()).env("BACKUP_SCHEDULE", "0 0 1 1 *").env("BACKUP_RETRY_AFTER", "1");
    let mut daemon = Running::start(run);
    daemon.process.wait_for_line("this is not tried again before the next tick", SOON);
    let status = daemon.wait_until_waiting();
    let next: chrono::DateTime<chrono::Utc> = status["next_run_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(next.format("%m-%d %H:%M").to_string(), "01-01 00:00");
}

/// R147: a try takes so long that a tick passes meanwhile, whose run would have failed as well.
#[test]
fn a_tick_that_passes_while_a_run_makes_up_counts_as_a_failure_r147_r092() {
    let stand = Stand::with_rows(10);
    stand.seed(chrono::TimeDelta::seconds(30));
    let script = Script::pg_dump(
        r#"[ "$(wc -l < "$D/starts")" -eq 1 ] || sleep 12
           echo 'pg_dump: error: server closed the connection unexpectedly' >&2; exit 1"#,
    );
    let run = script.on(stand.backup()).env("BACKUP_INTERVAL", "10").env("BACKUP_MIN_INTERVAL", "0");
    let run = run.env("RETRY_ATTEMPTS", "1").env("BACKUP_RETRY_AFTER", "1").env("BACKUP_MAX_AGE", "3600");
    let daemon = Running::start(run);
    let status = daemon.wait_for(Duration::from_secs(90), |status| status["consecutive_failures"] == 3);
    // The second of them made up for the first.
    assert_eq!(script.starts().len(), 3, "{status:#}\n{}", daemon.process.stderr_so_far());
    assert_eq!(super::poll::codes(&status), ["failing"], "{status:#}");
}

//! Drills of several databases, whose backups are in one bucket.

use std::collections::BTreeMap;

use e2e::process::{Run, wait_until};
use e2e::proxy::{Fault, Operation, Rule};
use serde_json::Value;
use tempfile::TempDir;

use super::{backup, site};
use crate::daemon::Running;
use crate::stand::Stand;

/// Three drills, one after the other, on a machine that does other things.
const DRILLS_LIMIT: std::time::Duration = std::time::Duration::from_secs(180);

/// `verify` without the name of a database, with its folders in `folder`.
fn verify(stand: &Stand, folder: &TempDir) -> Run {
    let tools = stand.postgres.bin_dir().to_str().unwrap();
    let ours =
        [("VERIFY_JOBS", "2"), ("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0"), ("PG_BIN_DIR", tools)];
    let run = Run::new("verify").envs(stand.s3.env_through(&stand.proxy.endpoint())).envs(ours);
    run.env("TMPDIR", folder.path()).deadline(DRILLS_LIMIT)
}

/// A bucket with a backup of each of these.
fn bucket(databases: &[&str]) -> Stand {
    let stand = site(databases);
    let output = backup(&stand, "*").env("DATABASES_EXCLUDE", "postgres").args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    stand
}

/// Flips a byte in the middle of the dump of a database.
fn damage(stand: &Stand, database: &str) {
    let folder = format!("/{database}/");
    let mut keys = stand.s3.objects().into_keys();
    let key = keys.rfind(|key| key.contains(&folder) && key.contains(".dump")).unwrap();
    let mut bytes = stand.s3.read(&key);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    stand.s3.write(&key, bytes);
}

/// Waits until every database was drilled; the state of each by its name.
#[track_caller]
fn wait_for_drills(daemon: &Running, count: usize) -> BTreeMap<String, Value> {
    let states = || {
        let status = daemon.status();
        let all = status["databases"].as_array().cloned().unwrap_or_default();
        all.into_iter().map(|one| (one["database"].as_str().unwrap_or_default().to_owned(), one)).collect()
    };
    let is_done = |states: &BTreeMap<String, Value>| {
        states.len() == count && states.values().all(|one| one["last_report"].is_object() && one["state"] == "waiting")
    };
    assert!(
        wait_until(DRILLS_LIMIT, || is_done(&states())),
        "{:#}\n{}",
        daemon.status(),
        daemon.process.stderr_so_far()
    );
    states()
}

#[test]
fn every_database_is_drilled_and_one_that_is_damaged_is_red_by_itself() {
    let (stand, folder) = (bucket(&["app", "crm", "zoo"]), tempfile::tempdir().unwrap());
    let attesting = || verify(&stand, &folder).env("VERIFY_ATTEST", "true");
    // The newest proof is that of `app`, so that its turn is the last.
    for name in ["zoo", "crm", "app"] {
        let output = attesting().env("VERIFY_SOURCE_DATABASE", name).args(["run"]).output();
        assert_eq!(output.code, Some(0), "{}", output.stdout);
        crate::stand::wait_for_the_next_second();
    }
    damage(&stand, "crm");
    let daemon = Running::start(attesting().env("RUN_ON_STARTUP", "true").env("VERIFY_INTERVAL", "86400"));
    let states = wait_for_drills(&daemon, 3);
    let verdict = |name: &str| states[name]["last_report"]["verdict"].as_str().unwrap().to_owned();
    assert_eq!(["app", "crm", "zoo"].map(verdict), ["passed", "failed", "passed"]);
    let began = |name: &str| states[name]["last_report"]["started_at"].as_str().unwrap().to_owned();
    let ended = |name: &str| states[name]["last_report"]["ended_at"].as_str().unwrap().to_owned();
    assert!(ended("zoo") <= began("crm") && ended("crm") <= began("app"), "one at a time, the oldest proof first");

    let (code, health) = daemon.get("/health");
    assert_eq!(code, 503);
    let alarms = health["alarms"].as_array().unwrap();
    assert!(alarms.iter().all(|alarm| alarm["database"] == "crm" && alarm["code"] == "drill_failed"), "{health:#}");
    let page = daemon.get_text("/").1;
    let position = |name: &str| page.find(&format!("/databases/{name}")).unwrap();
    assert!(position("crm") < position("app") && position("crm") < position("zoo"), "{page}");
    let metrics = daemon.get_text("/metrics").1;
    for (name, failed) in [("app", 0), ("crm", 1), ("zoo", 0)] {
        let line = format!("postgres_verify_last_drill{{database=\"{name}\",outcome=\"failed\"}} {failed}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

#[test]
fn a_single_run_drills_them_all_and_ends_with_the_worst() {
    let (stand, folder) = (bucket(&["app", "crm"]), tempfile::tempdir().unwrap());
    let output = verify(&stand, &folder).args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    assert!(output.stdout.contains("database app\n") && output.stdout.contains("database crm\n"), "{}", output.stdout);
    damage(&stand, "app");
    let output = verify(&stand, &folder).args(["run"]).output();
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    let manifest = stand.manifests().into_keys().find(|key| key.contains("/crm/")).unwrap();
    let id = manifest.split('/').nth(2).unwrap();
    let output = verify(&stand, &folder).args(["run", "--backup", id]).output();
    assert_eq!(output.code, Some(0), "only the database that has it: {}", output.stdout);
}

/// What is wrong with a database stays wrong, and is told once, if another one appears.
#[test]
fn a_second_database_resolves_nothing_of_the_first() {
    let (stand, folder) = (bucket(&["app"]), tempfile::tempdir().unwrap());
    damage(&stand, "app");
    let run = verify(&stand, &folder).env("BUCKET_POLL_INTERVAL", "5").env("VERIFY_ATTEST", "true");
    let daemon = Running::start(run);
    daemon.wait_for(DRILLS_LIMIT, |status| status["last_report"]["verdict"] == "failed");
    super::create(&stand, "crm");
    assert_eq!(backup(&stand, "crm").args(["run"]).output().code, Some(0));
    wait_for_drills(&daemon, 2);
    let alarms = daemon.get("/health").1["alarms"].clone();
    let is_of_app = |alarm: &Value| alarm["database"] == "app" && alarm["code"] == "drill_failed";
    assert!(alarms.as_array().unwrap().iter().any(is_of_app), "{alarms:#}");
    let log = daemon.process.stderr_so_far();
    let told = |what: &str| log.lines().filter(|line| line.contains(what) && line.contains("drill_failed")).count();
    assert_eq!((told("alarm raised"), told("alarm resolved")), (1, 0), "{log}");
}

/// Until there is a second one, nothing has to name the only database.
#[test]
fn a_second_database_in_the_bucket_is_drilled_by_itself() {
    let (stand, folder) = (bucket(&["app"]), tempfile::tempdir().unwrap());
    let daemon = Running::start(verify(&stand, &folder).env("BUCKET_POLL_INTERVAL", "5"));
    daemon.wait_for(DRILLS_LIMIT, |status| status["last_report"]["verdict"] == "passed");
    super::create(&stand, "crm");
    assert_eq!(backup(&stand, "crm").args(["run"]).output().code, Some(0));
    let states = wait_for_drills(&daemon, 2);
    assert!(states.values().all(|one| one["last_report"]["verdict"] == "passed"), "{states:#?}");
    assert_eq!(daemon.get("/health").0, 200);
}

/// The alarms of all databases, each as its database and its code.
fn alarms(daemon: &Running) -> Vec<(String, String)> {
    let alarms = daemon.get("/health").1["alarms"].as_array().cloned().unwrap_or_default();
    let text = |alarm: &Value, field: &str| alarm[field].as_str().unwrap_or_default().to_owned();
    alarms.iter().map(|alarm| (text(alarm, "database"), text(alarm, "code"))).collect()
}

/// What is not drilled, since its signature is missing, is not green either.
#[test]
fn a_database_that_no_trusted_key_has_signed_is_an_alarm() {
    let (stand, folder) = (site(&["app", "crm"]), tempfile::tempdir().unwrap());
    let (private, public) = crate::encryption::signing_pair();
    let signed = backup(&stand, "app").env("BACKUP_SIGNING_KEY", &private).args(["run"]).output();
    assert_eq!(signed.code, Some(0), "{}", signed.stderr);
    assert_eq!(backup(&stand, "crm").args(["run"]).output().code, Some(0));
    let trusting = || verify(&stand, &folder).env("VERIFY_TRUSTED_KEYS", &public);
    let output = trusting().args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    assert!(output.stderr.contains("no key of VERIFY_TRUSTED_KEYS has signed"), "{}", output.stderr);
    for run in [trusting().args(["watch"]), trusting().env("RUN_ON_STARTUP", "true")] {
        let daemon = Running::start(run);
        let left_out = [("app".to_owned(), "left_out".to_owned())];
        assert!(wait_until(DRILLS_LIMIT, || alarms(&daemon) == left_out), "{:?}", alarms(&daemon));
        let health = daemon.get("/health").1.to_string();
        assert!(health.contains("has signed a backup that was looked at of: crm"), "{health}");
    }
}

/// One object that cannot be read keeps no other database from its drill.
#[test]
fn a_manifest_that_cannot_be_read_blinds_no_other_database() {
    let (stand, folder) = (site(&["app", "crm", "zoo"]), tempfile::tempdir().unwrap());
    let (private, public) = crate::encryption::signing_pair();
    for database in ["app", "crm", "zoo"] {
        let signed = backup(&stand, database).env("BACKUP_SIGNING_KEY", &private).args(["run"]).output();
        assert_eq!(signed.code, Some(0), "{}", signed.stderr);
    }
    let fault = Fault::status(503, "InternalError");
    stand.proxy.rule(Rule::new(Operation::GetObject, fault).key("/app/"));
    let run = verify(&stand, &folder).env("VERIFY_TRUSTED_KEYS", &public).env("RUN_ON_STARTUP", "true");
    let daemon = Running::start(run.env("BUCKET_POLL_INTERVAL", "5").env("RETRY_ATTEMPTS", "1"));
    let drilled = wait_for_drills(&daemon, 2);
    assert_eq!(drilled.into_keys().collect::<Vec<_>>(), ["crm", "zoo"]);
}

/// What a journal tells of a database is there after its backups are gone.
#[test]
fn a_database_whose_backups_are_gone_is_not_forgotten_by_a_restart() {
    let (stand, folder) = (bucket(&["app", "crm"]), tempfile::tempdir().unwrap());
    let run = || {
        let run = verify(&stand, &folder).env("VERIFY_ATTEST", "true").env("RUN_ON_STARTUP", "true");
        run.env("BUCKET_POLL_INTERVAL", "5")
    };
    let mut daemon = Running::start(run());
    wait_for_drills(&daemon, 2);
    for key in stand.s3.objects().into_keys().filter(|key| key.contains("/crm/") && !key.contains("/events/")) {
        stand.s3.delete(&key);
    }
    let is_lost = |daemon: &Running| alarms(daemon).contains(&("crm".to_owned(), "data_lost".to_owned()));
    assert!(wait_until(DRILLS_LIMIT, || is_lost(&daemon)), "{:?}", alarms(&daemon));
    let is_noted = || stand.s3.objects().keys().any(|key| key.contains("/crm/") && key.contains("data_lost-raised"));
    assert!(wait_until(DRILLS_LIMIT, is_noted), "{:?}", stand.s3.objects());
    daemon.process.kill9();
    let daemon = Running::start(run());
    assert!(wait_until(DRILLS_LIMIT, || is_lost(&daemon)), "{:?}", alarms(&daemon));
    let single = verify(&stand, &folder).args(["run"]).output();
    assert_eq!(single.code, Some(1), "{}\n{}", single.stdout, single.stderr);
}

/// Its id names a backup of one database: a drill of it in another one would be a false alarm.
#[test]
fn a_backup_that_is_named_is_drilled_where_it_is_and_the_others_are_told() {
    let (stand, folder) = (bucket(&["app", "crm"]), tempfile::tempdir().unwrap());
    let manifest = stand.manifests().into_keys().find(|key| key.contains("/crm/")).unwrap();
    let id = manifest.split('/').nth(2).unwrap();
    let run = verify(&stand, &folder).env("VERIFY_BACKUP_ID", id).env("RUN_ON_STARTUP", "true");
    let daemon = Running::start(run);
    let status = daemon.wait_for(DRILLS_LIMIT, |status| status["last_report"].is_object());
    assert_eq!(
        (&status["database"], &status["last_report"]["verdict"]),
        (&"crm".into(), &"passed".into()),
        "{status:#}"
    );
    assert_eq!(alarms(&daemon), [("crm".to_owned(), "left_out".to_owned())]);
}

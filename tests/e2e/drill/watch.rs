//! `verify watch`: the daemon without drills, on a machine without PostgreSQL.

use backup_core::repository::BackupId;
use chrono::{TimeDelta, Utc};
use e2e::process::{Run, wait_until};
use e2e::proxy::{Fault, Operation, Rule};
use serde_json::{Value, json};

use super::DrillStand;
use super::stand::DRILL_LIMIT;
use crate::daemon::alarms::{has, has_not};
use crate::daemon::poll::codes;
use crate::daemon::{Running, SOON};
use crate::stand::Stand;

/// A database whose backups say that a run takes a minute at most.
const SQL: &str = "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g";

/// A watcher of the bucket of `stand`: nothing of PostgreSQL is in its PATH, and no folder is there for drills.
fn watch(stand: &Stand) -> Run {
    Run::new("verify")
        .envs(stand.s3.env_through(&stand.proxy.endpoint()))
        .env("PATH", "/nowhere")
        .env("VERIFY_SPOOL_DIR", "/nowhere")
        .envs([("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0"), ("BUCKET_POLL_INTERVAL", "5")])
        .args(["watch"])
}

/// The requests of everything that was not reading, until now.
fn writes(stand: &Stand) -> usize {
    let reads = [Operation::ListObjectsV2, Operation::GetObject];
    stand.proxy.requests().iter().filter(|request| !reads.contains(&request.operation)).count()
}

/// Waits until nothing is wrong.
#[track_caller]
fn wait_until_green(daemon: &Running) -> Value {
    let status = daemon.wait_for(SOON, |status| status["state"] == "watching" && codes(status).is_empty());
    assert_eq!(daemon.get("/health").0, 200);
    status
}

/// Waits until exactly this is wrong; the message.
#[track_caller]
fn wait_until_red(daemon: &Running, code: &str) -> String {
    let status = daemon.wait_for(SOON, |status| codes(status) == [code]);
    assert_eq!((daemon.get("/health").0, daemon.get("/livez").0), (503, 200));
    status["alarms"][0]["message"].as_str().unwrap().to_owned()
}

/// The page, once it says `words`.
#[track_caller]
fn wait_for_page(daemon: &Running, words: &str) -> String {
    let mut page = String::new();
    let said = wait_until(SOON, || {
        page = daemon.get_text("/").1;
        page.contains(words)
    });
    assert!(said, "no {words:?} in {page}");
    page
}

#[test]
fn a_watcher_turns_red_by_each_cause_and_green_again_and_writes_nothing() {
    let stand = DrillStand::of(SQL, &[("BACKUP_TIMEOUT", "60")]);
    let (s3, older) = (&stand.stand.s3, stand.copy_as(TimeDelta::minutes(30)));
    let dump = |id: &str| stand.stand.key(id, &format!("{}.dump.zst", stand.stand.database.name));
    let (objects, before) = (s3.objects(), writes(&stand.stand));
    let daemon = Running::start(watch(&stand.stand));
    let status = wait_until_green(&daemon);
    assert_eq!((&status["next_drill_at"], &status["last_passed_at"]), (&Value::Null, &Value::Null));
    assert_eq!(daemon.get("/readyz"), (200, json!({ "status": "ok" })));
    let page = wait_for_page(&daemon, "Backed up");
    assert!(page.contains("not proven.") && page.contains("whether backups come back is not known here"), "{page}");
    assert!(page.contains("none by this service") && !page.contains("No drill has"), "{page}");
    let log = daemon.process.stderr_so_far();
    assert!(log.contains("verify watch makes no drills") && log.contains("VERIFY_SPOOL_DIR"), "{log}");

    // Data that is gone.
    let lost = s3.read(&dump(&older));
    s3.delete(&dump(&older));
    assert!(wait_until_red(&daemon, "data_lost").contains(&older));
    s3.write(&dump(&older), lost);
    wait_until_green(&daemon);

    // The newest one is gone as a whole; then a newest run without a manifest.
    let died = BackupId::new(Utc::now() - TimeDelta::minutes(2)).to_string();
    let original = s3.objects().into_keys().filter(|key| key.contains(&stand.id));
    let original = original.map(|key| (s3.read(&key), key)).collect::<Vec<_>>();
    original.iter().for_each(|(_, key)| s3.delete(key));
    assert!(wait_until_red(&daemon, "data_lost").contains(&stand.id));
    s3.write(&dump(&died), "x");
    daemon.wait_for(SOON, |status| status["alarms"].to_string().contains(&died));
    s3.delete(&dump(&died));
    original.into_iter().for_each(|(content, key)| s3.write(&key, content));
    wait_until_green(&daemon);

    // A bucket that cannot be listed, whose last listing stays.
    stand.stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::status(503, "SlowDown")));
    assert!(wait_until_red(&daemon, "bucket_unseen").contains("could not be listed since"));
    wait_for_page(&daemon, "this page shows what was known then");
    assert!(wait_until(SOON, || daemon.get("/readyz").0 == 503), "{}", daemon.process.stderr_so_far());
    stand.stand.proxy.clear_rules();
    wait_until_green(&daemon);

    // Everything is gone.
    let left = s3.objects().into_keys().map(|key| (s3.read(&key), key)).collect::<Vec<_>>();
    left.iter().for_each(|(_, key)| s3.delete(key));
    assert!(wait_until_red(&daemon, "backup_silent").contains("there is no full backup any more"));
    left.iter().for_each(|(content, key)| s3.write(key, content.clone()));
    wait_until_green(&daemon);

    stand.reset();
    stand.copy_with(TimeDelta::minutes(30), |_| ());
    assert_eq!((s3.objects().len(), writes(&stand.stand)), (objects.len(), before), "it has written");
}

#[test]
fn an_old_newest_backup_is_told_by_what_backup_does() {
    let stand = DrillStand::of(SQL, &[("BACKUP_TIMEOUT", "60")]);
    stand.copy_as(TimeDelta::hours(2));
    stand.remove_original();
    for key in stand.stand.s3.objects().into_keys().filter(|key| key.contains("/events/")) {
        stand.stand.s3.delete(&key);
    }
    let daemon = Running::start(watch(&stand.stand).env("BACKUP_MAX_AGE", "3600"));
    let message = wait_until_red(&daemon, "backup_silent");
    assert!(message.contains("and 3600 s are allowed; nothing new of backup since"), "{message}");
    // It tries, and fails.
    let event = format!("{}-backup-failed-auth", BackupId::new(Utc::now()));
    stand.stand.s3.write(&format!("postgres-backups/{}/events/{event}", stand.stand.database.name), "");
    let message = wait_until_red(&daemon, "stale");
    assert!(message.contains("and 3600 s are allowed; backup has tried and failed (auth)"), "{message}");
    wait_for_page(&daemon, "The newest full backup is");
    stand.copy_as(TimeDelta::zero());
    wait_until_green(&daemon);
}

#[test]
fn a_watcher_believes_the_records_of_its_own_credentials_and_says_whose_they_are() {
    let stand = DrillStand::of(SQL, &[]);
    // What anyone who writes to the bucket can write.
    let forged = stand.key(&format!("drill-{}-passed.json", Utc::now().format("%Y%m%dT%H%M%SZ")));
    stand.stand.s3.write(&forged, "{}");
    let daemon = Running::start(watch(&stand.stand));
    wait_until_green(&daemon);
    wait_for_page(&daemon, "not proven.");
    let proven = |daemon: &Running| {
        let (_, text) = daemon.get_text("/metrics");
        let sample = format!("postgres_verify_proven{{database=\"{}\"}} ", stand.stand.database.name);
        text.lines().find_map(|line| line.strip_prefix(&sample)?.parse::<f64>().ok())
    };
    assert_eq!(proven(&daemon), Some(0.0));
    let (_, metrics) = daemon.get_text("/metrics");
    assert!(metrics.contains("service=\"watch\"") && !metrics.contains("service=\"verify\""), "{metrics}");
    stand.stand.s3.delete(&forged);

    stand.drill_with(stand.verify().env("VERIFY_ATTEST", "true")).assert_verdict("passed", 0);
    let page = wait_for_page(&daemon, "Proven restorable");
    assert!(page.contains("By the record of another verify, which uses the same credentials of the bucket"), "{page}");
    assert_eq!(proven(&daemon), Some(1.0));
    let status = wait_until_green(&daemon);
    assert!(status["last_passed_at"].is_string() && status["last_report"].is_null(), "{status:#}");

    // A record that does not fit the manifest any more.
    stand.edit_manifest(|manifest| manifest["notes"] = json!(["nothing to add"]));
    let again = Running::start(watch(&stand.stand));
    wait_until_green(&again);
    wait_for_page(&again, "not proven.");
    assert_eq!(proven(&again), Some(0.0));
    assert!(again.process.stderr_so_far().contains("is not the one that was drilled"));
}

#[test]
fn a_drill_that_failed_by_its_record_is_red_until_one_passes() {
    let stand = DrillStand::of(SQL, &[]);
    let tools = super::stand::restore_then("exit 1");
    let failing = stand.verify().env("VERIFY_ATTEST", "true").env("PG_BIN_DIR", tools.path());
    stand.drill_with(failing).assert_verdict("failed", 1);
    let daemon = Running::start(watch(&stand.stand));
    assert!(wait_until_red(&daemon, "drill_failed").contains("the last recorded drill"));
    stand.drill_with(stand.verify().env("VERIFY_ATTEST", "true")).assert_verdict("passed", 0);
    wait_until_green(&daemon);
    wait_for_page(&daemon, "Proven restorable");
}

#[test]
fn everything_in_the_bucket_is_watched_as_soon_as_it_is_there() {
    let stand = Stand::with_rows(10);
    let daemon = Running::start(watch(&stand).env("HTTP_TOKEN", "canary-token-of-a-watcher"));
    let ask = |method, path| crate::api::ask_with(daemon.port(), method, path, "canary-token-of-a-watcher");
    let databases = || ask("GET", "/api/v1/databases").1["databases"].as_array().cloned().unwrap_or_default();
    let names = || databases().iter().map(|one| one["database"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(wait_until(SOON, || databases().first().is_some_and(|one| one["state"] == "watching")));
    assert_eq!(names(), [""], "an empty bucket has no name");
    assert!(databases()[0]["alarms"].as_array().unwrap().is_empty(), "{:#?}", databases());
    stand.run_ok();
    let name = stand.database.name.clone();
    assert!(wait_until(SOON, || names() == [name.clone()]), "{:?}", names());
    for object in stand.objects().into_keys() {
        let content = stand.s3.read(&object);
        stand.s3.write(&object.replace(&name, "another"), content);
    }
    let mut both = vec!["another".to_owned(), name.clone()];
    both.sort();
    assert!(wait_until(SOON, || names() == both), "{:?}", names());
    let (status, page) = daemon.get_text("/");
    assert_eq!(status, 401, "{page}");
    // What is gone stays watched.
    for object in stand.s3.objects().into_keys().filter(|key| key.contains(&name)) {
        stand.s3.delete(&object);
    }
    let gone = || databases().into_iter().find(|one| one["database"] == *name).unwrap()["alarms"].clone();
    assert!(wait_until(SOON, || gone()[0]["code"] == "backup_silent"), "{:#}", gone());
    assert_eq!((gone()[0]["database"].as_str(), databases().len()), (Some(&*name), 2));

    let (status, body) = ask("POST", "/api/v1/drills");
    assert_eq!((status, &body["error"]), (409, &"this process only watches and makes no runs".into()));
    assert_eq!(ask("GET", "/health").1["reasons"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_bucket_that_does_not_answer_at_the_start_is_told_and_looked_at_again_soon() {
    let stand = DrillStand::of(SQL, &[]);
    stand.stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::status(403, "AccessDenied")));
    let daemon = Running::start(watch(&stand.stand).env("BUCKET_POLL_INTERVAL", "600"));
    daemon.wait_for(SOON, has("bucket_unseen"));
    wait_for_page(&daemon, "nothing is known");
    stand.stand.proxy.clear_rules();
    daemon.wait_for(DRILL_LIMIT, has_not("bucket_unseen"));
    wait_until_green(&daemon);
}

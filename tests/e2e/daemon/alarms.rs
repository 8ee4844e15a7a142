//! Alarms that no other test is about: each is raised by its cause and ends with it.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use e2e::postgres::{Postgres, PostgresOptions};
use e2e::process::{Run, wait_until};
use e2e::proxy::{Fault, Operation, Rule};
use e2e::receiver::Receiver;
use serde_json::Value;

use super::poll::codes;
use super::recovery::Door;
use super::{HELD, Running, SOON, Script};
use crate::clock::{Clock, Steady};
use crate::notify::{address, bodies};
use crate::stand::{Stand, wait_for_the_next_second};

/// Two runs with ten seconds between them, on a machine that is busy.
const TWO_RUNS: Duration = Duration::from_secs(60);

/// Whether a status has this alarm.
pub(crate) fn has(code: &'static str) -> impl Fn(&Value) -> bool {
    move |status| codes(status).contains(&code)
}

/// Whether a status does not have this alarm.
pub(crate) fn has_not(code: &'static str) -> impl Fn(&Value) -> bool {
    move |status| !codes(status).contains(&code)
}

/// A daemon whose alarms are looked for in each place in which a person finds them.
pub(crate) struct Watched<'stand> {
    pub(crate) daemon: Running,
    receiver: Receiver,
    stand: &'stand Stand,
    service: &'static str,
}

impl<'stand> Watched<'stand> {
    /// Starts `run`, which is the program `service` and may write its journal.
    #[track_caller]
    pub(crate) fn start(service: &'static str, stand: &'stand Stand, run: Run) -> Self {
        let receiver = Receiver::start();
        let daemon = Running::start(run.env("WEBHOOK_URL", address("json", &receiver)));
        Self { daemon, receiver, stand, service }
    }

    /// Kills the daemon and starts `run` in its place, with the same receiver of messages.
    #[track_caller]
    pub(crate) fn again(self, run: Run) -> Self {
        let Self { mut daemon, receiver, stand, service } = self;
        daemon.process.kill9();
        let daemon = Running::start(run.env("WEBHOOK_URL", address("json", &receiver)));
        Self { daemon, receiver, stand, service }
    }

    /// Waits until `/status` shows the alarm and the journal tells that it was raised.
    #[track_caller]
    pub(crate) fn wait_for_onset(&self, limit: Duration, code: &'static str) -> Value {
        let status = self.daemon.wait_for(limit, has(code));
        self.wait_for_line(code, "raised");
        status
    }

    /// Waits until `/status` does not show it any more and the journal tells that it was resolved.
    #[track_caller]
    pub(crate) fn wait_for_end(&self, limit: Duration, code: &'static str) -> Value {
        let status = self.daemon.wait_for(limit, has_not(code));
        self.wait_for_line(code, "resolved");
        status
    }

    /// Waits for as many messages about alarms of this code as these, which say in this order what became of them.
    #[track_caller]
    pub(crate) fn wait_for_messages(&self, code: &str, expected: &[&str]) {
        let told = || {
            let bodies = bodies(&self.receiver).into_iter().filter(|body| body["data"]["event"] == code);
            bodies.map(|body| body["data"]["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(wait_until(SOON, || told() == expected), "{:#?}", bodies(&self.receiver));
    }

    #[track_caller]
    fn wait_for_line(&self, code: &str, what: &str) {
        let line = format!("-alarm-{}-{code}-{what}", self.service);
        let is_there = || self.stand.events().iter().any(|event| event.contains(&line));
        assert!(wait_until(SOON, is_there), "no {line} in {:#?}", self.stand.events());
    }
}

/// The database is stopped, and its last backup grows old.
#[test]
fn a_newest_backup_that_is_too_old_is_an_alarm_until_there_is_a_new_one() {
    let stand = Stand::with_rows(10);
    let door = Door::new(&stand);
    stand.seed(TimeDelta::seconds(3_590));
    let run = stand.backup().env("DATABASE_URL", &door.url).env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "1");
    let backup = Watched::start("backup", &stand, run.env("BACKUP_MAX_AGE", "3600"));
    let status = backup.wait_for_onset(SOON, "stale");
    assert!(status["alarms"].to_string().contains("s old, and 3600 s are allowed"), "{status:#}");
    door.open();
    backup.wait_for_end(TWO_RUNS, "stale");
    backup.daemon.wait_for(SOON, |status| codes(status).is_empty());
}

#[test]
fn data_that_is_gone_is_an_alarm_until_it_is_back() {
    let stand = Stand::with_rows(2_000);
    let run = stand.backup().env("BACKUP_INTERVAL", "10").env("BACKUP_MIN_INTERVAL", "0");
    let backup = Watched::start("backup", &stand, run.env("BACKUP_MAX_AGE", "86400"));
    backup.daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    stand.sql("DELETE FROM t");
    let status = backup.wait_for_onset(TWO_RUNS, "shrunk");
    assert!(status["alarms"].to_string().contains("is it the right database, and whole?"), "{status:#}");
    backup.wait_for_messages("shrunk", &["firing"]);
    let hashes = "md5(g::text) || md5((g * 7)::text) || md5((g * 13)::text)";
    stand.sql(&format!("INSERT INTO t SELECT g, {hashes} FROM generate_series(1, 2000) g"));
    backup.wait_for_end(TWO_RUNS, "shrunk");
    backup.wait_for_messages("shrunk", &["firing", "resolved"]);
}

#[test]
fn retention_that_may_not_delete_is_an_alarm_until_it_may() {
    let stand = Stand::with_rows(10);
    let old = stand.seed(TimeDelta::days(40));
    let manifest = stand.key(&old, "manifest.json");
    stand.proxy.rule(Rule::new(Operation::DeleteObject, Fault::status(403, "AccessDenied")).key(&manifest));
    let keep = [("BACKUP_RETENTION_DAYS", "1"), ("BACKUP_KEEP_LAST", "1")];
    let run = stand.backup().envs(keep).env("BACKUP_INTERVAL", "86400").env("BUCKET_POLL_INTERVAL", "5");
    let backup = Watched::start("backup", &stand, run);
    backup.daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    let run_once = || {
        wait_for_the_next_second();
        let output = stand.backup().envs(keep).args(["run"]).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    };
    let mut runs = 1;
    while has_not("retention_degraded")(&backup.daemon.status()) {
        assert!(runs < 6, "{:#}", backup.daemon.status());
        run_once();
        runs += 1;
        wait_until(Duration::from_secs(8), || has("retention_degraded")(&backup.daemon.status()));
    }
    assert!(runs >= 3, "one refusal may pass, and so may two");
    backup.wait_for_onset(SOON, "retention_degraded");
    backup.wait_for_messages("retention_degraded", &["firing"]);
    stand.proxy.clear_rules();
    run_once();
    backup.wait_for_end(SOON, "retention_degraded");
    backup.wait_for_messages("retention_degraded", &["firing", "resolved"]);
    assert!(!stand.manifests().contains_key(&manifest));
}

#[test]
fn a_second_cluster_in_the_same_place_is_an_alarm_until_its_backups_are_elsewhere() {
    let (stand, other) = (Stand::with_rows(10), Postgres::start(PostgresOptions::default()));
    let name = &stand.database.name;
    other.sql("postgres", &format!(r#"CREATE DATABASE "{name}""#));
    other.sql(name, "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 2000) g");
    let run = stand.backup().env("BACKUP_INTERVAL", "86400").env("BUCKET_POLL_INTERVAL", "5");
    let backup = Watched::start("backup", &stand, run);
    backup.daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    wait_for_the_next_second();
    let before = stand.objects();
    let output = stand.backup().env("DATABASE_URL", other.url(name)).args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let of_other = stand.objects().into_keys().filter(|key| !before.contains_key(key)).collect::<Vec<_>>();
    wait_for_the_next_second();
    stand.run_ok();
    let status = backup.wait_for_onset(SOON, "shared_repository");
    assert!(status["alarms"].to_string().contains("two PostgreSQL clusters store backups"), "{status:#}");
    backup.wait_for_messages("shared_repository", &["firing"]);
    for key in of_other {
        stand.s3.write(&key.replace("postgres-backups/", "elsewhere/"), stand.s3.read(&key));
        stand.s3.delete(&key);
    }
    backup.wait_for_end(SOON, "shared_repository");
    backup.wait_for_messages("shared_repository", &["firing", "resolved"]);
}

/// A store says what time it is also if it refuses what was signed at another one, more than fifteen minutes away.
#[test]
fn a_clock_that_is_wrong_is_an_alarm_until_it_is_set_also_if_the_store_refuses_it_r040_r127() {
    let test =
        "daemon::alarms::a_clock_that_is_wrong_is_an_alarm_until_it_is_set_also_if_the_store_refuses_it_r040_r127";
    let Some(clock) = Clock::at(test, Utc::now(), Steady::Stays, 1) else { return };
    let stand = Stand::with_rows(10);
    let run = || clock.on(stand.backup().env("BACKUP_INTERVAL", "604800").env("BUCKET_POLL_INTERVAL", "5"));
    let backup = Watched::start("backup", &stand, run());
    backup.daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    clock.step(TimeDelta::minutes(7));
    let status = backup.wait_for_onset(SOON, "clock_skew");
    assert_eq!(codes(&status), ["clock_skew"], "{status:#}");
    backup.wait_for_messages("clock_skew", &["firing"]);
    clock.step(-TimeDelta::minutes(7));
    backup.wait_for_end(SOON, "clock_skew");
    backup.wait_for_messages("clock_skew", &["firing", "resolved"]);

    clock.step(TimeDelta::minutes(20));
    let status = backup.daemon.wait_for(SOON, |status| has("clock_skew")(status) && has("bucket_unseen")(status));
    let words = status["alarms"].to_string();
    assert!(words.contains("RequestTimeTooSkewed") && words.matches("s ahead of the store's").count() == 2, "{words}");
    clock.step(-TimeDelta::minutes(20));
    backup.daemon.wait_for(SOON, |status| codes(status).is_empty());
    drop(backup);

    // From the start on, before anything was listed.
    clock.step(TimeDelta::days(400));
    let daemon = Running::start(run());
    let status = daemon.wait_for(SOON, |status| has("clock_skew")(status) && has("bucket_unseen")(status));
    assert!(status["alarms"].to_string().contains("s ahead of the store's (clock skew)"), "{status:#}");
    clock.step(-TimeDelta::days(400));
    daemon.wait_for(SOON, |status| codes(status).is_empty());
}

/// What the log knows, a person who reads only the alarm, the message or the page must know, too.
#[test]
fn a_bucket_that_refuses_from_the_start_on_is_an_alarm_with_the_reason_until_it_does_not() {
    let (stand, folder) = (Stand::with_rows(10), tempfile::tempdir().unwrap());
    let key = folder.path().join("key");
    std::fs::write(&key, "canary-of-another-key").unwrap();
    let run = stand.backup().env("BACKUP_INTERVAL", "86400").env_remove("S3_SECRET_ACCESS_KEY");
    let daemon = Running::start(run.env("S3_SECRET_ACCESS_KEY_FILE", &key));
    let reason = "403 SignatureDoesNotMatch";
    let status = daemon.wait_for(SOON, |status| status["alarms"].to_string().contains(reason));
    assert_eq!(codes(&status), ["bucket_unseen"], "{status:#}");
    assert!(status["alarms"].to_string().contains("check S3_SECRET_ACCESS_KEY"), "{status:#}");
    let (code, health) = daemon.get("/health");
    assert!(code == 503 && health["reasons"].to_string().contains(reason), "{health:#}");
    // The first look may pass, until the second one has failed as well.
    let page = || daemon.get_text("/").1;
    assert!(wait_until(SOON, || page().contains("The bucket could not be listed since the start")), "{}", page());
    assert!(page().contains(reason) && !page().contains("answered since"), "{}", page());
    std::fs::write(&key, stand.s3.secret_key()).unwrap();
    daemon.wait_for(SOON, |status| codes(status).is_empty() && status["last_run"]["succeeded"] == true);
}

#[test]
fn a_bucket_that_refuses_before_any_database_is_known_is_an_alarm_with_the_reason() {
    let stand = Stand::new();
    stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::status(403, "AccessDenied")));
    let daemon = Running::start(stand.backup().env("DATABASES", "none-of-these*"));
    let status = daemon.wait_for(SOON, |status| status["alarms"].to_string().contains("403 AccessDenied"));
    assert_eq!(codes(&status), ["bucket_unseen"], "{status:#}");
    stand.proxy.clear_rules();
    daemon.wait_for(SOON, |status| codes(status) == ["no_backup"]);
}

#[test]
fn a_database_that_is_gone_is_an_alarm_until_it_is_there_again() {
    let stand = Stand::with_rows(10);
    let run = stand.backup().env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "1").env("BACKUP_MAX_AGE", "86400");
    let daemon = Running::start(run);
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    daemon.wait_until_waiting();
    let name = &stand.database.name;
    let rename = |from: &str, to: &str| {
        stand.postgres.sql("postgres", &format!(r#"ALTER DATABASE "{from}" RENAME TO "{to}""#));
    };
    let away = format!("{name}_away");
    rename(name, &away);
    let status = daemon.wait_for(TWO_RUNS, has("database_missing"));
    rename(&away, name);
    assert_eq!(status["last_run"]["class"], "database_missing", "{status:#}");
    assert!(status["newest_full_backup"]["id"].is_string());
    daemon.wait_for(TWO_RUNS, |status| codes(status).is_empty());
}

#[test]
fn a_run_that_takes_as_long_as_the_time_between_two_is_an_alarm_until_one_does_not() {
    let stand = Stand::with_rows(10);
    let script = Script::pg_dump(HELD);
    let daemon = Running::start(script.on(stand.backup()).env("BACKUP_INTERVAL", "60"));
    script.wait_for("held");
    assert!(has_not("slow")(&daemon.status()));
    let status = daemon.wait_for(Duration::from_secs(90), has("slow"));
    assert_eq!(status["state"], "running", "{status:#}");
    script.give("go");
    let status = daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    assert!(has("slow")(&status), "it is known until a run has the usual length: {status:#}");
    daemon.wait_for(Duration::from_secs(120), has_not("slow"));
}

//! Alarms that no other test is about: each is raised by its cause and ends with it.

use std::time::Duration;

use serde_json::Value;

use super::poll::codes;
use super::{HELD, Running, SOON, Script};
use crate::stand::Stand;

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

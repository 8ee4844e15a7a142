//! The daemon with several databases.

use std::collections::BTreeSet;

use e2e::postgres::SUPERUSER;
use e2e::process::{Run, wait_until};
use serde_json::Value;

use super::{backup, backups, create, names, site};
use crate::daemon::{Running, SOON, Script};
use crate::stand::Stand;

/// Every ten seconds, every database but that which a server always has.
fn every(stand: &Stand) -> Run {
    let run = backup(stand, "*").env("DATABASES_EXCLUDE", "postgres").env("BACKUP_INTERVAL", "10");
    run.env("BACKUP_MIN_INTERVAL", "0").env("BACKUP_RETENTION_DAYS", "1").env("BACKUP_KEEP_LAST", "1")
}

#[track_caller]
fn wait_for(daemon: &Running, what: &str, reached: impl Fn() -> bool) {
    assert!(wait_until(SOON * 2, reached), "{what}\n{}", daemon.process.stderr_so_far());
}

/// The codes of alarms of a database.
fn alarms(daemon: &Running, database: &str) -> Vec<String> {
    let health = daemon.get("/health").1;
    let all = health["alarms"].as_array().cloned().unwrap_or_default();
    let own = all.iter().filter(|alarm| alarm["database"] == database);
    own.map(|alarm| alarm["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_new_database_is_backed_up_by_itself_and_one_that_is_gone_is_missed_r160() {
    let stand = site(&["app", "crm"]);
    let mut daemon = Running::start(every(&stand));
    wait_for(&daemon, "both", || names(&stand) == ["app", "crm"]);
    create(&stand, "new one");
    stand.postgres.sql(SUPERUSER, "DROP DATABASE crm WITH (FORCE)");
    wait_for(&daemon, "the new one", || names(&stand) == ["app", "crm", "new one"]);
    let appeared = || {
        let keys = stand.s3.objects().into_keys().filter(|key| key.ends_with("-database-appeared"));
        keys.map(|key| key.split('/').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    wait_for(&daemon, "its event", || appeared() == ["new~20one"]);
    wait_for(&daemon, "the alarm", || alarms(&daemon, "crm").contains(&"database_missing".to_owned()));
    assert_eq!(alarms(&daemon, "app"), Vec::<String>::new());
    let page = daemon.get_text("/").1;
    let position = |name: &str| page.find(&format!("/databases/{name}")).unwrap_or_else(|| panic!("{name}: {page}"));
    assert!(position("crm") < position("app") && position("crm") < position("new%20one"), "{page}");
    assert!(daemon.get_text("/databases/crm").1.contains("did not exist on the server"));
    assert_eq!(daemon.get_text("/databases/new%20one").0, 200);
    let status = daemon.status();
    assert_eq!(status["databases"].as_array().unwrap().len(), 3, "{status:#}");
    // Others go on, and their retention; nothing of what is gone is deleted.
    let rounds = || backups(&stand);
    wait_for(&daemon, "another round", || stand.events().iter().filter(|one| one.contains("started")).count() > 4);
    assert_eq!(rounds()["crm"], 1);
    let log = daemon.process.stderr_so_far();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let nameless: BTreeSet<String> = lines
        .filter(|line| line["database"].is_null())
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect();
    let of_process =
        |message: &&String| message.starts_with("backups are not encrypted") || *message == "backup daemon started";
    assert!(nameless.iter().all(|message| of_process(&message)), "{nameless:?}");
    assert!(log.contains("\"message\":\"backup committed\"") && log.contains("\"database\":\"new one\""), "{log}");
    daemon.process.kill9();

    let mut daemon = Running::start(every(&stand));
    wait_for(&daemon, "the alarm after a restart", || alarms(&daemon, "crm").contains(&"database_missing".to_owned()));
    daemon.process.kill9();
    let daemon = Running::start(every(&stand).env("DATABASES_EXCLUDE", "postgres,crm"));
    wait_for(&daemon, "the others", || daemon.status()["databases"].as_array().is_some_and(|all| all.len() == 2));
    assert_eq!((alarms(&daemon, "crm"), rounds()["crm"]), (Vec::new(), 1));
}

#[test]
fn a_server_without_a_database_to_back_up_is_an_alarm_until_there_is_one() {
    let stand = site(&[]);
    let daemon = Running::start(every(&stand));
    wait_for(&daemon, "an alarm", || daemon.get("/health").1.to_string().contains("no_backup"));
    assert_eq!(daemon.get("/livez").0, 200);
    create(&stand, "app");
    wait_for(&daemon, "its backup", || names(&stand) == ["app"]);
    wait_for(&daemon, "green", || daemon.get("/health").0 == 200);
    assert_eq!(daemon.status()["database"], "app");
}

/// What is known goes on; what nothing is known of has to be told.
#[test]
fn a_server_that_cannot_be_listed_is_an_alarm_and_what_is_known_is_backed_up() {
    let stand = site(&["app", "crm"]);
    create(&stand, "office");
    let daemon = || every(&stand).env("DATABASE_URL", stand.postgres.url("office")).env("RETRY_DELAY", "1");
    let run = daemon().env("DATABASES_EXCLUDE", "postgres,office");
    let running = Running::start(run);
    wait_for(&running, "both", || names(&stand) == ["app", "crm"]);
    stand.postgres.sql(SUPERUSER, "DROP DATABASE office WITH (FORCE)");
    create(&stand, "new");
    wait_for(&running, "the alarm", || alarms(&running, "app") == ["left_out"]);
    assert_eq!(alarms(&running, "crm"), Vec::<String>::new(), "one alarm is enough");
    let made = backups(&stand)["app"];
    wait_for(&running, "more backups of app", || backups(&stand)["app"] > made + 1);
    let health = running.get("/health").1.to_string();
    assert!(health.contains("the databases of the server cannot be listed"), "{health}");
    create(&stand, "office");
    wait_for(&running, "the new one", || names(&stand) == ["app", "crm", "new"]);
    wait_for(&running, "the end of the alarm", || running.get("/health").0 == 200);
}

/// A name in another encoding cannot be written down, but it can be told and left out.
#[test]
fn a_name_that_is_no_text_is_an_alarm_until_it_is_excluded() {
    let stand = site(&["app"]);
    let locale = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    stand.postgres.sql(SUPERUSER, &format!("CREATE DATABASE latin {locale}"));
    stand.postgres.sql("latin", "CREATE DATABASE \"caf\u{e9}\" TEMPLATE template0");
    let run = || every(&stand).env("DATABASES_EXCLUDE", "postgres,latin");
    let output = run().args(["run"]).output();
    assert_eq!((output.code, names(&stand)), (Some(1), vec!["app".to_owned()]), "{}", output.stderr);
    assert!(output.stderr.contains("databases whose names are not UTF-8 are not backed up"), "{}", output.stderr);
    let mut daemon = Running::start(run());
    wait_for(&daemon, "the alarm", || alarms(&daemon, "app") == ["left_out"]);
    daemon.process.kill9();
    let output = run().env("DATABASES_EXCLUDE", "postgres,latin,caf*").args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

/// One that never had a backup is no loss.
#[test]
fn a_database_that_goes_before_its_first_backup_is_forgotten() {
    let stand = site(&["app", "short_lived"]);
    stand
        .postgres
        .sql(SUPERUSER, "REVOKE CONNECT ON DATABASE short_lived FROM PUBLIC; CREATE ROLE reader LOGIN PASSWORD 'a'");
    stand.postgres.sql(SUPERUSER, "GRANT pg_read_all_data TO reader");
    let url = stand.postgres.url_as("reader", "a", SUPERUSER);
    let daemon = Running::start(every(&stand).env("DATABASE_URL", url));
    wait_for(&daemon, "both", || daemon.status()["databases"].as_array().is_some_and(|all| all.len() == 2));
    wait_for(&daemon, "the alarm", || alarms(&daemon, "short_lived").contains(&"no_backup".to_owned()));
    stand.postgres.sql(SUPERUSER, "DROP DATABASE short_lived");
    wait_for(&daemon, "only one", || daemon.status()["database"] == "app");
    wait_for(&daemon, "green", || daemon.get("/health").0 == 200);
}

#[test]
fn a_killed_process_leaves_no_false_backup_and_the_next_one_makes_the_rest_r160() {
    let stand = site(&["app", "crm", "zoo"]);
    let script = Script::pg_dump(
        r#"[ "$(wc -l < "$D/starts")" -eq 1 ] && exec "$REAL" "$@"
        "$REAL" "$@" | { head -c 100; : > "$D/held"; while [ -d "$D" ]; do sleep 0.05; done; }"#,
    );
    let mut daemon = Running::start(script.on(every(&stand)));
    script.wait_for("held");
    wait_for(&daemon, "the first", || backups(&stand).len() == 1);
    daemon.process.kill9();
    assert_eq!(backups(&stand).len(), 1);
    let daemon = Running::start(every(&stand));
    wait_for(&daemon, "all", || names(&stand) == ["app", "crm", "zoo"]);
    wait_for(&daemon, "green", || daemon.get("/health").0 == 200);
}

#[test]
fn two_daemons_with_the_same_databases_do_not_disturb_each_other_r160() {
    let stand = site(&["app", "crm", "zoo"]);
    let run = || every(&stand).env("BACKUP_KEEP_LAST", "50");
    let daemons = [Running::start(run()), Running::start(run())];
    let all = || backups(&stand);
    wait_for(&daemons[0], "two of each", || all().len() == 3 && all().values().all(|backups| *backups >= 2));
    for daemon in &daemons {
        wait_for(daemon, "green", || daemon.get("/health").0 == 200);
    }
    for key in stand.manifests().into_keys() {
        let manifest: Value = serde_json::from_slice(&stand.s3.read(&key)).unwrap();
        let dump = manifest["dump"]["key"].as_str().unwrap_or_default().to_owned();
        assert!(dump.is_empty() || stand.s3.objects().keys().any(|key| key.ends_with(&dump)), "{manifest:#}");
    }
    assert_eq!(stand.s3.open_uploads(), 0);
}

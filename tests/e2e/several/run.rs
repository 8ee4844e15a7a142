//! `backup run` for several databases, and the commands.

use e2e::postgres::SUPERUSER;
use e2e::receiver::Receiver;
use e2e::tools::FakeTools;
use serde_json::Value;

use super::{backup, backups, create, names, site};

/// Names that are commands, lists, options and paths somewhere.
const HOSTILE: [&str; 6] = ["a,b", "say \"hello\"", "two\nlines", "ü/../x", "--host=evil", "dbname=x user=y"];

#[test]
fn every_database_that_can_be_read_is_backed_up_in_one_run_r160() {
    let stand = site(&["app", "tmp_1", "rdsadmin", "_supabase", "a template", "closed"]);
    HOSTILE.iter().for_each(|name| create(&stand, name));
    stand.postgres.sql(SUPERUSER, "ALTER DATABASE \"a template\" IS_TEMPLATE true");
    stand.postgres.sql(SUPERUSER, "ALTER DATABASE closed ALLOW_CONNECTIONS false");
    let output = backup(&stand, "*").env("DATABASES_EXCLUDE", "tmp_?,\"a,b\"").args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let mut expected = vec!["app".to_owned(), "postgres".to_owned()];
    expected.extend(HOSTILE[1..].iter().map(|name| (*name).to_owned()));
    expected.sort();
    assert_eq!(names(&stand), expected);
    for key in stand.manifests().into_keys() {
        let manifest: Value = serde_json::from_slice(&stand.s3.read(&key)).unwrap();
        assert!(expected.contains(&manifest["database"]["name"].as_str().unwrap().to_owned()));
        assert!(manifest["globals"].is_object(), "{manifest:#}");
        assert!(manifest["notes"].to_string().contains("do not show one moment"), "{manifest:#}");
        let rows = if manifest["database"]["name"] == "postgres" { 0 } else { 1 };
        assert_eq!(manifest["inventory"]["tables"].as_array().unwrap().len(), rows, "{manifest:#}");
    }
    // By name what a pattern leaves out, and nothing else.
    let output = backup(&stand, "rdsadmin, \"a,b\"").args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let backups = backups(&stand);
    assert_eq!((backups["rdsadmin"], backups["a,b"], backups["app"]), (1, 1, 1));
}

#[test]
fn one_that_fails_stops_no_other_and_the_exit_code_says_so_r160() {
    let stand = site(&["app", "forbidden", "zoo"]);
    let sql = "CREATE ROLE reader LOGIN PASSWORD 'a'; GRANT pg_read_all_data TO reader;
               REVOKE CONNECT ON DATABASE forbidden FROM PUBLIC";
    stand.postgres.sql(SUPERUSER, sql);
    let url = stand.postgres.url_as("reader", "a", SUPERUSER);
    let metrics = tempfile::tempdir().unwrap();
    let file = metrics.path().join("backup.prom");
    let run = backup(&stand, "*").env("DATABASE_URL", url).env("METRICS_FILE", file.to_str().unwrap());
    let output = run.args(["run"]).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_eq!(names(&stand), ["app", "postgres", "zoo"]);
    assert!(output.stderr.contains("permission denied for database"), "{}", output.stderr);
    let metrics = std::fs::read_to_string(file).unwrap();
    for (name, failed) in [("app", 0), ("forbidden", 1), ("zoo", 0)] {
        let line = format!("postgres_backup_last_run{{database=\"{name}\",outcome=\"failed\"}} {failed}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

#[test]
fn a_database_that_is_named_and_does_not_exist_fails_by_itself_r160() {
    let stand = site(&["app"]);
    let output = backup(&stand, "gone,app").args(["run"]).output();
    assert_eq!((output.code, names(&stand)), (Some(1), vec!["app".to_owned()]), "{}", output.stderr);
    let output = backup(&stand, "nothing_*").args(["run"]).output();
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("no database is selected by DATABASES"), "{}", output.stderr);
    // A server that does not answer is told of by the run of the database that is known.
    let run =
        backup(&stand, "*").env("DATABASE_URL", "postgresql://u:p@127.0.0.1:1/postgres").env("RETRY_ATTEMPTS", "1");
    let output = run.args(["run"]).output();
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("cannot list all databases"), "{}", output.stderr);
    assert!(output.stderr.contains("\"backup failed\""), "{}", output.stderr);
}

#[test]
fn commands_show_every_database() {
    let stand = site(&["app", "crm"]);
    let several = || backup(&stand, "*").env("DATABASES_EXCLUDE", "postgres");
    assert_eq!(several().args(["run"]).output().code, Some(0));
    let listed = several().args(["list"]).output().stdout;
    assert!(listed.contains("database app\n") && listed.contains("database crm\n"), "{listed}");
    let listed: Value = serde_json::from_str(&several().args(["list", "--json"]).output().stdout).unwrap();
    let databases = listed["databases"].as_array().unwrap();
    assert_eq!(databases.iter().map(|one| one["database"].as_str().unwrap()).collect::<Vec<_>>(), ["app", "crm"]);
    assert!(databases.iter().all(|one| one["backups"].as_array().unwrap().len() == 1), "{listed:#}");
    let pruned = several().args(["prune", "--dry-run"]).output();
    assert_eq!(pruned.code, Some(0), "{}", pruned.stderr);
    assert!(pruned.stdout.contains("database app\n") && pruned.stdout.contains("database crm\n"), "{}", pruned.stdout);
    let checked = several().args(["check"]).output();
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    assert_eq!(checked.stdout.matches("a backup would succeed").count(), 2, "{}", checked.stdout);
}

#[test]
fn each_database_has_its_pings_and_its_messages() {
    let (stand, receiver) = (site(&["app"]), Receiver::start());
    let ping = format!("http://{}/ping/{{database}}", receiver.authority());
    let run =
        backup(&stand, "app,gone").env("HEALTHCHECK_PING_URL", ping).env("HEALTHCHECK_PING_STYLE", "healthchecks");
    let run = run.env("WEBHOOK_URL", crate::notify::address("json", &receiver)).env("RETRY_ATTEMPTS", "1");
    assert_eq!(run.args(["run"]).output().code, Some(1));
    let (pings, messages): (Vec<_>, Vec<_>) =
        receiver.received().into_iter().partition(|received| received.target.starts_with("/ping/"));
    let targets: Vec<&str> = pings.iter().map(|ping| ping.target.split('?').next().unwrap()).collect();
    assert_eq!(targets, ["/ping/app/start", "/ping/app", "/ping/gone/start", "/ping/gone/1"]);
    let failed: Vec<&str> = messages.iter().map(|message| message.body.as_str()).collect();
    assert!(failed.iter().any(|body| body.contains("\"gone\"")), "{failed:?}");
    assert!(!failed.iter().any(|body| body.contains("failing") && body.contains("\"app\"")), "{failed:?}");
}

#[test]
fn without_databases_everything_is_as_it_was() {
    let stand = site(&["app", "crm"]);
    let run = stand.backup().env("DATABASE_URL", stand.postgres.url("app"));
    let output = run.env("PG_BIN_DIR", FakeTools::new().path()).args(["run"]).output();
    assert_eq!((output.code, names(&stand)), (Some(0), vec!["app".to_owned()]), "{}", output.stderr);
    let (_, manifest) = stand.manifests().into_keys().map(|key| (key.clone(), stand.s3.read(&key))).next().unwrap();
    assert!(!String::from_utf8(manifest).unwrap().contains("one of several"));
}

//! The dump of roles that the databases of one server share.

use e2e::postgres::SUPERUSER;

use super::{backup, names, site};
use crate::daemon::{HELD, Running, SOON, Script};

/// Passes on to the real tool.
const REAL: &str = r#"exec "$REAL" "$@""#;

fn texts(stand: &crate::stand::Stand) -> Vec<String> {
    let keys = stand.s3.objects().into_keys().filter(|key| key.ends_with("/globals.sql"));
    keys.map(|key| String::from_utf8(stand.s3.read(&key)).unwrap()).collect()
}

#[test]
fn roles_are_dumped_once_and_stored_with_every_backup_r160() {
    let stand = site(&["app", "crm", "zoo"]);
    let script = Script::of("pg_dumpall", REAL);
    let output = script.on(backup(&stand, "app,crm,zoo").env("COMPRESSION", "none")).args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!((script.starts().len(), texts(&stand).len()), (1, 3));
}

#[test]
fn roles_that_change_during_a_run_are_in_the_backups_after_it() {
    let stand = site(&["app", "crm"]);
    let script = Script::pg_dump(HELD);
    let run = script.on(backup(&stand, "app,crm").env("COMPRESSION", "none"));
    let running = run.args(["run"]).spawn();
    script.wait_for("held");
    stand.postgres.sql(SUPERUSER, "CREATE ROLE late_role; COMMENT ON ROLE late_role IS 'x'");
    script.give("go");
    assert_eq!(running.wait(SOON).code, Some(0));
    let with_it = texts(&stand).iter().filter(|text| text.contains("late_role")).count();
    assert_eq!(with_it, 1, "only the backup that began after it");
}

#[test]
fn so_many_databases_at_once_as_are_asked_for() {
    let stand = site(&["app", "crm", "zoo"]);
    for (jobs, expected) in [("1", 1), ("2", 2)] {
        let script = Script::pg_dump(HELD);
        let run = script.on(backup(&stand, "*").env("DATABASES_EXCLUDE", "postgres")).env("DATABASES_JOBS", jobs);
        let mut daemon = Running::start(run.env("RUN_ON_STARTUP", "true").env("BACKUP_MIN_INTERVAL", "0"));
        script.wait_for("held");
        assert!(e2e::process::wait_until(SOON, || script.starts().len() == expected));
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(script.starts().len(), expected, "{}", daemon.process.stderr_so_far());
        script.give("go");
        assert!(e2e::process::wait_until(SOON, || script.starts().len() >= 3 && names(&stand).len() == 3));
        daemon.process.kill9();
    }
}

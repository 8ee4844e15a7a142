//! What a dead drill left on an external server goes at every start, whether there is a backup or not.

use e2e::postgres::{Postgres, SUPERUSER};
use e2e::process::wait_until;
use nix::sys::signal::Signal;

use super::{FAILED, Gate, LONG, SOON, STOPPED, Site, drill, leftovers, server};

const SOURCE: &str = "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g";

/// Kills a drill in the middle of its restore.
fn leave_something(site: &Site, server: &Postgres) {
    let gate = Gate::closed();
    let mut victim = site.verify_on(server).env("PG_BIN_DIR", gate.path()).args(["run"]).spawn();
    gate.wait_until_reached();
    victim.kill9();
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname LIKE 'verify_drill%'";
    assert!(wait_until(SOON, || server.sql(SUPERUSER, sessions) == "0"), "sessions outlive their verify");
    assert_eq!(leftovers(server).lines().count(), 1);
}

#[test]
fn leftovers_go_although_there_is_nothing_to_drill_r059() {
    let site = Site::new(SOURCE);
    let server = server(&[]);
    leave_something(&site, &server);
    let keys = site.stand.s3.objects().into_keys();
    let kept: Vec<_> = keys.map(|key| (key.clone(), site.stand.s3.read(&key))).collect();
    kept.iter().for_each(|(key, _)| site.stand.s3.delete(key));
    let nothing = drill(site.verify_on(&server));
    nothing.assert_code(FAILED).assert_lists("findings", &["there is no backup"]);
    nothing.assert_lists("notes", &["which a dead drill had left"]);
    assert_eq!(leftovers(&server), "");

    kept.iter().for_each(|(key, content)| site.stand.s3.write(key, content));
    leave_something(&site, &server);
    kept.iter().for_each(|(key, _)| site.stand.s3.delete(key));
    // A daemon whose next drill is far away.
    let mut daemon = site.verify_on(&server).env("VERIFY_SCHEDULE", "0 0 1 1 *").spawn();
    assert!(wait_until(LONG, || leftovers(&server).is_empty()), "{}", daemon.stderr_so_far());
    daemon.signal(Signal::SIGTERM);
    daemon.wait(LONG);
}

/// CREATE DATABASE is done and its comment waits: a process that no longer listens leaves a database without a
/// mark.
#[test]
fn a_stop_while_a_database_is_being_created_leaves_none_r059() {
    let site = Site::new(SOURCE);
    let server = server(&[]);
    let lock = "BEGIN; LOCK TABLE pg_shdescription IN SHARE MODE; SELECT pg_sleep(600)";
    let psql = e2e::process::Run::program(server.bin_dir().join("psql"));
    let mut blocker = psql.args(["-c", lock, &server.url(SUPERUSER)]).spawn();
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    assert!(wait_until(SOON, || server.sql(SUPERUSER, sleeping) == "1"), "{}", blocker.stderr_so_far());
    let mut stopped = site.verify_on(&server).args(["run"]).spawn();
    let marking = "SELECT count(*) FROM pg_stat_activity
                     WHERE query LIKE 'COMMENT ON DATABASE%' AND wait_event_type = 'Lock'";
    assert!(wait_until(LONG, || server.sql(SUPERUSER, marking) == "1"), "{}", stopped.stderr_so_far());
    stopped.signal(Signal::SIGTERM);
    std::thread::sleep(std::time::Duration::from_secs(1));
    server.sql(SUPERUSER, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    let output = stopped.wait(LONG);
    assert_eq!(output.code, STOPPED, "{}", output.stderr);
    assert!(wait_until(SOON, || server.sql(SUPERUSER, marking) == "0"));
    assert_eq!(leftovers(&server), "");
    blocker.kill9();
}

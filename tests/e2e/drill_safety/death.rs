//! Deaths at bad moments: what is left, and that the next drill removes that and nothing else.

use std::fs;
use std::time::{Duration, Instant};

use e2e::postgres::{Postgres, SUPERUSER};
use e2e::process::{command_line, wait_until};
use e2e::tools::FakeTools;
use nix::sys::signal::Signal;

use super::{
    COULD_NOT_RUN, Gate, LONG, PASSED, SKIPPED, SOON, STOPPED, Site, drill, leftovers, open_folder, processes_in,
    server,
};

const SOURCE: &str = "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g";

/// Restores for a minute, as a server that does not come to an end.
const SLOW: &str = "
    CREATE TABLE armed (id int);
    CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN IF EXISTS (SELECT FROM public.armed) THEN PERFORM pg_sleep(60); END IF; RETURN 1; END $$;
    CREATE MATERIALIZED VIEW v AS SELECT slow() AS n;
    INSERT INTO armed VALUES (1)";

/// A name of a drill's grammar that no drill made.
const FOREIGN: &str = "verify_drill_20261122t030000z_abcdefghijklmnop";

fn sleeping(server: &Postgres) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    server.sql(SUPERUSER, sql).parse().unwrap()
}

#[test]
fn a_killed_drill_on_a_given_server_is_swept_by_the_next_and_a_living_one_is_not_r059_r064() {
    let site = Site::new(&format!("CREATE ROLE \"r059 SOURCE\"; {SOURCE}; ALTER TABLE t OWNER TO \"r059 SOURCE\""));
    let server = server(&[]);
    server.sql(SUPERUSER, &format!("CREATE DATABASE {FOREIGN}"));
    let run = || site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER));
    let gate = Gate::closed();
    let mut victim = run().env("PG_BIN_DIR", gate.path()).args(["run"]).spawn();
    gate.wait_until_reached();
    let during = leftovers(&server);
    assert_eq!(during.lines().count(), 3, "{during}");

    let second = drill(run());
    second.assert_code(SKIPPED);
    assert_eq!(second.report["error"], "another drill runs on this server; this one is skipped");
    assert_eq!(leftovers(&server), during, "a living drill was swept");

    victim.kill9();
    assert!(wait_until(SOON, || processes_in(site.spool.path()).is_empty()), "processes outlive their verify");
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname LIKE 'verify_drill%'";
    assert!(wait_until(SOON, || server.sql(SUPERUSER, sessions) == "0"), "sessions outlive their verify");
    assert_eq!(leftovers(&server), during, "the next start has nothing to sweep");
    assert!(fs::read_dir(site.spool.path()).unwrap().count() > 0, "the next start has nothing to sweep");

    let next = drill(run());
    next.assert_code(PASSED).assert_lists("notes", &["which a dead drill had left", FOREIGN]);
    assert_eq!(leftovers(&server), FOREIGN, "not exactly the leftovers were swept");
    assert_eq!(server.sql(SUPERUSER, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'r059%'"), "0");
    site.assert_clean();
}

#[test]
fn a_killed_drill_on_a_throwaway_server_takes_it_along_r059() {
    let site = Site::new(SOURCE);
    let gate = Gate::closed();
    let mut victim = site.verify().env("PG_BIN_DIR", gate.path()).args(["run"]).spawn();
    gate.wait_until_reached();
    assert!(processes_in(site.spool.path()).len() > 2, "there is no throwaway server");
    victim.kill9();
    assert!(wait_until(SOON, || processes_in(site.spool.path()).is_empty()), "processes outlive their verify");
    assert!(fs::read_dir(site.spool.path()).unwrap().count() > 0, "the next start has nothing to sweep");
    drill(site.verify()).assert_code(PASSED);
    site.assert_clean();
}

/// A server that begins only just now has no handlers yet, and what is ignored at its start it inherits: shells
/// ignore SIGINT and SIGQUIT for what they start in the background.
#[test]
fn a_server_that_is_just_starting_dies_with_its_drill_r059() {
    let site = Site::new(SOURCE);
    let folder = open_folder();
    let reached = folder.path().join("reached");
    let mut tools = FakeTools::new();
    tools.script(
        "postgres",
        &format!("case \"$*\" in *port=*) : >'{}'; sleep 1 ;; esac; exec \"$REAL\" \"$@\"", reached.display()),
    );
    let run = site.verify().env("PG_BIN_DIR", tools.path()).args(["run"]);
    let mut victim = run.under("/bin/sh", &["-c", "trap '' INT QUIT; exec \"$@\"", "sh"]).spawn();
    assert!(wait_until(LONG, || reached.exists()), "no server was started: {}", victim.stderr_so_far());
    victim.kill9();
    // Longer than the server's start, so that one which goes on would be there now.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(processes_in(site.spool.path()), Vec::<u32>::new(), "a server outlives its verify");
    drill(site.verify()).assert_code(PASSED);
    site.assert_clean();
}

#[test]
fn whenever_a_drill_is_killed_the_next_one_leaves_nothing_r059() {
    const KILLS: u32 = 10;
    let site = Site::new(&format!("CREATE ROLE \"r059 SOURCE\"; {SOURCE}; ALTER TABLE t OWNER TO \"r059 SOURCE\""));
    let server = server(&[]);
    let given = || site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER));
    let started = Instant::now();
    drill(given()).assert_code(PASSED);
    let whole = started.elapsed();
    for number in 0..KILLS {
        let run = if number % 5 == 4 { site.verify() } else { given() };
        let mut victim = run.args(["run"]).spawn();
        // Spread over the whole drill, and a little differently each time.
        let moment = whole * number / KILLS + Duration::from_millis(u64::from(std::process::id() % 50));
        std::thread::sleep(moment);
        victim.kill9();
        let gone = wait_until(SOON, || processes_in(site.spool.path()).is_empty());
        let left =
            || processes_in(site.spool.path()).into_iter().map(|pid| command_line(pid).join(" ")).collect::<Vec<_>>();
        assert!(gone, "killed after {moment:?} of {whole:?}, processes outlive their verify: {:?}", left());
    }
    drill(given()).assert_code(PASSED);
    assert_eq!(leftovers(&server), "", "killed at some moment of {whole:?}");
    assert_eq!(server.sql(SUPERUSER, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'r059%'"), "0");
    site.assert_clean();
}

#[test]
fn a_stop_in_the_middle_of_a_restore_ends_it_within_the_grace() {
    let site = Site::new(SLOW);
    let server = server(&[]);
    let mut stopped = site.verify_on(&server).args(["run"]).spawn();
    assert!(wait_until(LONG, || sleeping(&server) == 1), "no restore began: {}", stopped.stderr_so_far());
    let asked = Instant::now();
    stopped.signal(Signal::SIGTERM);
    let output = stopped.wait(SOON);
    assert_eq!(output.code, STOPPED, "{}", output.stderr);
    assert!(asked.elapsed() < Duration::from_secs(8), "the stop took {:?}", asked.elapsed());
    assert_eq!((sleeping(&server), leftovers(&server)), (0, String::new()));
    site.assert_clean();
}

#[test]
fn a_restore_beyond_its_bound_is_ended_with_its_sessions_r063() {
    let site = Site::new(SLOW);
    let server = server(&[]);
    let drilled = drill(site.verify_on(&server).env("VERIFY_TIMEOUT", "6"));
    drilled.assert_code(COULD_NOT_RUN).assert_refused("6 s (VERIFY_TIMEOUT)");
    assert!(server.log_text().contains("REFRESH MATERIALIZED VIEW"), "the bound came before the restore");
    assert_eq!((sleeping(&server), leftovers(&server)), (0, String::new()));
    site.assert_clean();
}

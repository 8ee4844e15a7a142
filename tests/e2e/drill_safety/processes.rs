//! Nothing that code of an archive starts outlives its drill, however it hides.

use e2e::process::wait_until;
use e2e::tools::FakeTools;

use super::{LONG, SOON, Site, drill, open_folder, processes_in};

/// Starts programs that leave their session, their group, their parents and their environment behind, hear no signal
/// that can be ignored, and name `folder` as long as they live; then does `after`.
fn archive(folder: &str, after: &str) -> String {
    let forever = "trap \"\" TERM INT QUIT HUP; cd /; : > $0/$1; while :; do sleep 0.1; done";
    let start = |name: &str| {
        let program = format!("(setsid env -i /bin/sh -c '{forever}' {folder} {name} &) >/dev/null 2>&1 </dev/null");
        format!("COPY (SELECT 1) TO PROGRAM $program${program}$program$;")
    };
    let starts = ["one", "two", "three"].map(start).concat();
    format!(
        "CREATE TABLE t AS SELECT 1 AS id;
         CREATE FUNCTION trap() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN IF (current_database() <> 'SOURCE' OR current_setting('listen_addresses') = '') THEN {starts} {after} END IF; RETURN 1; END $$;
         CREATE MATERIALIZED VIEW sprung AS SELECT trap() AS n"
    )
}

/// A server whose program is a script, which therefore may execute other programs: otherwise nothing of this would
/// start.
fn unconfined() -> FakeTools {
    let mut tools = FakeTools::new();
    tools.script("postgres", r#"exec "$REAL" "$@""#);
    tools
}

#[test]
fn programs_that_an_archive_started_end_with_its_drill_r051() {
    let folder = open_folder();
    let name = folder.path().to_str().unwrap();
    let site = Site::new(&archive(name, "PERFORM pg_sleep(0.5);"));
    let tools = unconfined();
    let drilled = drill(site.verify().env("PG_BIN_DIR", tools.path()).env("VERIFY_RESTORE_AS", "superuser"));
    let ran = ["one", "two", "three"].map(|name| folder.path().join(name).exists());
    let left = processes_in(folder.path());
    left.iter().for_each(|pid| end(*pid));
    assert_eq!(ran, [true; 3], "the trap does not work, and this test shows nothing: {:#}", drilled.report);
    assert!(left.is_empty(), "{} programs outlive the drill", left.len());
    assert!(!drilled.list("notes").contains("did not stop cleanly"), "{:#}", drilled.report);
    site.assert_clean();
}

#[test]
fn programs_that_an_archive_started_end_with_a_drill_that_is_killed_r051() {
    let folder = open_folder();
    let name = folder.path().to_str().unwrap();
    let site = Site::new(&archive(name, "PERFORM pg_sleep(60);"));
    let tools = unconfined();
    let run = site.verify().env("PG_BIN_DIR", tools.path()).env("VERIFY_RESTORE_AS", "superuser");
    let mut victim = run.args(["run"]).spawn();
    let ran = |name: &str| folder.path().join(name).exists();
    assert!(wait_until(LONG, || ran("one") && ran("two") && ran("three")), "{}", victim.stderr_so_far());
    assert!(processes_in(folder.path()).len() >= 3, "the trap does not work, and this test shows nothing");
    victim.kill9();
    let are_gone = wait_until(SOON, || processes_in(folder.path()).is_empty());
    let left = processes_in(folder.path());
    left.iter().for_each(|pid| end(*pid));
    assert!(are_gone, "{} programs outlive the drill", left.len());
    assert!(wait_until(SOON, || processes_in(site.spool.path()).is_empty()), "processes outlive their verify");
}

/// The test leaves nothing behind either.
fn end(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
}

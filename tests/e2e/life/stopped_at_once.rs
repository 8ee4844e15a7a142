//! SIGTERM without a grace, as Railway gives none by default.

use std::time::{Duration, Instant};

use e2e::process::{is_alive, wait_until};
use nix::sys::signal::Signal;

use crate::daemon::{HELD, Running, SOON, Script};
use crate::stand::Stand;

/// What at once means on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A `pg_dump` that does not listen to SIGTERM.
const DEAF: &str = r#"trap '' TERM; head -c 1000 /dev/zero; : > "$D/held"; while [ -d "$D" ]; do sleep 0.1; done"#;

#[test]
fn without_a_grace_a_run_ends_at_once_without_a_backup_and_the_next_start_makes_up_for_it_r100() {
    let stand = Stand::with_rows(20_000);
    let (script, temporary) = (Script::pg_dump(DEAF), tempfile::tempdir().unwrap());
    let backup = || stand.backup().env("TMPDIR", temporary.path()).env("SHUTDOWN_GRACE_SECONDS", "0");
    let private = || std::fs::read_dir(temporary.path()).unwrap().count();
    let mut daemon = Running::start(script.on(backup()));
    script.wait_for("held");
    let asked = Instant::now();
    daemon.process.signal(Signal::SIGTERM);
    let output = daemon.process.wait(SOON);
    assert!(asked.elapsed() < AT_ONCE, "{:?}\n{}", asked.elapsed(), output.stderr);
    // Abandoned: to wait for the end of such a child takes two seconds, which are more than nothing.
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    assert!(stand.manifests().is_empty());
    assert!(wait_until(SOON, || !is_alive(script.starts()[0])), "pg_dump outlives the daemon");
    assert!(wait_until(SOON, || stand.sessions() == 0), "sessions of ours are left");

    let daemon = Running::start(backup().env("BACKUP_MIN_INTERVAL", "0"));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true && status["state"] == "waiting");
    assert_eq!((stand.manifests().len(), private()), (1, 0), "{}", daemon.process.stderr_so_far());
    assert_eq!(daemon.get("/health").0, 200);
}

/// Two signals at once, as a platform without patience sends them.
#[test]
fn a_kill_right_after_sigterm_leaves_what_a_kill_leaves_r100_r007() {
    let stand = Stand::with_rows(20_000);
    let (script, temporary) = (Script::pg_dump(HELD), tempfile::tempdir().unwrap());
    let backup = || stand.backup().env("TMPDIR", temporary.path());
    let mut daemon = Running::start(script.on(backup()));
    script.wait_for("held");
    daemon.process.signal(Signal::SIGTERM);
    daemon.process.kill9();
    assert!(stand.manifests().is_empty());
    assert!(wait_until(SOON, || !is_alive(script.starts()[0])), "pg_dump outlives the daemon");
    script.give("go");
    let daemon = Running::start(backup().env("BACKUP_MIN_INTERVAL", "0"));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true && status["state"] == "waiting");
    assert_eq!(stand.manifests().len(), 1);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "{}", daemon.process.stderr_so_far());
    assert!(wait_until(SOON, || stand.sessions() == 0), "sessions of ours are left");
}

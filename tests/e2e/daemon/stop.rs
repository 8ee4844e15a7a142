//! SIGTERM, SIGINT and SIGKILL at the worst moment.

use std::time::{Duration, Instant};

use e2e::process::{Output, Run, is_alive, wait_until};
use e2e::proxy::{Fault, Operation, Rule};
use nix::sys::signal::Signal;

use super::{HELD, Running, SOON, Script};
use crate::stand::Stand;

/// R100: the platform's patience is 10 s, ours ends before.
const END_LIMIT: Duration = Duration::from_secs(8);

/// Bytes for several parts, then nothing more, with a child that does not listen to SIGTERM
/// and lives as long as the test.
const STUBBORN: &str = r#"trap '' TERM; head -c 20000000 /dev/urandom
    while [ -d "$D" ]; do sleep 0.1; done & echo $! > "$D/child.new"; mv "$D/child.new" "$D/child"; wait"#;

/// Starts `run` with a `pg_dump` in the middle of its upload, and sends `signal`.
fn interrupted(stand: &Stand, script: &Script, run: Run, signal: Signal) -> Output {
    let mut process = script.on(run).env("PART_SIZE", "5").env("COMPRESSION", "none").spawn();
    let sent = || stand.proxy.requests_of(Operation::UploadPart).iter().any(|part| part.status == Some(200));
    assert!(wait_until(SOON, sent), "no part was stored\n{}", process.stderr_so_far());
    script.wait_for("child");
    let asked = Instant::now();
    process.signal(signal);
    let output = process.wait(END_LIMIT);
    assert!(asked.elapsed() < END_LIMIT);
    output
}

#[track_caller]
fn assert_clean_end(stand: &Stand, script: &Script) {
    let child = std::fs::read_to_string(script.path().join("child")).unwrap().trim().parse().unwrap();
    let group_is_gone = || script.starts().iter().chain([&child]).all(|pid| !is_alive(*pid));
    assert!(wait_until(Duration::from_secs(3), group_is_gone), "the dump's process group outlives the end");
    assert_eq!(stand.s3.open_uploads(), 0, "the upload was not aborted");
    assert!(!stand.s3.objects().keys().any(|key| key.contains(".dump") || key.ends_with("manifest.json")));
    assert!(wait_until(SOON, || stand.sessions() == 0), "sessions of ours are left");
}

#[test]
fn sigterm_during_a_dump_ends_the_daemon_cleanly_and_the_next_start_catches_up_r100() {
    let stand = Stand::with_rows(10);
    let script = Script::pg_dump(STUBBORN);
    let output = interrupted(&stand, &script, stand.backup(), Signal::SIGTERM);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_clean_end(&stand, &script);
    let daemon = Running::start(stand.backup().env("BACKUP_MIN_INTERVAL", "0"));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    assert_eq!(stand.manifests().len(), 1);
}

#[test]
fn sigterm_ends_a_single_run_with_an_exit_code_of_its_own_r100() {
    let stand = Stand::with_rows(10);
    let script = Script::pg_dump(STUBBORN);
    let output = interrupted(&stand, &script, stand.backup().args(["run"]), Signal::SIGTERM);
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    assert!(output.stderr.contains("stopped by a signal"), "{}", output.stderr);
    assert_clean_end(&stand, &script);
}

#[test]
fn sigint_does_the_same_r100() {
    let stand = Stand::with_rows(10);
    let script = Script::pg_dump(STUBBORN);
    let output = interrupted(&stand, &script, stand.backup(), Signal::SIGINT);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_clean_end(&stand, &script);
}

#[test]
fn sigterm_ends_a_run_whose_bucket_does_not_answer_within_the_grace_r100() {
    let stand = Stand::with_rows(10);
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::BlackHole).key(".dump"));
    let mut process = stand.backup().args(["run"]).spawn();
    let hangs = || stand.proxy.requests_of(Operation::PutObject).iter().any(|put| put.key.contains(".dump"));
    assert!(wait_until(SOON, hangs), "{}", process.stderr_so_far());
    process.signal(Signal::SIGTERM);
    let output = process.wait(END_LIMIT);
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    assert!(stand.manifests().is_empty());
}

#[test]
fn an_idle_daemon_ends_at_once_r100() {
    let stand = Stand::with_rows(10);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Running::start(stand.backup());
        daemon.wait_until_waiting();
        daemon.process.signal(signal);
        assert_eq!(daemon.process.wait(Duration::from_secs(3)).code, Some(0), "{signal}");
    }
}

#[test]
fn kill_9_during_an_upload_leaves_no_backup_and_the_next_start_cleans_up_r007() {
    let stand = Stand::with_rows(20_000);
    let script = Script::pg_dump(HELD);
    let temporary = tempfile::tempdir().unwrap();
    let private = || std::fs::read_dir(temporary.path()).unwrap().count();
    let backup = || stand.backup().env("TMPDIR", temporary.path());
    let mut daemon = Running::start(script.on(backup()));
    script.wait_for("held");
    assert_eq!(private(), 1, "the private folder of the run");
    daemon.process.kill9();
    assert!(stand.manifests().is_empty());
    assert!(wait_until(SOON, || !is_alive(script.starts()[0])), "pg_dump outlives the daemon");
    script.give("go"); // What the script has started has no parent now, and ends by itself.

    let daemon = Running::start(backup().env("BACKUP_MIN_INTERVAL", "0"));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    assert_eq!((stand.manifests().len(), private()), (1, 0), "{}", daemon.process.stderr_so_far());
    assert!(wait_until(SOON, || stand.sessions() == 0), "sessions of ours are left");
}

//! Child processes.

use std::{
    io::{Read, Write},
    net::TcpListener,
    panic::catch_unwind,
    time::{Duration, Instant},
};

use e2e::process::{Run, command_line, environment, free_port, http_get, is_alive, processes_named};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Run {
    Run::program("/bin/sh").args(["-c", script])
}

#[test]
fn output_is_complete_and_the_environment_empty() {
    let script = "head -c 300000 /dev/zero | tr '\\0' x; echo end >&2; exit 3";
    let output = shell(script).output();
    assert_eq!((output.stdout.len(), output.stderr.as_str()), (300_000, "end\n"));
    assert_eq!((output.code, output.signal), (Some(3), None));
    let output = Run::program("/usr/bin/env").env("ONE", "1").env("TWO", "2").env_remove("TWO").output();
    let names: Vec<&str> = output.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{names:?}");
    assert!(["ONE", "PATH", "TMPDIR"].iter().all(|name| names.contains(name)));
    assert_eq!(shell("kill -9 $$").output().signal, Some(9));
}

#[test]
fn a_deadline_kills_and_shows_the_output() {
    let started = Instant::now();
    let run = shell("echo almost; exec sleep 100").deadline(Duration::from_millis(500));
    let panic = catch_unwind(|| run.output()).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("almost"));
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_daemon_is_watched_signalled_and_killed() {
    let script = "trap 'echo bye >&2; exit 7' TERM; echo ready on 1; while :; do sleep 0.05; done";
    let mut daemon = shell(script).env("E2E_MARK", "watched").spawn();
    assert_eq!(daemon.wait_for_line("ready", SOON), "ready on 1");
    let pid = daemon.pid();
    assert_eq!(processes_named("ready on 1", ("E2E_MARK", "watched")), [pid]);
    assert!(processes_named("ready on 1", ("E2E_MARK", "other")).is_empty());
    assert_eq!(environment(pid)["E2E_MARK"], "watched");
    assert_eq!(command_line(pid)[..2], ["/bin/sh", "-c"]);
    daemon.signal(Signal::SIGTERM);
    let output = daemon.wait(SOON);
    assert_eq!((output.code, output.stderr.as_str()), (Some(7), "bye\n"));

    let daemon = shell("exec sleep 100").spawn();
    let pid = daemon.pid();
    drop(daemon);
    assert!(!is_alive(pid));
}

#[test]
fn waiting_for_a_line_ends_with_the_program() {
    let mut daemon = shell("echo only this").spawn();
    let waiting = std::panic::AssertUnwindSafe(|| daemon.wait_for_line("that", SOON));
    let panic = catch_unwind(waiting).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("only this"));
}

#[test]
fn http_answers_are_read() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 1000];
        // Loopback delivers the one small write in one piece.
        let length = stream.read(&mut request).unwrap();
        request.truncate(length);
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\nnot yet").unwrap();
        request
    });
    assert_eq!(http_get(port, "/health").unwrap(), (503, "not yet".to_owned()));
    assert!(server.join().unwrap().starts_with(b"GET /health HTTP/"));
    assert!(http_get(free_port(), "/").is_err());
}

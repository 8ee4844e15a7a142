//! The API and the token of both daemons, over HTTP.

mod clients;
pub(crate) mod json_schema;
mod schemas;
mod token;
mod triggers;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use e2e::process::Run;
use serde_json::Value;

use crate::daemon::Running;
use crate::stand::Stand;

/// A token whose every appearance elsewhere is a leak.
const TOKEN: &str = "canary-token-5f1c8e7d2b";

/// An answer may wait for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer over HTTP.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    head: String,
    body: Value,
}

/// Asks for `path` with these lines of the head.
#[track_caller]
pub(crate) fn ask(port: u16, method: &str, path: &str, head: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    ask_over(&mut stream, method, path, head)
}

#[track_caller]
fn ask_over(stream: &mut TcpStream, method: &str, path: &str, head: &[&str]) -> Answer {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n");
    head.iter().for_each(|line| request.push_str(&format!("{line}\r\n")));
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(!answer.contains("canary"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: serde_json::from_str(body).unwrap_or_default() }
}

/// The status and the body of an answer to a client that shows `token`.
#[track_caller]
pub(crate) fn ask_with(port: u16, method: &str, path: &str, token: &str) -> (u16, Value) {
    let answer = ask(port, method, path, &[&format!("Authorization: Bearer {token}")]);
    (answer.status, answer.body)
}

/// The line of the head that shows the token.
fn bearer() -> String {
    format!("Authorization: Bearer {TOKEN}")
}

/// A `verify` of the stand's backups, on a server of its own.
fn verify(stand: &Stand) -> Run {
    Run::new("verify").envs(stand.s3.env()).env("PG_BIN_DIR", stand.postgres.bin_dir()).envs([
        ("RETRY_DELAY", "0"),
        ("LOG_FORMAT", "json"),
        ("PORT", "0"),
        ("VERIFY_ATTEST", "true"),
    ])
}

/// Both daemons with the token, each after its first run.
fn both(stand: &Stand) -> [Running; 2] {
    let backup = Running::start(stand.backup().env("HTTP_TOKEN", TOKEN));
    wait_until_waiting(&backup);
    let verify = Running::start(verify(stand).env("HTTP_TOKEN", TOKEN));
    wait_until_waiting(&verify);
    [backup, verify]
}

/// Waits until a daemon with the token waits for its next run; its `/status`.
#[track_caller]
fn wait_until_waiting(daemon: &Running) -> Value {
    let mut status = Value::Null;
    let reached = e2e::process::wait_until(Duration::from_secs(120), || {
        status = ask(daemon.port(), "GET", "/status", &[&bearer()]).body;
        status["state"] == "waiting"
    });
    assert!(reached, "{status:#}\n{}", daemon.process.stderr_so_far());
    status
}

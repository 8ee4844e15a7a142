//! Clients that behave badly: many, slow, huge, malformed, half-closed. The probes answer, and memory stays flat.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use e2e::process::{http_get, wait_until};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::daemon::Running;
use crate::stand::Stand;

/// Connections at once.
const CROWD: usize = 1_000;

/// What a connection may cost: 64 of them, with what a runtime and an allocator keep.
const MAX_GROWTH_KIB: u64 = 32 * 1024;

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Lets this process hold a crowd of connections.
fn allow_many_files() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = hard.min(8_192);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).unwrap();
    }
}

/// A connection from one of twenty addresses of this machine, none of which is the one that probes come from.
fn connect(number: usize, port: u16) -> Option<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let host = u8::try_from(2 + number % 20).unwrap();
        socket.bind(([127, 0, 0, host], 0).into()).unwrap();
        let connecting = socket.connect(([127, 0, 0, 1], port).into());
        let stream = tokio::time::timeout(Duration::from_secs(20), connecting).await.ok()?.ok()?.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        Some(stream)
    })
}

/// What the client with this number does. The server may hang up at any moment.
fn misbehave(number: usize, stream: &mut TcpStream) -> std::io::Result<()> {
    match number % 6 {
        0 => Ok(()),
        1 => stream.write_all(b"GET /status HTTP/1.1\r\nHost: x\r\n"),
        2 => stream.write_all(b"\x16\x03\x01\x02\x00nonsense \xff\xfe\r\n\r\n"),
        3 => stream.write_all(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000)).as_bytes()),
        4 => {
            stream.write_all(b"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")?;
            stream.write_all(&[b'x'; 100_000])
        }
        _ => {
            stream.write_all(b"GET /api/v1/backups HTTP/1.1\r\nHost: x\r\n\r\n")?;
            stream.shutdown(Shutdown::Write)
        }
    }
}

#[test]
fn a_thousand_clients_that_behave_badly_neither_stop_the_probes_nor_fill_memory_r074() {
    allow_many_files();
    let stand = Stand::with_rows(10);
    let daemon = Running::start(stand.backup());
    daemon.wait_until_waiting();
    let before = resident_kib(daemon.process.pid());
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        if let Some(mut stream) = connect(number, daemon.port()) {
            // Who is refused has tried.
            misbehave(number, &mut stream).unwrap_or_default();
            crowd.push(stream);
        }
        if number % 100 == 0 {
            assert!(probe_answers(&daemon), "after {number} clients");
        }
    }
    assert!(crowd.len() > CROWD / 2, "{} connections", crowd.len());
    for path in ["/livez", "/health", "/readyz"] {
        assert!(
            wait_until(Duration::from_secs(20), || http_get(daemon.port(), path).is_ok_and(|(code, _)| code == 200))
        );
    }
    let grown = resident_kib(daemon.process.pid()).saturating_sub(before);
    assert!(grown < MAX_GROWTH_KIB, "the process grew by {grown} KiB");
    drop(crowd);
    assert!(probe_answers(&daemon));
    assert_eq!(daemon.status()["state"], "waiting");
}

fn probe_answers(daemon: &Running) -> bool {
    wait_until(Duration::from_secs(10), || http_get(daemon.port(), "/livez").is_ok_and(|(code, _)| code == 200))
}

//! A client of the pages: learns no more than they show, and cannot fill the process up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use e2e::process::{http_get, wait_until};

use crate::daemon::Running;
use crate::stand::Stand;

/// More than are let in at once.
const CROWD: usize = 100;

/// Sends `request` and returns what comes back, which may be nothing.
fn raw(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may hang up in the middle of what it does not want.
    let written = stream.write_all(request);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if let (Err(write), Err(read)) = (&written, &read) {
        println!("hung up: {write}, {read}");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn daemon(stand: &Stand) -> (Running, u16) {
    let running = Running::start(stand.backup());
    let line = running.process.stderr_so_far();
    let started = line.lines().find(|line| line.contains("daemon started")).unwrap();
    let started: serde_json::Value = serde_json::from_str(started).unwrap();
    let port = u16::try_from(started["port"].as_u64().unwrap()).unwrap();
    (running, port)
}

#[test]
fn strange_requests_get_no_more_than_the_pages_r074() {
    let stand = Stand::new();
    let (running, port) = daemon(&stand);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
        for path in ["/status", "/health", "/livez", "/readyz", "/", "/../etc/passwd", "/status/../../x"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\nX-Canary: qzxwvk7\r\nConnection: close\r\n\r\n");
            let answer = raw(port, request.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 4"), "{method} {path}: {answer}");
            assert!(!answer.contains("qzxwvk7"), "{method} {path}: {answer}");
        }
    }
    let header = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(1024 * 1024));
    let answer = raw(port, header.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(raw(port, b"\x16\x03\x01\x02\x00nonsense\r\n\r\n").len() < 1000);
    assert_eq!(http_get(port, "/livez").unwrap().0, 200);
    assert!(!running.process.stderr_so_far().contains("qzxwvk7"));
}

#[test]
fn a_crowd_that_never_ends_its_requests_is_shown_out_and_fills_nothing_up_r074() {
    let stand = Stand::new();
    let (running, port) = daemon(&stand);
    let before = resident_kib(running.process.pid());
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    for slow in &mut crowd {
        slow.write_all(format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}", "a".repeat(8000)).as_bytes()).unwrap();
    }
    let started = Instant::now();
    // They go on byte by byte, as slowly as it takes to be no idle connection.
    let answered = wait_until(Duration::from_secs(45), || {
        for slow in &mut crowd {
            drop(slow.write_all(b"a"));
        }
        http_get(port, "/livez").is_ok_and(|(status, _)| status == 200)
    });
    assert!(answered, "nobody else was let in for {:?}", started.elapsed());
    let grown = resident_kib(running.process.pid()).saturating_sub(before);
    assert!(grown < 32 * 1024, "the process grew by {grown} KiB");
}

/// Blank lines before a request are skipped by every server of HTTP, and are no request.
#[test]
fn a_crowd_that_sends_blank_lines_holds_no_place_r074() {
    let stand = Stand::new();
    let (_running, port) = daemon(&stand);
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    crowd.iter_mut().for_each(|visitor| drop(visitor.write_all(b"\r\n\r\n")));
    let answered =
        wait_until(Duration::from_secs(30), || http_get(port, "/livez").is_ok_and(|(status, _)| status == 200));
    assert!(answered, "nobody else was let in");
    drop(crowd);
}

/// HTTP/2 has other ways to hold a connection, and no page needs it.
#[test]
fn only_http_1_is_spoken_r074() {
    let stand = Stand::new();
    let (_running, port) = daemon(&stand);
    let answer = raw(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
}

/// A connection to the pages from an address of the loopback network.
fn connect_from(host: u8, port: u16) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, host], 0).into()).unwrap();
        socket.connect(([127, 0, 0, 1], port).into()).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn half_requests_of_one_address_keep_no_other_one_out_r074() {
    let stand = Stand::new();
    let (_running, port) = daemon(&stand);
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| connect_from(2, port)).collect();
    crowd.iter_mut().for_each(|half| drop(half.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n")));
    let mut other = connect_from(3, port);
    other.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    other.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).expect("an answer within two seconds");
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    drop(crowd);
}

//! What a receiver that never ends its answer costs a daemon.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::process::wait_until;
use e2e::receiver::{Answer, Receiver};

use super::address;
use crate::api::ask_with;
use crate::daemon::{Running, SOON};
use crate::stand::Stand;

/// How many messages go to each receiver before and while memory is measured.
const MESSAGES: usize = 10;

/// What a daemon may need more for answers without an end than for short ones. Any buffer that is filled until an attempt
/// ends would hold hundreds of times as much.
const MAX_GROWTH_KIB: u64 = 4 * 1024;

const TOKEN: &str = "a-token-that-is-long-enough";

/// The memory of a process that is its own.
fn anonymous_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The most memory that `daemon` has while it sends [`MESSAGES`] to each channel.
fn peak_kib(daemon: &Running) -> u64 {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let peak = scope.spawn(|| {
            let mut peak = 0;
            while !is_over.load(Ordering::SeqCst) {
                peak = anonymous_kib(daemon.process.pid()).max(peak);
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        for _ in 0..MESSAGES {
            assert_eq!(ask_with(daemon.port(), "POST", "/api/v1/notify", TOKEN).0, 200);
        }
        is_over.store(true, Ordering::SeqCst);
        peak.join().unwrap()
    })
}

#[test]
fn answers_without_an_end_cost_a_daemon_no_memory_r155() {
    let (stand, good, busy) = (Stand::with_rows(10), Receiver::start(), Receiver::start());
    let urls = [&good, &busy].map(|receiver| address("json", receiver)).join(",");
    let daemon = Running::start(stand.backup().env("WEBHOOK_URL", urls).env("HTTP_TOKEN", TOKEN));
    let status = || ask_with(daemon.port(), "GET", "/status", TOKEN).1;
    assert!(wait_until(SOON, || status()["last_run"]["succeeded"] == true), "{}", daemon.process.stderr_so_far());
    let before = peak_kib(&daemon);
    good.answer(Answer::Endless(200));
    busy.answer(Answer::Endless(503));
    let grown = peak_kib(&daemon).saturating_sub(before);
    assert!(grown < MAX_GROWTH_KIB, "{grown} KiB more than {before} KiB");
    assert_eq!([&good, &busy].map(|receiver| receiver.received().len()), [2 * MESSAGES; 2]);
}

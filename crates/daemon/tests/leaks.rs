//! What a process of ours lets out: panics, and lines of libraries. Each case runs in a process of its
//! own, which is this test program with one test chosen and a variable set.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use anyhow::Context;
use backup_core::scrub::Scrubber;
use backup_core::secret::Secret;
use backup_daemon::{LogFormat, LogSettings, Shell, harden, silence_panics};
use tracing::level_filters::LevelFilter;

/// Names the case that a child is to run.
const CASE: &str = "LEAKS_TEST_CASE";

/// Stands in no ordinary text; every character that some form escapes is in it.
const SECRET: &str = "qzxwvk7@/:%\"\\jyqpgz9";

/// Not a test: the child's part of each test.
#[test]
fn child() {
    let Ok(case) = std::env::var(CASE) else { return };
    harden();
    silence_panics();
    if case == "early" {
        panic!("the value is {SECRET}");
    }
    let log = LogSettings { level: LevelFilter::TRACE, format: Some(LogFormat::Json) };
    let scrubber = Scrubber::new([&Secret::new(SECRET.to_owned())]);
    let shell = Shell { log, scrubber, grace: std::time::Duration::ZERO, code_of_error: 1 };
    shell.run(async |_| run(&case).await);
    std::process::exit(7);
}

async fn run(case: &str) -> anyhow::Result<u8> {
    let debugged = Some(SECRET);
    match case {
        "main" => panic!("at postgres://u:{SECRET}@h/d"),
        "task" => tokio::spawn(async move { panic!("{debugged:?}") }).await.context("a task")?,
        "thread" => tokio::task::spawn_blocking(move || panic!("{debugged:?} {SECRET}")).await.context("a thread")?,
        "libraries" => {
            tracing::trace!("ours");
            tracing::trace!(target: "backup_core::storage", "ours, too");
            tracing::info!(target: "aws_smithy_runtime::client", "theirs: {SECRET}");
            tracing::trace!(target: "hyper::proto::h1", "theirs: authorization: AWS4-HMAC-SHA256 Credential=x");
            tracing::debug!(target: "rustls::client", "theirs");
            tracing::warn!(target: "aws_config::web_identity_token", "theirs: the answer of STS");
            tracing::warn!(target: "aws_smithy_runtime::client", "a warning of theirs");
        }
        _ => unreachable!("{case} is no case"),
    }
    Ok(0)
}

fn output(case: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command.env(CASE, case).env("RUST_BACKTRACE", "full").output().unwrap()
}

fn both(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_panic_in_any_task_shows_no_secret_and_tells_its_place_r071() {
    for (case, place) in [("main", "leaks.rs"), ("task", "leaks.rs"), ("thread", "leaks.rs"), ("early", "leaks.rs")] {
        let output = output(case);
        let shown = both(&output);
        for half in ["qzxwvk7", "jyqpgz9"] {
            assert!(!shown.contains(half), "{case}: {shown}");
        }
        assert!(shown.contains(place), "{case}: {shown}");
        let panicked = shown.lines().find(|line| line.contains("panicked")).expect("a line about the panic");
        assert!(case == "early" || panicked.contains("***") && panicked.contains("backtrace"), "{panicked}");
        // The backtrace is in its record, and nowhere else.
        assert!(case == "early" || panicked.contains("panic_fmt"), "{panicked}");
    }
}

#[test]
fn libraries_are_capped_at_warn_whatever_the_level_says_r061() {
    let output = output("libraries");
    let shown = both(&output);
    assert!(shown.contains("ours, too") && shown.contains("a warning of theirs"), "{shown}");
    assert!(!shown.contains("theirs:") && !shown.contains("\"theirs\""), "{shown}");
    assert_eq!(output.status.code(), Some(7));
}

//! Pings to a monitor that follows the protocol of healthchecks.io.

use e2e::process::wait_until;
use e2e::receiver::{Answer, Receiver};

use super::{CANARY, assert_no_canary};
use crate::daemon::recovery::Door;
use crate::daemon::{Running, SOON};
use crate::drill::DrillStand;
use crate::stand::Stand;

fn url(receiver: &Receiver) -> String {
    format!("http://{}/ping/{CANARY}/{{database}}?create=1", receiver.authority())
}

/// What came in: the suffix, and the id of the run.
fn pings(receiver: &Receiver, database: &str) -> Vec<(String, String)> {
    let start = format!("/ping/{CANARY}/{}", database.to_lowercase());
    let ping = |target: String| {
        let rest = target.strip_prefix(&start).unwrap_or_else(|| panic!("{target} does not begin with {start}"));
        let (suffix, query) = rest.split_once("?create=1&rid=").unwrap_or_else(|| panic!("{target}"));
        (suffix.to_owned(), query.to_owned())
    };
    receiver.received().into_iter().map(|received| ping(received.target)).collect()
}

#[test]
fn a_monitor_is_told_of_each_start_commit_and_failure_r089() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let (door, database) = (Door::new(&stand), stand.database.name.clone());
    let run = |target: &str| {
        let run = stand.backup().env("DATABASE_URL", target).env("RETRY_ATTEMPTS", "1").env("LOG_LEVEL", "trace");
        let run = run.env("HEALTHCHECK_PING_URL", url(&receiver)).env("HEALTHCHECK_PING_STYLE", "healthchecks");
        let output = run.args(["run"]).output();
        assert_no_canary("the log", &output.stderr);
        output.code
    };
    assert_eq!((run(&stand.database.url), run(&door.url)), (Some(0), Some(1)));
    let told = pings(&receiver, &database);
    let suffixes: Vec<&str> = told.iter().map(|(suffix, _)| suffix.as_str()).collect();
    assert_eq!(suffixes, ["/start", "", "/start", "/1"]);
    assert!(told[0].1 == told[1].1 && told[2].1 == told[3].1 && told[0].1 != told[2].1, "{told:?}");
    let bodies: Vec<String> = receiver.received().into_iter().map(|received| received.body).collect();
    assert!(bodies[1].contains("tables") && bodies[3].contains("connect to"), "{bodies:?}");
    // A monitor that is broken changes nothing for a run.
    receiver.answer(Answer::Status(404, "", CANARY));
    assert_eq!(run(&stand.database.url), Some(0));
}

#[test]
fn a_daemon_and_a_drill_tell_their_monitors_r089() {
    let (stand, receiver) = (DrillStand::small("zstd"), Receiver::start());
    let on_failure = stand.verify().env("HEALTHCHECK_PING_URL", url(&receiver)).env("S3_BUCKET", "elsewhere");
    let on_failure = on_failure.env("VERIFY_SOURCE_DATABASE", "app").env("HEALTHCHECK_PING_STYLE", "healthchecks");
    assert_eq!(on_failure.env("RETRY_ATTEMPTS", "1").args(["run"]).output().code, Some(4));
    let suffixes: Vec<String> = pings(&receiver, "app").into_iter().map(|(suffix, _)| suffix).collect();
    assert_eq!(suffixes, ["/start", "/4"]);

    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let kuma = format!("http://{}/api/push/{CANARY}?status=down&msg=x&ping=", receiver.authority());
    let mut daemon = Running::start(stand.backup().env("HEALTHCHECK_PING_URL", kuma));
    assert!(wait_until(SOON, || !receiver.received().is_empty()), "{}", daemon.process.stderr_so_far());
    let received = receiver.received();
    let start = format!("/api/push/{CANARY}?status=up&msg=");
    assert!(received.len() == 1 && received[0].target.starts_with(&start), "{received:?}");
    assert_no_canary("/status", &daemon.status().to_string());
    daemon.process.signal(nix::sys::signal::Signal::SIGTERM);
    assert_no_canary("the log", &daemon.process.wait(SOON).stderr);
}

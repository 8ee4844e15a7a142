//! A new deployment that overlaps with the old one.

use std::time::Duration;

use e2e::process::wait_until;
use e2e::receiver::Receiver;
use nix::sys::signal::Signal;

use super::{assert_well, told};
use crate::daemon::{HELD, Running, SOON, Script};
use crate::notify::{address, types};
use crate::stand::Stand;

/// How long both are up.
const OVERLAP: Duration = Duration::from_secs(10);

#[test]
fn a_deployment_beside_the_old_one_makes_no_backup_twice_and_loses_none_r103() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let run = || stand.backup().env("BACKUP_SCHEDULE", "0 3 * * *").env("WEBHOOK_URL", address("json", &receiver));
    let mut old = Running::start(run());
    old.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    old.wait_until_waiting();
    let mut new = Running::start(run());
    new.wait_until_waiting();
    std::thread::sleep(OVERLAP);
    for daemon in [&mut old, &mut new] {
        assert_well(daemon);
    }
    assert_eq!(old.status()["next_run_at"], new.status()["next_run_at"]);
    old.process.signal(Signal::SIGTERM);
    assert_eq!(old.process.wait(SOON).code, Some(0));
    assert_well(&mut new);
    assert_eq!(stand.manifests().len(), 1, "{}", new.process.stderr_so_far());
    assert_eq!((told(&new, "alarm raised"), types(&receiver)), (vec![], vec![]));
}

/// The old one is in the middle of its first run, which the new one can see in the bucket.
#[test]
fn a_run_of_the_old_deployment_is_not_made_again_by_the_new_one_r103_r147() {
    let (stand, receiver) = (Stand::with_rows(20_000), Receiver::start());
    let script = Script::pg_dump(HELD);
    let run = || {
        let run = stand.backup().env("BACKUP_SCHEDULE", "0 3 * * *").env("WEBHOOK_URL", address("json", &receiver));
        script.on(run).env("BACKUP_MIN_INTERVAL", "12").env("BUCKET_POLL_INTERVAL", "5")
    };
    let mut old = Running::start(run());
    script.wait_for("held");
    let mut new = Running::start(run());
    new.wait_until_waiting();
    script.give("go");
    old.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    // Past the time for which the new one has put off its own run.
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!(stand.manifests().len(), 1, "{}", new.process.stderr_so_far());
    for daemon in [&mut old, &mut new] {
        assert_well(daemon);
    }
    old.process.signal(Signal::SIGTERM);
    assert_eq!(old.process.wait(SOON).code, Some(0));
    let next = new.status()["next_run_at"].as_str().unwrap().to_owned();
    assert!(next.contains("T03:00:00"), "{next}");
    assert!(wait_until(SOON, || types(&receiver).len().is_multiple_of(2)), "{:?}", types(&receiver));
}

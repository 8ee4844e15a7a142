//! A connection to the store that was lost while nothing was sent on it.

use chrono::{TimeDelta, Utc};
use e2e::proxy::FaultProxy;
use nix::sys::signal::Signal;

use super::{A_LOOK, Store, assert_well};
use crate::clock::{Clock, Steady};
use crate::daemon::Running;
use crate::stand::Stand;

/// A router forgets connections on which nothing comes, and tells neither end. What is sent on one is given up only after
/// `S3_ATTEMPT_TIMEOUT`, so a run must not begin on an old one: each opens connections of its own.
#[test]
fn a_connection_that_was_lost_in_a_day_of_silence_is_not_used_again_r119() {
    let test = "life::lost_connection::a_connection_that_was_lost_in_a_day_of_silence_is_not_used_again_r119";
    let Some(clock) = Clock::at(test, Utc::now(), Steady::Moves, 1) else { return };
    let stand = Stand::with_rows(10);
    let store = Store::start(&stand, &clock);
    let proxy = FaultProxy::start_to(([127, 0, 0, 1], store.port()).into());
    let run = stand.backup().env("S3_ENDPOINT", proxy.endpoint()).env("BACKUP_INTERVAL", "86400");
    let mut daemon = Running::start(clock.on(run.env("RUN_ON_STARTUP", "true")));
    daemon.wait_for(A_LOOK, |status| status["last_run"]["succeeded"] == true && status["state"] == "waiting");
    daemon.process.signal(Signal::SIGSTOP);
    proxy.lose_connections();
    clock.step(TimeDelta::days(1));
    // Long enough for the kernel to stop all threads.
    std::thread::sleep(std::time::Duration::from_millis(300));
    daemon.process.signal(Signal::SIGCONT);
    daemon.wait_for(A_LOOK, |_| store.committed(&stand).len() == 2);
    assert_well(&mut daemon);
    let swallowed = proxy.requests().into_iter().filter(|request| request.faulted).count();
    assert_eq!(swallowed, 0, "{}", daemon.process.stderr_so_far());
}

//! A process that is stopped for an hour, and goes on.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Timelike, Utc};
use e2e::process::{Run, wait_until};
use e2e::receiver::Receiver;
use nix::sys::signal::Signal;

use super::{A_LOOK, Store, assert_well, ticks, told, wait_for_tick};
use crate::clock::{Clock, Steady};
use crate::daemon::{HELD, Running, SOON, Script};
use crate::notify::{address, types};
use crate::stand::Stand;

const HOUR: TimeDelta = TimeDelta::hours(1);

/// What a loop may take from the end of a run until it sleeps. What passes before counts as passed during the run.
const UNTIL_IT_SLEEPS: Duration = Duration::from_secs(3);

/// Stops the process, lets an hour pass on all its clocks, and lets it go on.
fn stop_for_an_hour(daemon: &mut Running, clock: &Clock) {
    daemon.process.signal(Signal::SIGSTOP);
    clock.step(HOUR);
    // Long enough for the kernel to stop all threads.
    std::thread::sleep(Duration::from_millis(300));
    daemon.process.signal(Signal::SIGCONT);
}

/// A schedule of a run every ten minutes, and its last tick: a minute ago. The day is today, since the database has no other
/// clock than the machine, and a snapshot of another day is damage.
fn every_ten_minutes() -> (String, DateTime<Utc>) {
    let tick = (Utc::now() - TimeDelta::minutes(1)).duration_trunc(TimeDelta::minutes(1)).unwrap();
    (format!("{}-59/10 * * * *", tick.minute() % 10), tick)
}

fn backup(stand: &Stand, store: &Store, clock: &Clock, receiver: &Receiver, schedule: &str) -> Run {
    let run = stand.backup().env("BACKUP_SCHEDULE", schedule).env("BACKUP_MAX_AGE", "1800");
    let run = run.env("WEBHOOK_URL", address("json", receiver)).env("LOG_LEVEL", "debug");
    clock.on(store.on(run))
}

#[test]
fn an_hour_of_sleep_is_made_up_for_once_by_both_services_r097_r091() {
    let test = "life::sleep::an_hour_of_sleep_is_made_up_for_once_by_both_services_r097_r091";
    let Some(clock) = Clock::at(test, Utc::now(), Steady::Moves, 1) else { return };
    let (schedule, last_tick) = every_ten_minutes();
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let store = Store::start(&stand, &clock);
    let mut backup = Running::start(backup(&stand, &store, &clock, &receiver, &schedule));
    backup.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    let verify = Run::new("verify").envs(stand.s3.env()).env("PG_BIN_DIR", stand.postgres.bin_dir());
    let verify = verify.envs([("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0"), ("LOG_LEVEL", "debug")]);
    let verify = verify.env("VERIFY_SCHEDULE", &schedule).env("VERIFY_AFTER_BACKUP", "false");
    let verify = verify.env("VERIFY_MAX_AGE", "1800").env("WEBHOOK_URL", address("json", &receiver));
    let mut verify = Running::start(clock.on(store.on(verify)));
    verify.wait_for(A_LOOK, |status| status["state"] == "waiting" && status["last_report"]["verdict"] == "passed");
    assert_eq!(receiver.received().len(), 0);

    std::thread::sleep(UNTIL_IT_SLEEPS);
    verify.process.signal(Signal::SIGSTOP);
    stop_for_an_hour(&mut backup, &clock);
    wait_for_tick(&backup, last_tick + HOUR);
    verify.process.signal(Signal::SIGCONT);
    wait_for_tick(&verify, last_tick + HOUR);
    assert_well(&mut backup);
    assert_well(&mut verify);
    // Six ticks have passed, and a run that makes up for them is one.
    assert_eq!(store.committed(&stand).len(), 2);
    for daemon in [&backup, &verify] {
        assert_eq!(ticks(daemon), [last_tick + HOUR]);
        let told = told(daemon, "alarm raised");
        assert!(told.iter().all(|code| ["stale", "no_backup", "never_passed"].contains(&code.as_str())), "{told:?}");
    }
    // A state that is over before it has settled is nothing to tell; else its end is told as well.
    let all_told = || {
        let types = types(&receiver);
        types.iter().filter(|told| *told == "alarm.resolved").count() * 2 == types.len()
    };
    assert!(wait_until(SOON, all_told), "{:?}", types(&receiver));
}

#[test]
fn a_run_that_sleeps_for_an_hour_ends_and_is_the_only_one_r097_r092() {
    let test = "life::sleep::a_run_that_sleeps_for_an_hour_ends_and_is_the_only_one_r097_r092";
    let Some(clock) = Clock::at(test, Utc::now(), Steady::Moves, 1) else { return };
    let (schedule, last_tick) = every_ten_minutes();
    let (stand, receiver) = (Stand::with_rows(20_000), Receiver::start());
    let store = Store::start(&stand, &clock);
    let script = Script::pg_dump(HELD);
    let mut daemon = Running::start(script.on(backup(&stand, &store, &clock, &receiver, &schedule)));
    script.wait_for("held");
    stop_for_an_hour(&mut daemon, &clock);
    std::thread::sleep(Duration::from_secs(2));
    script.give("go");
    daemon.wait_for(A_LOOK, |status| status["state"] == "waiting" && status["last_run"]["succeeded"] == true);
    assert_eq!((store.committed(&stand).len(), ticks(&daemon)), (1, vec![]), "{}", daemon.process.stderr_so_far());
    let next = last_tick + HOUR + TimeDelta::minutes(10);
    clock.set(next - TimeDelta::seconds(2));
    wait_for_tick(&daemon, next);
    assert_eq!(store.committed(&stand).len(), 2);
    assert_well(&mut daemon);
}

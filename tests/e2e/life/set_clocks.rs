//! Clocks that are set while the daemon waits. The monotonic clock stays, as it does when a person or NTP sets the other.

use chrono::TimeDelta;

use super::{Store, assert_well, at, ticks, wait_for_tick};
use crate::clock::{Clock, Steady};
use crate::daemon::{Running, SOON};
use crate::stand::Stand;

/// A loop looks at the clock at least once in this time.
const UNTIL_THE_NEXT_LOOK: TimeDelta = TimeDelta::seconds(31);

/// An hourly schedule, and the first tick at 13:00.
fn hourly(test: &str) -> Option<(Clock, Stand, Store, Running)> {
    let clock = Clock::at(test, at("2026-06-10T12:59:50Z"), Steady::Stays, 1)?;
    let stand = Stand::with_rows(10);
    let store = Store::start(&stand, &clock);
    let run = stand.backup().env("BACKUP_SCHEDULE", "@hourly").env("LOG_LEVEL", "debug");
    let daemon = Running::start(clock.on(store.on(run)));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    wait_for_tick(&daemon, at("2026-06-10T13:00:00Z"));
    Some((clock, stand, store, daemon))
}

#[test]
fn an_hour_back_repeats_no_run_and_the_next_tick_is_not_lost_r097() {
    let test = "life::set_clocks::an_hour_back_repeats_no_run_and_the_next_tick_is_not_lost_r097";
    let Some((clock, stand, store, mut daemon)) = hourly(test) else { return };
    clock.step(-TimeDelta::hours(1));
    clock.wait_until(clock.now() + UNTIL_THE_NEXT_LOOK);
    clock.set(at("2026-06-10T12:59:55Z"));
    clock.wait_until(at("2026-06-10T12:59:55Z") + UNTIL_THE_NEXT_LOOK);
    assert_eq!(ticks(&daemon), [at("2026-06-10T13:00:00Z")], "13:00 came again");
    clock.set(at("2026-06-10T13:59:55Z"));
    wait_for_tick(&daemon, at("2026-06-10T14:00:00Z"));
    assert_eq!(store.committed(&stand).len(), 3);
    assert_well(&mut daemon);
}

#[test]
fn a_day_forward_is_one_run_and_a_day_back_does_not_silence_the_schedule_r097() {
    let test = "life::set_clocks::a_day_forward_is_one_run_and_a_day_back_does_not_silence_the_schedule_r097";
    let Some((clock, stand, store, mut daemon)) = hourly(test) else { return };
    clock.step(TimeDelta::days(1));
    wait_for_tick(&daemon, at("2026-06-11T13:00:00Z"));
    clock.step(-TimeDelta::days(1));
    clock.wait_until(clock.now() + UNTIL_THE_NEXT_LOOK);
    clock.set(at("2026-06-10T13:59:55Z"));
    wait_for_tick(&daemon, at("2026-06-10T14:00:00Z"));
    let expected = ["2026-06-10T13:00:00Z", "2026-06-11T13:00:00Z", "2026-06-10T14:00:00Z"];
    assert_eq!(ticks(&daemon), expected.map(at));
    assert_eq!(store.committed(&stand).len(), 4, "{:?}\n{}", store.committed(&stand), daemon.process.stderr_so_far());
    assert_well(&mut daemon);
}

//! One process through both changes of daylight saving time, on both sides of the equator.
//!
//! The clock runs twenty times as fast, and is set forward to a minute before each time that matters. In a night of a
//! change, that is each time at which a run must begin, and each at which a wrong one would.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Store, assert_well, at, ticks, wait_for_tick};
use crate::clock::{Clock, Steady};
use crate::daemon::{Running, SOON};
use crate::stand::Stand;

/// A time at which the clock is looked at.
#[derive(Clone, Copy)]
enum Time {
    /// Runs begin at it.
    Run(&'static str),
    /// Nothing happens at it.
    Nothing(&'static str),
    /// The clock is set to the first, months later: what was missed is made up for by one run, for the second, the last
    /// tick before.
    Later(&'static str, &'static str),
}

use Time::{Later, Nothing, Run};

/// Lives through `times` with this schedule, in UTC.
#[track_caller]
fn check(test: &str, zone: &str, schedule: &str, start: &str, times: &[Time]) {
    let Some(clock) = Clock::at(test, at(start), Steady::Moves, 20) else { return };
    let stand = Stand::with_rows(10);
    let store = Store::start(&stand, &clock);
    let run = stand.backup().env("BACKUP_SCHEDULE", schedule).env("TZ", zone).env("LOG_LEVEL", "debug");
    let run = run.env("BACKUP_RETENTION_DAYS", "1000");
    let mut daemon = Running::start(clock.on(store.on(run)));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    daemon.wait_until_waiting();
    let mut expected: Vec<DateTime<Utc>> = Vec::new();
    for time in times {
        match time {
            Run(time) => {
                clock.set(at(time) - TimeDelta::minutes(1));
                expected.push(at(time));
                wait_for_tick(&daemon, at(time));
            }
            Nothing(time) => {
                clock.set(at(time) - TimeDelta::minutes(1));
                clock.wait_until(at(time) + TimeDelta::minutes(1));
            }
            Later(time, missed) => {
                clock.set(at(time));
                expected.push(at(missed));
                wait_for_tick(&daemon, at(missed));
            }
        }
        assert_eq!(ticks(&daemon), expected, "in {zone}");
    }
    // The first one is that of the start, and each of the others belongs to a tick.
    assert_eq!(store.committed(&stand).len(), expected.len() + 1, "{:?}", store.committed(&stand));
    assert_well(&mut daemon);
}

#[test]
fn a_night_in_berlin_has_one_run_whether_half_past_two_comes_never_or_twice_r095() {
    check(
        "life::daylight::a_night_in_berlin_has_one_run_whether_half_past_two_comes_never_or_twice_r095",
        "Europe/Berlin",
        "30 2 * * *",
        "2026-03-28T12:00:00Z",
        &[
            Run("2026-03-29T01:00:00Z"), // 02:30 is left out: 03:00, when the gap ends.
            Nothing("2026-03-29T01:30:00Z"),
            Run("2026-03-30T00:30:00Z"),
            Later("2026-10-24T12:00:00Z", "2026-10-24T00:30:00Z"),
            Run("2026-10-25T00:30:00Z"), // 02:30 comes twice: the first time.
            Nothing("2026-10-25T01:30:00Z"),
            Run("2026-10-26T01:30:00Z"),
        ],
    );
}

/// The clock changes at midnight there, so a day begins at one, and another one ends twice.
#[test]
fn a_night_in_santiago_has_one_run_at_each_of_its_times_r095() {
    check(
        "life::daylight::a_night_in_santiago_has_one_run_at_each_of_its_times_r095",
        "America/Santiago",
        "30 0,23 * * *",
        "2026-04-04T12:00:00Z",
        &[
            Run("2026-04-05T02:30:00Z"), // 23:30 comes twice: the first time.
            Nothing("2026-04-05T03:30:00Z"),
            Run("2026-04-05T04:30:00Z"),
            Later("2026-09-05T12:00:00Z", "2026-09-05T04:30:00Z"),
            Run("2026-09-06T03:30:00Z"),
            Run("2026-09-06T04:00:00Z"), // 00:30 is left out: 01:00, when the gap ends.
            Nothing("2026-09-06T04:30:00Z"),
            Run("2026-09-07T02:30:00Z"),
        ],
    );
}

/// The clock changes by half an hour there.
#[test]
fn a_night_on_lord_howe_island_has_one_run_at_each_of_its_times_r095() {
    check(
        "life::daylight::a_night_on_lord_howe_island_has_one_run_at_each_of_its_times_r095",
        "Australia/Lord_Howe",
        "15,45 1,2 * * *",
        "2026-04-04T12:00:00Z",
        &[
            Run("2026-04-04T14:15:00Z"),
            Run("2026-04-04T14:45:00Z"), // 01:45 comes twice: the first time.
            Nothing("2026-04-04T15:15:00Z"),
            Run("2026-04-04T15:45:00Z"),
            Run("2026-04-04T16:15:00Z"),
            Later("2026-10-03T12:00:00Z", "2026-10-02T16:15:00Z"),
            Run("2026-10-03T14:45:00Z"),
            Run("2026-10-03T15:15:00Z"),
            Run("2026-10-03T15:30:00Z"), // 02:15 is left out: 02:30, when the gap ends.
            Run("2026-10-03T15:45:00Z"),
        ],
    );
}
